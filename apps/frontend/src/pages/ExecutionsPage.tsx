/** What ran, what runs and what waits. */
import { Activity, GitCompareArrows } from "lucide-react";
import { useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { type ExecutionStatusJson, workflows } from "~/api/contract";
import { useCall } from "~/api/hooks";
import { modeLabel, STATUSES, StatusBadge } from "~/editor/looks";
import { useWords } from "~/i18n";
import { duration, spoken } from "~/model/runs";
import { Button, Empty, Input, Loading, Problem, Select } from "~/ui";
import { ago, moment } from "./format";

const PAGE = 50;

export default function ExecutionsPage() {
  const { t, language } = useWords();
  const [, go] = useLocation();
  const [params, setParams] = useSearchParams();
  const workflow = params.get("workflow") ?? "";
  const status = (params.get("status") ?? "") as ExecutionStatusJson | "";
  const day = params.get("since") ?? "";
  const [limit, setLimit] = useState(PAGE);
  const [picked, setPicked] = useState<string[]>([]);
  const set = (name: string, value: string) =>
    setParams((before) => {
      const next = new URLSearchParams(before);
      if (value) next.set(name, value);
      else next.delete(name);
      return next;
    });
  const list = useCall(
    workflows.getExecutionHistory,
    {
      limit,
      ...(workflow ? { workflowId: workflow } : {}),
      ...(status ? { statuses: [status] } : {}),
      ...(day ? { since: new Date(`${day}T00:00`).toISOString() } : {}),
    },
    { every: 4000, keep: true },
  );
  const known = useCall(workflows.listWorkflows, { limit: 500 });
  const names = new Map((known.data?.workflows ?? []).map((each) => [each.id, each.name]));
  const found = list.data?.executions ?? [];
  const pick = (id: string) =>
    setPicked((before) =>
      before.includes(id) ? before.filter((each) => each !== id) : [...before.slice(-1), id],
    );
  return (
    <div className="page">
      <header className="pagehead">
        <div>
          <h1>{t("Executions")}</h1>
          {list.data ? <p>{t("{count} in all", { count: String(list.data.total ?? 0) })}</p> : null}
        </div>
        <Button
          className="hide-small"
          disabled={picked.length !== 2}
          onClick={() => go(`/compare?a=${picked[0]}&b=${picked[1]}`)}
        >
          <GitCompareArrows />
          {picked.length === 2 ? t("Compare") : t("Choose two to compare")}
        </Button>
      </header>
      <div className="toolbar">
        <Select
          aria-label={t("Workflow")}
          style={{ width: 220 }}
          value={workflow}
          onChange={(event) => set("workflow", event.target.value)}
          options={[
            { value: "", label: t("All workflows") },
            ...(known.data?.workflows ?? []).map((each) => ({
              value: each.id ?? "",
              label: each.name ?? "",
            })),
          ]}
        />
        <Select
          aria-label={t("Status")}
          style={{ width: 150 }}
          value={status}
          onChange={(event) => set("status", event.target.value)}
          options={[
            { value: "", label: t("Any status") },
            ...STATUSES.map((each) => ({ value: each.value, label: t(each.label) })),
          ]}
        />
        <Input
          type="date"
          aria-label={t("Since")}
          title={t("Since")}
          style={{ width: 150 }}
          value={day}
          onChange={(event) => set("since", event.target.value)}
        />
        {workflow || status || day ? (
          <Button look="ghost" onClick={() => setParams({})}>
            {t("Clear")}
          </Button>
        ) : null}
      </div>
      <div className="card listcard">
        {list.isPending ? <Loading /> : null}
        {list.error ? (
          <div style={{ padding: 16 }}>
            <Problem error={list.error} retry={() => void list.refetch()} />
          </div>
        ) : null}
        {list.data && found.length === 0 ? (
          <Empty icon={Activity} title={t("No executions")}>
            {workflow || status || day
              ? t("None fits the filters.")
              : t("Run a workflow, or publish one with a trigger, and it shows up here.")}
          </Empty>
        ) : null}
        {found.length > 0 ? (
          <table className="table">
            <thead>
              <tr>
                <th scope="col" className="hide-small">
                  <span className="sr">{t("Choose")}</span>
                </th>
                <th scope="col">{t("Workflow")}</th>
                <th scope="col">{t("Status")}</th>
                <th scope="col" className="hide-small">
                  {t("Started by")}
                </th>
                <th scope="col">{t("Started")}</th>
                <th scope="col" className="num hide-small">
                  {t("Took")}
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((execution) => (
                <tr key={execution.id} className="covered">
                  <td className="hide-small" style={{ width: 1 }}>
                    <input
                      type="checkbox"
                      className="over"
                      aria-label={t("Choose {name} to compare", { name: execution.id ?? "" })}
                      checked={picked.includes(execution.id ?? "")}
                      onChange={() => pick(execution.id ?? "")}
                    />
                  </td>
                  <td className="main">
                    <div className="row">
                      <Link
                        href={`/executions/${execution.id}`}
                        className="cover clip"
                        title={names.get(execution.workflowId) ?? ""}
                      >
                        {names.get(execution.workflowId) ?? execution.workflowId}
                      </Link>
                      <span className="when small">
                        {execution.workflowVersion ? `v${execution.workflowVersion}` : t("Draft")}
                      </span>
                    </div>
                    {execution.failure?.message ? (
                      <div className="failed small clip" title={t.say(execution.failure.message)}>
                        {t.say(execution.failure.message)}
                      </div>
                    ) : null}
                  </td>
                  <td>
                    <StatusBadge status={execution.status} />
                  </td>
                  <td className="when hide-small">
                    {t(modeLabel(execution.mode))}
                    {execution.triggeredBy && !execution.triggeredBy.startsWith("trig_")
                      ? ` · ${execution.triggeredBy}`
                      : ""}
                  </td>
                  <td className="when" title={moment(execution.createdAt, language)}>
                    {ago(execution.createdAt, language)}
                  </td>
                  <td className="num soft hide-small">
                    {spoken(duration(execution.startedAt ?? execution.createdAt, execution.endedAt))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : null}
        {list.data?.nextPageToken ? (
          <div className="row" style={{ justifyContent: "center", padding: 10 }}>
            <Button small look="ghost" onClick={() => setLimit(Math.min(limit + PAGE, 1000))}>
              {t("Show more")}
            </Button>
          </div>
        ) : null}
      </div>
    </div>
  );
}
