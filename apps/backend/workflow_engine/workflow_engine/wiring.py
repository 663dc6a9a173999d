"""What a server and a worker are both made of: the store, the definitions, and how nodes reach the world."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from workflow_engine.core import spans
from workflow_engine.core.clock import Clock
from workflow_engine.core.config import Settings
from workflow_engine.core.metrics import served
from workflow_engine.core.secrets import Keyring
from workflow_engine.models.memories import Memories
from workflow_engine.models.migrate import upgrade
from workflow_engine.models.store import Store
from workflow_engine.nodes.ai_agent.conversation.providers import models_of
from workflow_engine.nodes.context import Context, Models
from workflow_engine.nodes.registry import Registry
from workflow_engine.runtime.blobs import BlobStore, FolderBlobs
from workflow_engine.runtime.commands import AllowedCommands
from workflow_engine.runtime.contract import Runtime
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.egress import EgressClient
from workflow_engine.runtime.embedding import LocalEmbedder
from workflow_engine.runtime.endings import StoredEndings
from workflow_engine.runtime.files import FolderFiles
from workflow_engine.runtime.measures import notice_slow
from workflow_engine.runtime.s3_blobs import S3Blobs
from workflow_engine.runtime.sandbox import ProcessSandbox
from workflow_engine.runtime.vault import Vault
from workflow_engine.runtime.workflows import Workflows


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside that this process has to do with."""

    settings: Settings
    clock: Clock
    registry: Registry
    store: Store
    http: EgressClient
    blobs: BlobStore
    vault: Vault
    definitions: Definitions
    sandbox: ProcessSandbox
    files: FolderFiles | None
    commands: AllowedCommands
    models: Models
    memories: Memories
    embedder: LocalEmbedder
    endings: StoredEndings
    runtime: list[Runtime] = field(default_factory=list["Runtime"])
    """What carries out executions, once there is one."""

    def services(self, context: Context) -> Context:
        """What an attempt may use."""
        return replace(
            context,
            http=self.http,
            blobs=self.blobs,
            credentials=self.vault.handing_to(context.handed_out),
            sandbox=self.sandbox,
            files=self.files,
            commands=self.commands,
            workflows=self._workflows(context),
            mcp_servers=self.settings.mcp_servers,
            models=self.models,
            memories=self.memories,
            embedder=self.embedder,
            endings=self.endings,
        )

    def _workflows(self, context: Context) -> Workflows | None:
        return Workflows(self.store, self.definitions, self.runtime[0], context) if self.runtime else None


async def open_store(settings: Settings, stack: AsyncExitStack) -> Store:
    """The database, at the newest migration. It can be read; who may write is still to be said."""
    url = settings.sqlalchemy_url
    await asyncio.to_thread(upgrade, url)
    store = await asyncio.to_thread(Store.open, url, echo=settings.database_echo)
    stack.callback(store.close)
    return store


def blob_store(settings: Settings) -> BlobStore:
    """Where large bytes live."""
    if not settings.blobs_url:
        return FolderBlobs(Path(settings.data_dir) / "blobs")
    return S3Blobs(
        settings.blobs_url,
        endpoint=settings.blobs_endpoint,
        region=settings.blobs_region,
        key=settings.blobs_access_key,
        secret=settings.blobs_secret_key.get_secret_value(),
    )


def world(settings: Settings, store: Store, registry: Registry, clock: Clock, stack: AsyncExitStack) -> World:
    """The world behind `store`; `stack` closes what it opens."""
    if settings.metrics_port is not None:
        stack.enter_context(served(settings.metrics_host, settings.metrics_port))
    if (traces := spans.begin()) is not None:
        stack.push_async_callback(traces.close)
    notice_slow(settings)
    http = EgressClient(allow=settings.egress_allow)
    stack.push_async_callback(http.close)
    embedder = LocalEmbedder()
    stack.push_async_callback(embedder.close)
    runtime: list[Runtime] = []
    return World(
        settings=settings,
        clock=clock,
        registry=registry,
        store=store,
        http=http,
        blobs=blob_store(settings),
        vault=Vault(store, Keyring(*settings.secret_keys), http, clock),
        definitions=Definitions(store, registry),
        sandbox=ProcessSandbox(),
        files=FolderFiles(settings.files_root) if settings.files_root else None,
        commands=AllowedCommands(settings.execute_allow),
        models=models_of(settings),
        memories=Memories(store, clock),
        embedder=embedder,
        endings=StoredEndings(store, clock, lambda: runtime[0]),
        runtime=runtime,
    )
