/** Somebody else has changed the draft, or this browser has an unsaved one. */
import { useState } from "react";
import { useT } from "~/i18n";
import { many } from "~/model/edits";
import { type Doc, nodesOf } from "~/model/graph";
import { Button, Notice } from "~/ui";
import { parkedKey, useEditor, useEditorStore } from "./store";

export function Conflict() {
  const t = useT();
  const store = useEditorStore();
  const saving = useEditor((editor) => editor.saving);
  const [parked, setParked] = useState<Doc | undefined>(() => {
    try {
      const kept = JSON.parse(localStorage.getItem(parkedKey(store.getState().id)) ?? "null") as {
        doc: Doc;
      } | null;
      return kept?.doc;
    } catch {
      return undefined;
    }
  });
  if (saving === "conflict")
    return (
      <div className="banner">
        <Notice tone="amber">
          <div className="row wrap between">
            {t("Somebody else has changed this workflow since you opened it.")}
            <span className="row">
              <Button small onClick={() => void store.getState().reload()}>
                {t("Take theirs")}
              </Button>
              <Button small onClick={() => void store.getState().overwrite()}>
                {t("Keep mine")}
              </Button>
            </span>
          </div>
        </Notice>
      </div>
    );
  if (parked)
    return (
      <div className="banner">
        <Notice>
          <div className="row wrap between">
            {t("This browser has changes that were never stored.")}
            <span className="row">
              <Button
                small
                onClick={() => {
                  const before = store.getState().history.doc;
                  store.getState().edit(
                    many([
                      { kind: "remove", nodes: nodesOf(before).map((node) => node.id), connections: [] },
                      {
                        kind: "add",
                        nodes: nodesOf(parked),
                        connections: (parked.connections ?? []) as never,
                      },
                      {
                        kind: "head",
                        fields: { name: parked.name, settings: parked.settings, vars: parked.vars },
                      },
                    ]),
                  );
                  setParked(undefined);
                }}
              >
                {t("Restore")}
              </Button>
              <Button
                small
                look="ghost"
                onClick={() => {
                  localStorage.removeItem(parkedKey(store.getState().id));
                  setParked(undefined);
                }}
              >
                {t("Discard")}
              </Button>
            </span>
          </div>
        </Notice>
      </div>
    );
  return null;
}
