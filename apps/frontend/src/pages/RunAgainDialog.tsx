/** Runs an execution again from a node, with the definition of then or of now. */
import { FastForward } from "lucide-react";
import { useState } from "react";
import { type NodeRunJson, workflows } from "~/api/contract";
import { useChange } from "~/api/hooks";
import { useT } from "~/i18n";
import { Button, Dialog, Field, Problem, Select, Switch } from "~/ui";

export function RunAgainDialog({
  executionId,
  runs,
  from,
  onClose,
  onDone,
}: {
  executionId: string;
  runs: NodeRunJson[];
  /** The node to begin with, until another is chosen. */
  from: string;
  onClose(): void;
  onDone(answer: { executionId?: string }): void;
}) {
  const t = useT();
  const [node, setNode] = useState(from);
  const [latest, setLatest] = useState(false);
  const rerun = useChange(workflows.rerunExecution, ["GetExecutionHistory"], { done: onDone, quiet: true });
  const nodes = new Map(runs.map((run) => [run.nodeId ?? "", run.nodeName || run.nodeId || ""]));
  return (
    <Dialog
      open
      onClose={onClose}
      title={t("Run again from a node")}
      hint={t("What does not depend on it is taken over; the rest runs again, as a new execution.")}
      footer={
        <>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button
            look="primary"
            busy={rerun.isPending}
            onClick={() => rerun.mutate({ executionId, nodeIds: [node], useLatestDefinition: latest })}
          >
            <FastForward />
            {t("Run from here")}
          </Button>
        </>
      }
    >
      <Field label={t("From node")}>
        {(id) => (
          <Select
            id={id}
            value={node}
            onChange={(event) => setNode(event.target.value)}
            options={[...nodes].map(([value, label]) => ({ value, label }))}
          />
        )}
      </Field>
      <Newest checked={latest} onChange={setLatest} />
      {rerun.error ? <Problem error={rerun.error} /> : null}
    </Dialog>
  );
}

export function Newest({ checked, onChange }: { checked: boolean; onChange(checked: boolean): void }) {
  const t = useT();
  return (
    <Field label={t("Use the newest definition")} hint={t("Otherwise the one that this execution ran.")}>
      {(id) => <Switch id={id} checked={checked} onChange={onChange} />}
    </Field>
  );
}
