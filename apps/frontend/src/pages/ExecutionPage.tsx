/** One execution: its drawing with what happened, its timeline, its data, and what can be done about it. */
import { ArrowLeft, FastForward, Pause, Pencil, Play, RotateCcw, Square } from "lucide-react";
import { Suspense, useState } from "react";
import { Link, useLocation } from "wouter";
import { type ExecutionJson, type NodeRunJson, workflows } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { modeLabel, StatusBadge } from "~/editor/looks";
import { useWords } from "~/i18n";
import { duration, hasEnded, itemsOf, lookOf, spoken } from "~/model/runs";
import { DataView } from "~/runs/DataView";
import { Drawing } from "~/runs/Drawing";
import { FailureNotice } from "~/runs/FailureNotice";
import { Journal } from "~/runs/Journal";
import { Timeline } from "~/runs/Timeline";
import { Waiting } from "~/runs/Waiting";
import { Badge, Button, Loading, Tabs } from "~/ui";
import { ago, moment } from "./format";
import { NoPage } from "./NoPage";
import { RunAgainDialog } from "./RunAgainDialog";
import { useExecution } from "./useExecution";
import "~/editor/editor.css";

export default function ExecutionPage({ id }: { id: string }) {
  const { t } = useWords();
  const [, go] = useLocation();
  const { execution, runs, error, refresh } = useExecution(id);
  const [from, setFrom] = useState<string>();
  if (error && !execution)
    return (
      <NoPage error={error} retry={refresh} back={{ href: "/executions", label: t("All executions") }} />
    );
  if (!execution) return <Loading />;
  return (
    <div className="editor">
      <Head
        execution={execution}
        refresh={refresh}
        onAgain={() => setFrom((runs.find((run) => lookOf(run) === "failed") ?? runs.at(0))?.nodeId ?? "")}
      />
      <Waiting execution={execution} refresh={refresh} />
      <Body execution={execution} runs={runs} onAgain={setFrom} />
      {from === undefined ? null : (
        <RunAgainDialog
          executionId={id}
          runs={runs}
          from={from}
          onClose={() => setFrom(undefined)}
          onDone={(answer) => {
            setFrom(undefined);
            go(`/executions/${answer.executionId}`);
          }}
        />
      )}
      <span className="sr" aria-live="polite">
        {t("{count} steps", { count: runs.length })}
      </span>
    </div>
  );
}

function Head({
  execution,
  refresh,
  onAgain,
}: {
  execution: ExecutionJson;
  refresh(): void;
  onAgain(): void;
}) {
  const { t, language } = useWords();
  const [, go] = useLocation();
  const workflow = useCall(workflows.getWorkflow, { workflowId: execution.workflowId ?? "" });
  const ended = hasEnded(execution);
  const id = execution.id ?? "";
  const opened = (answer: { executionId?: string }) => go(`/executions/${answer.executionId}`);
  const cancel = useChange(workflows.cancelExecution, ["GetExecutionHistory"], { done: refresh });
  const pause = useChange(workflows.pauseExecution, ["GetExecutionHistory"], { done: refresh });
  const resume = useChange(workflows.resumeExecution, ["GetExecutionHistory"], { done: refresh });
  const retry = useChange(workflows.retryExecution, ["GetExecutionHistory"], { done: opened });
  return (
    <header className="topbar">
      <Button look="ghost" icon label={t("All executions")} onClick={() => go("/executions")}>
        <ArrowLeft />
      </Button>
      <div className="col grow runtitle">
        <div className="row">
          <h1 className="clip" title={workflow.data?.workflow?.name ?? ""}>
            {workflow.data?.workflow?.name ?? t("Execution")}
          </h1>
          <StatusBadge status={execution.status} />
          {execution.workflowVersion ? (
            <Badge>v{execution.workflowVersion}</Badge>
          ) : (
            <Badge>{t("Draft")}</Badge>
          )}
        </div>
        <span className="soft small clip hide-small" title={moment(execution.createdAt, language)}>
          {t(modeLabel(execution.mode))}
          {execution.triggeredBy ? ` · ${execution.triggeredBy}` : ""} · {ago(execution.createdAt, language)}
          {ended
            ? ` · ${spoken(duration(execution.startedAt ?? execution.createdAt, execution.endedAt))}`
            : ""}
        </span>
      </div>
      {execution.retriedFromExecutionId ? (
        <Link
          className="button ghost hide-small"
          href={`/compare?a=${execution.retriedFromExecutionId}&b=${id}`}
        >
          {t("Compare with the first")}
        </Link>
      ) : null}
      {workflow.data ? (
        <Link className="button hide-small" href={`/workflows/${execution.workflowId}?execution=${id}`}>
          <Pencil />
          {t("Open in editor")}
        </Link>
      ) : null}
      {ended ? (
        <>
          <Button onClick={onAgain}>
            <FastForward />
            {t("Run again")}
          </Button>
          {execution.status !== "SUCCESS" ? (
            <Button look="primary" busy={retry.isPending} onClick={() => retry.mutate({ executionId: id })}>
              <RotateCcw />
              {t("Retry")}
            </Button>
          ) : null}
        </>
      ) : (
        <>
          {execution.status === "PAUSED" ? (
            <Button busy={resume.isPending} onClick={() => resume.mutate({ executionId: id })}>
              <Play />
              {t("Resume")}
            </Button>
          ) : (
            <Button busy={pause.isPending} onClick={() => pause.mutate({ executionId: id })}>
              <Pause />
              {t("Pause")}
            </Button>
          )}
          <Button look="danger" busy={cancel.isPending} onClick={() => cancel.mutate({ executionId: id })}>
            <Square />
            {t("Cancel it")}
          </Button>
        </>
      )}
    </header>
  );
}

function Body({
  execution,
  runs,
  onAgain,
}: {
  execution: ExecutionJson;
  runs: NodeRunJson[];
  onAgain(node: string): void;
}) {
  const { t } = useWords();
  const [chosen, setChosen] = useState<string>();
  const [tab, setTab] = useState("timeline");
  const looked =
    runs.find((each) => each.address === chosen) ?? runs.find((each) => lookOf(each) === "failed");
  const run = looked ?? runs.at(-1);
  const tabs = [
    { id: "timeline", label: t("Timeline") },
    { id: "input", label: t("Input") },
    { id: "output", label: t("Output") },
    { id: "result", label: t("Result") },
    { id: "journal", label: t("Journal") },
  ];
  return (
    <div className="stage" style={{ minHeight: 0 }}>
      <div className="canvasarea hide-small">
        <Suspense fallback={<Loading />}>
          <Drawing
            execution={execution}
            runs={runs}
            chosen={looked?.nodeId}
            onChoose={(node) => {
              const found = runs.find((each) => each.nodeId === node);
              if (found && node !== looked?.nodeId) setChosen(found.address);
            }}
          />
        </Suspense>
      </div>
      <section className="dock executiondock" aria-label={t("Details")}>
        <Tabs label={t("Details")} tabs={tabs} value={tab} onChange={setTab}>
          {tab === "timeline" ? (
            <Timeline
              execution={execution}
              runs={runs}
              chosen={run?.address}
              onChoose={(each) => {
                setChosen(each.address);
                setTab("output");
              }}
            />
          ) : tab === "input" ? (
            <DataView
              execution={execution.id}
              title={run?.nodeName || run?.nodeId || t("Input")}
              items={run ? itemsOf(run.inputs) : undefined}
            />
          ) : tab === "output" ? (
            <div className="col" style={{ height: "100%", gap: 0 }}>
              {run?.failure ? (
                <div style={{ padding: "8px 12px 0" }}>
                  <FailureNotice failure={run.failure} />
                </div>
              ) : null}
              <DataView
                execution={execution.id}
                title={run?.nodeName || run?.nodeId || t("Output")}
                items={run?.outputs ? itemsOf(run.outputs) : undefined}
                actions={
                  run && hasEnded(execution) ? (
                    <Button small onClick={() => onAgain(run.nodeId ?? "")}>
                      <FastForward />
                      {t("Run from here")}
                    </Button>
                  ) : null
                }
              />
            </div>
          ) : tab === "result" ? (
            <DataView
              execution={execution.id}
              title={t("Result")}
              items={hasEnded(execution) ? (execution.output ?? []) : undefined}
              none={t("It has not ended yet.")}
            />
          ) : (
            <Journal id={execution.id ?? ""} runs={runs} last={execution.lastSeq ?? "0"} />
          )}
        </Tabs>
      </section>
    </div>
  );
}
