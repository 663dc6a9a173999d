/** What changes, line by line. */
import { useT } from "~/i18n";

export function Changes({
  changes,
  most = 12,
}: {
  changes: { path: string; before: unknown; after: unknown }[];
  most?: number;
}) {
  const t = useT();
  return (
    <div className="diffline">
      {changes.slice(0, most).map((change) => (
        <div key={change.path}>
          <b>{change.path}</b>{" "}
          {change.before === undefined ? null : <span className="was">{said(change.before)}</span>}{" "}
          {change.after === undefined ? null : <span className="is">{said(change.after)}</span>}
        </div>
      ))}
      {changes.length > most ? (
        <span className="soft">{t("and {count} more", { count: changes.length - most })}</span>
      ) : null}
    </div>
  );
}

function said(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > 160 ? `${text.slice(0, 159)}…` : text;
}
