/** A workflow from a description in one's own words: drawn, looked over, and only then kept. */
import { Check, Sparkles } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { ai, type WorkflowJson, workflows } from "~/api/contract";
import { useChange } from "~/api/hooks";
import { useT } from "~/i18n";
import { Button, Dialog, Field, Input, Notice, Problem, Textarea } from "~/ui";
import { Markdown } from "./Markdown";
import { NodeList } from "./NodeList";
import "./pages.css";

export function GenerateDialog({ onClose }: { onClose(): void }) {
  const t = useT();
  const [, go] = useLocation();
  const [description, setDescription] = useState("");
  const [answers, setAnswers] = useState<Record<string, string>>({});
  const generate = useChange(ai.generateWorkflow, [], { quiet: true });
  const keep = useChange(workflows.createWorkflow, ["ListWorkflows"], {
    quiet: true,
    done: (answer) => go(`/workflows/${answer.workflow?.id}`),
  });
  const questions = Object.entries(generate.data?.questions ?? {});
  const drawn = generate.data?.success ? generate.data.workflow : undefined;
  const draw = () => generate.mutate({ description, answers, dryRun: true });
  return (
    <Dialog
      open
      onClose={onClose}
      title={t("Describe a workflow")}
      hint={t(
        "Say what shall happen, when, and with which systems. You get a draft to look over; nothing runs by itself.",
      )}
      footer={
        <>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button
            {...(drawn ? {} : { look: "primary" as const })}
            disabled={!description.trim()}
            busy={generate.isPending}
            onClick={draw}
          >
            <Sparkles />
            {drawn ? t("Draw it anew") : t("Draw it")}
          </Button>
          {drawn && !generate.isPending ? (
            <Button
              look="primary"
              busy={keep.isPending}
              onClick={() =>
                keep.mutate({
                  name: drawn.name ?? "",
                  description: drawn.description ?? "",
                  workflow: drawn,
                })
              }
            >
              <Check />
              {t("Save as draft")}
            </Button>
          ) : null}
        </>
      }
    >
      <Field label={t("Description")}>
        {(id) => (
          <Textarea
            id={id}
            rows={5}
            value={description}
            placeholder={t("Every morning at 8, fetch the weather for Berlin and mail me if it will rain.")}
            onChange={(event) => setDescription(event.target.value)}
          />
        )}
      </Field>
      {questions.length > 0 ? <Notice>{t("A few things are open still.")}</Notice> : null}
      {questions.map(([key, question]) => (
        <Field key={key} label={question}>
          {(id) => (
            <Input
              id={id}
              value={answers[key] ?? ""}
              onChange={(event) => setAnswers({ ...answers, [key]: event.target.value })}
            />
          )}
        </Field>
      ))}
      {drawn ? <Drawn workflow={drawn} explanation={generate.data?.explanation ?? ""} /> : null}
      {drawn
        ? (generate.data?.issues ?? []).map((issue, index) => (
            <Notice key={index} tone="amber">
              {t.say(issue.message ?? "")}
              {issue.suggestion ? ` — ${t.say(issue.suggestion)}` : ""}
            </Notice>
          ))
        : null}
      {generate.data && !drawn && questions.length === 0 ? (
        <Notice tone="amber">{t.say(generate.data.message ?? "")}</Notice>
      ) : null}
      {(generate.error ?? keep.error) ? <Problem error={generate.error ?? keep.error} /> : null}
    </Dialog>
  );
}

function Drawn({ workflow, explanation }: { workflow: WorkflowJson; explanation: string }) {
  const t = useT();
  return (
    <section className="col" aria-label={t("Proposed workflow")} aria-live="polite">
      <h3>{workflow.name}</h3>
      {explanation ? <Markdown text={explanation} /> : null}
      <NodeList nodes={workflow.nodes ?? []} />
    </section>
  );
}
