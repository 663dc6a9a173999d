"""WorkflowService, third part: trying one node."""

from __future__ import annotations

from typing import Any

from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.services import wire
from workflow_engine.services.access.audit import touches_nothing
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend
from workflow_engine.services.errors import ServiceError


class Testing:
    """The RPC that runs one node by itself."""

    backend: Backend

    async def TestNode(self, request: ex.TestNodeRequest, context: Any) -> ex.TestNodeResponse:
        workflow = request.workflow
        if not request.HasField("workflow"):
            workflow = await self.backend.definition(request.workflow_id, 0)
        plan = self.backend.planned(workflow).plan
        assert plan is not None
        if request.node_id not in plan.by_id:
            raise ServiceError("NODE_NOT_FOUND", f"node_id: the workflow has no node {request.node_id!r}")
        if plan.node(request.node_id).shape.effect is Effect.PURE:
            touches_nothing()  # an editor previews such a node at each keystroke
        history = await self.backend.runtime.try_node(
            plan,
            request.node_id,
            wire.items_from_proto(request.input) or [Item()],
            wire.outputs_by_node(request.node_outputs),
            current().user_id,
        )
        record = history.runs[plan.by_id[request.node_id], ()]
        message = record.failure.message if record.failure else record.status
        return ex.TestNodeResponse(
            success=record.status != "failed", message=message, node_run=wire.run_to_proto(record)
        )
