/** Above the canvas: the workflow's name and state, and what can be done with it. */
import {
  ArrowLeft,
  Check,
  ChevronDown,
  CloudUpload,
  Eraser,
  History,
  LoaderCircle,
  MessageSquare,
  MoreHorizontal,
  Play,
  Redo2,
  Rocket,
  Settings2,
  Square,
  TriangleAlert,
  Undo2,
} from "lucide-react";
import { useLocation } from "wouter";
import { workflows } from "~/api/contract";
import { useCall } from "~/api/hooks";
import { call } from "~/api/transport";
import { useT } from "~/i18n";
import { hasEnded } from "~/model/runs";
import { Badge, Button, Menu, messageOf, Tip, toast } from "~/ui";
import { runDraft } from "./commands";
import { StatusBadge } from "./looks";
import { useDoc, useEditor, useEditorStore } from "./store";

export type Side = "chat" | "versions" | undefined;

export function TopBar({
  side,
  setSide,
  onPublish,
  onSettings,
  onRunWith,
}: {
  side: Side;
  setSide(side: Side): void;
  onPublish(): void;
  onSettings(): void;
  onRunWith(): void;
}) {
  const t = useT();
  const store = useEditorStore();
  const doc = useDoc();
  const canUndo = useEditor((editor) => editor.history.past.length > 0);
  const canRedo = useEditor((editor) => editor.history.future.length > 0);
  const [, go] = useLocation();
  const published = useCall(workflows.listWorkflowVersions, { workflowId: store.getState().id, limit: 1 });
  const newest = published.data?.versions?.[0]?.version;
  return (
    <header className="topbar">
      <h1 className="sr">{doc.name}</h1>
      <Button look="ghost" icon label={t("All workflows")} onClick={() => go("/")}>
        <ArrowLeft />
      </Button>
      <input
        className="titleinput name"
        aria-label={t("Name of the workflow")}
        value={doc.name ?? ""}
        size={Math.max(8, Math.min(36, (doc.name ?? "").length + 1))}
        maxLength={255}
        onChange={(event) =>
          store.getState().edit({ kind: "head", fields: { name: event.target.value } }, "name")
        }
      />
      {newest ? (
        <Badge tone={doc.active === false ? "grey" : "green"} dot>
          v{newest}
        </Badge>
      ) : (
        <Badge>{t("Draft")}</Badge>
      )}
      <SaveState />
      <span className="grow" />
      <Button
        look="ghost"
        icon
        label={t("Undo")}
        keys="mod+Z"
        disabled={!canUndo}
        onClick={() => store.getState().undo()}
      >
        <Undo2 />
      </Button>
      <Button
        look="ghost"
        icon
        label={t("Redo")}
        keys="mod+shift+Z"
        disabled={!canRedo}
        onClick={() => store.getState().redo()}
      >
        <Redo2 />
      </Button>
      <Button
        look="ghost"
        icon
        label={t("Assistant")}
        keys="mod+J"
        on={side === "chat"}
        onClick={() => setSide(side === "chat" ? undefined : "chat")}
      >
        <MessageSquare />
      </Button>
      <Button
        look="ghost"
        icon
        label={t("Versions")}
        on={side === "versions"}
        onClick={() => setSide(side === "versions" ? undefined : "versions")}
      >
        <History />
      </Button>
      <Menu
        items={[
          { label: t("Workflow settings"), icon: Settings2, onSelect: onSettings },
          {
            label: t("All its executions"),
            icon: History,
            onSelect: () => go(`/executions?workflow=${store.getState().id}`),
          },
          { label: t("Clear the run"), icon: Eraser, onSelect: () => store.getState().forget() },
        ]}
      >
        <button type="button" className="button ghost icon" aria-label={t("More")}>
          <MoreHorizontal />
        </button>
      </Menu>
      <Button onClick={onPublish}>
        <Rocket />
        {t("Publish")}
      </Button>
      <RunButton onRunWith={onRunWith} />
    </header>
  );
}

function RunButton({ onRunWith }: { onRunWith(): void }) {
  const t = useT();
  const store = useEditorStore();
  const starting = useEditor((editor) => editor.starting);
  const execution = useEditor((editor) => editor.execution);
  const live = execution !== undefined && execution.id !== "" && !hasEnded(execution);
  if (live)
    return (
      <>
        <StatusBadge status={execution.status} />
        <Button
          look="danger"
          onClick={() =>
            void call(workflows.cancelExecution, { executionId: execution.id ?? "" }).catch((error) =>
              toast("red", messageOf(error, t)),
            )
          }
        >
          <Square />
          {t("Stop")}
        </Button>
      </>
    );
  return (
    <div className="joined">
      <Tip text={t("Run the draft")} keys="mod+enter">
        <Button look="primary" busy={starting} onClick={() => void runDraft(store, t)}>
          <Play />
          {t("Run")}
        </Button>
      </Tip>
      <Button look="primary" icon label={t("Run with data…")} onClick={onRunWith}>
        <ChevronDown />
      </Button>
    </div>
  );
}

function SaveState() {
  const t = useT();
  const store = useEditorStore();
  const saving = useEditor((editor) => editor.saving);
  const trouble = useEditor((editor) => editor.trouble);
  const errors = useEditor(
    (editor) => editor.issues.filter((issue) => issue.severity === "SEVERITY_ERROR").length,
  );
  if (saving === "refused" || (saving !== "saved" && errors > 0))
    return (
      <Tip text={t("It is kept in this browser and stored once the problems are solved.")}>
        <span className="savestate bad" role="status">
          <TriangleAlert aria-hidden />
          {t(errors === 1 ? "Not stored: {count} problem" : "Not stored: {count} problems", {
            count: Math.max(errors, 1),
          })}
        </span>
      </Tip>
    );
  if (saving === "failed")
    return (
      <Tip text={messageOf(trouble, t)}>
        <button type="button" className="savestate bad" onClick={() => void store.getState().save()}>
          <TriangleAlert aria-hidden />
          {t("Not stored. Try again")}
        </button>
      </Tip>
    );
  return (
    <span className="savestate" role="status">
      {saving === "saved" ? (
        <Check aria-hidden />
      ) : saving === "saving" ? (
        <LoaderCircle className="spin" aria-hidden />
      ) : (
        <CloudUpload aria-hidden />
      )}
      <span>{saving === "saved" ? t("Saved") : t("Saving…")}</span>
    </span>
  );
}
