/** Makes the draft a version. */
import { Rocket } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { workflows } from "~/api/contract";
import { queries, useChange } from "~/api/hooks";
import { useT } from "~/i18n";
import { nodesOf } from "~/model/graph";
import { Button, Dialog, Field, Input, Problem, toast } from "~/ui";
import { useEditorStore } from "./store";

export function PublishDialog({ open, onClose }: { open: boolean; onClose(): void }) {
  const t = useT();
  const store = useEditorStore();
  const [, go] = useLocation();
  const [message, setMessage] = useState("");
  const publish = useChange(
    workflows.publishWorkflow,
    ["ListWorkflowVersions", "ListTriggers", "ListWorkflows"],
    {
      quiet: true,
      done: (answer) => {
        const starts = nodesOf(store.getState().history.doc).some(
          (node) => node.type.startsWith("trigger.") && node.type !== "trigger.manual" && !node.disabled,
        );
        toast(
          "green",
          t("Version {version} is live", { version: answer.version?.version ?? 0 }),
          starts ? { action: { label: t("When it runs"), run: () => go("/triggers") } } : {},
        );
        setMessage("");
        onClose();
        void queries.invalidateQueries({ queryKey: ["DiffWorkflow"] });
      },
    },
  );
  const [refused, setRefused] = useState<unknown>();
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={t("Publish")}
      hint={t(
        "Makes the draft a version that never changes. Its triggers start executions of it from now on.",
      )}
    >
      <form
        className="col"
        style={{ gap: 16 }}
        onSubmit={async (event) => {
          event.preventDefault();
          setRefused(undefined);
          if (!(await store.getState().save())) {
            setRefused(store.getState().trouble);
            return;
          }
          publish.mutate({ workflowId: store.getState().id, message });
        }}
      >
        <Field label={t("What changed")}>
          {(id) => (
            <Input
              id={id}
              maxLength={1000}
              value={message}
              placeholder={t("For the list of versions")}
              onChange={(event) => setMessage(event.target.value)}
            />
          )}
        </Field>
        {(publish.error ?? refused) ? <Problem error={publish.error ?? refused} /> : null}
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" type="submit" busy={publish.isPending}>
            <Rocket />
            {t("Publish")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
