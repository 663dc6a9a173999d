/** The nodes of a workflow that is not drawn yet, in their order. */
import type { NodeJson } from "~/api/contract";
import { NodeIcon } from "~/editor/looks";
import { nameOf } from "~/model/graph";

export function NodeList({ nodes }: { nodes: NodeJson[] }) {
  return (
    <ol className="tasks" style={{ padding: 0 }}>
      {nodes.map((node) => (
        <li key={node.id} className="row" style={{ padding: "4px 0" }}>
          <NodeIcon type={node.type ?? ""} small />
          <span>{nameOf(node)}</span>
          <span className="soft small">{node.type}</span>
        </li>
      ))}
    </ol>
  );
}
