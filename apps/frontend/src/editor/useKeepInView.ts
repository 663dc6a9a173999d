/** The canvas begins where the drawing does, keeps its middle in the middle when panels take some of its room, and the
 * chosen node in sight. */
import { useReactFlow, useStore } from "@xyflow/react";
import { useEffect, useRef } from "react";
import { nodesOf } from "~/model/graph";
import { geometry, opening } from "./geometry";
import { useEditor, useEditorStore } from "./store";

const MARGIN = 24;
/** What says how to go on stands behind a node. */
const BEHIND = 44;

export function useKeepInView(): void {
  const store = useEditorStore();
  const width = useStore((flow) => flow.width);
  const height = useStore((flow) => flow.height);
  const only = useEditor((editor) => (editor.selected.length === 1 ? editor.selected[0] : undefined));
  const { getViewport, setViewport, viewportInitialized } = useReactFlow();
  const before = useRef({ width: 0, height: 0 });
  useEffect(() => {
    if (!viewportInitialized || !width) return;
    const old = before.current;
    before.current = { width, height };
    const editor = store.getState();
    const seen = getViewport();
    const view = old.width
      ? { ...seen, x: seen.x + (width - old.width) / 2, y: seen.y + (height - old.height) / 2 }
      : opening(
          nodesOf(editor.shown).map((node) => ({
            x: Number(node.position?.x ?? 0),
            y: Number(node.position?.y ?? 0),
            ...geometry(editor.portsOf(node)),
          })),
          { width, height },
        );
    let { x, y } = view;
    const node = only ? editor.byId.get(only) : undefined;
    if (node) {
      const size = geometry(editor.portsOf(node));
      const left = Number(node.position?.x ?? 0) * view.zoom + x;
      const top = Number(node.position?.y ?? 0) * view.zoom + y;
      x -= beyond(left, left + (size.width + BEHIND) * view.zoom, width);
      y -= beyond(top, top + size.height * view.zoom, height);
    }
    if (x !== seen.x || y !== seen.y || view.zoom !== seen.zoom) void setViewport({ ...view, x, y });
  }, [width, height, only, store, getViewport, setViewport, viewportInitialized]);
}

/** How far a span sticks out of its room; negative at the near side. */
function beyond(from: number, to: number, room: number): number {
  if (to > room - MARGIN) return Math.min(to - room + MARGIN, from - MARGIN);
  if (from < MARGIN) return from - MARGIN;
  return 0;
}
