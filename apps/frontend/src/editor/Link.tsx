/** A connection on the canvas: how many items went along it, and a button to put a node into it. */
import { BaseEdge, EdgeLabelRenderer, type EdgeProps, getBezierPath, getSmoothStepPath } from "@xyflow/react";
import { Plus } from "lucide-react";
import { memo } from "react";
import { useT } from "~/i18n";
import { usePalette } from "./Palette";
import { useEditor } from "./store";

function LinkView(props: EdgeProps) {
  const far = useEditor((editor) => editor.far);
  return far ? <FarLink {...props} /> : <NearLink {...props} />;
}

function FarLink({ sourceX, sourceY, targetX, targetY, selected }: EdgeProps) {
  const path = `M${sourceX},${sourceY}L${targetX},${targetY}`;
  return <path d={path} className={`react-flow__edge-path link${selected ? " selected" : ""}`} />;
}

function NearLink(props: EdgeProps) {
  const { id, source, sourceHandleId, targetHandleId, selected, markerEnd } = props;
  const t = useT();
  const port = sourceHandleId ?? "main";
  const state = useEditor((editor) => editor.states[source]);
  const readOnly = useEditor((editor) => editor.readOnly || editor.review !== undefined);
  const mark = useEditor(
    (editor) => editor.review?.proposals.find((each) => each.key === `connection:${id}`)?.kind,
  );
  const open = usePalette((palette) => palette.open);
  const isBack = targetHandleId === "return" || props.targetX < props.sourceX - 40;
  const ends = {
    sourceX: props.sourceX,
    sourceY: props.sourceY,
    targetX: props.targetX,
    targetY: props.targetY,
    sourcePosition: props.sourcePosition,
    targetPosition: props.targetPosition,
  };
  const [path, x, y] = isBack
    ? getSmoothStepPath({ ...ends, borderRadius: 14, offset: 28 })
    : getBezierPath(ends);
  const count = state?.counts[port];
  const dead = state && ((state.look === "succeeded" && count === undefined) || state.look === "skipped");
  const look = mark
    ? `proposed-${mark}`
    : dead
      ? "dead"
      : state?.look === "running"
        ? "flowing"
        : count !== undefined
          ? "carried"
          : "";
  return (
    <>
      <BaseEdge
        path={path}
        {...(markerEnd ? { markerEnd } : {})}
        className={`link ${look}${port === "error" ? " error" : ""}${selected ? " selected" : ""}`}
        interactionWidth={18}
      />
      {count !== undefined || !readOnly ? (
        <EdgeLabelRenderer>
          <div
            className={`linklabel nopan nodrag${selected ? " selected" : ""}`}
            style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}
          >
            {count === undefined ? null : (
              <span className="linkcount">
                {t(count === 1 ? "{count} item" : "{count} items", { count })}
              </span>
            )}
            {readOnly ? null : (
              <button
                type="button"
                className="linkadd"
                tabIndex={-1}
                aria-label={t("Insert a node")}
                onClick={() => open({ into: id })}
              >
                <Plus />
              </button>
            )}
          </div>
        </EdgeLabelRenderer>
      ) : null}
    </>
  );
}

export const Link = memo(LinkView);
