/** Two executions side by side: where they went different ways. */
import { ArrowLeft } from "lucide-react";
import { useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import type { NodeRunJson } from "~/api/contract";
import { RUN_LABELS, RunMark, StatusBadge } from "~/editor/looks";
import { useWords } from "~/i18n";
import { differences } from "~/model/review";
import { duration, itemsOf, lookOf, spoken } from "~/model/runs";
import { Badge, Button, Loading, Switch } from "~/ui";
import { moment } from "./format";
import { NoPage } from "./NoPage";
import { useExecution } from "./useExecution";

export default function ComparePage() {
  const { t, language } = useWords();
  const [, go] = useLocation();
  const [params] = useSearchParams();
  const a = useExecution(params.get("a") ?? "");
  const b = useExecution(params.get("b") ?? "");
  const [only, setOnly] = useState(false);
  const [open, setOpen] = useState<string>();
  const error = a.error ?? b.error;
  if (error || !params.get("a") || !params.get("b"))
    return <NoPage error={error} back={{ href: "/executions", label: t("All executions") }} />;
  if (!a.execution || !b.execution) return <Loading />;
  const byAddress = (runs: NodeRunJson[]) => new Map(runs.map((run) => [run.address ?? "", run]));
  const left = byAddress(a.runs);
  const right = byAddress(b.runs);
  const rows = [...new Set([...left.keys(), ...right.keys()])].map((address) => {
    const one = left.get(address);
    const two = right.get(address);
    const changes = differences("", plain(one), plain(two));
    return {
      address,
      one,
      two,
      changes,
      differs: changes.length > 0 || !one || !two || lookOf(one) !== lookOf(two),
    };
  });
  const shown = only ? rows.filter((row) => row.differs) : rows;
  return (
    <div className="page">
      <header className="pagehead">
        <div className="row">
          <Button look="ghost" icon label={t("All executions")} onClick={() => go("/executions")}>
            <ArrowLeft />
          </Button>
          <div>
            <h1>{t("Compare executions")}</h1>
            <p>{t("{count} steps differ", { count: rows.filter((row) => row.differs).length })}</p>
          </div>
        </div>
        <span className="row small">
          <Switch checked={only} onChange={setOnly} label={t("Only differences")} />
          {t("Only differences")}
        </span>
      </header>
      <div className="card listcard scroll">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t("Step")}</th>
              {[a.execution, b.execution].map((execution, index) => (
                <th key={index} scope="col">
                  <span className="row">
                    <StatusBadge status={execution.status} />
                    <span>{moment(execution.createdAt, language)}</span>
                    <span>{spoken(duration(execution.startedAt, execution.endedAt))}</span>
                  </span>
                </th>
              ))}
              <th scope="col">{t("Data")}</th>
            </tr>
          </thead>
          <tbody>
            {shown.flatMap((row) => [
              <tr key={row.address}>
                <td>
                  <span className="strong">{row.one?.nodeName || row.two?.nodeName || row.address}</span>
                  {row.address.includes("[") ? <code className="soft"> {row.address}</code> : null}
                </td>
                {[row.one, row.two].map((run, index) => (
                  <td key={index}>
                    {run ? (
                      <span className="row">
                        <RunMark look={lookOf(run)} />
                        {t(RUN_LABELS[lookOf(run)])}
                        <span className="soft small">{spoken(duration(run.startedAt, run.endedAt))}</span>
                      </span>
                    ) : (
                      <span className="soft">—</span>
                    )}
                  </td>
                ))}
                <td>
                  {row.changes.length > 0 ? (
                    <Button
                      small
                      aria-expanded={open === row.address}
                      onClick={() => setOpen(open === row.address ? undefined : row.address)}
                    >
                      {t("{count} differences", { count: row.changes.length })}
                    </Button>
                  ) : row.differs ? (
                    <Badge tone="amber">{t("differs")}</Badge>
                  ) : (
                    <span className="soft">{t("the same")}</span>
                  )}
                </td>
              </tr>,
              open === row.address ? (
                <tr key={`${row.address}-open`}>
                  <td colSpan={4}>
                    {row.changes.slice(0, 60).map((change) => (
                      <div key={change.path} className="diffline">
                        <b>{change.path}</b> <span className="was">{JSON.stringify(change.before)}</span>{" "}
                        <span className="is">{JSON.stringify(change.after)}</span>
                      </div>
                    ))}
                  </td>
                </tr>
              ) : null,
            ])}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** What a run gave, by port and position, so that one changed field is one difference. */
function plain(run: NodeRunJson | undefined): Record<string, unknown> | undefined {
  if (!run) return undefined;
  const ports = Object.keys(run.outputs ?? {});
  const made: Record<string, unknown> = Object.fromEntries(
    ports.map((port) => [
      port,
      Object.fromEntries(itemsOf(run.outputs, port).map((item, index) => [index, item.json])),
    ]),
  );
  if (run.failure) made.failure = { reason: run.failure.reason, message: run.failure.message };
  return made;
}
