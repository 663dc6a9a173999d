/** Under the canvas: the run, what the chosen node got and gave, and what is wrong. */
import {
  Activity,
  ArrowLeftRight,
  ChevronDown,
  ChevronUp,
  CircleAlert,
  ExternalLink,
  TriangleAlert,
} from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { useT } from "~/i18n";
import { nameOf } from "~/model/graph";
import { delivered, duration, hasEnded, itemsOf, received, spoken } from "~/model/runs";
import { DataView } from "~/runs/DataView";
import { FailureNotice } from "~/runs/FailureNotice";
import { Timeline } from "~/runs/Timeline";
import { Badge, Button, Empty, Segments, Tabs } from "~/ui";
import { StatusBadge } from "./looks";
import { useDoc, useEditor, useEditorStore } from "./store";

const LOW = 37;

export function Dock() {
  const t = useT();
  const [height, setHeight] = useState(() => Number(localStorage.getItem("dock")) || LOW);
  const [tab, setTab] = useState("data");
  const execution = useEditor((editor) => editor.execution);
  const issues = useEditor((editor) => editor.issues);
  const isOpen = height > LOW;
  const open = (next: string) => {
    setTab(next);
    if (!isOpen) setHeight(280);
  };
  useEffect(() => {
    localStorage.setItem("dock", String(height));
  }, [height]);
  // A run that begins is shown.
  const id = execution?.id;
  const seen = useRef<string>(undefined);
  useEffect(() => {
    if (id && id !== seen.current) {
      setTab("run");
      setHeight((now) => (now > LOW ? now : 280));
    }
    seen.current = id;
  }, [id]);
  const drag = (event: React.PointerEvent) => {
    const from = event.clientY + height;
    const move = (at: PointerEvent) =>
      setHeight(Math.round(Math.max(LOW, Math.min(innerHeight - 260, from - at.clientY))));
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
  };
  const errors = issues.filter((issue) => issue.severity === "SEVERITY_ERROR").length;
  return (
    <section className="dock" style={{ height }} aria-label={t("Run and data")}>
      <button
        type="button"
        className="dockgrip"
        aria-label={t("Height of the panel")}
        onPointerDown={drag}
        onKeyDown={(event) => {
          if (event.key === "ArrowUp") setHeight(Math.min(innerHeight - 260, height + 40));
          if (event.key === "ArrowDown") setHeight(Math.max(LOW, height - 40));
        }}
      />
      <Tabs
        label={t("Run and data")}
        value={tab}
        onChange={open}
        tabs={[
          { id: "data", label: t("Data"), icon: ArrowLeftRight },
          { id: "run", label: t("Run"), icon: Activity },
          {
            id: "issues",
            label: t("Problems"),
            icon: errors ? CircleAlert : TriangleAlert,
            count: issues.length,
          },
        ]}
        beside={
          <span className="row">
            {execution?.id ? <RunSummary /> : null}
            <Button
              look="ghost"
              small
              icon
              label={isOpen ? t("Fold the panel") : t("Open the panel")}
              onClick={() => setHeight(isOpen ? LOW : 280)}
            >
              {isOpen ? <ChevronDown /> : <ChevronUp />}
            </Button>
          </span>
        }
      >
        {!isOpen ? null : tab === "data" ? (
          <NodeData />
        ) : tab === "run" ? (
          <RunTab onShow={() => setTab("data")} />
        ) : (
          <Issues />
        )}
      </Tabs>
    </section>
  );
}

function RunSummary() {
  const t = useT();
  const execution = useEditor((editor) => editor.execution);
  return (
    <span className="row small soft">
      <StatusBadge status={execution?.status} />
      {spoken(duration(execution?.startedAt, execution?.endedAt))}
      <Link
        href={`/executions/${execution?.id}`}
        className="button ghost small icon"
        aria-label={t("Open the execution")}
      >
        <ExternalLink />
      </Link>
    </span>
  );
}

function NodeData() {
  const t = useT();
  const doc = useDoc();
  const selected = useEditor(
    (editor) => editor.opened ?? (editor.selected.length === 1 ? editor.selected[0] : undefined),
  );
  const runs = useEditor((editor) => editor.runs);
  const node = useEditor((editor) => (selected ? editor.byId.get(selected) : undefined));
  const executionId = useEditor((editor) => editor.execution?.id);
  const [turn, setTurn] = useState(0);
  if (!node)
    return (
      <Empty icon={ArrowLeftRight} title={t("Choose a node")}>
        {t("Its items before and after it are shown here.")}
      </Empty>
    );
  const own = runs.filter((run) => run.nodeId === node.id);
  const at = Math.min(turn, Math.max(0, own.length - 1));
  const run = own[at];
  const many = own.length > 1;
  const input =
    many && run ? itemsOf(run.inputs) : run?.inputs ? itemsOf(run.inputs) : received(doc, runs, node.id);
  const ports = Object.keys(run?.outputs ?? {});
  return (
    <div className="split">
      <DataView execution={executionId} title={t("Input of {name}", { name: nameOf(node) })} items={input} />
      <div className="col" style={{ gap: 0, minHeight: 0 }}>
        {run?.failure ? (
          <div style={{ padding: "8px 12px 0" }}>
            <FailureNotice failure={run.failure} />
          </div>
        ) : null}
        <Output
          key={node.id}
          title={node.pinned ? t("Pinned output") : t("Output")}
          ports={node.pinned ? Object.keys(node.pinned.outputs ?? {}) : ports}
          items={(port) =>
            node.pinned
              ? itemsOf(node.pinned.outputs, port)
              : run
                ? run.outputs
                  ? itemsOf(run.outputs, port)
                  : undefined
                : delivered(doc, runs, node.id)
          }
          turns={own.length}
          turn={at}
          setTurn={setTurn}
        />
      </div>
    </div>
  );
}

function Output({
  title,
  ports,
  items,
  turns,
  turn,
  setTurn,
}: {
  title: string;
  ports: string[];
  items(port?: string): ReturnType<typeof itemsOf> | undefined;
  turns: number;
  turn: number;
  setTurn(turn: number): void;
}) {
  const t = useT();
  const executionId = useEditor((editor) => editor.execution?.id);
  const [port, setPort] = useState<string>();
  const chosen = port && ports.includes(port) ? port : ports[0];
  return (
    <DataView
      execution={executionId}
      title={title}
      items={items(chosen)}
      actions={
        <>
          {ports.length > 1 ? (
            <Segments
              label={t("Port")}
              options={ports.map((each) => ({ value: each, label: each }))}
              value={chosen ?? ""}
              onChange={setPort}
            />
          ) : null}
          {turns > 1 ? (
            <span className="row small">
              <Button
                small
                look="ghost"
                icon
                label={t("Earlier run")}
                disabled={turn === 0}
                onClick={() => setTurn(turn - 1)}
              >
                <ChevronDown style={{ rotate: "90deg" }} />
              </Button>
              <Badge>
                {turn + 1} / {turns}
              </Badge>
              <Button
                small
                look="ghost"
                icon
                label={t("Later run")}
                disabled={turn >= turns - 1}
                onClick={() => setTurn(turn + 1)}
              >
                <ChevronDown style={{ rotate: "-90deg" }} />
              </Button>
            </span>
          ) : null}
        </>
      }
    />
  );
}

function RunTab({ onShow }: { onShow(): void }) {
  const t = useT();
  const store = useEditorStore();
  const execution = useEditor((editor) => editor.execution);
  const runs = useEditor((editor) => editor.runs);
  const selected = useEditor((editor) => editor.selected[0]);
  if (!execution && runs.length === 0)
    return (
      <Empty icon={Activity} title={t("Nothing has run yet")}>
        {t("Run the workflow, and every step shows up here as it happens.")}
      </Empty>
    );
  return (
    <>
      {execution?.failure?.message && hasEnded(execution) ? (
        <div style={{ padding: "10px 12px 0" }}>
          <FailureNotice
            failure={execution.failure}
            node={runs.find((run) => run.nodeId === execution.failure?.nodeId)?.nodeName}
          />
        </div>
      ) : null}
      <Timeline
        execution={execution}
        runs={runs}
        chosen={runs.find((run) => run.nodeId === selected)?.address}
        onChoose={(run) => {
          store.getState().select([run.nodeId ?? ""]);
          onShow();
        }}
      />
    </>
  );
}

function Issues() {
  const t = useT();
  const store = useEditorStore();
  const issues = useEditor((editor) => editor.issues);
  const byId = useEditor((editor) => editor.byId);
  if (issues.length === 0)
    return (
      <Empty icon={TriangleAlert} title={t("No problems")}>
        {t("The workflow can run.")}
      </Empty>
    );
  return (
    <ul className="issues">
      {issues.map((issue, index) => {
        const node = byId.get(issue.nodeId ?? "");
        return (
          <li key={index}>
            <button
              type="button"
              onClick={() => {
                if (!node) return;
                store.getState().select([node.id]);
                store.getState().open(node.id);
              }}
            >
              {issue.severity === "SEVERITY_ERROR" ? (
                <CircleAlert color="var(--red)" aria-label={t("Error")} />
              ) : (
                <TriangleAlert color="var(--amber)" aria-label={t("Warning")} />
              )}
              <span>
                {node ? <b>{nameOf(node)} </b> : null}
                {t.say(issue.message ?? "")}
                {issue.suggestion ? <span className="soft"> — {t.say(issue.suggestion)}</span> : null}
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}
