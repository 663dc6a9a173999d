/** A node on the canvas. */
import { Handle, type NodeProps, Position } from "@xyflow/react";
import { Pin, Play, Plus, TriangleAlert } from "lucide-react";
import { memo } from "react";
import { useT } from "~/i18n";
import { nameOf } from "~/model/graph";
import { spoken } from "~/model/runs";
import { geometry, type Place } from "./geometry";
import { familyOf, NodeIcon, RUN_LABELS, RunMark } from "./looks";
import { usePalette } from "./Palette";
import { useEditor, useEditorShallow } from "./store";

function NodeCardView({ id, selected }: NodeProps) {
  const t = useT();
  const node = useEditor((editor) => editor.byId.get(id));
  const told = useEditor((editor) => editor.ports[id]);
  const type = useEditor((editor) => editor.types.get(node?.type ?? ""));
  const state = useEditor((editor) => editor.states[id]);
  const mark = useEditor(
    (editor) => editor.review?.proposals.find((each) => each.key === `node:${id}`)?.kind,
  );
  const issues = useEditorShallow((editor) => editor.issues.filter((issue) => issue.nodeId === id));
  const portsOf = useEditor((editor) => editor.portsOf);
  if (!node) return null;
  // `told` and `type` are what portsOf reads; they are picked above so that the card follows them.
  void told;
  const shape = geometry(portsOf(node));
  const hasData = shape.outputs.some((place) => place.resource === "");
  const severe = issues.some((issue) => issue.severity === "SEVERITY_ERROR");
  const classes = [
    "node",
    selected && "selected",
    node.disabled && "disabled",
    state && `is-${state.look}`,
    severe && "wrong",
    mark && `proposed-${mark}`,
  ];
  return (
    <div
      className={classes.filter(Boolean).join(" ")}
      style={{ width: shape.width, height: shape.height }}
      data-family={familyOf(node.type)}
      data-node={id}
      data-look={state?.look}
    >
      {shape.inputs.map((place) => (
        <Port key={`in-${place.name}`} node={id} place={place} side="target" />
      ))}
      <div className="nodehead">
        <NodeIcon type={node.type} />
        <div className="nodetext">
          <span className="nodename clip">{nameOf(node)}</span>
          <span className="nodetype clip">{type?.name ?? node.type}</span>
        </div>
        <div className="nodemarks">
          {node.disabled ? <span className="offmark">{t("Off")}</span> : null}
          {node.pinned ? (
            <span className="pinmark" title={t("Output is pinned")}>
              <Pin aria-label={t("Output is pinned")} />
            </span>
          ) : null}
          {issues.length > 0 && !state ? (
            <span
              className={severe ? "issuemark severe" : "issuemark"}
              title={issues.map((each) => t.say(each.message ?? "")).join("\n")}
            >
              <TriangleAlert aria-label={t("{count} problems", { count: issues.length })} />
            </span>
          ) : null}
          {state ? (
            <span
              title={[t(RUN_LABELS[state.look]), spoken(state.milliseconds), t.say(state.message)]
                .filter(Boolean)
                .join(" · ")}
            >
              <RunMark look={state.look} />
              <span className="sr">{t(RUN_LABELS[state.look])}</span>
            </span>
          ) : null}
          {familyOf(node.type) === "trigger" && !state ? <Play className="startmark" aria-hidden /> : null}
        </div>
      </div>
      {shape.outputs.map((place) => (
        <Port
          key={`out-${place.name}`}
          node={id}
          place={place}
          side="source"
          count={state?.counts[place.name]}
          spare={hasData && place.resource !== ""}
        />
      ))}
    </div>
  );
}

function Port({
  node,
  place,
  side,
  count,
  spare = false,
}: {
  node: string;
  place: Place;
  side: "source" | "target";
  count?: number | undefined;
  /** Seldom used, so it shows itself only where the pointer or the choice is. */
  spare?: boolean;
}) {
  const isPart = place.resource !== "";
  const position = isPart
    ? side === "source"
      ? Position.Top
      : Position.Bottom
    : side === "source"
      ? Position.Right
      : Position.Left;
  return (
    <>
      <Handle
        id={place.name}
        type={side}
        position={position}
        className={`port${isPart ? " part" : ""}${spare ? " spare" : ""}${place.name === "error" ? " error" : ""}`}
        style={isPart ? { left: place.offset } : { top: place.offset }}
        title={place.description || place.name}
      />
      {side === "source" && !isPart && place.name !== "error" ? <Next node={node} place={place} /> : null}
      {place.label ? (
        <span
          className={`portlabel ${side}${isPart ? " part" : ""}${spare ? " spare" : ""}`}
          style={isPart ? { left: place.offset } : { top: place.offset }}
        >
          {place.label}
          {place.required ? <span className="required">*</span> : null}
          {count !== undefined && side === "source" ? <b>{count}</b> : null}
        </span>
      ) : null}
    </>
  );
}

/** What to do next, where a port leads nowhere yet. */
function Next({ node, place }: { node: string; place: Place }) {
  const t = useT();
  const isOpen = useEditor(
    ({ readOnly, review, used }) =>
      !readOnly && !review && !used.has(`${node}.${place.name}`) && !used.has(`${node}.tool`),
  );
  const name = useEditor((editor) => nameOf(editor.byId.get(node) ?? { id: node }));
  const open = usePalette((palette) => palette.open);
  return isOpen ? (
    <button
      type="button"
      className="next nodrag nopan"
      style={{ top: place.offset }}
      tabIndex={-1}
      aria-label={t("Add after {name}", { name: place.label ? `${name}, ${place.label}` : name })}
      onClick={(event) => {
        event.stopPropagation();
        open({ after: { node, port: place.name } });
      }}
    >
      <Plus />
    </button>
  ) : null;
}

export const NodeCard = memo(NodeCardView);
