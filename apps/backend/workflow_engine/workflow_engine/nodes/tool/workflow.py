"""tool.workflow: a workflow that an agent may run."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.flow.subworkflow import MAX_DEPTH
from workflow_engine.nodes.spec import Call, Effect, Json, NodeFailure
from workflow_engine.nodes.tool.parameters import ArgumentsSchema, Named
from workflow_engine.nodes.tools import Tool, ToolNode, plain


class WorkflowToolParameters(Named):
    """Which workflow, and what it is called with."""

    workflow_id: str = Field(min_length=1, max_length=64)
    """The workflow."""
    version: int = Field(default=0, ge=0)
    """A published version; 0 for the one that is live."""
    arguments: ArgumentsSchema = {"type": "object"}
    """JSON Schema of the arguments; they are the one item that the workflow starts with."""
    timeout_seconds: float = Field(default=300, gt=0, le=86_400)
    """How long the model waits for the result. The workflow goes on after that."""


class WorkflowTool(ToolNode[WorkflowToolParameters]):
    """Lets an agent run a published workflow, and tells it what the workflow delivered.

    The execution is one of its own, with its own history. When the same use is repeated, after a crash for example, it
    is not started again: the result of the first one counts.
    """

    type = "tool.workflow"
    name = "Workflow tool"
    summary = "Lets an agent run a workflow."
    example = {
        "name": "refund_order",
        "description": "Refunds an order and tells the customer.",
        "workflow_id": "wf_refund",
        "arguments": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}},
            "required": ["order_id"],
            "additionalProperties": False,
        },
    }
    effect = Effect.IDEMPOTENT
    literals = frozenset({"arguments"})

    async def tools(self, call: Call[WorkflowToolParameters]) -> Sequence[Tool]:
        asked, context = call.parameters, call.context

        async def use(arguments: dict[str, Json], key: str) -> Json:
            if context.workflows is None:
                raise NodeFailure("WORKFLOW_UNAVAILABLE", "this host lets tools run no workflows")
            if context.depth >= MAX_DEPTH:
                raise NodeFailure(
                    "DEPTH_LIMIT",
                    f"this execution is {context.depth} executions deep, and {MAX_DEPTH} is the most",
                    hint="an agent that runs its own workflow never ends",
                )
            items = await context.workflows.run(
                asked.workflow_id,
                asked.version,
                [Item(arguments)],
                key=f"{call.idempotency_key}:{key}",
                timeout=asked.timeout_seconds,
            )
            return plain(items)

        return [Tool(asked.name, asked.description, dict(asked.arguments), use, Effect.IDEMPOTENT)]
