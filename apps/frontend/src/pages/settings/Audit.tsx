/** Who did what. */
import { useState } from "react";
import { admin } from "~/api/contract";
import { useCall } from "~/api/hooks";
import { useWords } from "~/i18n";
import { moment } from "~/pages/format";
import { Badge, Button, Input, Problem } from "~/ui";

export function Audit() {
  const { t, language } = useWords();
  const [action, setAction] = useState("");
  const [limit, setLimit] = useState(100);
  const list = useCall(admin.listAuditEvents, { limit, ...(action ? { action } : {}) }, { keep: true });
  const events = list.data?.events ?? [];
  return (
    <section>
      <div className="row between">
        <h2>{t("Audit log")}</h2>
        <Input
          style={{ maxWidth: 220 }}
          aria-label={t("Only this action")}
          placeholder={t("Only this action")}
          value={action}
          onChange={(event) => setAction(event.target.value)}
        />
      </div>
      {list.error ? <Problem error={list.error} /> : null}
      <div className="card listcard scroll">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t("When")}</th>
              <th scope="col">{t("Who")}</th>
              <th scope="col">{t("Action")}</th>
              <th scope="col">{t("On")}</th>
              <th scope="col">{t("Outcome")}</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event) => (
              <tr key={event.id}>
                <td className="when">{moment(event.at, language)}</td>
                <td>{event.who || t("Somebody")}</td>
                <td>{event.action}</td>
                <td className="mono soft main clip" title={(event.resources ?? []).join(", ")}>
                  {(event.resources ?? []).join(", ")}
                </td>
                <td>
                  <Badge tone={event.outcome === "OK" ? "green" : "red"}>
                    {event.outcome === "OK" ? t("done") : (event.reason ?? event.outcome)}
                  </Badge>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {list.data?.nextPageToken ? (
        <div>
          <Button small onClick={() => setLimit(Math.min(limit + 200, 1000))}>
            {t("Show more")}
          </Button>
        </div>
      ) : null}
    </section>
  );
}
