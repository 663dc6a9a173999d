/** Starts another execution from a fact in the journal of this one, with other data for one of its steps if wanted. */
import { GitFork } from "lucide-react";
import { useState } from "react";
import { type NodeRunJson, workflows } from "~/api/contract";
import { useChange } from "~/api/hooks";
import { Text } from "~/forms/Text";
import { useT } from "~/i18n";
import { itemsFrom, itemsOf } from "~/model/runs";
import { Button, Dialog, Field, Notice, Problem, Select } from "~/ui";
import { Newest } from "./RunAgainDialog";

export function ForkDialog({
  executionId,
  seq,
  runs,
  onClose,
  onDone,
}: {
  executionId: string;
  /** The last fact that is taken over. */
  seq: string;
  runs: NodeRunJson[];
  onClose(): void;
  onDone(answer: { executionId?: string }): void;
}) {
  const t = useT();
  const [address, setAddress] = useState("");
  const [text, setText] = useState("");
  const [latest, setLatest] = useState(false);
  const [wrong, setWrong] = useState("");
  const fork = useChange(workflows.forkExecution, ["GetExecutionHistory"], { done: onDone, quiet: true });
  const fed = runs.filter((run) => run.inputs && Object.keys(run.inputs).length > 0);
  const choose = (next: string) => {
    setAddress(next);
    const run = fed.find((each) => each.address === next);
    setText(
      JSON.stringify(
        itemsOf(run?.inputs).map((item) => item.json ?? {}),
        null,
        2,
      ),
    );
  };
  const start = () => {
    setWrong("");
    try {
      fork.mutate({
        executionId,
        fromSeq: seq,
        useLatestDefinition: latest,
        ...(address ? { editedInputs: { [address]: { items: itemsFrom(text) } } } : {}),
      });
    } catch (error) {
      setWrong(t("This is no JSON: {why}", { why: (error as Error).message }));
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={t("Fork after #{seq}", { seq })}
      hint={t("What had happened by then is taken over; the rest runs again, as a new execution.")}
      footer={
        <>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" busy={fork.isPending} onClick={start}>
            <GitFork />
            {t("Fork")}
          </Button>
        </>
      }
    >
      <Field label={t("Other input for")} hint={t("It and all that follows run again.")}>
        {(id) => (
          <Select
            id={id}
            value={address}
            onChange={(event) => choose(event.target.value)}
            options={[
              { value: "", label: t("Nothing") },
              ...fed.map((run) => ({
                value: run.address ?? "",
                label: `${run.nodeName || run.nodeId}${run.path?.length ? ` [${run.path.join("][")}]` : ""}`,
              })),
            ]}
          />
        )}
      </Field>
      {address ? (
        <Field label={t("Data")} hint={t("One item, or a list of items, as JSON.")}>
          {(id) => (
            <Text id={id} value={text} onChange={setText} multiline label={t("Data")} language="json" />
          )}
        </Field>
      ) : null}
      <Newest checked={latest} onChange={setLatest} />
      {wrong ? <Notice tone="red">{wrong}</Notice> : null}
      {fork.error ? <Problem error={fork.error} /> : null}
    </Dialog>
  );
}
