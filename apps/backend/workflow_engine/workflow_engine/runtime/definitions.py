"""Definitions made ready to run: each stored definition is planned once and shared by all its executions."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from workflow_engine.engine.plan import Catalogue, Plan
from workflow_engine.engine.planning import build
from workflow_engine.models.accounts import may_run
from workflow_engine.models.store import Store
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto.access_pb2 import ROLE_ADMIN
from workflow_engine.runtime.contract import RuntimeFailure

KEPT = 1_000
"""Plans kept in memory."""


class Definitions:
    """Plans by the digest of their definition."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self.catalogue = catalogue
        self._plans: OrderedDict[str, Plan] = OrderedDict()

    async def plan(self, digest: str) -> Plan:
        """The plan of a stored definition. Raises RuntimeFailure when this release can not run it any more."""
        if (plan := self._plans.get(digest)) is not None:
            self._plans.move_to_end(digest)
            return plan
        data = await asyncio.to_thread(self._store.definition, digest)
        if data is None:
            raise RuntimeFailure("VERSION_NOT_FOUND", f"the definition {digest} is not stored")
        built = build(pb.Workflow.FromString(data), self.catalogue)
        if built.plan is None:
            first = built.errors[0]
            raise RuntimeFailure("INVALID_WORKFLOW", f"node {first.node!r}, {first.field}: {first.message}")
        self._plans[digest] = built.plan
        if len(self._plans) > KEPT:
            self._plans.popitem(last=False)
        return built.plan

    async def resolve_for(self, owner: str, workflow_id: str, version: int = 0) -> tuple[str, int]:
        """As `resolve`, for an execution of `owner`: what they may not run is as if it did not exist.

        An id may come from an expression, which nobody could check when it was saved.
        """
        if not await asyncio.to_thread(self._may_run, owner, workflow_id):
            raise _not_published(workflow_id, version)
        return await self.resolve(workflow_id, version)

    def _may_run(self, owner: str, workflow_id: str) -> bool:
        with self._store.reading() as connection:
            return may_run(connection, owner, workflow_id, admin=ROLE_ADMIN)

    async def resolve(self, workflow_id: str, version: int = 0) -> tuple[str, int]:
        """The digest and number of a published version; 0 asks for the one that is live."""
        found = await asyncio.to_thread(self._store.published, workflow_id, version)
        if found is None:
            raise _not_published(workflow_id, version)
        return found


def _not_published(workflow_id: str, version: int) -> RuntimeFailure:
    wanted = f"version {version}" if version else "published version"
    return RuntimeFailure(
        "NOT_PUBLISHED", f"workflow {workflow_id!r} does not exist or has no {wanted}: publish it first"
    )
