/** A workflow's drawing, as the contract's JSON; and questions about it. Pure. */
import type {
  ConnectionJson,
  NodeJson,
  NodePortsJson,
  NodeTypeJson,
  PortJson,
  WorkflowJson,
} from "~/api/contract";

export type Doc = WorkflowJson;
export type Node = NodeJson & { id: string; type: string };
export type Connection = ConnectionJson & { fromNode: string; toNode: string };

export const MAIN = "main";

export function nodesOf(doc: Doc): Node[] {
  return (doc.nodes ?? []) as Node[];
}

export function connectionsOf(doc: Doc): Connection[] {
  return (doc.connections ?? []) as Connection[];
}

export function nodeOf(doc: Doc, id: string): Node | undefined {
  return nodesOf(doc).find((node) => node.id === id);
}

export function nameOf(node: NodeJson): string {
  return node.name || node.id || "";
}

/** One text for each path: two connections are the same when it is the same. */
export function keyOf(link: ConnectionJson): string {
  return `${link.fromNode}.${link.fromPort || MAIN}->${link.toNode}.${link.toPort || MAIN}`;
}

export interface Ports {
  inputs: PortJson[];
  outputs: PortJson[];
}

const NO_PORTS: Ports = { inputs: [], outputs: [] };
const ERROR_PORT: PortJson = { name: "error", kind: "PORT_KIND_DATA", description: "Items that failed." };

/** The ports of a node: as the server said for its parameters, or else as its type has them. */
export function portsOf(node: Node, told: NodePortsJson | undefined, type: NodeTypeJson | undefined): Ports {
  const base: Ports = told
    ? { inputs: told.inputs ?? [], outputs: told.outputs ?? [] }
    : type
      ? { inputs: type.inputs ?? [], outputs: type.outputs ?? [] }
      : NO_PORTS;
  if (node.onError === "ON_ERROR_ERROR_PORT" && !base.outputs.some((port) => port.name === "error"))
    return { inputs: base.inputs, outputs: [...base.outputs, ERROR_PORT] };
  return base;
}

export function isResource(port: PortJson): boolean {
  return port.kind === "PORT_KIND_RESOURCE";
}

/** Why a connection may not be drawn; undefined when it may. */
export function refusal(
  doc: Doc,
  link: Connection,
  ports: (node: Node) => Ports,
): { code: "self" | "twice" | "kind" | "missing" | "cycle" } | undefined {
  const from = nodeOf(doc, link.fromNode);
  const to = nodeOf(doc, link.toNode);
  if (!from || !to) return { code: "missing" };
  const output = ports(from).outputs.find((port) => port.name === (link.fromPort || MAIN));
  const input = ports(to).inputs.find((port) => port.name === (link.toPort || MAIN));
  if (!output || !input) return { code: "missing" };
  if (isResource(output) !== isResource(input)) return { code: "kind" };
  if (isResource(output) && output.resource !== input.resource) return { code: "kind" };
  if (from.id === to.id && !isScope(ports(from))) return { code: "self" };
  const key = keyOf(link);
  if (connectionsOf(doc).some((each) => keyOf(each) === key)) return { code: "twice" };
  if (!isResource(output) && link.toPort !== "return" && reaches(doc, link.toNode, link.fromNode))
    return { code: "cycle" };
  return undefined;
}

/** Loops and maps own a body: what it returns comes back to them. */
export function isScope(ports: Ports): boolean {
  return ports.inputs.some((port) => port.name === "return");
}

/** Whether items could travel from one node to the other, other than by a loop's way back. */
export function reaches(doc: Doc, from: string, to: string): boolean {
  const next = new Map<string, string[]>();
  for (const link of connectionsOf(doc)) {
    if (link.toPort === "return") continue;
    const list = next.get(link.fromNode);
    if (list) list.push(link.toNode);
    else next.set(link.fromNode, [link.toNode]);
  }
  const seen = new Set([from]);
  const queue = [from];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    if (at === to) return true;
    for (const each of next.get(at) ?? [])
      if (!seen.has(each)) {
        seen.add(each);
        queue.push(each);
      }
  }
  return false;
}

/** All nodes whose items may have come to this one, nearest first. */
export function upstream(doc: Doc, id: string): Node[] {
  const sources = new Map<string, string[]>();
  for (const link of connectionsOf(doc)) {
    const list = sources.get(link.toNode);
    if (list) list.push(link.fromNode);
    else sources.set(link.toNode, [link.fromNode]);
  }
  const order: string[] = [];
  const seen = new Set([id]);
  let wave = [id];
  while (wave.length > 0) {
    const next: string[] = [];
    for (const at of wave)
      for (const source of sources.get(at) ?? [])
        if (!seen.has(source)) {
          seen.add(source);
          order.push(source);
          next.push(source);
        }
    wave = next;
  }
  return order.flatMap((each) => nodeOf(doc, each) ?? []);
}

/** An id and a name that the workflow does not have yet, from what a node is called. */
export function fresh(wanted: string, taken: Iterable<string>): string {
  const used = new Set(taken);
  const base = wanted.replace(/_\d+$/, "").replace(/ \d+$/, "");
  if (!used.has(base)) return base;
  const gap = base.includes(" ") || /[A-Z\u4e00-\u9fff]/.test(base) ? " " : "_";
  for (let count = 2; ; count++) if (!used.has(`${base}${gap}${count}`)) return `${base}${gap}${count}`;
}

/** Fields that the contract's JSON spells out although they say nothing: false, 0, "", [], {} and UNSPECIFIED. */
function empty(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === "") return true;
  if (typeof value === "string") return value.endsWith("_UNSPECIFIED");
  return typeof value === "object" && Object.keys(value).length === 0;
}

function told<T extends object>(whole: T, keep: readonly string[] = []): T {
  return Object.fromEntries(
    Object.entries(whole).filter(([name, value]) => keep.includes(name) || !empty(value)),
  ) as T;
}

/** A workflow as we keep it: without fields that say nothing, so that what is the same looks the same. */
export function tidied(doc: Doc): Doc {
  const made = told(doc, ["name", "etag"]);
  made.nodes = nodesOf(doc).map((node) => told(node));
  made.connections = connectionsOf(doc).map((link) => told(link));
  if (doc.settings) {
    const settings = told(doc.settings);
    if (Object.keys(settings).length > 0) made.settings = settings;
    else delete made.settings;
  }
  return made;
}

/** What the engine says of nodes by their ids, with the names that people gave them. */
export function named(text: string, doc: Doc): string {
  return nodesOf(doc).reduce((said, node) => {
    if (!node.name || node.name === node.id || !said.includes(node.id)) return said;
    const id = node.id.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return said
      .replaceAll(`'${node.id}'`, `'${node.name}'`)
      .replace(new RegExp(`^${id}(?= needs | \\()`), node.name)
      .replace(new RegExp(`(?<=^|\\s)${id}(?=\\.\\w)`, "g"), node.name);
  }, text);
}
