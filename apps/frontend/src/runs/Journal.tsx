/** Every fact of an execution, as it was stored; and a fork from any of them. */
import { GitFork } from "lucide-react";
import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { type NodeRunJson, workflows } from "~/api/contract";
import { useWords } from "~/i18n";
import { ForkDialog } from "~/pages/ForkDialog";
import { moment } from "~/pages/format";
import { Button, Input } from "~/ui";

export function Journal({ id, runs, last }: { id: string; runs: NodeRunJson[]; last: string }) {
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
