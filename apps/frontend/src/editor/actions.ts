/** What a person can do to the drawing, each as one edit. */

import type { NodeTypeJson } from "~/api/contract";
import { type Edit, many } from "~/model/edits";
import {
  type Connection,
  connectionsOf,
  type Doc,
  fresh,
  isResource,
  keyOf,
  MAIN,
  type Node,
  nameOf,
  nodeOf,
  nodesOf,
  type Ports,
} from "~/model/graph";
import { beside } from "~/model/layout";
import { WIDTH } from "./geometry";
import type { Editor } from "./store";

/** Where a new node goes. */
export interface Place {
  /** After this node, connected from this port. */
  after?: { node: string; port?: string };
  /** Before this node, connected to this port. */
  before?: { node: string; port?: string };
  /** Into this connection. */
  into?: string;
  at?: { x: number; y: number };
}

export function addNode(editor: Editor, type: NodeTypeJson, place: Place): { edit: Edit; id: string } {
  const doc = editor.history.doc;
  const kind = (type.type ?? "").split(".").slice(1).join("_") || "node";
  const id = fresh(
    kind,
    nodesOf(doc).map((node) => node.id),
  );
  const name = fresh(type.name ?? kind, nodesOf(doc).map(nameOf));
  const into = place.into ? connectionsOf(doc).find((link) => keyOf(link) === place.into) : undefined;
  const after = into ? nodeOf(doc, into.fromNode) : place.after ? nodeOf(doc, place.after.node) : undefined;
  const parameters = type.starter;
  const node: Node = {
    id,
    name,
    type: type.type ?? "",
    position: place.at ?? beside(doc, after, WIDTH),
    ...(parameters && Object.keys(parameters).length > 0 ? { parameters } : {}),
  };
  const ports = { inputs: type.inputs ?? [], outputs: type.outputs ?? [] };
  const edits: Edit[] = [];
  const connections: Connection[] = [];
  const firstIn = ports.inputs.find((port) => !isResource(port));
  const firstOut = ports.outputs.find((port) => !isResource(port) && port.name !== "error");
  if (into && firstIn && firstOut) {
    edits.push({ kind: "remove", nodes: [], connections: [keyOf(into)] });
    connections.push(
      { fromNode: into.fromNode, fromPort: into.fromPort || MAIN, toNode: id, toPort: firstIn.name ?? MAIN },
      { fromNode: id, fromPort: firstOut.name ?? MAIN, toNode: into.toNode, toPort: into.toPort || MAIN },
    );
    edits.push(...shifted(doc, into.toNode, node));
  } else if (after && firstIn && place.after) {
    const port = place.after.port ?? freePort(doc, after, editor.portsOf(after));
    if (port)
      connections.push({ fromNode: after.id, fromPort: port, toNode: id, toPort: firstIn.name ?? MAIN });
  } else if (place.before) {
    const target = nodeOf(doc, place.before.node);
    const wanted = target && editor.portsOf(target).inputs.find((port) => port.name === place.before?.port);
    const output =
      wanted && isResource(wanted)
        ? ports.outputs.find((port) => isResource(port) && port.resource === wanted.resource)
        : firstOut;
    if (target && output)
      connections.push({
        fromNode: id,
        fromPort: output.name ?? MAIN,
        toNode: target.id,
        toPort: place.before.port ?? MAIN,
      });
  }
  edits.unshift({ kind: "add", nodes: [node], connections });
  return { edit: many(edits), id };
}

/** Makes room for a node that was put into a connection. */
function shifted(doc: Doc, from: string, node: Node): Edit[] {
  const target = nodeOf(doc, from);
  const edge = Number(node.position?.x ?? 0);
  if (!target || Number(target.position?.x ?? 0) > edge + WIDTH + 40) return [];
  const positions = Object.fromEntries(
    nodesOf(doc)
      .filter((each) => Number(each.position?.x ?? 0) >= edge - 20 && each.id !== node.id)
      .map((each) => [
        each.id,
        { x: Number(each.position?.x ?? 0) + WIDTH + 96, y: Number(each.position?.y ?? 0) },
      ]),
  );
  return [{ kind: "move", positions }];
}

/** The first output that nothing hangs on yet, or else the first. */
function freePort(doc: Doc, node: Node, ports: Ports): string | undefined {
  const outputs = ports.outputs.filter((port) => !isResource(port));
  const used = new Set(
    connectionsOf(doc)
      .filter((link) => link.fromNode === node.id)
      .map((link) => link.fromPort || MAIN),
  );
  const free = outputs.find((port) => !used.has(port.name ?? MAIN) && port.name !== "error");
  return (free ?? outputs[0])?.name;
}

/** Takes nodes out; where a node stood between two others, they are connected. */
export function removeNodes(doc: Doc, ids: string[], links: string[] = []): Edit {
  const edits: Edit[] = [{ kind: "remove", nodes: ids, connections: links }];
  const only = ids[0];
  if (ids.length === 1 && only) {
    const into = connectionsOf(doc).filter((link) => link.toNode === only);
    const out = connectionsOf(doc).filter((link) => link.fromNode === only);
    const [before, behind] = [into[0], out[0]];
    if (
      into.length === 1 &&
      out.length === 1 &&
      before &&
      behind &&
      before.fromNode !== only &&
      behind.toNode !== only
    ) {
      const bridge = { ...before, toNode: behind.toNode, toPort: behind.toPort || MAIN };
      if (!connectionsOf(doc).some((link) => keyOf(link) === keyOf(bridge)))
        edits.push({ kind: "add", nodes: [], connections: [bridge] });
    }
  }
  return many(edits);
}
