"""What the services stand on."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Final

from workflow_engine.core.clock import Clock
from workflow_engine.core.ids import new_id
from workflow_engine.engine.plan import Built
from workflow_engine.engine.planning import build
from workflow_engine.models.store import Store
from workflow_engine.models.triggers import Wanted
from workflow_engine.models.workflow import Workflow
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.registry import Registry
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.runtime.contract import Runtime
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.services.access.scope import Scope
from workflow_engine.services.errors import ServiceError, invalid_workflow, no_workflow
from workflow_engine.triggers.manager import Triggers
from workflow_engine.triggers.registration import Unfit, wanted

MANAGED: Final = ("etag", "published_version", "draft_revision", "active", "created_at", "updated_at")
"""Fields of a Workflow that the server answers with; they are no part of a definition."""


@dataclass(frozen=True, slots=True)
class Backend:
    store: Store
    definitions: Definitions
    runtime: Runtime
    registry: Registry
    clock: Clock
    blobs: Blobs
    scope: Scope
    triggers: Triggers
    drafts: dict[bytes, str] = field(default_factory=dict[bytes, str])
    """Digests of stored definitions, by the hash of the draft that each was made from."""

    def new_id(self, prefix: str) -> str:
        return new_id(prefix, self.clock.now_ms(), os.urandom(10))

    async def workflow(self, id: str) -> Workflow:
        """Raises ServiceError when there is none."""
        row = await asyncio.to_thread(self.store.workflow, id)
        if row is None:
            raise no_workflow(id)
        return row

    async def version(self, id: str, version: int) -> pb.Workflow:
        """A published definition. Raises ServiceError when there is none."""
        found = await asyncio.to_thread(self.store.version, id, version)
        data = await asyncio.to_thread(self.store.definition, found.digest) if found else None
        if data is None:
            await self.workflow(id)
            raise ServiceError(
                "VERSION_NOT_FOUND",
                f"workflow {id!r} has no version {version}; ListWorkflowVersions shows those it has",
                metadata={"workflow_id": id, "version": str(version)},
            )
        return pb.Workflow.FromString(data)

    async def definition(self, id: str, version: int) -> pb.Workflow:
        """A published definition, or the draft for version 0."""
        if version:
            return await self.version(id, version)
        return pb.Workflow.FromString((await self.workflow(id)).draft)

    def planned(self, workflow: pb.Workflow) -> Built:
        """Plans a definition. Raises ServiceError when it can not run; the answer holds the warnings."""
        built = build(workflow, self.registry)
        if built.plan is None:
            raise invalid_workflow(built.issues)
        return built

    def registers(self, workflow: pb.Workflow) -> list[Wanted]:
        """The triggers of a definition that is to be published. Raises ServiceError."""
        plan = self.planned(workflow).plan
        assert plan is not None
        try:
            return wanted(workflow, plan)
        except Unfit as unfit:
            raise invalid_workflow(unfit.issues) from None

    def pinned_versions(self, workflow: pb.Workflow) -> None:
        """Writes the newest version of its type into every node that names none, so that it never changes by itself."""
        for node in workflow.nodes:
            if not node.type_version and (kind := self.registry.find(node.type)):
                node.type_version = kind.version


def canonical(workflow: pb.Workflow) -> bytes:
    """A definition as it is stored: without what the server manages, and always the same bytes."""
    bare = pb.Workflow()
    bare.CopyFrom(workflow)
    strip(bare)
    return bare.SerializeToString(deterministic=True)


def strip(workflow: pb.Workflow) -> None:
    """Takes out what the server manages."""
    for name in MANAGED:
        workflow.ClearField(name)
