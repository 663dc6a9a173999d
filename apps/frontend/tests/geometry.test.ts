import { describe, expect, it } from "vitest";
import { type Box, opening } from "~/editor/geometry";

const ROOM = { width: 1200, height: 700 };
const box = (x: number, y: number): Box => ({ x, y, width: 216, height: 54 });
/** Where a node is on the screen. */
const seen = (node: Box, view: ReturnType<typeof opening>) => ({
  left: node.x * view.zoom + view.x,
  top: node.y * view.zoom + view.y,
  right: (node.x + node.width) * view.zoom + view.x,
  bottom: (node.y + node.height) * view.zoom + view.y,
});

describe("how a drawing is first seen", () => {
  it("is in the middle and no larger than life where it fits", () => {
    const nodes = [box(0, 0), box(300, 0)];
    const view = opening(nodes, ROOM);
    expect(view.zoom).toBe(1);
    const left = seen(nodes[0] as Box, view).left;
    const right = ROOM.width - seen(nodes[1] as Box, view).right;
    expect(Math.abs(left - right)).toBeLessThan(20);
  });

  it("is made smaller as long as it can be read", () => {
    const nodes = [0, 300, 600, 900, 1150].map((x) => box(x, 0));
    const view = opening(nodes, ROOM);
    expect(view.zoom).toBeGreaterThan(0.72);
    expect(view.zoom).toBeLessThan(1);
    for (const node of nodes) {
      expect(seen(node, view).left).toBeGreaterThanOrEqual(0);
      expect(seen(node, view).right).toBeLessThanOrEqual(ROOM.width);
    }
  });

  it("begins at the left where it is wider than that, and where it begins in a high one", () => {
    const start = box(0, 3000);
    const nodes = [start, ...Array.from({ length: 60 }, (_, at) => box(300 + at * 300, at * 100))];
    const view = opening(nodes, ROOM);
    expect(view.zoom).toBe(0.72);
    const { left, top, bottom } = seen(start, view);
    expect(left).toBeGreaterThanOrEqual(0);
    expect(left).toBeLessThan(80);
    expect(top).toBeGreaterThan(200);
    expect(bottom).toBeLessThan(500);
  });

  it("shows no empty room above the first row", () => {
    const start = box(0, 0);
    const view = opening([start, ...Array.from({ length: 60 }, (_, at) => box(300, at * 100))], ROOM);
    expect(seen(start, view).top).toBeLessThan(80);
    expect(opening([], ROOM)).toEqual({ x: 0, y: 0, zoom: 1 });
  });
});
