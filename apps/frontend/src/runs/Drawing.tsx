/** The definition that ran, with what became of each node. */
import { ReactFlowProvider } from "@xyflow/react";
import { lazy, useEffect, useMemo } from "react";
import { type ExecutionJson, type NodeRunJson, type WorkflowJson, workflows } from "~/api/contract";
import { useCall, useNodeTypes } from "~/api/hooks";
import { createEditor, EditorContext } from "~/editor/store";
import { statesByNode } from "~/model/runs";
import { Loading, Problem } from "~/ui";

const Canvas = lazy(() => import("~/editor/Canvas").then((module) => ({ default: module.Canvas })));
const ViewTools = lazy(() =>
  import("~/editor/CanvasTools").then((module) => ({ default: module.ViewTools })),
);

export function Drawing({
  execution,
  runs,
  chosen,
  onChoose,
}: {
  execution: ExecutionJson;
  runs: NodeRunJson[];
  /** The node that is looked at. */
  chosen: string | undefined;
  onChoose(node: string): void;
}) {
  const types = useNodeTypes();
  const found = useCall(workflows.getExecutionStatus, {
    executionId: execution.id ?? "",
    summaryOnly: true,
    withDefinition: true,
  });
  const workflow: WorkflowJson | undefined = found.data?.definition;
  const store = useMemo(() => {
    if (!workflow || !types.data) return undefined;
    const made = createEditor(workflow, types.data, true);
    void made.getState().validate();
    return made;
  }, [workflow, types.data]);
  useEffect(() => {
    store?.setState({ runs, states: statesByNode(runs, execution.status === "RUNNING"), execution });
  }, [store, runs, execution]);
  useEffect(() => {
    if (chosen) store?.getState().select([chosen]);
  }, [store, chosen]);
  useEffect(
    () =>
      store?.subscribe((now, before) => {
        const only = now.selected[0];
        if (only && now.selected !== before.selected) onChoose(only);
      }),
    [store, onChoose],
  );
  if (found.error) return <Problem error={found.error} retry={() => void found.refetch()} />;
  if (!store) return <Loading />;
  return (
    <EditorContext value={store}>
      <ReactFlowProvider>
        <Canvas />
        <div className="canvastools">
          <ViewTools />
        </div>
      </ReactFlowProvider>
    </EditorContext>
  );
}
