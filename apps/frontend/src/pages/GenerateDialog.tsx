/** A workflow from a description in one's own words. */
import { Sparkles } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { ai } from "~/api/contract";
import { useChange } from "~/api/hooks";
import { useT } from "~/i18n";
import { Button, Dialog, Field, Input, Notice, Problem, Textarea } from "~/ui";

export function GenerateDialog({ open, onClose }: { open: boolean; onClose(): void }) {
  const t = useT();
  const [, go] = useLocation();
  const [description, setDescription] = useState("");
  const [answers, setAnswers] = useState<Record<string, string>>({});
  const generate = useChange(ai.generateWorkflow, ["ListWorkflows"], {
    quiet: true,
    done: (answer) => {
      if (answer.success && answer.workflow?.id) go(`/workflows/${answer.workflow.id}`);
    },
  });
  const questions = Object.entries(generate.data?.questions ?? {});
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={t("Describe a workflow")}
      hint={t(
        "Say what shall happen, when, and with which systems. You get a draft to look over; nothing runs by itself.",
      )}
      footer={
        <>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button
            look="primary"
            disabled={!description.trim()}
            busy={generate.isPending}
            onClick={() => generate.mutate({ description, answers })}
          >
            <Sparkles />
            {t("Draw it")}
          </Button>
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
      {generate.data && !generate.data.success && questions.length === 0 ? (
        <Notice tone="amber">{generate.data.message}</Notice>
      ) : null}
      {generate.error ? <Problem error={generate.error} /> : null}
    </Dialog>
  );
}
