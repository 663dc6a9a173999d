/** Edits are values: what a person does to a workflow can be printed, undone, sent and tested. Pure. */
import type { PositionJson, WorkflowJson } from "~/api/contract";
import { type Connection, connectionsOf, type Doc, keyOf, type Node, nameOf, nodeOf, nodesOf } from "./graph";

/** Fields of the workflow itself that an edit may replace. */
export type Head = Pick<WorkflowJson, "name" | "description" | "userId" | "tags" | "settings" | "vars">;

export type Edit =
  | { kind: "add"; nodes: Node[]; connections: Connection[] }
  | { kind: "remove"; nodes: string[]; connections: string[] }
  /** Replaces fields of a node; undefined takes one away. */
  | { kind: "change"; node: string; fields: { [K in keyof Node]?: Node[K] | undefined } }
  | { kind: "move"; positions: Record<string, PositionJson> }
  | { kind: "head"; fields: { [K in keyof Head]?: Head[K] | undefined } }
  | { kind: "order"; nodes: string[]; connections: string[] }
  | { kind: "many"; edits: Edit[] };

export function many(edits: Edit[]): Edit {
  const only = edits[0];
  return edits.length === 1 && only ? only : { kind: "many", edits };
}

export function isEmpty(edit: Edit): boolean {
  switch (edit.kind) {
    case "add":
    case "remove":
      return edit.nodes.length === 0 && edit.connections.length === 0;
    case "change":
    case "head":
      return Object.keys(edit.fields).length === 0;
    case "move":
      return Object.keys(edit.positions).length === 0;
    case "order":
      return false;
    case "many":
      return edit.edits.every(isEmpty);
  }
}

/** The workflow after an edit. What an edit names and the workflow does not have is passed over. */
export function apply(doc: Doc, edit: Edit): Doc {
  switch (edit.kind) {
    case "add":
      return {
        ...doc,
        nodes: [...nodesOf(doc), ...edit.nodes],
        connections: [...connectionsOf(doc), ...edit.connections],
      };
    case "remove": {
      const gone = new Set(edit.nodes);
      const cut = new Set(edit.connections);
      return {
        ...doc,
        nodes: nodesOf(doc).filter((node) => !gone.has(node.id)),
        connections: connectionsOf(doc).filter(
          (link) => !gone.has(link.fromNode) && !gone.has(link.toNode) && !cut.has(keyOf(link)),
        ),
      };
    }
    case "change":
      return {
        ...doc,
        nodes: nodesOf(doc).map((node) => (node.id === edit.node ? patched(node, edit.fields) : node)),
      };
    case "move":
      return {
        ...doc,
        nodes: nodesOf(doc).map((node) => {
          const position = edit.positions[node.id];
          return position ? { ...node, position } : node;
        }),
      };
    case "head":
      return patched(doc, edit.fields);
    case "order":
      return {
        ...doc,
        nodes: sorted(nodesOf(doc), edit.nodes, (node) => node.id),
        connections: sorted(connectionsOf(doc), edit.connections, keyOf),
      };
    case "many":
      return edit.edits.reduce(apply, doc);
  }
}

function patched<T extends object>(whole: T, fields: object): T {
  const made = { ...whole, ...fields } as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) if (value === undefined) delete made[name];
  return made as T;
}

function sorted<T>(all: T[], order: string[], key: (each: T) => string): T[] {
  const place = new Map(order.map((each, index) => [each, index]));
  return [...all].sort((a, b) => (place.get(key(a)) ?? all.length) - (place.get(key(b)) ?? all.length));
}

/** The edit that leads back: apply(apply(doc, edit), inverse(doc, edit)) is doc again. */
export function inverse(doc: Doc, edit: Edit): Edit {
  switch (edit.kind) {
    case "add":
      return {
        kind: "remove",
        nodes: edit.nodes.map((node) => node.id),
        connections: edit.connections.map(keyOf),
      };
    case "remove": {
      const gone = new Set(edit.nodes);
      const cut = new Set(edit.connections);
      return many([
        {
          kind: "add",
          nodes: nodesOf(doc).filter((node) => gone.has(node.id)),
          connections: connectionsOf(doc).filter(
            (link) => gone.has(link.fromNode) || gone.has(link.toNode) || cut.has(keyOf(link)),
          ),
        },
        {
          kind: "order",
          nodes: nodesOf(doc).map((node) => node.id),
          connections: connectionsOf(doc).map(keyOf),
        },
      ]);
    }
    case "change": {
      const node = nodeOf(doc, edit.node);
      return node
        ? { kind: "change", node: edit.node, fields: before(node, edit.fields) }
        : { kind: "many", edits: [] };
    }
    case "move": {
      const positions: Record<string, PositionJson> = {};
      for (const id of Object.keys(edit.positions)) {
        const node = nodeOf(doc, id);
        if (node) positions[id] = node.position ?? { x: 0, y: 0 };
      }
      return { kind: "move", positions };
    }
    case "head":
      return { kind: "head", fields: before(doc, edit.fields) };
    case "order":
      return {
        kind: "order",
        nodes: nodesOf(doc).map((node) => node.id),
        connections: connectionsOf(doc).map(keyOf),
      };
    case "many": {
      const back: Edit[] = [];
      let at = doc;
      for (const each of edit.edits) {
        back.unshift(inverse(at, each));
        at = apply(at, each);
      }
      return many(back);
    }
  }
}

function before<T extends object>(whole: T, fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, whole[name as keyof T]]));
}

/** Gives a node another name, and every expression that reads the node by its old one. */
export function rename(doc: Doc, id: string, name: string): Edit {
  const node = nodeOf(doc, id);
  if (!node || nameOf(node) === name) return { kind: "many", edits: [] };
  const edits: Edit[] = [{ kind: "change", node: id, fields: { name } }];
  const old = nameOf(node);
  for (const other of nodesOf(doc)) {
    const parameters = renamed(other.parameters, old, name);
    if (parameters !== other.parameters)
      edits.push({
        kind: "change",
        node: other.id,
        fields: { parameters: parameters as Node["parameters"] },
      });
  }
  return many(edits);
}

function renamed(value: unknown, old: string, name: string): unknown {
  if (typeof value === "string") {
    if (!value.includes("{{") || !value.includes(old)) return value;
    const quoted = old.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return value
      .replace(
        new RegExp(`(\\$?node\\[\\s*)(["'])${quoted}\\2(\\s*\\])`, "g"),
        (_, open, quote, close) => `${open}${quote}${name}${quote}${close}`,
      )
      .replace(
        new RegExp(`(\\$\\(\\s*)(["'])${quoted}\\2(\\s*\\))`, "g"),
        (_, open, quote, close) => `${open}${quote}${name}${quote}${close}`,
      );
  }
  if (Array.isArray(value)) {
    const made = value.map((each) => renamed(each, old, name));
    return made.some((each, index) => each !== value[index]) ? made : value;
  }
  if (value && typeof value === "object") {
    const entries = Object.entries(value);
    const made = entries.map(([key, each]) => [key, renamed(each, old, name)] as const);
    return made.some(([, each], index) => each !== entries[index]?.[1]) ? Object.fromEntries(made) : value;
  }
  return value;
}
