/** A run with chosen data, from a chosen trigger. */
import { Play } from "lucide-react";
import { useState } from "react";
import type { ItemJson } from "~/api/contract";
import { Text } from "~/forms/Text";
import { useT } from "~/i18n";
import { nameOf, nodesOf } from "~/model/graph";
import { itemsFrom } from "~/model/runs";
import { Button, Dialog, Field, messageOf, Notice, Select } from "~/ui";
import { familyOf } from "./looks";
import { useDoc, useEditorStore } from "./store";

export function RunDialog({ onClose }: { onClose(): void }) {
  const t = useT();
  const store = useEditorStore();
  const doc = useDoc();
  const starters = nodesOf(doc).filter((node) => familyOf(node.type) === "trigger");
  const [trigger, setTrigger] = useState(starters[0]?.id ?? "");
  const kept = `input:${store.getState().id}`;
  const [text, setText] = useState(() => localStorage.getItem(kept) ?? "{\n  \n}");
  const [wrong, setWrong] = useState("");
  const start = async () => {
    let input: ItemJson[];
    try {
      input = itemsFrom(text);
    } catch (error) {
      setWrong(t("This is no JSON: {why}", { why: (error as Error).message }));
      return;
    }
    localStorage.setItem(kept, text);
    try {
      await store.getState().run({ input, trigger });
      onClose();
    } catch (error) {
      setWrong(messageOf(error, t));
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={t("Run with data")}
      footer={
        <>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" onClick={() => void start()}>
            <Play />
            {t("Run")}
          </Button>
        </>
      }
    >
      {starters.length > 1 ? (
        <Field label={t("Start at")}>
          {(id) => (
            <Select
              id={id}
              value={trigger}
              onChange={(event) => setTrigger(event.target.value)}
              options={starters.map((node) => ({ value: node.id, label: nameOf(node) }))}
            />
          )}
        </Field>
      ) : null}
      <Field label={t("Data")} hint={t("One item, or a list of items, as JSON.")}>
        {(id) => <Text id={id} value={text} onChange={setText} multiline label={t("Data")} language="json" />}
      </Field>
      {wrong ? <Notice tone="red">{wrong}</Notice> : null}
    </Dialog>
  );
}
