/** One workflow: drawn, run, published. */
import { ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { useSearchParams } from "wouter";
import { type NodeTypeJson, type WorkflowJson, workflows } from "~/api/contract";
import { queries, useCall, useNodeTypes } from "~/api/hooks";
import { Canvas } from "~/editor/Canvas";
import { CanvasTools } from "~/editor/CanvasTools";
import { Conflict } from "~/editor/Conflict";
import { nextPlace } from "~/editor/commands";
import { Dock } from "~/editor/Dock";
import { Inspector } from "~/editor/Inspector";
import { PaletteDialog, usePalette } from "~/editor/Palette";
import { PublishDialog } from "~/editor/PublishDialog";
import { RunDialog } from "~/editor/RunDialog";
import { createEditor, EditorContext, type EditorStore, useEditor, useEditorStore } from "~/editor/store";
import { type Side, TopBar } from "~/editor/TopBar";
import { useKeys } from "~/editor/useKeys";
import { useT } from "~/i18n";
import { Loading } from "~/ui";
import { NoPage } from "./NoPage";
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
  // Once it is open, a question that went without an answer takes nothing away from whoever edits.
  if (error && !(first && types.data))
    return (
      <NoPage
        error={error}
        retry={() => void Promise.all([stored.refetch(), types.refetch()])}
        back={{ href: "/", label: t("All workflows") }}
      />
    );
  if (!first || !types.data) return <Loading />;
  return (
    <ReactFlowProvider>
      <Loaded workflow={first} types={types.data} />
    </ReactFlowProvider>
  );
}

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
            <CanvasTools onAdd={() => openPalette(nextPlace(store, only))} />
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
