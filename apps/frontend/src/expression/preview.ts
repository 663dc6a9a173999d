/** What an expression gives with the data at hand: the server is asked to run a Set node that holds nothing else. */
import { workflows } from "~/api/contract";
import { call } from "~/api/transport";
import type { Doc, Node } from "~/model/graph";
import type { Reach } from "./complete";

type Request = Parameters<typeof call<typeof workflows.testNode>>[1];

/** Pure. Nodes that the expression may name become empty steps before it, with what they delivered. */
export function previewRequest(value: unknown, doc: Doc, reach: Reach): Request {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const named = reach.nodes.filter((node) => text.includes(node.name));
  const steps: Node[] = [
    { id: "start", name: "start ", type: "trigger.manual" },
    ...named.map((node, index) => ({ id: `step_${index}`, name: node.name, type: "flow.no_op" })),
    {
      id: "preview",
      name: "preview ",
      type: "flow.set",
      parameters: { keep_only: true, assignments: [{ name: "value", value: value as string }] },
    },
  ];
  return {
    workflow: {
      name: "preview",
      nodes: steps,
      connections: steps
        .slice(1)
        .map((step, index) => ({ fromNode: steps[index]?.id ?? "", toNode: step.id })),
      ...(doc.vars ? { vars: doc.vars } : {}),
      ...(doc.settings?.timezone ? { settings: { timezone: doc.settings.timezone } } : {}),
    },
    nodeId: "preview",
    input: [{ json: (reach.json ?? {}) as { [key: string]: string } }],
    nodeOutputs: Object.fromEntries(
      named.map((node) => [node.name, { items: [{ json: (node.json ?? {}) as { [key: string]: string } }] }]),
    ),
  };
}

export type Preview = { value: unknown } | { error: string };

export async function previewed(
  value: unknown,
  doc: Doc,
  reach: Reach,
  signal: AbortSignal,
): Promise<Preview> {
  const answer = await call(workflows.testNode, previewRequest(value, doc, reach), { signal });
  if (!answer.success) return { error: answer.nodeRun?.failure?.message ?? answer.message ?? "" };
  const item = answer.nodeRun?.outputs?.main?.items?.[0]?.json as { value?: unknown } | undefined;
  return { value: item?.value };
}
