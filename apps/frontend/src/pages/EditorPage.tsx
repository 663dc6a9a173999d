/** One workflow: drawn, run, published. */
import { ReactFlowProvider, useReactFlow } from "@xyflow/react";
import {
  ArrowLeft,
  Check,
  ChevronDown,
  CloudUpload,
  Eraser,
  History,
  LayoutGrid,
  LoaderCircle,
  Maximize,
  MessageSquare,
  MoreHorizontal,
  Play,
  Plus,
  Redo2,
  Rocket,
  Settings2,
  Square,
  TriangleAlert,
  Undo2,
  ZoomIn,
  ZoomOut,
} from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { type NodeTypeJson, type WorkflowJson, workflows } from "~/api/contract";
import { queries, useCall, useChange, useNodeTypes } from "~/api/hooks";
import { call } from "~/api/transport";
import { removeNodes } from "~/editor/actions";
import { Canvas } from "~/editor/Canvas";
import { Dock } from "~/editor/Dock";
import { geometry } from "~/editor/geometry";
import { Inspector, togglePin } from "~/editor/Inspector";
import { StatusBadge } from "~/editor/looks";
import { PaletteDialog, usePalette } from "~/editor/Palette";
import { RunDialog } from "~/editor/RunDialog";
import {
  createEditor,
  EditorContext,
  type EditorStore,
  parkedKey,
  useDoc,
  useEditor,
  useEditorStore,
} from "~/editor/store";
import { useT } from "~/i18n";
import { copy, paste } from "~/model/clipboard";
import { many } from "~/model/edits";
import { type Doc, nodesOf } from "~/model/graph";
import { arranged } from "~/model/layout";
import { hasEnded } from "~/model/runs";
import {
  Badge,
  Button,
  Dialog,
  Field,
  Input,
  Loading,
  Menu,
  messageOf,
  Notice,
  Problem,
  Tip,
  toast,
} from "~/ui";
import "~/editor/editor.css";

const ChatPanel = lazy(() => import("~/editor/ChatPanel"));
const VersionsPanel = lazy(() => import("~/editor/VersionsPanel"));
const WorkflowSettings = lazy(() => import("~/editor/WorkflowSettings"));

export default function EditorPage({ id }: { id: string }) {
  const t = useT();
  const types = useNodeTypes();
  const stored = useCall(workflows.getWorkflow, { workflowId: id });
  const [first, setFirst] = useState<WorkflowJson>();
  useEffect(() => {
    if (stored.data?.workflow && !first) setFirst(stored.data.workflow);
  }, [stored.data, first]);
  useEffect(
    () => () => {
      queries.removeQueries({ queryKey: [workflows.getWorkflow.name] });
      void queries.invalidateQueries({ queryKey: [workflows.listWorkflows.name] });
    },
    [],
  );
  const error = stored.error ?? types.error;
  if (error)
    return (
      <div className="page">
        <Problem error={error} retry={() => void stored.refetch()} />
        <div>
          <Link href="/" className="button">
            {t("All workflows")}
          </Link>
        </div>
      </div>
    );
  if (!first || !types.data) return <Loading />;
  return (
    <ReactFlowProvider>
      <Loaded workflow={first} types={types.data} />
    </ReactFlowProvider>
  );
}

type Side = "chat" | "versions" | undefined;

function Loaded({ workflow, types }: { workflow: WorkflowJson; types: NodeTypeJson[] }) {
  const [store, setStore] = useState<EditorStore>();
  useEffect(() => {
    const made = createEditor(workflow, types);
    setStore(made);
    void made.getState().validate();
    const leave = (event: BeforeUnloadEvent) => {
      const { saving } = made.getState();
      if (saving === "dirty" || saving === "saving") event.preventDefault();
    };
    addEventListener("beforeunload", leave);
    return () => {
      removeEventListener("beforeunload", leave);
      made.getState().close();
    };
  }, [workflow, types]);
  if (!store) return <Loading />;
  return (
    <EditorContext value={store}>
      <Workbench />
    </EditorContext>
  );
}

function Workbench() {
  const t = useT();
  const store = useEditorStore();
  const opened = useEditor((editor) => editor.opened);
  const selected = useEditor((editor) => editor.selected);
  const [side, setSide] = useState<Side>();
  const [publishing, setPublishing] = useState(false);
  const [configuring, setConfiguring] = useState(false);
  const [asking, setAsking] = useState(false);
  const openPalette = usePalette((palette) => palette.open);
  const { setCenter, getZoom } = useReactFlow();
  const [params] = useSearchParams();
  const watched = params.get("execution");
  const only = selected.length === 1 ? selected[0] : undefined;
  const shown = opened ?? only;

  useEffect(() => {
    if (watched) void store.getState().watch(watched);
  }, [watched, store]);

  // The inspector follows the selection once it has been opened.
  useEffect(() => {
    if (opened && only && only !== opened) store.getState().open(only);
  }, [only, opened, store]);

  useKeys(store, {
    publish: () => setPublishing(true),
    chat: () => setSide(side === "chat" ? undefined : "chat"),
  });

  const added = useCallback(
    (id: string) => {
      const editor = store.getState();
      editor.select([id]);
      editor.open(id);
      const node = editor.byId.get(id);
      if (node)
        void setCenter(Number(node.position?.x ?? 0) + 108, Number(node.position?.y ?? 0) + 27, {
          zoom: getZoom(),
          duration: 200,
        });
    },
    [store, setCenter, getZoom],
  );

  return (
    <div className="editor">
      <TopBar
        side={side}
        setSide={setSide}
        onPublish={() => setPublishing(true)}
        onSettings={() => setConfiguring(true)}
        onRunWith={() => setAsking(true)}
      />
      <Conflict />
      <div className="workbench">
        <div className="stage">
          <div className="canvasarea">
            <Canvas />
            <CanvasTools onAdd={() => openPalette(only ? { after: { node: only } } : {})} />
          </div>
          <Dock />
        </div>
        {shown && !side ? (
          <Inspector
            key={shown}
            id={shown}
            onClose={() => {
              store.getState().open(undefined);
              store.getState().select([]);
            }}
          />
        ) : null}
        {side ? (
          <Suspense fallback={<aside className="inspector" aria-label={t("Loading")} />}>
            {side === "chat" ? (
              <ChatPanel onClose={() => setSide(undefined)} />
            ) : (
              <VersionsPanel onClose={() => setSide(undefined)} />
            )}
          </Suspense>
        ) : null}
      </div>
      <PaletteDialog onAdded={added} />
      <PublishDialog open={publishing} onClose={() => setPublishing(false)} />
      {asking ? <RunDialog onClose={() => setAsking(false)} /> : null}
      {configuring ? (
        <Suspense>
          <WorkflowSettings onClose={() => setConfiguring(false)} />
        </Suspense>
      ) : null}
    </div>
  );
}

function TopBar({
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

async function runDraft(store: EditorStore, t: (text: string) => string): Promise<void> {
  try {
    await store.getState().run();
  } catch (error) {
    toast("red", t("The workflow could not be run."), { text: messageOf(error, t) });
  }
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

/** Somebody else has changed the draft, or this browser has an unsaved one. */
function Conflict() {
  const t = useT();
  const store = useEditorStore();
  const saving = useEditor((editor) => editor.saving);
  const [parked, setParked] = useState<Doc | undefined>(() => {
    try {
      const kept = JSON.parse(localStorage.getItem(parkedKey(store.getState().id)) ?? "null") as {
        doc: Doc;
      } | null;
      return kept?.doc;
    } catch {
      return undefined;
    }
  });
  if (saving === "conflict")
    return (
      <div className="banner">
        <Notice tone="amber">
          <div className="row wrap between">
            {t("Somebody else has changed this workflow since you opened it.")}
            <span className="row">
              <Button small onClick={() => void store.getState().reload()}>
                {t("Take theirs")}
              </Button>
              <Button small onClick={() => void store.getState().overwrite()}>
                {t("Keep mine")}
              </Button>
            </span>
          </div>
        </Notice>
      </div>
    );
  if (parked)
    return (
      <div className="banner">
        <Notice>
          <div className="row wrap between">
            {t("This browser has changes that were never stored.")}
            <span className="row">
              <Button
                small
                onClick={() => {
                  const before = store.getState().history.doc;
                  store.getState().edit(
                    many([
                      { kind: "remove", nodes: nodesOf(before).map((node) => node.id), connections: [] },
                      {
                        kind: "add",
                        nodes: nodesOf(parked),
                        connections: (parked.connections ?? []) as never,
                      },
                      {
                        kind: "head",
                        fields: { name: parked.name, settings: parked.settings, vars: parked.vars },
                      },
                    ]),
                  );
                  setParked(undefined);
                }}
              >
                {t("Restore")}
              </Button>
              <Button
                small
                look="ghost"
                onClick={() => {
                  localStorage.removeItem(parkedKey(store.getState().id));
                  setParked(undefined);
                }}
              >
                {t("Discard")}
              </Button>
            </span>
          </div>
        </Notice>
      </div>
    );
  return null;
}

async function layOut(store: EditorStore): Promise<void> {
  const editor = store.getState();
  const positions = await arranged(editor.history.doc, (node) => geometry(editor.portsOf(node)));
  editor.edit({ kind: "move", positions });
}

function CanvasTools({ onAdd }: { onAdd(): void }) {
  const t = useT();
  const store = useEditorStore();
  const { fitView, zoomIn, zoomOut } = useReactFlow();
  return (
    <div className="canvastools">
      <Button look="primary" icon label={t("Add a node")} keys="A" onClick={onAdd}>
        <Plus />
      </Button>
      <div className="toolgroup">
        <Button
          look="ghost"
          icon
          label={t("Arrange")}
          keys="L"
          onClick={() => void layOut(store).then(() => fitView({ duration: 250, maxZoom: 1, padding: 0.2 }))}
        >
          <LayoutGrid />
        </Button>
        <Button
          look="ghost"
          icon
          label={t("Show all")}
          keys="F"
          onClick={() => void fitView({ duration: 250, maxZoom: 1, padding: 0.2 })}
        >
          <Maximize />
        </Button>
        <Button
          look="ghost"
          icon
          label={t("Zoom in")}
          keys="+"
          onClick={() => void zoomIn({ duration: 120 })}
        >
          <ZoomIn />
        </Button>
        <Button
          look="ghost"
          icon
          label={t("Zoom out")}
          keys="-"
          onClick={() => void zoomOut({ duration: 120 })}
        >
          <ZoomOut />
        </Button>
      </div>
    </div>
  );
}

/** Keys that work anywhere but in a field. */
function useKeys(store: EditorStore, more: { publish(): void; chat(): void }): void {
  const t = useT();
  const { fitView, zoomIn, zoomOut, setCenter, getZoom } = useReactFlow();
  const palette = usePalette();
  const latest = useRef({ t, palette, more });
  latest.current = { t, palette, more };
  useEffect(() => {
    const isField = (target: EventTarget | null) =>
      target instanceof HTMLElement &&
      (target.isContentEditable ||
        /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
        target.closest("[role=dialog],[role=menu]") !== null);
    const onKey = (event: KeyboardEvent) => {
      const editor = store.getState();
      const { t, palette, more } = latest.current;
      const mod = event.metaKey || event.ctrlKey;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const did = () => event.preventDefault();
      if (mod && key === "Enter") {
        did();
        void runDraft(store, t);
        return;
      }
      if (mod && key === "s") {
        did();
        void editor.save();
        return;
      }
      if (mod && key === "j") {
        did();
        more.chat();
        return;
      }
      if (isField(event.target)) {
        // Out of a field, back to the drawing.
        if (key === "Escape" && !event.defaultPrevented && event.target instanceof HTMLElement)
          if (event.target.closest(".inspector")) event.target.blur();
        return;
      }
      const only = editor.selected.length === 1 ? editor.selected[0] : undefined;
      if (mod) {
        if (key === "z") {
          did();
          if (event.shiftKey) editor.redo();
          else editor.undo();
        } else if (key === "y") {
          did();
          editor.redo();
        } else if (key === "a") {
          did();
          editor.select(nodesOf(editor.history.doc).map((node) => node.id));
        } else if (key === "d" && editor.selected.length > 0) {
          did();
          const made = paste(editor.history.doc, copy(editor.history.doc, editor.selected));
          if (made) {
            editor.edit(made.edit);
            editor.select(made.ids);
          }
        }
        return;
      }
      if (event.altKey) return;
      switch (key) {
        case "a":
          did();
          palette.open(only ? { after: { node: only } } : {});
          break;
        case "c":
          if (only) {
            did();
            palette.connect(only);
          }
          break;
        case "e":
        case "Enter":
          if (only && !(event.target instanceof HTMLButtonElement)) {
            did();
            editor.open(only);
            requestAnimationFrame(() =>
              document.querySelector<HTMLElement>(".inspector .titleinput")?.focus(),
            );
          }
          break;
        case "p":
          if (only) togglePin(store, only, t);
          break;
        case "x":
          if (editor.selected.length > 0)
            editor.edit(
              many(
                editor.selected.map((id) => ({
                  kind: "change",
                  node: id,
                  fields: { disabled: editor.byId.get(id)?.disabled ? undefined : true },
                })),
              ),
            );
          break;
        case "l":
          did();
          void layOut(store).then(() => fitView({ duration: 250, maxZoom: 1, padding: 0.2 }));
          break;
        case "f":
          did();
          void fitView({ duration: 250, maxZoom: 1, padding: 0.2 });
          break;
        case "+":
        case "=":
          void zoomIn({ duration: 120 });
          break;
        case "-":
          void zoomOut({ duration: 120 });
          break;
        case "Delete":
        case "Backspace": {
          const links = [...document.querySelectorAll(".react-flow__edge.selected")].flatMap(
            (edge) => edge.getAttribute("data-id") ?? [],
          );
          if (editor.selected.length === 0 && links.length === 0) break;
          did();
          editor.edit(removeNodes(editor.history.doc, editor.selected, links));
          editor.select([]);
          editor.open(undefined);
          break;
        }
        case "Escape":
          editor.open(undefined);
          editor.select([]);
          break;
        case "n": {
          // The next node in the order of the drawing: the keyboard's way around.
          const nodes = nodesOf(editor.history.doc);
          const at = nodes.findIndex((node) => node.id === only);
          const next = nodes[(at + 1) % nodes.length];
          if (next) {
            did();
            editor.select([next.id]);
            void setCenter(Number(next.position?.x ?? 0) + 108, Number(next.position?.y ?? 0) + 27, {
              zoom: getZoom(),
              duration: 150,
            });
          }
          break;
        }
      }
    };
    const onCopy = (event: ClipboardEvent) => {
      const editor = store.getState();
      if (isField(event.target) || editor.selected.length === 0 || String(getSelection()) !== "") return;
      event.preventDefault();
      event.clipboardData?.setData("text/plain", copy(editor.history.doc, editor.selected));
      if (event.type === "cut") {
        editor.edit(removeNodes(editor.history.doc, editor.selected));
        editor.select([]);
      }
    };
    const onPaste = (event: ClipboardEvent) => {
      const editor = store.getState();
      if (isField(event.target)) return;
      const made = paste(editor.history.doc, event.clipboardData?.getData("text/plain") ?? "");
      if (!made) return;
      event.preventDefault();
      editor.edit(made.edit);
      editor.select(made.ids);
    };
    addEventListener("keydown", onKey);
    addEventListener("copy", onCopy);
    addEventListener("cut", onCopy);
    addEventListener("paste", onPaste);
    return () => {
      removeEventListener("keydown", onKey);
      removeEventListener("copy", onCopy);
      removeEventListener("cut", onCopy);
      removeEventListener("paste", onPaste);
    };
  }, [store, fitView, zoomIn, zoomOut, setCenter, getZoom]);
}

function PublishDialog({ open, onClose }: { open: boolean; onClose(): void }) {
  const t = useT();
  const store = useEditorStore();
  const [message, setMessage] = useState("");
  const publish = useChange(
    workflows.publishWorkflow,
    ["ListWorkflowVersions", "ListTriggers", "ListWorkflows"],
    {
      quiet: true,
      done: (answer) => {
        toast("green", t("Version {version} is live", { version: answer.version?.version ?? 0 }));
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
