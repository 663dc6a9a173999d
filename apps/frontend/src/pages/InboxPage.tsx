/** What waits for people. */
import { ArrowLeft, Check, Clock, Inbox, UserCheck, X } from "lucide-react";
import { useState } from "react";
import { Link, useLocation, useParams } from "wouter";
import { type TaskJson, type TaskKindJson, type TaskStatusJson, triggers } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { SchemaForm } from "~/forms/SchemaForm";
import type { Schema } from "~/forms/schema";
import { useWords } from "~/i18n";
import { Json } from "~/runs/DataView";
import {
  Badge,
  Button,
  Empty,
  Field,
  Loading,
  Notice,
  Problem,
  Segments,
  Textarea,
  type Tone,
  toast,
} from "~/ui";
import { ago, moment } from "./format";
import { Markdown } from "./Markdown";
import { NoPage } from "./NoPage";
import "./pages.css";

const KINDS: Partial<Record<TaskKindJson, string>> = {
  TASK_KIND_APPROVAL: "Approval",
  TASK_KIND_FORM: "Form",
  TASK_KIND_CHOICE: "Choice",
  TASK_KIND_EDIT: "Review",
  TASK_KIND_REPLY: "Reply",
};
const STATUS: Partial<Record<TaskStatusJson, { label: string; tone: Tone }>> = {
  TASK_STATUS_OPEN: { label: "Open", tone: "amber" },
  TASK_STATUS_ANSWERED: { label: "Answered", tone: "green" },
  TASK_STATUS_EXPIRED: { label: "Expired", tone: "red" },
  TASK_STATUS_CANCELED: { label: "Canceled", tone: "grey" },
};

export default function InboxPage() {
  const { t, language } = useWords();
  const [, go] = useLocation();
  const { id } = useParams<{ id?: string }>();
  const [show, setShow] = useState<"open" | "all">("open");
  const list = useCall(
    triggers.listTasks,
    { limit: 200, ...(show === "open" ? { statuses: ["TASK_STATUS_OPEN" as const] } : {}) },
    { every: 5000, keep: true },
  );
  const tasks = list.data?.tasks ?? [];
  return (
    <div className={id ? "inbox reading" : "inbox"}>
      <section className="inboxlist" aria-label={t("Tasks")}>
        <header className="inboxhead">
          <h1>{t("Inbox")}</h1>
          <Segments
            label={t("Show")}
            value={show}
            onChange={setShow}
            options={[
              { value: "open", label: t("Open") },
              { value: "all", label: t("All") },
            ]}
          />
        </header>
        {list.isPending ? <Loading /> : null}
        {list.error ? (
          <div style={{ padding: 14 }}>
            <Problem error={list.error} retry={() => void list.refetch()} />
          </div>
        ) : null}
        {list.data && tasks.length === 0 ? (
          <Empty icon={Inbox} title={t("Nothing waits for you")}>
            {t("When a workflow asks for an approval, a form or a reply, it shows up here.")}
          </Empty>
        ) : null}
        <ul className="tasks">
          {tasks.map((task) => (
            <li key={task.id}>
              <Link href={`/inbox/${task.id}`} aria-current={task.id === id ? "true" : undefined}>
                <span className="row between">
                  <span className="strong clip">
                    {task.title || t(KINDS[task.kind ?? "TASK_KIND_FORM"] ?? "Task")}
                  </span>
                  <span className="soft small when">{ago(task.createdAt, language)}</span>
                </span>
                <span className="row small">
                  <Badge>{t(KINDS[task.kind ?? "TASK_KIND_FORM"] ?? "Task")}</Badge>
                  {task.status === "TASK_STATUS_OPEN" ? (
                    task.expiresAt ? (
                      <Badge tone="amber">
                        <Clock aria-hidden />
                        {ago(task.expiresAt, language)}
                      </Badge>
                    ) : null
                  ) : (
                    <Badge tone={STATUS[task.status ?? "TASK_STATUS_OPEN"]?.tone ?? "grey"}>
                      {t(STATUS[task.status ?? "TASK_STATUS_OPEN"]?.label ?? "")}
                    </Badge>
                  )}
                  <span className="soft clip">{(task.text ?? "").replace(/[*`#]/g, "").slice(0, 90)}</span>
                </span>
              </Link>
            </li>
          ))}
        </ul>
      </section>
      <section className="inboxtask" aria-label={t("Task")}>
        {id ? (
          <TaskView key={id} id={id} onBack={() => go("/inbox")} />
        ) : (
          <Empty icon={UserCheck} title={t("Choose a task")}>
            {t("What is asked, and what you can answer, is shown here.")}
          </Empty>
        )}
      </section>
    </div>
  );
}

function TaskView({ id, onBack }: { id: string; onBack(): void }) {
  const { t, language } = useWords();
  const found = useCall(triggers.getTask, { taskId: id }, { every: 8000 });
  if (found.isPending) return <Loading />;
  if (!found.data?.task)
    return (
      <NoPage
        error={found.error}
        retry={() => void found.refetch()}
        back={{ href: "/inbox", label: t("Back to the list") }}
      />
    );
  const task = found.data.task;
  const status = STATUS[task.status ?? "TASK_STATUS_OPEN"];
  return (
    <article className="task">
      <header className="row">
        <Button className="only-small" look="ghost" icon label={t("Back to the list")} onClick={onBack}>
          <ArrowLeft />
        </Button>
        <div className="grow">
          <h2>{task.title}</h2>
          <p className="soft small">
            {t("Asked {when}", { when: ago(task.createdAt, language) })}
            {task.expiresAt ? ` · ${t("Until {when}", { when: moment(task.expiresAt, language) })}` : ""}
            {" · "}
            <Link className="link" href={`/executions/${task.executionId}`}>
              {t("Open the execution")}
            </Link>
          </p>
        </div>
        {status ? <Badge tone={status.tone}>{t(status.label)}</Badge> : null}
      </header>
      {task.text ? <Markdown text={task.text} /> : null}
      {task.data && Object.keys(task.data).length > 0 && task.kind !== "TASK_KIND_EDIT" ? (
        <pre className="json card">
          <Json value={task.data} />
        </pre>
      ) : null}
      {task.assignees?.length ? (
        <p className="soft small">{t("For {names}", { names: task.assignees.join(", ") })}</p>
      ) : null}
      {(task.quorum ?? 1) > 1 ? (
        <Notice>
          {t("{given} of {needed} answers", { given: task.answers?.length ?? 0, needed: task.quorum ?? 1 })}
        </Notice>
      ) : null}
      {(task.answers ?? []).map((answer, index) => (
        <div key={index} className="answer">
          <span className="strong">{answer.userId || t("Somebody")}</span>
          <span className="soft small"> · {ago(answer.at, language)}</span>
          <pre className="json">
            <Json value={answer.data ?? {}} />
          </pre>
        </div>
      ))}
      {task.status === "TASK_STATUS_OPEN" ? <Answer task={task} /> : null}
    </article>
  );
}

function Answer({ task }: { task: TaskJson }) {
  const { t } = useWords();
  const schema = (task.schema ?? {}) as Schema;
  const [value, setValue] = useState<Record<string, unknown>>(() =>
    task.kind === "TASK_KIND_EDIT" ? ((task.data ?? {}) as Record<string, unknown>) : {},
  );
  const answer = useChange(triggers.answerTask, ["ListTasks", "GetTask"], {
    quiet: true,
    done: () => toast("green", t("Answered")),
  });
  const send = (data: Record<string, unknown>) =>
    answer.mutate({ taskId: task.id ?? "", data: data as NonNullable<TaskJson["data"]> });
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  if (task.kind === "TASK_KIND_APPROVAL") {
    const comment = value.comment as string | undefined;
    const vote = (approved: boolean) => send({ approved, ...(comment ? { comment } : {}) });
    return (
      <div className="col" style={{ gap: 14 }}>
        {properties.comment ? (
          <Field label={t("Comment")}>
            {(id) => (
              <Textarea
                id={id}
                value={comment ?? ""}
                onChange={(event) => setValue({ comment: event.target.value })}
              />
            )}
          </Field>
        ) : null}
        {answer.error ? <Problem error={answer.error} /> : null}
        <div className="row">
          <Button look="primary" busy={answer.isPending} onClick={() => vote(true)}>
            <Check />
            {task.labels?.approved || t("Approve")}
          </Button>
          <Button look="danger" busy={answer.isPending} onClick={() => vote(false)}>
            <X />
            {task.labels?.refused || t("Refuse")}
          </Button>
        </div>
      </div>
    );
  }
  return (
    <form
      className="col"
      style={{ gap: 16 }}
      onSubmit={(event) => {
        event.preventDefault();
        send(value);
      }}
    >
      <SchemaForm schema={schema} value={value} onChange={setValue} />
      {answer.error ? <Problem error={answer.error} /> : null}
      <div>
        <Button look="primary" type="submit" busy={answer.isPending}>
          <Check />
          {t("Answer")}
        </Button>
      </div>
    </form>
  );
}
