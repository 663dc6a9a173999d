/** What mouse and keyboard both can ask for. */

import type { FitViewOptions } from "@xyflow/react";
import type { Translate } from "~/i18n";
import { nodesOf } from "~/model/graph";
import { arranged } from "~/model/layout";
import { messageOf, toast } from "~/ui";
import type { Place } from "./actions";
import { geometry } from "./geometry";
import type { EditorStore } from "./store";

/** Sees the whole drawing, however small that makes it. */
export const WHOLE: FitViewOptions = { duration: 250, maxZoom: 1, padding: 0.2 };

export async function runDraft(store: EditorStore, t: Translate): Promise<void> {
  try {
    await store.getState().run();
  } catch (error) {
    toast("red", t("The workflow could not be run."), { text: messageOf(error, t) });
  }
}

export async function layOut(store: EditorStore): Promise<void> {
  const editor = store.getState();
  const positions = await arranged(editor.history.doc, (node) => geometry(editor.portsOf(node)));
  editor.edit({ kind: "move", positions });
}

/** Where a node goes that is added without saying where: after the chosen one, or else after the only one there is. */
export function nextPlace(store: EditorStore, chosen: string | undefined): Place {
  const nodes = nodesOf(store.getState().history.doc);
  const after = chosen ?? (nodes.length === 1 ? nodes[0]?.id : undefined);
  return after ? { after: { node: after } } : {};
}

/** Keeps what a node delivered last, so that it needs not run while its followers are built. */
export function togglePin(store: EditorStore, id: string, t: Translate): void {
  const editor = store.getState();
  const node = editor.byId.get(id);
  if (!node) return;
  if (node.pinned) {
    editor.edit({ kind: "change", node: id, fields: { pinned: undefined } });
    return;
  }
  const run = editor.runs.find((each) => each.nodeId === id && each.outputs);
  if (!run?.outputs) {
    toast("amber", t("There is no output to pin yet."), { text: t("Run the workflow or this node first.") });
    return;
  }
  const outputs = Object.fromEntries(
    Object.entries(run.outputs).map(([port, list]) => [
      port,
      { items: (list.items ?? []).map(({ sources: _, ...item }) => item) },
    ]),
  );
  editor.edit({ kind: "change", node: id, fields: { pinned: { outputs } } });
}
