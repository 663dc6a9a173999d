/** Every fact of an execution, as it was stored; and a fork from any of them. */
import { GitFork } from "lucide-react";
import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { type EventTypeJson, type NodeRunJson, workflows } from "~/api/contract";
import { useWords } from "~/i18n";
import { ForkDialog } from "~/pages/ForkDialog";
import { instant, moment } from "~/pages/format";
import { Button, Input } from "~/ui";

/** What each kind of fact means. */
const FACTS: Partial<Record<EventTypeJson, string>> = {
  EVENT_TYPE_EXECUTION_STARTED: "Execution started",
  EVENT_TYPE_ATTEMPT_STARTED: "Attempt started",
  EVENT_TYPE_ITEM_SUCCEEDED: "Item succeeded",
  EVENT_TYPE_NODE_SUCCEEDED: "Node succeeded",
  EVENT_TYPE_ATTEMPT_FAILED: "Attempt failed",
  EVENT_TYPE_NODE_SUSPENDED: "Node waits",
  EVENT_TYPE_NODE_ITERATED: "Next round",
  EVENT_TYPE_NODE_EXPANDED: "Fanned out",
  EVENT_TYPE_TIMER_FIRED: "Time came",
  EVENT_TYPE_SIGNAL_RECEIVED: "Signal received",
  EVENT_TYPE_CHILD_ENDED: "Child ended",
  EVENT_TYPE_OUTCOME_UNKNOWN: "Outcome unknown",
  EVENT_TYPE_OUTCOME_RESOLVED: "Outcome decided",
  EVENT_TYPE_CANCEL_REQUESTED: "Cancellation asked for",
  EVENT_TYPE_PAUSE_REQUESTED: "Pause asked for",
  EVENT_TYPE_RESUME_REQUESTED: "Resumption asked for",
  EVENT_TYPE_EXECUTION_ENDED: "Execution ended",
  EVENT_TYPE_STEP_SUCCEEDED: "Step of an agent succeeded",
  EVENT_TYPE_TASK_ANSWERED: "Task answered",
};

export function Journal({ id, runs, last }: { id: string; runs: NodeRunJson[]; last: string }) {
  const { t, language } = useWords();
  const [, go] = useLocation();
  const followed = useJournal(id, last);
  const [forking, setForking] = useState<string>();
  const [filter, setFilter] = useState("");
  const names = new Map(runs.map((run) => [run.nodeId, run.nodeName]));
  const lines = followed
    .map((event) => {
      const node = (event.address ?? "").split("[")[0] ?? "";
      return {
        ...event,
        fact: t((event.type && FACTS[event.type]) ?? event.type ?? ""),
        step: (names.get(node) || node) + (event.address ?? "").slice(node.length),
      };
    })
    .filter((line) =>
      `${line.fact} ${line.step} ${line.address}`.toLowerCase().includes(filter.toLowerCase()),
    );
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
            {lines.map((line) => (
              <tr key={line.seq}>
                <td className="nr">{line.seq}</td>
                <td title={moment(line.at, language)}>{instant(line.at, language)}</td>
                <td>{line.fact}</td>
                <td title={line.address}>{line.step}</td>
                <td className="does">
                  <Button small look="ghost" onClick={() => setForking(line.seq ?? "1")}>
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
