/** What starts workflows by itself. */
import { Bell, CalendarClock, Copy, Play, RotateCcw, Zap } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { type TriggerDecisionJson, type TriggerJson, triggers, workflows } from "~/api/contract";
import { useCall, useChange, useNodeTypes } from "~/api/hooks";
import { NodeIcon } from "~/editor/looks";
import { Text } from "~/forms/Text";
import { useWords } from "~/i18n";
import {
  Badge,
  Button,
  Dialog,
  Empty,
  Field,
  Input,
  Loading,
  Notice,
  Problem,
  Switch,
  Tabs,
  type Tone,
  toast,
} from "~/ui";
import { ago, day, moment } from "./format";
import "./pages.css";

const DECISIONS: Partial<Record<TriggerDecisionJson, { label: string; tone: Tone }>> = {
  TRIGGER_DECISION_STARTED: { label: "Started", tone: "green" },
  TRIGGER_DECISION_SKIPPED_OVERLAP: { label: "Skipped: an earlier one still ran", tone: "grey" },
  TRIGGER_DECISION_SKIPPED_PAUSED: { label: "Skipped: paused", tone: "grey" },
  TRIGGER_DECISION_SKIPPED_CATCH_UP: { label: "Skipped: too late", tone: "grey" },
  TRIGGER_DECISION_SKIPPED_CONDITION: { label: "Skipped: condition is false", tone: "grey" },
  TRIGGER_DECISION_DUPLICATE: { label: "Seen before", tone: "grey" },
  TRIGGER_DECISION_BUFFERED: { label: "Waits for an earlier one", tone: "amber" },
  TRIGGER_DECISION_FAILED: { label: "Failed", tone: "red" },
};

export default function TriggersPage() {
  const { t, language } = useWords();
  const list = useCall(triggers.listTriggers, { limit: 500 }, { every: 10_000 });
  const known = useCall(workflows.listWorkflows, { limit: 500 });
  const types = useNodeTypes();
  const [open, setOpen] = useState<TriggerJson>();
  const names = new Map((known.data?.workflows ?? []).map((each) => [each.id, each.name]));
  const typeNames = new Map((types.data ?? []).map((type) => [type.type, type.name]));
  const pause = useChange(triggers.pauseTrigger, ["ListTriggers"]);
  const resume = useChange(triggers.resumeTrigger, ["ListTriggers"]);
  const found = list.data?.triggers ?? [];
  return (
    <div className="page">
      <header className="pagehead">
        <div>
          <h1>{t("Triggers")}</h1>
          <p>{t("Publishing a workflow makes a trigger of each of its trigger nodes.")}</p>
        </div>
      </header>
      <div className="card listcard">
        {list.isPending ? <Loading /> : null}
        {list.error ? (
          <div style={{ padding: 16 }}>
            <Problem error={list.error} retry={() => void list.refetch()} />
          </div>
        ) : null}
        {list.data && found.length === 0 ? (
          <Empty icon={Bell} title={t("No triggers yet")}>
            {t("Put a schedule or a webhook into a workflow and publish it.")}
          </Empty>
        ) : null}
        {found.length > 0 ? (
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t("Trigger")}</th>
                <th scope="col">{t("Workflow")}</th>
                <th scope="col">{t("Next")}</th>
                <th scope="col">{t("Active")}</th>
              </tr>
            </thead>
            <tbody>
              {found.map((trigger) => (
                <tr key={trigger.id}>
                  <td>
                    <button type="button" className="opener" onClick={() => setOpen(trigger)}>
                      <NodeIcon type={trigger.type ?? ""} />
                      <span className="col" style={{ gap: 0 }}>
                        <span className="strong">{typeNames.get(trigger.type) ?? trigger.type}</span>
                        <span className="soft small mono clip">{told(trigger)}</span>
                      </span>
                    </button>
                  </td>
                  <td>
                    <Link className="link" href={`/workflows/${trigger.workflowId}`}>
                      {names.get(trigger.workflowId) ?? trigger.workflowId}
                    </Link>
                  </td>
                  <td className="soft" title={moment(trigger.nextAt, language)}>
                    {trigger.nextAt
                      ? ago(trigger.nextAt, language)
                      : trigger.webhookUrl
                        ? t("When it is called")
                        : "—"}
                  </td>
                  <td>
                    <Switch
                      label={t("Active")}
                      checked={!trigger.paused}
                      onChange={(active) => (active ? resume : pause).mutate({ triggerId: trigger.id ?? "" })}
                    />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : null}
      </div>
      {open ? (
        <TriggerDialog
          trigger={open}
          name={typeNames.get(open.type) ?? open.type ?? ""}
          workflow={names.get(open.workflowId) ?? ""}
          onClose={() => setOpen(undefined)}
        />
      ) : null}
    </div>
  );
}

/** What tells this trigger from others of its kind: when it runs, or where it is called. */
function told({ parameters, webhookUrl }: TriggerJson): string {
  const said = parameters as Record<string, unknown> | undefined;
  const found = said?.expression ?? said?.every ?? said?.path ?? said?.url ?? said?.queue ?? said?.subject;
  return typeof found === "string" ? found : webhookUrl ? new URL(webhookUrl).pathname : "";
}

function TriggerDialog({
  trigger,
  name,
  workflow,
  onClose,
}: {
  trigger: TriggerJson;
  name: string;
  workflow: string;
  onClose(): void;
}) {
  const { t, language } = useWords();
  // Only a clock knows what comes next.
  const isTimed = !trigger.webhookUrl;
  const [tab, setTab] = useState(isTimed ? "next" : "events");
  const id = trigger.id ?? "";
  const times = useCall(triggers.previewTrigger, { trigger, count: 12 }, { enabled: isTimed });
  const events = useCall(triggers.listTriggerEvents, { triggerId: id, limit: 50 }, { every: 5000 });
  const [payload, setPayload] = useState("{}");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const fire = useChange(triggers.fireTrigger, ["ListTriggerEvents"], {
    done: (answer) => {
      toast("green", t("Fired"), { text: t.say(answer.message ?? "") });
      setTab("events");
    },
  });
  const replay = useChange(triggers.replayTriggerEvent, ["ListTriggerEvents"], {
    done: (answer) =>
      toast(answer.success ? "green" : "amber", answer.success ? t("Fired") : t("Nothing was started"), {
        text: t.say(answer.message ?? ""),
      }),
  });
  const backfill = useChange(triggers.backfillTrigger, ["ListTriggerEvents"], {
    done: (answer) => {
      toast("green", t("{count} executions started", { count: answer.started ?? 0 }), {
        text: answer.skipped ? t("{count} ticks have started nothing", { count: answer.skipped }) : "",
      });
      setTab("events");
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={`${name} · ${workflow}`}
      hint={<code>{told(trigger) || trigger.type}</code>}
      wide
    >
      {trigger.webhookUrl ? (
        <div className="secret">
          <span className="grow">{trigger.webhookUrl}</span>
          <Button
            small
            icon
            look="ghost"
            label={t("Copy")}
            onClick={() =>
              void navigator.clipboard
                .writeText(trigger.webhookUrl ?? "")
                .then(() => toast("green", t("Copied")))
            }
          >
            <Copy />
          </Button>
        </div>
      ) : null}
      <Tabs
        label={t("Trigger")}
        value={tab}
        onChange={setTab}
        tabs={[
          ...(isTimed ? [{ id: "next", label: t("Next runs"), icon: CalendarClock }] : []),
          { id: "events", label: t("What it did"), icon: Zap },
          { id: "fire", label: t("Fire"), icon: Play },
        ]}
      >
        <div className="col" style={{ paddingTop: 14, gap: 14, minHeight: 220 }}>
          {tab === "next" ? (
            <>
              {trigger.paused ? (
                <Notice tone="amber">{t("It is paused: none of these will happen.")}</Notice>
              ) : null}
              {times.error ? <Problem error={times.error} /> : null}
              {times.data?.timezone ? (
                <p className="soft small">{t("In the time of {zone}", { zone: times.data.timezone })}</p>
              ) : null}
              <ol className="ticks">
                {(times.data?.times ?? []).map((time) => (
                  <li key={time}>
                    {day(time, language, times.data?.timezone)}{" "}
                    <span className="soft">{ago(time, language)}</span>
                  </li>
                ))}
              </ol>
            </>
          ) : tab === "events" ? (
            events.error ? (
              <Problem error={events.error} />
            ) : events.data && !events.data.events?.length ? (
              <Empty icon={Zap} title={t("Nothing has happened yet")}>
                {isTimed ? "" : t("It fires whenever its address is called.")}
              </Empty>
            ) : (
              <table className="table">
                <tbody>
                  {(events.data?.events ?? []).map((event) => (
                    <tr key={event.id}>
                      <td className="soft">{moment(event.at, language)}</td>
                      <td>
                        <Badge tone={DECISIONS[event.decision ?? "TRIGGER_DECISION_FAILED"]?.tone ?? "grey"}>
                          {t(DECISIONS[event.decision ?? "TRIGGER_DECISION_FAILED"]?.label ?? "")}
                        </Badge>
                      </td>
                      <td className="soft small">{t.say(event.detail ?? "")}</td>
                      <td className="num">
                        <Button
                          small
                          icon
                          look="ghost"
                          label={t("Start from it again")}
                          onClick={() => replay.mutate({ eventId: event.id ?? "" })}
                        >
                          <RotateCcw />
                        </Button>{" "}
                        {event.executionId ? (
                          <Link className="link" href={`/executions/${event.executionId}`}>
                            {t("Execution")}
                          </Link>
                        ) : null}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )
          ) : (
            <>
              <Field label={t("Data")}>
                {(fieldId) => (
                  <Text
                    id={fieldId}
                    value={payload}
                    onChange={setPayload}
                    multiline
                    label={t("Data")}
                    language="json"
                  />
                )}
              </Field>
              <div>
                <Button
                  look="primary"
                  busy={fire.isPending}
                  onClick={() => {
                    try {
                      fire.mutate({
                        triggerId: id,
                        payload: JSON.parse(payload) as { [key: string]: string },
                      });
                    } catch (error) {
                      toast("red", t("This is no JSON: {why}", { why: (error as Error).message }));
                    }
                  }}
                >
                  <Play />
                  {t("Fire now")}
                </Button>
              </div>
              {trigger.nextAt ? (
                <div className="row wrap" style={{ alignItems: "flex-end" }}>
                  <Field label={t("Backfill from")}>
                    {(fieldId) => (
                      <Input
                        id={fieldId}
                        type="datetime-local"
                        value={from}
                        onChange={(event) => setFrom(event.target.value)}
                      />
                    )}
                  </Field>
                  <Field label={t("to")}>
                    {(fieldId) => (
                      <Input
                        id={fieldId}
                        type="datetime-local"
                        value={to}
                        onChange={(event) => setTo(event.target.value)}
                      />
                    )}
                  </Field>
                  <Button
                    disabled={!from || !to}
                    busy={backfill.isPending}
                    onClick={() =>
                      backfill.mutate({
                        triggerId: id,
                        from: new Date(from).toISOString(),
                        to: new Date(to).toISOString(),
                      })
                    }
                  >
                    {t("Backfill")}
                  </Button>
                </div>
              ) : null}
            </>
          )}
        </div>
      </Tabs>
    </Dialog>
  );
}
