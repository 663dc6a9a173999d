/** Copying parts of a workflow as text, so that they travel between workflows, windows and chats. Pure. */
import type { Edit } from "./edits";
import { type Connection, connectionsOf, type Doc, fresh, type Node, nameOf, nodesOf } from "./graph";

const KIND = "workflow-engine/nodes";

interface Clip {
  kind: typeof KIND;
  nodes: Node[];
  connections: Connection[];
}

/** The nodes and what connects them, as JSON. Credentials stay behind: their ids mean nothing elsewhere. */
export function copy(doc: Doc, ids: Iterable<string>): string {
  const chosen = new Set(ids);
  const clip: Clip = {
    kind: KIND,
    nodes: nodesOf(doc).filter((node) => chosen.has(node.id)),
    connections: connectionsOf(doc).filter((link) => chosen.has(link.fromNode) && chosen.has(link.toNode)),
  };
  return JSON.stringify(clip, null, 2);
}

/** The edit that pastes copied text; undefined when the text is no such thing. */
export function paste(
  doc: Doc,
  text: string,
  at?: { x: number; y: number },
): { edit: Edit; ids: string[] } | undefined {
  const clip = parsed(text);
  if (!clip || clip.nodes.length === 0) return undefined;
  const left = Math.min(...clip.nodes.map((node) => Number(node.position?.x ?? 0)));
  const top = Math.min(...clip.nodes.map((node) => Number(node.position?.y ?? 0)));
  const dx = at ? at.x - left : 40;
  const dy = at ? at.y - top : 40;
  const ids = nodesOf(doc).map((node) => node.id);
  const names = nodesOf(doc).map(nameOf);
  const given = new Map<string, string>();
  const nodes = clip.nodes.map((node) => {
    const id = fresh(node.id, ids);
    ids.push(id);
    given.set(node.id, id);
    const name = fresh(nameOf(node), names);
    names.push(name);
    return {
      ...node,
      id,
      name,
      position: { x: Number(node.position?.x ?? 0) + dx, y: Number(node.position?.y ?? 0) + dy },
    };
  });
  const connections = clip.connections.flatMap((link) => {
    const fromNode = given.get(link.fromNode);
    const toNode = given.get(link.toNode);
    return fromNode && toNode ? [{ ...link, fromNode, toNode }] : [];
  });
  return { edit: { kind: "add", nodes, connections }, ids: nodes.map((node) => node.id) };
}

function parsed(text: string): Clip | undefined {
  try {
    const value = JSON.parse(text) as Partial<Clip> | null;
    if (!value || !Array.isArray(value.nodes)) return undefined;
    const nodes = value.nodes.filter(
      (node) => typeof node?.id === "string" && typeof node?.type === "string",
    );
    return { kind: KIND, nodes, connections: Array.isArray(value.connections) ? value.connections : [] };
  } catch {
    return undefined;
  }
}
