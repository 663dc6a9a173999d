/** When each run started and how long it took. */
import { useEffect, useState } from "react";
import type { ExecutionJson, NodeRunJson } from "~/api/contract";
import { RUN_LABELS, RunMark } from "~/editor/looks";
import { useT } from "~/i18n";
import { hasEnded, lookOf, spoken } from "~/model/runs";
import "./data.css";

export function Timeline({
  execution,
  runs,
  chosen,
  onChoose,
}: {
  execution: ExecutionJson | undefined;
  runs: NodeRunJson[];
  chosen?: string | undefined;
  onChoose(run: NodeRunJson): void;
}) {
  const t = useT();
  const live = execution !== undefined && !hasEnded(execution);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [live]);
  const time = (text: string | undefined) => (text ? Date.parse(text) : undefined);
  const starts = runs.flatMap((run) => time(run.startedAt) ?? []);
  const begin = Math.min(time(execution?.startedAt ?? execution?.createdAt) ?? now, ...starts);
  const end = Math.max(
    time(execution?.endedAt) ?? (live ? now : begin),
    ...runs.flatMap((run) => time(run.endedAt) ?? []),
    begin + 1,
  );
  const share = (at: number) => `${(((at - begin) / (end - begin)) * 100).toFixed(2)}%`;
  return (
    <div className="gantt" role="group" aria-label={t("Timeline")}>
      <span className="soft">{t("Step")}</span>
      <div className="axis" aria-hidden>
        {(end - begin < 8 ? [0, 1] : [0, 0.25, 0.5, 0.75, 1]).map((part) => (
          <span key={part} style={{ left: `${part * 100}%` }}>
            {part === 0 ? "0" : spoken((end - begin) * part)}
          </span>
        ))}
      </div>
      <span />
      {runs.map((run) => {
        const from = time(run.startedAt);
        const look = lookOf(run);
        const to = time(run.endedAt) ?? (look === "running" || look === "waiting" ? now : from);
        const failed = (run.attempts ?? []).filter(
          (attempt) => attempt.failure && attempt.startedAt && attempt.endedAt,
        );
        return (
          <div key={run.address} style={{ display: "contents" }}>
            <button
              type="button"
              className="who"
              aria-current={chosen === run.address}
              onClick={() => onChoose(run)}
              title={t.say(run.failure?.message ?? "") || undefined}
            >
              <RunMark look={look} />
              <span className="clip">
                {run.nodeName || run.nodeId}
                {run.path?.length ? <span className="soft"> [{run.path.join("][")}]</span> : null}
              </span>
              <span className="sr">{t(RUN_LABELS[look])}</span>
            </button>
            <div className="lane" aria-hidden>
              {from !== undefined && to !== undefined ? (
                <div
                  className={`bar ${look}`}
                  style={{ left: share(from), width: `calc(${share(begin + Math.max(0, to - from))})` }}
                />
              ) : null}
              {failed.length > 1
                ? failed.slice(0, -1).map((attempt) => (
                    <div
                      key={attempt.number}
                      className="bar attempt"
                      style={{
                        left: share(time(attempt.startedAt) ?? begin),
                        width: share(
                          begin + (time(attempt.endedAt) ?? begin) - (time(attempt.startedAt) ?? begin),
                        ),
                      }}
                    />
                  ))
                : null}
            </div>
            <span className="took">
              {run.source
                ? t(run.source)
                : from !== undefined && to !== undefined && look !== "skipped"
                  ? spoken(to - from)
                  : ""}
            </span>
          </div>
        );
      })}
    </div>
  );
}
