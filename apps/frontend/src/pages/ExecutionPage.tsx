/** One execution: its drawing with what happened, its timeline, its data, and what can be done about it. */
import { ReactFlowProvider } from "@xyflow/react";
import { ArrowLeft, FastForward, GitFork, Pause, Pencil, Play, RotateCcw, Send, Square } from "lucide-react";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { Link, useLocation } from "wouter";
import {
  type ExecutionJson,
  type NodeRunJson,
  type ResolutionJson,
  type WaitReasonJson,
  type WorkflowJson,
  workflows,
} from "~/api/contract";
import { useCall, useChange, useNodeTypes } from "~/api/hooks";
import { modeLabel, StatusBadge } from "~/editor/looks";
import { createEditor, EditorContext } from "~/editor/store";
import { Text } from "~/forms/SchemaForm";
import { useWords } from "~/i18n";
import { duration, hasEnded, itemsOf, lookOf, spoken, statesByNode } from "~/model/runs";
import { DataView } from "~/runs/DataView";
import { FailureNotice } from "~/runs/FailureNotice";
import { Timeline } from "~/runs/Timeline";
import { Badge, Button, Dialog, Field, Input, Loading, Notice, Problem, Select, Tabs, toast } from "~/ui";
import { ForkDialog } from "./ForkDialog";
import { ago, moment } from "./format";
import { RunAgainDialog } from "./RunAgainDialog";
import { useExecution } from "./useExecution";
import "~/editor/editor.css";

const Canvas = lazy(() => import("~/editor/Canvas").then((module) => ({ default: module.Canvas })));

export default function ExecutionPage({ id }: { id: string }) {
  const { t } = useWords();
  const [, go] = useLocation();
  const { execution, runs, error, refresh } = useExecution(id);
  const [from, setFrom] = useState<string>();
  if (error && !execution)
    return (
      <div className="page">
        <Problem error={error} retry={refresh} />
      </div>
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
      <div className="col grow" style={{ gap: 0 }}>
        <div className="row">
          <h1 className="clip" style={{ fontSize: 14 }}>
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

function Waiting({ execution, refresh }: { execution: ExecutionJson; refresh(): void }) {
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
  return (
    <div className="banner col">
      {reasons.map((reason, index) => (
        <Notice key={index} tone="amber">
          <div className="row wrap between">
            <span>
              {reason.address ? <code>{reason.address}</code> : null} {reason.detail || t("It waits.")}
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
  const run =
    runs.find((each) => each.address === chosen) ??
    runs.find((each) => lookOf(each) === "failed") ??
    runs.at(-1);
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
            onChoose={(node) => setChosen(runs.find((each) => each.nodeId === node)?.address)}
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
                  <Notice tone="red">
                    <b>{run.failure.reason}</b> {run.failure.message}
                    {run.failure.hint ? ` — ${run.failure.hint}` : ""}
                  </Notice>
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

/** The definition that ran, with what became of each node. */
function Drawing({
  execution,
  runs,
  onChoose,
}: {
  execution: ExecutionJson;
  runs: NodeRunJson[];
  onChoose(node: string): void;
}) {
  const types = useNodeTypes();
  const found = useCall(workflows.getExecutionStatus, {
    executionId: execution.id ?? "",
    summaryOnly: true,
    withDefinition: true,
  });
  const workflow: WorkflowJson | undefined = found.data?.definition;
  const store = useMemo(() => {
    if (!workflow || !types.data) return undefined;
    const made = createEditor(workflow, types.data, true);
    void made.getState().validate();
    return made;
  }, [workflow, types.data]);
  useEffect(() => {
    store?.setState({ runs, states: statesByNode(runs, execution.status === "RUNNING"), execution });
  }, [store, runs, execution]);
  useEffect(
    () =>
      store?.subscribe((now, before) => {
        const only = now.selected[0];
        if (only && now.selected !== before.selected) onChoose(only);
      }),
    [store, onChoose],
  );
  if (found.error) return <Problem error={found.error} retry={() => void found.refetch()} />;
  if (!store) return <Loading />;
  return (
    <EditorContext value={store}>
      <ReactFlowProvider>
        <Canvas />
      </ReactFlowProvider>
    </EditorContext>
  );
}

/** Every fact, as it was stored; and a fork from any of them. */
function Journal({ id, runs, last }: { id: string; runs: NodeRunJson[]; last: string }) {
  const { t, language } = useWords();
  const [, go] = useLocation();
  const followed = useJournal(id, last);
  const [forking, setForking] = useState<string>();
  const [filter, setFilter] = useState("");
  return (
    <div className="data">
      <div className="datahead">
        <Input
          style={{ maxWidth: 240 }}
          placeholder={t("Filter by step or fact")}
          aria-label={t("Filter by step or fact")}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
      </div>
      <div className="databody">
        <table className="datatable">
          <thead>
            <tr>
              <th scope="col">#</th>
              <th scope="col">{t("When")}</th>
              <th scope="col">{t("Fact")}</th>
              <th scope="col">{t("Step")}</th>
              <th scope="col">
                <span className="sr">{t("Actions")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {followed
              .filter((event) =>
                `${event.address} ${event.type}`.toLowerCase().includes(filter.toLowerCase()),
              )
              .map((event) => (
                <tr key={event.seq}>
                  <td className="nr">{event.seq}</td>
                  <td>{moment(event.at, language)}</td>
                  <td>{(event.type ?? "").replace("EVENT_TYPE_", "").toLowerCase().replaceAll("_", " ")}</td>
                  <td className="mono">{event.address}</td>
                  <td>
                    <Button small look="ghost" onClick={() => setForking(event.seq ?? "1")}>
                      <GitFork />
                      {t("Fork after this")}
                    </Button>
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
      {forking === undefined ? null : (
        <ForkDialog
          executionId={id}
          seq={forking}
          runs={runs}
          onClose={() => setForking(undefined)}
          onDone={(answer) => {
            setForking(undefined);
            go(`/executions/${answer.executionId}`);
          }}
        />
      )}
    </div>
  );
}

function useJournal(id: string, last: string) {
  const [events, setEvents] = useState<
    NonNullable<import("~/api/contract").WatchExecutionResponseJson["event"]>[]
  >([]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a later last event means that there is more to read
  useEffect(() => {
    const abort = new AbortController();
    const read = async () => {
      const { stream } = await import("~/api/transport");
      const found: typeof events = [];
      for await (const update of stream(workflows.watchExecution, { executionId: id }, abort.signal)) {
        if (update.event) found.push(update.event);
        setEvents([...found]);
      }
    };
    read().catch(() => undefined);
    return () => abort.abort();
  }, [id, last]);
  return events;
}
