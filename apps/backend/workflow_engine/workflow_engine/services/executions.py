"""WorkflowService, second part: executions."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from workflow_engine.core.tracing import kept, of_execution
from workflow_engine.engine import fork
from workflow_engine.engine.events import (
    AnyEvent,
    CancelRequested,
    ExecutionStarted,
    Outcome,
    OutcomeResolved,
    PauseRequested,
    ResumeRequested,
    SignalReceived,
)
from workflow_engine.engine.history import History
from workflow_engine.engine.items import BinaryRef, Item, Items
from workflow_engine.engine.plan import Plan
from workflow_engine.engine.state import RunKey, parse_address
from workflow_engine.models.store import ExecutionFilter, ExecutionRow, Status
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.runtime.contract import Start, Turn
from workflow_engine.runtime.journal import read_journal
from workflow_engine.services import wire
from workflow_engine.services.access.callers import current, incoming
from workflow_engine.services.backend import Backend, canonical
from workflow_engine.services.drafts import request_digest
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.paging import Page, token
from workflow_engine.utils.structs import to_python

DRAFT_MODES = (ex.EXECUTION_MODE_UNSPECIFIED, ex.MANUAL, ex.TEST)
"""Modes that run the draft; all others run what is published."""
KNOWN_DRAFTS = 1_000
"""Drafts whose definition is known to be stored."""
FILE_PART = 4 * 1024 * 1024
"""Bytes of a file in one answer, when nothing else is asked for."""
DEFAULT_WAIT = 60.0
"""Seconds that WaitExecution waits when it is not told how long."""


class Executions:
    """The RPCs about executions."""

    backend: Backend

    # starting

    async def ExecuteWorkflow(self, request: ex.ExecuteWorkflowRequest, context: Any) -> ex.ExecuteWorkflowResponse:
        runtime = self.backend.runtime
        id = await runtime.start(await self._start(request))
        response = ex.ExecuteWorkflowResponse(success=True, message="accepted", execution_id=id, status=ex.RUNNING)
        if request.HasField("wait") and await runtime.wait(id, request.wait.ToNanoseconds() / 1e9) is not None:
            response.execution.CopyFrom(await self._execution(id))
            response.status = response.execution.status
            response.message = ex.ExecutionStatus.Name(response.status)
        return response

    async def BatchExecuteWorkflow(
        self, request: ex.BatchExecuteWorkflowRequest, context: Any
    ) -> ex.BatchExecuteWorkflowResponse:
        starts = [await self._start(each) for each in request.requests]
        ids = await self.backend.runtime.start_all(starts)
        return ex.BatchExecuteWorkflowResponse(
            success=True, message=f"{len(ids)} executions accepted", execution_ids=ids
        )

    async def _start(self, request: ex.ExecuteWorkflowRequest) -> Start:
        backend = self.backend
        row = await backend.workflow(request.workflow_id)
        if request.version:
            digest, version = await backend.definitions.resolve(row.id, request.version)
        elif request.mode in DRAFT_MODES:
            digest, version = await self._draft(row.draft), 0
        else:
            digest, version = await backend.definitions.resolve(row.id)
        plan = await backend.definitions.plan(digest)
        if request.trigger_node_id:
            _check_trigger(plan, request.trigger_node_id)
        return Start(
            workflow_id=row.id,
            digest=digest,
            version=version,
            user_id=row.user_id,
            mode=request.mode or ex.MANUAL,
            triggered_by=request.triggered_by,
            input=wire.items_from_proto(request.input) or [Item()],
            trigger=request.trigger_node_id,
            idempotency_key=request.idempotency_key,
            request_digest=request_digest(request),
            priority=request.priority or plan.priority,
            trace=kept(incoming().traceparent),
        )

    async def _draft(self, draft: bytes) -> str:
        key = hashlib.sha256(draft).digest()
        if (digest := self.backend.drafts.get(key)) is None:
            digest = await self.backend.store.keep_definition(canonical(pb.Workflow.FromString(draft)))
            if len(self.backend.drafts) >= KNOWN_DRAFTS:
                self.backend.drafts.clear()
            self.backend.drafts[key] = digest
        return digest

    # seeing

    async def GetExecutionStatus(
        self, request: ex.GetExecutionStatusRequest, context: Any
    ) -> ex.GetExecutionStatusResponse:
        execution = await self._execution(request.execution_id, summary_only=request.summary_only)
        response = ex.GetExecutionStatusResponse(
            success=True,
            message=ex.ExecutionStatus.Name(execution.status),
            execution=execution,
            status=execution.status,
        )
        if request.with_definition:
            stored = await asyncio.to_thread(self.backend.store.definition, execution.definition_digest)
            response.definition.ParseFromString(stored or b"")
        return response

    async def WaitExecution(self, request: ex.WaitExecutionRequest, context: Any) -> ex.WaitExecutionResponse:
        timeout = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else DEFAULT_WAIT
        ended = await self.backend.runtime.wait(request.execution_id, timeout)
        execution = await self._execution(request.execution_id)
        return ex.WaitExecutionResponse(
            success=ended is not None, message=ex.ExecutionStatus.Name(execution.status), execution=execution
        )

    async def GetExecutionFile(self, request: ex.GetExecutionFileRequest, context: Any) -> ex.GetExecutionFileResponse:
        row, events = await self._journal(request.execution_id)
        history = History.of(await self.backend.definitions.plan(row.digest), events)
        ref = next((ref for ref in _files(history) if ref.id == request.file_id), None)
        if ref is None:
            raise ServiceError(
                "FILE_NOT_FOUND",
                f"file_id: no item of execution {row.id!r} refers to {request.file_id!r}",
                metadata={"execution_id": row.id, "file_id": request.file_id},
            )
        start, end = request.offset, request.offset + (request.limit or FILE_PART)
        content, at = bytearray(), 0
        async for chunk in self.backend.blobs.read(ref):
            content += chunk[max(0, start - at) : max(0, end - at)]
            at += len(chunk)
            if at >= end:
                break
        return ex.GetExecutionFileResponse(
            success=True,
            message=f"{len(content)} of {ref.size} bytes",
            file=wire.file_to_proto(ref),
            content=bytes(content),
            next_offset=end if end < ref.size else 0,
        )

    async def GetExecutionHistory(
        self, request: ex.GetExecutionHistoryRequest, context: Any
    ) -> ex.GetExecutionHistoryResponse:
        wanted = ExecutionFilter(
            request.workflow_id,
            request.user_id,
            tuple(request.statuses),
            request.since.ToMilliseconds() if request.HasField("since") else None,
            request.until.ToMilliseconds() if request.HasField("until") else None,
            current().owners,
        )
        page = Page.of(request)
        store = self.backend.store
        rows = await asyncio.to_thread(
            store.executions, wanted, limit=page.limit + 1, offset=page.offset, before=page.before
        )
        more, rows = len(rows) > page.limit, rows[: page.limit]
        return ex.GetExecutionHistoryResponse(
            success=True,
            message=f"{len(rows)} executions",
            executions=[wire.execution_to_proto(row) for row in rows],
            total=await asyncio.to_thread(store.count_executions, wanted),
            next_page_token=token(rows[-1].pk) if more else "",
        )

    async def WatchExecution(
        self, request: ex.WatchExecutionRequest, context: Any
    ) -> AsyncIterator[ex.WatchExecutionResponse]:
        row = await self._row(request.execution_id)
        history = History(await self.backend.definitions.plan(row.digest))
        async for seq, event in self.backend.runtime.watch(row.id):
            changed = history.feed(event)
            if seq >= request.from_seq:
                yield ex.WatchExecutionResponse(
                    event=wire.event_to_proto(seq, event),
                    node_runs=[wire.run_to_proto(record) for record in changed],
                    status=ex.ExecutionStatus.Value(history.status),
                )

    async def _row(self, execution_id: str) -> ExecutionRow:
        row = await asyncio.to_thread(self.backend.store.execution, execution_id)
        if row is None:
            raise _no_execution(execution_id)
        return row

    async def _journal(self, execution_id: str) -> tuple[ExecutionRow, list[AnyEvent]]:
        found = await read_journal(self.backend.store, self.backend.blobs, execution_id)
        if found is None:
            raise _no_execution(execution_id)
        return found

    async def _execution(self, execution_id: str, *, summary_only: bool = False) -> ex.Execution:
        row, events = (await self._row(execution_id), []) if summary_only else await self._journal(execution_id)
        execution = wire.execution_to_proto(row)
        if row.parent_pk is not None:
            parent = await asyncio.to_thread(self.backend.store.execution_by_pk, row.parent_pk)
            execution.parent_execution_id = parent.id if parent else ""
        if summary_only:
            return execution
        history = History.of(await self.backend.definitions.plan(row.digest), events)
        execution.last_seq = len(events)
        running = self.backend.runtime.running(execution_id)
        for record in history.runs.values():
            made = wire.run_to_proto(record, is_running=record.address in running)
            execution.node_runs.append(made)
            if made.HasField("waiting_for"):
                execution.waiting_for.append(made.waiting_for)
        if row.status is Status.NEW:
            execution.waiting_for.append(_queued(self.backend.runtime.turn(execution_id)))
        elif row.status is Status.PAUSED:
            execution.waiting_for.add(kind=ex.WAIT_KIND_PAUSED, detail="ResumeExecution lets it go on")
        if history.started is not None:
            execution.input.extend(wire.item_to_proto(item) for item in history.started.input)
        if history.ended is not None:
            execution.output.extend(wire.item_to_proto(item) for item in history.state.output)
            execution.ClearField("failure")
            if (failure := wire.failure_to_proto(history.ended.failure)) is not None:
                execution.failure.CopyFrom(failure)
        return execution

    # steering

    async def CancelExecution(self, request: ex.CancelExecutionRequest, context: Any) -> ex.CancelExecutionResponse:
        event = CancelRequested(at=self._now(), reason=request.reason, by=request.canceled_by)
        took = await self.backend.runtime.send(request.execution_id, event)
        row = await self._row(request.execution_id)
        return ex.CancelExecutionResponse(
            success=took,
            message="cancelling" if took else "it was being cancelled already",
            status=wire.execution_to_proto(row).status,
        )

    async def PauseExecution(self, request: ex.PauseExecutionRequest, context: Any) -> ex.PauseExecutionResponse:
        event = PauseRequested(at=self._now(), by=request.requested_by)
        took = await self.backend.runtime.send(request.execution_id, event)
        return ex.PauseExecutionResponse(success=took, message="paused" if took else "it was paused already")

    async def ResumeExecution(self, request: ex.ResumeExecutionRequest, context: Any) -> ex.ResumeExecutionResponse:
        event = ResumeRequested(at=self._now(), by=request.requested_by)
        took = await self.backend.runtime.send(request.execution_id, event)
        return ex.ResumeExecutionResponse(success=took, message="resumed" if took else "it was not paused")

    async def SignalExecution(self, request: ex.SignalExecutionRequest, context: Any) -> ex.SignalExecutionResponse:
        node, path = parse_address(request.address) if request.address else ("", None)
        event = SignalReceived(
            at=self._now(),
            name=request.name,
            payload=to_python(request.payload) if request.HasField("payload") else None,
            sender=request.sender,
            node=node,
            path=path,
        )
        took = await self.backend.runtime.send(request.execution_id, event)
        return ex.SignalExecutionResponse(success=took, message="delivered" if took else "refused")

    async def ResolveAttempt(self, request: ex.ResolveAttemptRequest, context: Any) -> ex.ResolveAttemptResponse:
        node, path = parse_address(request.address)
        decisions = {
            ex.RESOLUTION_SUCCEEDED: "succeeded",
            ex.RESOLUTION_FAILED: "failed",
            ex.RESOLUTION_RETRY: "retry",
        }
        event = OutcomeResolved(
            at=self._now(),
            node=node,
            path=path,
            decision=decisions[request.resolution],
            outputs=wire.outputs_from_proto(request.outputs),
            by=request.resolved_by,
        )
        took = await self.backend.runtime.send(request.execution_id, event)
        message = "resolved" if took else f"{request.address} does not wait for a resolution"
        return ex.ResolveAttemptResponse(success=took, message=message)

    def _now(self) -> int:
        return self.backend.clock.now_ms()

    # starting anew

    async def RetryExecution(self, request: ex.RetryExecutionRequest, context: Any) -> ex.RetryExecutionResponse:
        row, plan, events = await self._ended(request.execution_id)
        seeds = fork.failed_runs(plan, events)
        if not seeds and row.status is Status.SUCCESS:
            raise ServiceError(
                "NOTHING_TO_DO",
                "no node of this execution failed; RerunExecution runs it again from any node",
            )
        id = await self._again(row, plan, events, seeds, request.use_latest_definition, request.triggered_by)
        return ex.RetryExecutionResponse(success=True, message="accepted", execution_id=id)

    async def RerunExecution(self, request: ex.RerunExecutionRequest, context: Any) -> ex.RerunExecutionResponse:
        row, plan, events = await self._ended(request.execution_id)
        if unknown := [id for id in request.node_ids if id not in plan.by_id]:
            raise ServiceError(
                "NODE_NOT_FOUND",
                f"the workflow of this execution has no node {unknown[0]!r}",
                violations=[("node_ids", f"{id!r} does not exist") for id in unknown],
            )
        seeds = fork.runs_of(plan, events, request.node_ids)
        id = await self._again(row, plan, events, seeds, request.use_latest_definition, request.triggered_by)
        return ex.RerunExecutionResponse(success=True, message="accepted", execution_id=id)

    async def ForkExecution(self, request: ex.ForkExecutionRequest, context: Any) -> ex.ForkExecutionResponse:
        row, events = await self._journal(request.execution_id)
        plan = await self.backend.definitions.plan(row.digest)
        if request.from_seq > len(events):
            raise ServiceError(
                "INVALID_REQUEST",
                f"from_seq: the journal has {len(events)} events",
                violations=[("from_seq", f"must be at most {len(events)}")],
            )
        edited = {where: wire.items_from_proto(items.items) for where, items in request.edited_inputs.items()}
        seeds: list[RunKey] = []
        for where in edited:
            node, path = parse_address(where)
            if node not in plan.by_id:
                raise ServiceError("NODE_NOT_FOUND", f"edited_inputs names {where!r}, which does not exist")
            seeds.append((plan.by_id[node], path))
        id = await self._again(
            row,
            plan,
            events[: request.from_seq],
            seeds,
            request.use_latest_definition,
            request.triggered_by,
            edited=edited,
        )
        return ex.ForkExecutionResponse(success=True, message="accepted", execution_id=id)

    async def _ended(self, execution_id: str) -> tuple[ExecutionRow, Plan, list[AnyEvent]]:
        row, events = await self._journal(execution_id)
        if row.status < Status.SUCCESS:
            raise ServiceError(
                "EXECUTION_RUNNING",
                f"execution {execution_id} has not ended; cancel it first, or use ForkExecution",
                metadata={"execution_id": execution_id},
            )
        return row, await self.backend.definitions.plan(row.digest), events

    async def _again(
        self,
        row: ExecutionRow,
        plan: Plan,
        events: list[AnyEvent],
        anew: Iterable[RunKey],
        latest: bool,
        triggered_by: str,
        *,
        edited: dict[str, Items] | None = None,
    ) -> str:
        """Starts an execution that takes over what does not rest on the runs `anew`."""
        digest, version = row.digest, row.version
        anew = list(anew)
        if latest:
            old = plan
            digest, version, plan, changed = await self._latest(row)
            anew += fork.runs_of(old, events, [node for node in changed if node in old.by_id])
            named = [(old.nodes[index].id, path) for index, path in anew]
            anew = [(plan.by_id[node], path) for node, path in named if node in plan.by_id]
        reuse: list[Outcome] = fork.reusable(plan, events, anew)
        started = events[0]
        assert isinstance(started, ExecutionStarted)
        return await self.backend.runtime.start(
            Start(
                workflow_id=row.workflow_id,
                digest=digest,
                version=version,
                user_id=row.user_id,
                mode=ex.RETRY,
                triggered_by=triggered_by,
                input=started.input,
                trigger=started.trigger,
                priority=row.priority,
                retried_from=row.id,
                reuse=reuse,
                overrides=edited or {},
                trace=kept(incoming().traceparent, again=of_execution(row.id, started.trace)),
            )
        )

    async def _latest(self, row: ExecutionRow) -> tuple[str, int, Plan, list[str]]:
        """The newest definition of what `row` ran (its draft, or what is published), and what is new in it."""
        backend = self.backend
        if row.version:
            digest, version = await backend.definitions.resolve(row.workflow_id)
        else:
            digest, version = await self._draft((await backend.workflow(row.workflow_id)).draft), 0
        plan = await backend.definitions.plan(digest)
        old = await asyncio.to_thread(backend.store.definition, row.digest)
        new = await asyncio.to_thread(backend.store.definition, digest)
        changed = fork.changed_nodes(pb.Workflow.FromString(old or b""), pb.Workflow.FromString(new or b""))
        return digest, version, plan, changed


def _no_execution(id: str) -> ServiceError:
    return ServiceError("EXECUTION_NOT_FOUND", f"there is no execution {id!r}", metadata={"execution_id": id})


def _queued(turn: Turn | None) -> ex.WaitReason:
    """Why an execution has not started."""
    if turn is None:
        return ex.WaitReason(kind=ex.WAIT_KIND_CONCURRENCY, detail="it is about to start")
    ahead = f"{turn.ahead} executions come before it" if turn.ahead else "it is the next to start"
    if turn.starts_at is None:
        detail = f"the workflow's limit of executions at once is reached; {ahead}"
        return ex.WaitReason(kind=ex.WAIT_KIND_CONCURRENCY, detail=detail)
    waiting = ex.WaitReason(kind=ex.WAIT_KIND_RATE_LIMIT, detail=f"the workflow's rate limit is reached; {ahead}")
    waiting.until.FromMilliseconds(turn.starts_at)
    return waiting


def _check_trigger(plan: Plan, id: str) -> None:
    index = plan.by_id.get(id)
    if index is None or not plan.nodes[index].shape.is_trigger:
        triggers = ", ".join(node.id for node in plan.nodes if node.shape.is_trigger) or "none"
        raise ServiceError(
            "NODE_NOT_FOUND",
            f"trigger_node_id: {id!r} is no trigger of this workflow; it has {triggers}",
            violations=[("trigger_node_id", f"is none of: {triggers}")],
        )


def _files(history: History) -> Iterator[BinaryRef]:
    """All bytes that the items of an execution refer to."""
    shown = [history.started.input] if history.started is not None else []
    for record in history.runs.values():
        shown += [*record.inputs.values(), *record.outputs.values()]
    for items in shown:
        for item in items:
            yield from item.binary.values()
