/** The drawing: nodes and connections, under mouse and keyboard. */
import {
  applyNodeChanges,
  Background,
  BackgroundVariant,
  type Edge,
  type EdgeChange,
  type FinalConnectionState,
  type Connection as FlowConnection,
  type Node as FlowNode,
  MarkerType,
  MiniMap,
  type NodeChange,
  ReactFlow,
  useReactFlow,
  useStore,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useT } from "~/i18n";
import { type Connection, connectionsOf, keyOf, MAIN, type Node, nodesOf, refusal } from "~/model/graph";
import { toast } from "~/ui";
import { geometry } from "./geometry";
import { Link } from "./Link";
import { NodeCard } from "./NodeCard";
import { usePalette } from "./Palette";
import { useEditor, useEditorStore } from "./store";
import { useKeepInView } from "./useKeepInView";
import "./canvas.css";

const NODE_TYPES = { node: NodeCard };
const EDGE_TYPES = { link: Link };
const MARKER = { type: MarkerType.ArrowClosed, width: 15, height: 15, color: "var(--edge)" };
// React Flow takes in whatever is another object than before, and then asks every node, handle and edge: all that it is
// given stays the same while something is dragged.
const ALSO: string[] = ["Meta", "Control", "Shift"];
const GRID: [number, number] = [8, 8];
const NO_LOGO = { hideAttribution: true };
const BIG = 200;
const FAR = 0.4;
const REMOTE = 0.18;

export function Canvas() {
  const t = useT();
  const store = useEditorStore();
  const doc = useEditor((editor) => editor.shown);
  const ports = useEditor((editor) => editor.ports);
  const review = useEditor((editor) => editor.review);
  const readOnly = useEditor((editor) => editor.readOnly) || review !== undefined;
  const selected = useEditor((editor) => editor.selected);
  const openPalette = usePalette((palette) => palette.open);
  const { screenToFlowPosition } = useReactFlow();
  useKeepInView();
  const isFar = useStore((flow) => flow.transform[2] < FAR);
  const isRemote = useStore((flow) => flow.transform[2] < REMOTE);
  useLayoutEffect(() => store.setState({ far: isFar }), [store, isFar]);
  const [links, setLinks] = useState<Set<string>>(new Set());
  const cache = useRef(new WeakMap<Node, FlowNode>());
  const moving = useRef(false);

  const drawn = useCallback(
    (list: Node[], chosen: ReadonlySet<string>): FlowNode[] =>
      list.map((node) => {
        const size = geometry(store.getState().portsOf(node));
        const isChosen = chosen.has(node.id);
        const known = cache.current.get(node);
        if (known && known.selected === isChosen && known.height === size.height) return known;
        const made: FlowNode = {
          id: node.id,
          type: "node",
          data: {},
          position: { x: Number(node.position?.x ?? 0), y: Number(node.position?.y ?? 0) },
          selected: isChosen,
          width: size.width,
          height: size.height,
          ariaLabel: node.name || node.id,
        };
        cache.current.set(node, made);
        return made;
      }),
    [store],
  );

  const [nodes, setNodes] = useState<FlowNode[]>(() => drawn(nodesOf(doc), new Set(selected)));
  // biome-ignore lint/correctness/useExhaustiveDependencies: `ports` decides how high a node is, by way of the store
  useLayoutEffect(() => {
    if (!moving.current) setNodes(drawn(nodesOf(doc), new Set(selected)));
  }, [doc, ports, drawn, selected]);

  const edges = useMemo<Edge[]>(() => {
    const seen = new Set<string>();
    return connectionsOf(doc).flatMap((link) => {
      const id = keyOf(link);
      if (seen.has(id)) return [];
      seen.add(id);
      return {
        id,
        type: "link",
        source: link.fromNode,
        target: link.toNode,
        sourceHandle: link.fromPort || MAIN,
        targetHandle: link.toPort || MAIN,
        selected: links.has(id),
        markerEnd: MARKER,
        ariaLabel: id,
      };
    });
  }, [doc, links]);

  const onNodesChange = useCallback(
    (changes: NodeChange[]) => {
      const editor = store.getState();
      const removed = changes.filter((change) => change.type === "remove");
      if (removed.length > 0) return;
      if (changes.some((change) => change.type === "select")) {
        const chosen = new Set(editor.selected);
        for (const change of changes)
          if (change.type === "select") {
            if (change.selected) chosen.add(change.id);
            else chosen.delete(change.id);
          }
        editor.select([...chosen]);
      }
      const moves = changes.filter((change) => change.type === "position");
      if (moves.some((change) => change.dragging)) moving.current = true;
      else if (moves.length > 0 && !moving.current) {
        // Arrow keys move without dragging: each press is an edit of its own.
        const positions = Object.fromEntries(
          moves.flatMap((change) => (change.position ? [[change.id, rounded(change.position)]] : [])),
        );
        editor.edit({ kind: "move", positions }, `nudge:${Object.keys(positions).join()}`);
        return;
      }
      const shown = changes.filter((change) => change.type !== "select");
      if (shown.length > 0) setNodes((before) => applyNodeChanges(shown, before));
    },
    [store],
  );

  const onEdgesChange = useCallback((changes: EdgeChange[]) => {
    const picked = changes.filter((change) => change.type === "select");
    if (picked.length === 0) return;
    setLinks((before) => {
      const next = new Set(before);
      for (const change of picked)
        if (change.selected) next.add(change.id);
        else next.delete(change.id);
      return next;
    });
  }, []);

  const onConnect = useCallback(
    (made: FlowConnection) => store.getState().edit({ kind: "add", nodes: [], connections: [asLink(made)] }),
    [store],
  );
  const isValidConnection = useCallback(
    (made: FlowConnection | Edge) =>
      refusal(store.getState().history.doc, asLink(made), store.getState().portsOf) === undefined,
    [store],
  );
  const onReconnect = useCallback(
    (old: Edge, made: FlowConnection) =>
      store.getState().edit({
        kind: "many",
        edits: [
          { kind: "remove", nodes: [], connections: [old.id] },
          { kind: "add", nodes: [], connections: [asLink(made)] },
        ],
      }),
    [store],
  );
  const onNodeDragStop = useCallback(
    (_: unknown, __: unknown, moved: FlowNode[]) => {
      moving.current = false;
      const positions = Object.fromEntries(moved.map((node) => [node.id, rounded(node.position)]));
      store.getState().edit({ kind: "move", positions });
    },
    [store],
  );
  const onNodeDoubleClick = useCallback(
    (_: unknown, node: FlowNode) => store.getState().open(node.id),
    [store],
  );
  const onPaneClick = useCallback(() => setLinks(new Set()), []);

  const connectEnded = (event: MouseEvent | TouchEvent, state: FinalConnectionState) => {
    const from = state.fromHandle;
    if (!from || state.isValid) return;
    const point = "changedTouches" in event ? event.changedTouches[0] : event;
    if (!point) return;
    if (state.toHandle) {
      const link: Connection =
        from.type === "source"
          ? {
              fromNode: from.nodeId,
              fromPort: from.id ?? MAIN,
              toNode: state.toHandle.nodeId,
              toPort: state.toHandle.id ?? MAIN,
            }
          : {
              fromNode: state.toHandle.nodeId,
              fromPort: state.toHandle.id ?? MAIN,
              toNode: from.nodeId,
              toPort: from.id ?? MAIN,
            };
      const why = refusal(store.getState().history.doc, link, store.getState().portsOf);
      if (why)
        toast("amber", t("These can not be connected."), {
          text: {
            self: t("A node can not feed itself."),
            twice: t("They are connected already."),
            kind: t("The ports carry different things."),
            missing: t("The port is not there any more."),
            cycle: t("That would be a circle; use a Loop node to repeat steps."),
          }[why.code],
        });
      return;
    }
    const at = screenToFlowPosition({ x: point.clientX, y: point.clientY });
    if (from.type === "source")
      openPalette({
        after: { node: from.nodeId, port: from.id ?? MAIN },
        at: rounded({ x: at.x, y: at.y - 27 }),
      });
    else
      openPalette({
        before: { node: from.nodeId, port: from.id ?? MAIN },
        at: rounded({ x: at.x - 216, y: at.y - 27 }),
      });
  };

  const latest = useRef(connectEnded);
  latest.current = connectEnded;
  const onConnectEnd = useCallback<typeof connectEnded>((event, state) => latest.current(event, state), []);

  return (
    <ReactFlow
      className={isRemote ? "canvas far remote" : isFar ? "canvas far" : "canvas"}
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      edgeTypes={EDGE_TYPES}
      onNodesChange={onNodesChange}
      onEdgesChange={onEdgesChange}
      onNodeDragStop={onNodeDragStop}
      onNodeDoubleClick={onNodeDoubleClick}
      onConnect={onConnect}
      onConnectEnd={onConnectEnd}
      isValidConnection={isValidConnection}
      onReconnect={onReconnect}
      onPaneClick={onPaneClick}
      nodesDraggable={!readOnly}
      nodesConnectable={!readOnly}
      edgesReconnectable={!readOnly}
      deleteKeyCode={null}
      selectionKeyCode="Shift"
      multiSelectionKeyCode={ALSO}
      panOnScroll
      zoomOnDoubleClick={false}
      minZoom={0.08}
      maxZoom={2}
      snapToGrid
      snapGrid={GRID}
      onlyRenderVisibleElements={nodes.length > BIG}
      connectionRadius={28}
      proOptions={NO_LOGO}
      aria-label={t("Canvas")}
    >
      {isFar ? null : <Background variant={BackgroundVariant.Dots} gap={24} size={1.4} color="var(--grid)" />}
      {nodes.length > 12 && !isFar ? (
        <MiniMap
          pannable
          zoomable
          ariaLabel={t("Overview")}
          nodeColor="var(--border-strong)"
          maskColor="var(--minimap)"
        />
      ) : null}
    </ReactFlow>
  );
}

function asLink(made: FlowConnection | Edge): Connection {
  return {
    fromNode: made.source,
    fromPort: made.sourceHandle || MAIN,
    toNode: made.target,
    toPort: made.targetHandle || MAIN,
  };
}

function rounded(position: { x: number; y: number }): { x: number; y: number } {
  return { x: Math.round(position.x), y: Math.round(position.y) };
}
