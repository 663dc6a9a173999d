/** The nodes of a workflow that is not drawn yet, in their order. */
import type { NodeJson } from "~/api/contract";
import { useNodeTypes } from "~/api/hooks";
import { NodeIcon } from "~/editor/looks";
import { nameOf } from "~/model/graph";

export function NodeList({ nodes }: { nodes: NodeJson[] }) {
  const types = new Map(useNodeTypes().data?.map((type) => [type.type, type.name]));
  return (
    <ol className="tasks" style={{ padding: 0 }}>
      {nodes.map((node) => (
        <li key={node.id} className="row" style={{ padding: "4px 0" }}>
          <NodeIcon type={node.type ?? ""} small />
          <span>{nameOf(node)}</span>
          <span className="soft small">{types.get(node.type) ?? node.type}</span>
        </li>
      ))}
    </ol>
  );
}
