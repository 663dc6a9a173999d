/** Why an execution failed, or what it waits for and what one can do about it. */
import { Send } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { type ExecutionJson, type ResolutionJson, type WaitReasonJson, workflows } from "~/api/contract";
import { useChange } from "~/api/hooks";
import { Text } from "~/forms/Text";
import { useWords } from "~/i18n";
import { hasEnded } from "~/model/runs";
import { Button, Dialog, Field, Notice, Select, toast } from "~/ui";
import { FailureNotice } from "./FailureNotice";

export function Waiting({ execution, refresh }: { execution: ExecutionJson; refresh(): void }) {
  const { t } = useWords();
  const reasons = execution.waitingFor ?? [];
  const failure = execution.failure;
  if (hasEnded(execution) && failure?.message) {
    const run = execution.nodeRuns?.find((each) => each.nodeId === failure.nodeId);
    return (
      <div className="banner">
        <FailureNotice failure={failure} node={run?.nodeName || failure.nodeId} />
      </div>
    );
  }
  if (hasEnded(execution) || reasons.length === 0) return null;
  const nameAt = (address: string | undefined) =>
    execution.nodeRuns?.find((run) => run.address === address)?.nodeName || address;
  return (
    <div className="banner col">
      {reasons.map((reason, index) => (
        <Notice key={index} tone="amber">
          <div className="row wrap between">
            <span>
              {nameAt(reason.address) ? <b>{nameAt(reason.address)}</b> : null}{" "}
              {reason.detail ? t.say(reason.detail) : t("It waits.")}
            </span>
            <WaitAction execution={execution} reason={reason} refresh={refresh} />
          </div>
        </Notice>
      ))}
    </div>
  );
}

function WaitAction({
  execution,
  reason,
  refresh,
}: {
  execution: ExecutionJson;
  reason: WaitReasonJson;
  refresh(): void;
}) {
  const { t } = useWords();
  const [asking, setAsking] = useState(false);
  const [payload, setPayload] = useState("{}");
  const [choice, setChoice] = useState<ResolutionJson>("RESOLUTION_RETRY");
  const done = () => {
    setAsking(false);
    toast("green", t("Sent"));
    setTimeout(refresh, 300);
  };
  const signal = useChange(workflows.signalExecution, [], { done });
  const resolve = useChange(workflows.resolveAttempt, [], { done });
  if (reason.kind === "WAIT_KIND_SIGNAL")
    return (
      <>
        <Button small onClick={() => setAsking(true)}>
          <Send />
          {t("Send signal")}
        </Button>
        <Dialog
          open={asking}
          onClose={() => setAsking(false)}
          title={t("Send signal {name}", { name: reason.signal ?? "" })}
          footer={
            <Button
              look="primary"
              busy={signal.isPending}
              onClick={() => {
                try {
                  signal.mutate({
                    executionId: execution.id ?? "",
                    name: reason.signal ?? "",
                    payload: JSON.parse(payload) as string,
                    address: reason.address ?? "",
                  });
                } catch (error) {
                  toast("red", t("This is no JSON: {why}", { why: (error as Error).message }));
                }
              }}
            >
              {t("Send")}
            </Button>
          }
        >
          <Field label={t("Data")}>
            {(id) => (
              <Text
                id={id}
                value={payload}
                onChange={setPayload}
                multiline
                label={t("Data")}
                language="json"
              />
            )}
          </Field>
        </Dialog>
      </>
    );
  if (reason.kind === "WAIT_KIND_UNKNOWN_OUTCOME")
    return (
      <span className="row">
        <Select
          aria-label={t("What happened")}
          value={choice}
          onChange={(event) => setChoice(event.target.value as ResolutionJson)}
          options={[
            { value: "RESOLUTION_RETRY", label: t("It did not happen; try again") },
            { value: "RESOLUTION_SUCCEEDED", label: t("It happened; go on") },
            { value: "RESOLUTION_FAILED", label: t("It did not happen, and shall not") },
          ]}
        />
        <Button
          small
          busy={resolve.isPending}
          onClick={() =>
            resolve.mutate({
              executionId: execution.id ?? "",
              address: reason.address ?? "",
              resolution: choice,
              ...(choice === "RESOLUTION_SUCCEEDED" ? { outputs: { main: { items: [{ json: {} }] } } } : {}),
            })
          }
        >
          {t("Decide")}
        </Button>
      </span>
    );
  if (reason.kind === "WAIT_KIND_CHILDREN")
    return (
      <span className="row">
        {(reason.executionIds ?? []).slice(0, 3).map((child) => (
          <Link key={child} className="button small" href={`/executions/${child}`}>
            {t("Open the child")}
          </Link>
        ))}
      </span>
    );
  return null;
}
