/** What an execution's runs say about nodes. Pure. */
import type { ExecutionJson, ItemJson, NodeRunJson, NodeRunStatusJson } from "~/api/contract";
import { type Doc, MAIN, nameOf, nodeOf, upstream } from "./graph";

export type RunLook = "ready" | "running" | "waiting" | "succeeded" | "failed" | "skipped" | "canceled";

const LOOKS: Partial<Record<NodeRunStatusJson, RunLook>> = {
  NODE_RUN_STATUS_READY: "ready",
  NODE_RUN_STATUS_RUNNING: "running",
  NODE_RUN_STATUS_WAITING: "waiting",
  NODE_RUN_STATUS_SUCCEEDED: "succeeded",
  NODE_RUN_STATUS_FAILED: "failed",
  NODE_RUN_STATUS_SKIPPED: "skipped",
  NODE_RUN_STATUS_CANCELED: "canceled",
};

export function lookOf(run: NodeRunJson): RunLook {
  return (run.status && LOOKS[run.status]) || "ready";
}

/** All that the canvas shows of a node's runs. */
export interface NodeState {
  look: RunLook;
  runs: number;
  /** Items delivered, by output port, over all runs. */
  counts: Record<string, number>;
  milliseconds: number | undefined;
  message: string;
}

const ORDER: RunLook[] = ["failed", "running", "waiting", "ready", "canceled", "succeeded", "skipped"];

/** `live`: the execution is running, so what is ready is at work; the journal says so only once there is an outcome. */
export function statesByNode(runs: Iterable<NodeRunJson>, live = false): Record<string, NodeState> {
  const made: Record<string, NodeState> = {};
  for (const run of runs) {
    const id = run.nodeId ?? "";
    const said = lookOf(run);
    const look = live && said === "ready" ? "running" : said;
    const counts = Object.fromEntries(
      Object.entries(run.outputs ?? {}).map(([port, list]) => [port, list.items?.length ?? 0]),
    );
    const took = duration(run.startedAt, run.endedAt);
    const state = made[id];
    if (!state) {
      made[id] = { look, runs: 1, counts, milliseconds: took, message: run.failure?.message ?? "" };
      continue;
    }
    state.runs += 1;
    for (const [port, count] of Object.entries(counts))
      state.counts[port] = (state.counts[port] ?? 0) + count;
    if (ORDER.indexOf(look) < ORDER.indexOf(state.look)) state.look = look;
    if (took !== undefined) state.milliseconds = (state.milliseconds ?? 0) + took;
    state.message ||= run.failure?.message ?? "";
  }
  return made;
}

export function sameState(a: NodeState | undefined, b: NodeState | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

export function duration(from: string | undefined, to: string | undefined): number | undefined {
  return from && to ? Math.max(0, Date.parse(to) - Date.parse(from)) : undefined;
}

/** `1.2 s`, `340 ms`, `2 min 5 s`. */
export function spoken(milliseconds: number | undefined): string {
  if (milliseconds === undefined || Number.isNaN(milliseconds)) return "";
  if (milliseconds < 1) return "<1 ms";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} d`;
}

export function hasEnded(execution: ExecutionJson | undefined): boolean {
  const status = execution?.status;
  return status === "SUCCESS" || status === "ERROR" || status === "CANCELED";
}

export function itemsOf(ports: NodeRunJson["outputs"], port?: string): ItemJson[] {
  if (!ports) return [];
  if (port) return ports[port]?.items ?? [];
  return Object.values(ports).flatMap((list) => list.items ?? []);
}

/** Items that a person wrote as JSON: one, or a list of them. Throws SyntaxError. */
export function itemsFrom(text: string): ItemJson[] {
  const value = JSON.parse(text) as unknown;
  return (Array.isArray(value) ? value : [value]).map((json) => ({
    json: json as NonNullable<ItemJson["json"]>,
  }));
}

/** What a node delivered last: pinned, or in the run at hand. */
export function delivered(doc: Doc, runs: NodeRunJson[], id: string): ItemJson[] | undefined {
  const pinned = nodeOf(doc, id)?.pinned?.outputs;
  if (pinned) return itemsOf(pinned);
  const own = runs.filter((run) => run.nodeId === id && run.outputs);
  return own.length > 0 ? own.flatMap((run) => itemsOf(run.outputs)) : undefined;
}

/** What a node would be given, by input port: from the run at hand, or from what stands before it. */
export function received(doc: Doc, runs: NodeRunJson[], id: string): ItemJson[] | undefined {
  const sources = (doc.connections ?? []).filter((link) => link.toNode === id && link.toPort !== "return");
  const items: ItemJson[] = [];
  let known = false;
  for (const link of sources) {
    const pinned = nodeOf(doc, link.fromNode ?? "")?.pinned?.outputs;
    const port = link.fromPort || MAIN;
    if (pinned) {
      known = true;
      items.push(...itemsOf(pinned, port));
    } else
      for (const run of runs)
        if (run.nodeId === link.fromNode && run.outputs) {
          known = true;
          items.push(...itemsOf(run.outputs, port));
        }
  }
  if (known) return items;
  const own = runs.find((run) => run.nodeId === id && run.inputs);
  return own ? itemsOf(own.inputs) : undefined;
}

/** The data that expressions of a node can read. */
export function reachOf(doc: Doc, runs: NodeRunJson[], id: string) {
  const before = upstream(doc, id);
  return {
    json: received(doc, runs, id)?.[0]?.json,
    nodes: before.map((node) => {
      const items = delivered(doc, runs, node.id);
      return { name: nameOf(node), json: items?.[0]?.json as unknown, count: items?.length ?? 0 };
    }),
    vars: (doc.vars ?? {}) as Record<string, unknown>,
  };
}
