/** A change that somebody proposes (an assistant, a version), taken apart into what can be accepted by itself. Pure. */
import type { WorkflowEditJson } from "~/api/contract";
import { type Edit, many } from "./edits";
import { type Connection, connectionsOf, type Doc, keyOf, MAIN, type Node, nodesOf } from "./graph";

/** One thing to accept or reject. */
export interface Proposal {
  key: string;
  kind: "add" | "remove" | "change";
  what: "node" | "connection" | "workflow";
  /** The node's id, the connection's drawing, or the field's name. */
  subject: string;
  title: string;
  changes: { path: string; before: unknown; after: unknown }[];
  edit: Edit;
  /** Keys of proposals that this one makes no sense without. */
  needs: string[];
}

const HEAD = ["name", "description", "tags", "settings", "vars"] as const;

/** What leads from one definition to another. A node is one proposal, however many of its fields change. */
export function proposals(before: Doc, after: Doc): Proposal[] {
  const made: Proposal[] = [];
  const old = new Map(nodesOf(before).map((node) => [node.id, node]));
  const next = new Map(nodesOf(after).map((node) => [node.id, node]));
  for (const field of HEAD)
    if (!same(before[field], after[field]) && !(isBlank(before[field]) && isBlank(after[field])))
      made.push({
        key: `head:${field}`,
        kind: isBlank(before[field]) ? "add" : isBlank(after[field]) ? "remove" : "change",
        what: "workflow",
        subject: field,
        title: field,
        changes: differences(field, before[field], after[field]),
        edit: { kind: "head", fields: { [field]: after[field] } },
        needs: [],
      });
  for (const given of nodesOf(after)) {
    const node = { ...given };
    const was = old.get(node.id);
    if (!was)
      made.push({
        key: `node:${node.id}`,
        kind: "add",
        what: "node",
        subject: node.id,
        title: node.name || node.id,
        changes: differences("parameters", undefined, node.parameters),
        edit: { kind: "add", nodes: [node], connections: [] },
        needs: [],
      });
    else {
      // The server writes the version of its type into a node that names none: that is no change of ours.
      if (was.typeVersion === undefined) delete node.typeVersion;
      const changes = differences("", bare(was), bare(node));
      if (changes.length > 0)
        made.push({
          key: `node:${node.id}`,
          kind: "change",
          what: "node",
          subject: node.id,
          title: node.name || node.id,
          changes,
          edit: { kind: "change", node: node.id, fields: fieldsBetween(was, node) },
          needs: [],
        });
    }
  }
  for (const node of nodesOf(before))
    if (!next.has(node.id))
      made.push({
        key: `node:${node.id}`,
        kind: "remove",
        what: "node",
        subject: node.id,
        title: node.name || node.id,
        changes: [],
        edit: { kind: "remove", nodes: [node.id], connections: [] },
        needs: [],
      });
  const were = new Map(connectionsOf(before).map((link) => [keyOf(link), link]));
  const are = new Map(connectionsOf(after).map((link) => [keyOf(link), link]));
  const added = new Set(
    made.filter((each) => each.what === "node" && each.kind === "add").map((each) => each.subject),
  );
  for (const [key, link] of are) {
    if (were.has(key)) continue;
    made.push({
      key: `connection:${key}`,
      kind: "add",
      what: "connection",
      subject: key,
      title: drawn(link, next),
      changes: [],
      edit: { kind: "add", nodes: [], connections: [link] },
      needs: [link.fromNode, link.toNode].filter((id) => added.has(id)).map((id) => `node:${id}`),
    });
  }
  for (const [key, link] of were) {
    if (are.has(key) || !next.has(link.fromNode) || !next.has(link.toNode)) continue;
    made.push({
      key: `connection:${key}`,
      kind: "remove",
      what: "connection",
      subject: key,
      title: drawn(link, old),
      changes: [],
      edit: { kind: "remove", nodes: [], connections: [key] },
      needs: [],
    });
  }
  return made;
}

/** The accepted ones as one edit. What needs a rejected proposal is left out too. */
export function accepted(all: Proposal[], keys: ReadonlySet<string>): Edit {
  const rank = { workflow: 0, node: 1, connection: 2 };
  const chosen = all.filter((each) => keys.has(each.key) && each.needs.every((need) => keys.has(need)));
  chosen.sort((a, b) => rank[a.what] - rank[b.what]);
  return many(chosen.map((each) => each.edit));
}

function drawn(link: Connection, nodes: Map<string, Node>): string {
  const end = (id: string, port: string | undefined) => {
    const name = nodes.get(id)?.name || id;
    return !port || port === MAIN ? name : `${name} · ${port}`;
  };
  return `${end(link.fromNode, link.fromPort)} → ${end(link.toNode, link.toPort)}`;
}

/** Without what people do not review: where it stands. */
function bare(node: Node): object {
  const { position: _, ...rest } = node;
  return rest;
}

function fieldsBetween(was: Node, is: Node): { [K in keyof Node]?: Node[K] | undefined } {
  const fields: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(was), ...Object.keys(is)]) as Set<keyof Node>)
    if (name !== "position" && !same(was[name], is[name])) fields[name] = is[name];
  return fields;
}

export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys)
    if (!same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false;
  return true;
}

function isBlank(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** Leaf by leaf. */
export function differences(
  path: string,
  a: unknown,
  b: unknown,
): { path: string; before: unknown; after: unknown }[] {
  if (same(a, b)) return [];
  const plain = (value: unknown) => value !== null && typeof value === "object" && !Array.isArray(value);
  if ((plain(a) && (plain(b) || b === undefined)) || (a === undefined && plain(b))) {
    const left = (a ?? {}) as Record<string, unknown>;
    const right = (b ?? {}) as Record<string, unknown>;
    return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((key) =>
      differences(path ? `${path}.${key}` : key, left[key], right[key]),
    );
  }
  return [{ path, before: a, after: b }];
}

/** What DiffWorkflow says of two versions, gathered by node. */
export function gathered(
  edits: WorkflowEditJson[],
  ids: string[],
): { subject: string; edits: WorkflowEditJson[] }[] {
  const groups = new Map<string, WorkflowEditJson[]>();
  for (const edit of edits) {
    const path = edit.path ?? "";
    let subject = path.split(".")[0] ?? "";
    if (path.startsWith("nodes.")) {
      const rest = path.slice("nodes.".length);
      subject =
        ids.filter((id) => rest === id || rest.startsWith(`${id}.`)).sort((a, b) => b.length - a.length)[0] ??
        rest.split(".")[0] ??
        rest;
    }
    const list = groups.get(subject);
    if (list) list.push(edit);
    else groups.set(subject, [edit]);
  }
  return [...groups].map(([subject, list]) => ({ subject, edits: list }));
}
