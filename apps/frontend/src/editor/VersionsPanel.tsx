/** Published versions: what changed, and the way back. */
import { History, RotateCcw, X } from "lucide-react";
import { useState } from "react";
import { workflows } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { useWords } from "~/i18n";
import { nodesOf } from "~/model/graph";
import { gathered } from "~/model/review";
import { ago } from "~/pages/format";
import { Badge, Button, Empty, Loading, Notice, Problem, Select, toast } from "~/ui";
import { Changes } from "./Changes";
import { useDoc, useEditor, useEditorStore } from "./store";

export default function VersionsPanel({ onClose }: { onClose(): void }) {
  const { t, language } = useWords();
  const store = useEditorStore();
  const id = store.getState().id;
  const doc = useDoc();
  const saving = useEditor((editor) => editor.saving);
  const list = useCall(workflows.listWorkflowVersions, { workflowId: id, limit: 200 });
  const versions = list.data?.versions ?? [];
  const newest = versions[0]?.version ?? 0;
  const [from, setFrom] = useState<number>();
  const [to, setTo] = useState(0);
  const base = from ?? newest;
  const etag = useEditor((editor) => editor.etag);
  const shown = useCall(
    workflows.diffWorkflow,
    { workflowId: id, fromVersion: base, toVersion: to },
    { enabled: base > 0, every: 4000 },
  );
  const rollback = useChange(workflows.rollbackWorkflow, ["DiffWorkflow"], {
    done: () => {
      void store.getState().reload();
      toast("green", t("The draft is the old version again"));
    },
  });
  const unpublish = useChange(workflows.unpublishWorkflow, ["ListWorkflowVersions", "ListTriggers"], {
    done: () => toast("green", t("Its triggers start nothing any more")),
  });
  const options = [
    { value: "0", label: t("Draft") },
    ...versions.map((each) => ({ value: String(each.version), label: `v${each.version}` })),
  ];
  const groups = gathered(
    shown.data?.edits ?? [],
    nodesOf(doc).map((node) => node.id),
  );
  return (
    <aside className="inspector" aria-label={t("Versions")}>
      <header className="inspectorhead">
        <h2 className="grow">{t("Versions")}</h2>
        <Button look="ghost" small icon label={t("Close")} onClick={onClose}>
          <X />
        </Button>
      </header>
      <div className="databody">
        {list.isPending ? <Loading /> : null}
        {list.error ? <Problem error={list.error} /> : null}
        {list.data && versions.length === 0 ? (
          <Empty icon={History} title={t("Never published")}>
            {t("Publishing keeps the draft as a version that never changes.")}
          </Empty>
        ) : null}
        {versions.map((version) => (
          <div key={version.version} className="version">
            <div className="row">
              <Badge tone={version.version === newest ? "green" : "grey"} dot={version.version === newest}>
                v{version.version}
              </Badge>
              <span className="strong clip grow">{version.message || t("No message")}</span>
            </div>
            <div className="row between small">
              <span className="soft">
                {[version.publishedBy, ago(version.publishedAt, language)].filter(Boolean).join(" · ")}
              </span>
              <Button
                small
                look="ghost"
                onClick={() => rollback.mutate({ workflowId: id, version: version.version ?? 0, etag })}
                disabled={saving !== "saved"}
              >
                <RotateCcw />
                {t("Roll back")}
              </Button>
            </div>
          </div>
        ))}
        {newest > 0 ? (
          <div className="inspectorbody">
            <div className="row">
              <Select
                aria-label={t("From")}
                value={String(base)}
                onChange={(event) => setFrom(Number(event.target.value))}
                options={options}
              />
              <span aria-hidden>→</span>
              <Select
                aria-label={t("To")}
                value={String(to)}
                onChange={(event) => setTo(Number(event.target.value))}
                options={options}
              />
            </div>
            {shown.error ? <Problem error={shown.error} /> : null}
            {shown.data && groups.length === 0 ? <Notice>{t("They are the same.")}</Notice> : null}
            {groups.map((group) => (
              <div key={group.subject} className={`proposal ${kindOf(group.edits)}`}>
                <div className="col grow" style={{ gap: 4 }}>
                  <span className="strong">{group.subject}</span>
                  <Changes
                    changes={group.edits.map((edit) => ({
                      path: (edit.path ?? "").replace(`nodes.${group.subject}.`, ""),
                      before: edit.before,
                      after: edit.after,
                    }))}
                  />
                </div>
              </div>
            ))}
            <div>
              <Button
                small
                look="danger"
                onClick={() => unpublish.mutate({ workflowId: id })}
                busy={unpublish.isPending}
              >
                {t("Unpublish")}
              </Button>
            </div>
          </div>
        ) : null}
      </div>
    </aside>
  );
}

function kindOf(edits: { kind?: string; path?: string }[]): string {
  const only = edits.length === 1 ? edits[0] : undefined;
  if (only?.kind === "EDIT_KIND_ADD") return "add";
  if (only?.kind === "EDIT_KIND_REMOVE") return "remove";
  return "change";
}
