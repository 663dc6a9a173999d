/** Keys that work anywhere but in a field. */
import { useReactFlow } from "@xyflow/react";
import { useEffect, useRef } from "react";
import { useT } from "~/i18n";
import { copy, paste } from "~/model/clipboard";
import { many } from "~/model/edits";
import { nodesOf } from "~/model/graph";
import { removeNodes } from "./actions";
import { layOut, nextPlace, runDraft, togglePin, WHOLE } from "./commands";
import { usePalette } from "./Palette";
import type { EditorStore } from "./store";

export function useKeys(store: EditorStore, more: { publish(): void; chat(): void }): void {
  const t = useT();
  const { fitView, zoomIn, zoomOut, setCenter, getZoom } = useReactFlow();
  const palette = usePalette();
  const latest = useRef({ t, palette, more });
  latest.current = { t, palette, more };
  useEffect(() => {
    const isField = (target: EventTarget | null) =>
      target instanceof HTMLElement &&
      (target.isContentEditable ||
        /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
        target.closest("[role=dialog],[role=menu]") !== null);
    const onKey = (event: KeyboardEvent) => {
      const editor = store.getState();
      const { t, palette, more } = latest.current;
      const mod = event.metaKey || event.ctrlKey;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const did = () => event.preventDefault();
      if (mod && key === "Enter") {
        did();
        void runDraft(store, t);
        return;
      }
      if (mod && key === "s") {
        did();
        void editor.save();
        return;
      }
      if (mod && key === "j") {
        did();
        more.chat();
        return;
      }
      if (isField(event.target)) {
        // Out of a field, back to the drawing.
        if (key === "Escape" && !event.defaultPrevented && event.target instanceof HTMLElement)
          if (event.target.closest(".inspector")) event.target.blur();
        return;
      }
      const only = editor.selected.length === 1 ? editor.selected[0] : undefined;
      if (mod) {
        if (key === "z") {
          did();
          if (event.shiftKey) editor.redo();
          else editor.undo();
        } else if (key === "y") {
          did();
          editor.redo();
        } else if (key === "a") {
          did();
          editor.select(nodesOf(editor.history.doc).map((node) => node.id));
        } else if (key === "d" && editor.selected.length > 0) {
          did();
          const made = paste(editor.history.doc, copy(editor.history.doc, editor.selected));
          if (made) {
            editor.edit(made.edit);
            editor.select(made.ids);
          }
        }
        return;
      }
      if (event.altKey) return;
      switch (key) {
        case "a":
          did();
          palette.open(nextPlace(store, only));
          break;
        case "c":
          if (only) {
            did();
            palette.connect(only);
          }
          break;
        case "e":
        case "Enter":
          if (only && !(event.target instanceof HTMLButtonElement)) {
            did();
            editor.open(only);
            requestAnimationFrame(() =>
              document.querySelector<HTMLElement>(".inspector .titleinput")?.focus(),
            );
          }
          break;
        case "p":
          if (only) togglePin(store, only, t);
          break;
        case "x":
          if (editor.selected.length > 0)
            editor.edit(
              many(
                editor.selected.map((id) => ({
                  kind: "change",
                  node: id,
                  fields: { disabled: editor.byId.get(id)?.disabled ? undefined : true },
                })),
              ),
            );
          break;
        case "l":
          did();
          void layOut(store).then(() => fitView(WHOLE));
          break;
        case "f":
          did();
          void fitView(WHOLE);
          break;
        case "+":
        case "=":
          void zoomIn({ duration: 120 });
          break;
        case "-":
          void zoomOut({ duration: 120 });
          break;
        case "Delete":
        case "Backspace": {
          const links = [...document.querySelectorAll(".react-flow__edge.selected")].flatMap(
            (edge) => edge.getAttribute("data-id") ?? [],
          );
          if (editor.selected.length === 0 && links.length === 0) break;
          did();
          editor.edit(removeNodes(editor.history.doc, editor.selected, links));
          editor.select([]);
          editor.open(undefined);
          break;
        }
        case "Escape":
          editor.open(undefined);
          editor.select([]);
          break;
        case "n": {
          // The next node in the order of the drawing: the keyboard's way around.
          const nodes = nodesOf(editor.history.doc);
          const at = nodes.findIndex((node) => node.id === only);
          const next = nodes[(at + 1) % nodes.length];
          if (next) {
            did();
            editor.select([next.id]);
            void setCenter(Number(next.position?.x ?? 0) + 108, Number(next.position?.y ?? 0) + 27, {
              zoom: getZoom(),
              duration: 150,
            });
          }
          break;
        }
      }
    };
    const onCopy = (event: ClipboardEvent) => {
      const editor = store.getState();
      if (isField(event.target) || editor.selected.length === 0 || String(getSelection()) !== "") return;
      event.preventDefault();
      event.clipboardData?.setData("text/plain", copy(editor.history.doc, editor.selected));
      if (event.type === "cut") {
        editor.edit(removeNodes(editor.history.doc, editor.selected));
        editor.select([]);
      }
    };
    const onPaste = (event: ClipboardEvent) => {
      const editor = store.getState();
      if (isField(event.target)) return;
      const made = paste(editor.history.doc, event.clipboardData?.getData("text/plain") ?? "");
      if (!made) return;
      event.preventDefault();
      editor.edit(made.edit);
      editor.select(made.ids);
    };
    addEventListener("keydown", onKey);
    addEventListener("copy", onCopy);
    addEventListener("cut", onCopy);
    addEventListener("paste", onPaste);
    return () => {
      removeEventListener("keydown", onKey);
      removeEventListener("copy", onCopy);
      removeEventListener("cut", onCopy);
      removeEventListener("paste", onPaste);
    };
  }, [store, fitView, zoomIn, zoomOut, setCenter, getZoom]);
}
