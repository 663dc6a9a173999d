/** Where nodes stand when the machine arranges them. dagre comes when it is asked for. */
import type { PositionJson } from "~/api/contract";
import { connectionsOf, type Doc, type Node, nodesOf } from "./graph";

export interface Size {
  width: number;
  height: number;
}

export async function arranged(doc: Doc, size: (node: Node) => Size): Promise<Record<string, PositionJson>> {
  const { default: dagre } = await import("@dagrejs/dagre");
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 48, ranksep: 96, marginx: 40, marginy: 40 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodesOf(doc)) graph.setNode(node.id, { ...size(node) });
  for (const link of connectionsOf(doc))
    if (link.toPort !== "return") graph.setEdge(link.fromNode, link.toNode, {}, link.fromPort ?? "");
  dagre.layout(graph);
  const positions: Record<string, PositionJson> = {};
  for (const node of nodesOf(doc)) {
    const place = graph.node(node.id);
    if (!place) continue;
    positions[node.id] = {
      x: Math.round(place.x - place.width / 2),
      y: Math.round(place.y - place.height / 2),
    };
  }
  return positions;
}

const GAP = 96;

/** A free place for a node that follows another. */
export function beside(doc: Doc, after: Node | undefined, width: number): { x: number; y: number } {
  const nodes = nodesOf(doc);
  const at = {
    x: after ? Number(after.position?.x ?? 0) + width + GAP : 80,
    y: after ? Number(after.position?.y ?? 0) : 160,
  };
  const taken = (x: number, y: number) =>
    nodes.some(
      (node) =>
        Math.abs(Number(node.position?.x ?? 0) - x) < width &&
        Math.abs(Number(node.position?.y ?? 0) - y) < 100,
    );
  while (taken(at.x, at.y)) at.y += 120;
  return at;
}
