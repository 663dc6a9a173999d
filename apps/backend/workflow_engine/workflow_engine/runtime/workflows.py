"""Workflows that a node runs while it works, such as an agent's tools; a sub-workflow is the engine's own affair."""

from __future__ import annotations

import asyncio
import hashlib

from workflow_engine.core.tracing import going_out
from workflow_engine.engine.items import Items
from workflow_engine.models.store import Store
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.contract import Runtime, RuntimeFailure, Start
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.families import SUBWORKFLOW_MODE
from workflow_engine.utils.json import dumps


class Workflows:
    """Implements `nodes.context.Workflows` for one attempt."""

    __slots__ = ("_context", "_definitions", "_runtime", "_store")

    def __init__(self, store: Store, definitions: Definitions, runtime: Runtime, context: Context) -> None:
        self._store, self._definitions, self._runtime, self._context = store, definitions, runtime, context

    async def run(
        self, workflow_id: str, version: int, input: Items, *, key: str, timeout: float, user_id: str = ""
    ) -> Items:
        """`user_id`: on whose behalf, where no workflow of theirs is running."""
        ours = await asyncio.to_thread(self._store.workflow, self._context.workflow_id)
        owner = ours.user_id if ours is not None else user_id
        try:
            digest, found = await self._definitions.resolve_for(owner, workflow_id, version)
            id = await self._runtime.start(
                Start(
                    workflow_id,
                    digest,
                    found,
                    user_id=owner,
                    mode=SUBWORKFLOW_MODE,
                    triggered_by=self._context.execution_id,
                    input=input,
                    idempotency_key=f"run:{hashlib.sha256(key.encode()).hexdigest()}",
                    request_digest=hashlib.sha256(dumps([item.json for item in input], sort=True)).hexdigest(),
                    depth=self._context.depth + 1,
                    trace=going_out(),
                )
            )
            ended = await self._runtime.wait(id, timeout)
        except RuntimeFailure as refused:
            raise NodeFailure(refused.reason, refused.message) from None
        if ended is None:
            raise NodeFailure(
                "TIMEOUT",
                f"execution {id} of {workflow_id} has not ended within {timeout:g} s; it goes on",
                details={"execution_id": id},
            )
        if ended.status != "SUCCESS":
            why = ended.failure.message if ended.failure else "it was cancelled"
            raise NodeFailure(
                "WORKFLOW_FAILED",
                f"execution {id} of {workflow_id} ended as {ended.status}: {why}",
                details={"execution_id": id},
                cause=ended.failure,
            )
        return ended.output
