"""Between the engine's records and the contract's messages."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import cache
from inspect import get_annotations
from typing import Any, cast

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from workflow_engine.engine import events
from workflow_engine.engine.history import RunRecord, Wait
from workflow_engine.engine.items import BinaryRef, Failure, Item, Items, Outputs
from workflow_engine.engine.plan import Issue
from workflow_engine.engine.planning import item_from_proto
from workflow_engine.engine.shape import Port, PortKind, Shape
from workflow_engine.engine.state import address
from workflow_engine.models.store import ExecutionRow
from workflow_engine.models.workflow import Workflow, WorkflowVersion
from workflow_engine.nodes.spec import Node, Parameters
from workflow_engine.nodes.words import ENGLISH, Words
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.utils.structs import fill_struct, to_struct, to_value

WAITS = {
    "timer": ex.WAIT_KIND_TIMER,
    "signal": ex.WAIT_KIND_SIGNAL,
    "children": ex.WAIT_KIND_CHILDREN,
    "task": ex.WAIT_KIND_TASK,
    "retry": ex.WAIT_KIND_RETRY,
    "unknown_outcome": ex.WAIT_KIND_UNKNOWN_OUTCOME,
}
EVENT_TYPES: dict[type[events.Event], ex.EventType.ValueType] = {
    events.ExecutionStarted: ex.EVENT_TYPE_EXECUTION_STARTED,
    events.AttemptStarted: ex.EVENT_TYPE_ATTEMPT_STARTED,
    events.ItemSucceeded: ex.EVENT_TYPE_ITEM_SUCCEEDED,
    events.StepSucceeded: ex.EVENT_TYPE_STEP_SUCCEEDED,
    events.NodeSucceeded: ex.EVENT_TYPE_NODE_SUCCEEDED,
    events.AttemptFailed: ex.EVENT_TYPE_ATTEMPT_FAILED,
    events.NodeSuspended: ex.EVENT_TYPE_NODE_SUSPENDED,
    events.TaskAnswered: ex.EVENT_TYPE_TASK_ANSWERED,
    events.NodeIterated: ex.EVENT_TYPE_NODE_ITERATED,
    events.NodeExpanded: ex.EVENT_TYPE_NODE_EXPANDED,
    events.TimerFired: ex.EVENT_TYPE_TIMER_FIRED,
    events.SignalReceived: ex.EVENT_TYPE_SIGNAL_RECEIVED,
    events.ChildEnded: ex.EVENT_TYPE_CHILD_ENDED,
    events.OutcomeUnknown: ex.EVENT_TYPE_OUTCOME_UNKNOWN,
    events.OutcomeResolved: ex.EVENT_TYPE_OUTCOME_RESOLVED,
    events.CancelRequested: ex.EVENT_TYPE_CANCEL_REQUESTED,
    events.PauseRequested: ex.EVENT_TYPE_PAUSE_REQUESTED,
    events.ResumeRequested: ex.EVENT_TYPE_RESUME_REQUESTED,
    events.ExecutionEnded: ex.EVENT_TYPE_EXECUTION_ENDED,
}


def timestamp(ms: int | None) -> Timestamp | None:
    if ms is None:
        return None
    made = Timestamp()
    made.FromMilliseconds(ms)
    return made


# items


def items_from_proto(items: Iterable[pb.Item]) -> Items:
    return [item_from_proto(item) for item in items]


def item_to_proto(item: Item) -> pb.Item:
    made = pb.Item(sources=item.sources)
    fill_struct(made.json, item.json)
    fill_files(made.binary, item.binary)
    return made


def fill_files(target: Any, files: Mapping[str, BinaryRef]) -> None:
    """Fills a `map<string, BinaryRef>`."""
    for slot, ref in files.items():
        target[slot].CopyFrom(file_to_proto(ref))


def file_to_proto(ref: BinaryRef) -> pb.BinaryRef:
    return pb.BinaryRef(id=ref.id, size_bytes=ref.size, media_type=ref.media_type, file_name=ref.file_name)


def files_from_proto(files: Mapping[str, pb.BinaryRef]) -> dict[str, BinaryRef]:
    return {slot: BinaryRef(ref.id, ref.size_bytes, ref.media_type, ref.file_name) for slot, ref in files.items()}


def fill_ports(target: Any, outputs: Outputs) -> None:
    """Fills a `map<string, ItemList>`."""
    for port, items in outputs.items():
        target[port].items.extend(item_to_proto(item) for item in items)
        if not items:
            target[port].SetInParent()


def outputs_from_proto(ports: Mapping[str, pb.ItemList]) -> Outputs:
    return {port: items_from_proto(items.items) for port, items in ports.items()}


def outputs_by_node(given: Mapping[str, pb.ItemList]) -> dict[str, Outputs]:
    """What stands for the deliveries of other nodes, by node name."""
    return {name: {"main": items_from_proto(items.items)} for name, items in given.items()}


# executions


def failure_to_proto(failure: Failure | None) -> ex.Failure | None:
    if failure is None:
        return None
    return ex.Failure(
        reason=failure.reason,
        message=failure.message,
        node_id=failure.node,
        field=failure.field,
        hint=failure.hint,
        retryable=failure.retryable,
        details=to_struct(failure.details) if failure.details else None,
        cause=failure_to_proto(failure.cause),
    )


def wait_to_proto(wait: Wait | None, where: str) -> ex.WaitReason | None:
    if wait is None:
        return None
    return ex.WaitReason(
        kind=WAITS[wait.kind],
        address=where,
        detail=wait.detail,
        until=timestamp(wait.until),
        signal=wait.signal,
        execution_ids=wait.children,
        task_ids=wait.tasks,
    )


def run_to_proto(record: RunRecord, *, is_running: bool = False) -> ex.NodeRun:
    """`is_running` tells of a run that the journal only knows to be ready: its attempt is under way."""
    status = "RUNNING" if is_running and record.status == "ready" else record.status.upper()
    made = ex.NodeRun(
        address=record.address,
        node_id=record.node,
        node_name=record.name,
        path=record.key[1],
        status=ex.NodeRunStatus.Value(f"NODE_RUN_STATUS_{status}"),
        attempts=[
            ex.Attempt(
                number=attempt.number,
                started_at=timestamp(attempt.started_at),
                ended_at=timestamp(attempt.ended_at),
                failure=failure_to_proto(attempt.failure),
            )
            for attempt in record.attempts
        ],
        started_at=timestamp(record.started_at),
        ended_at=timestamp(record.ended_at),
        failure=failure_to_proto(record.failure),
        source=record.source,
        waiting_for=wait_to_proto(record.wait, record.address),
        iteration=record.turn,
        steps=[
            ex.Step(
                key=step.key,
                at=timestamp(step.at),
                value=to_value(step.value),
                usage=to_struct(step.usage) if step.usage else None,
            )
            for step in record.steps
        ],
        usage=to_struct(record.usage) if record.usage else None,
    )
    fill_ports(made.inputs, record.inputs)
    fill_ports(made.outputs, record.outputs)
    return made


def execution_to_proto(row: ExecutionRow) -> ex.Execution:
    """What the row says; input, output and runs are in the journal."""
    return ex.Execution(
        id=row.id,
        workflow_id=row.workflow_id,
        workflow_version=row.version,
        definition_digest=row.digest,
        mode=cast("ex.ExecutionMode.ValueType", row.mode),
        status=cast("ex.ExecutionStatus.ValueType", int(row.status)),
        triggered_by=row.triggered_by,
        user_id=row.user_id,
        created_at=timestamp(row.created_at),
        started_at=timestamp(row.started_at),
        ended_at=timestamp(row.ended_at),
        failure=ex.Failure(message=row.failure_summary) if row.failure_summary else None,
        parent_address=row.parent_address,
        retried_from_execution_id=row.retried_from,
        wakes_at=timestamp(row.wake_at),
    )


def event_to_proto(seq: int, event: events.AnyEvent) -> ex.ExecutionEvent:
    data = {
        name: _named(value)
        for name, value in msgspec.structs.asdict(event).items()
        if name not in ("at", "node", "path") and value not in ("", [], {}, None)
    }
    where = address(event.node, event.path) if isinstance(event, events.RunEvent) and event.node else ""
    return ex.ExecutionEvent(
        seq=seq,
        at=timestamp(event.at),
        type=EVENT_TYPES[type(event)],
        address=where,
        data=to_struct(data),
    )


def _named(value: Any) -> Any:
    """Records as their journal form names them: items by member, not by position."""
    match value:
        case Item():
            return {"json": value.json} | ({"binary": sorted(value.binary)} if value.binary else {})
        case Failure():
            return value.as_json()
        case msgspec.Struct():
            return {key: _named(each) for key, each in msgspec.structs.asdict(value).items()}
        case dict():
            return {str(key): _named(each) for key, each in value.items()}
        case list() | tuple():
            return [_named(each) for each in value]
        case _:
            return value


# workflows


def workflow_to_proto(row: Workflow, *, with_graph: bool = True) -> pb.Workflow:
    """The draft, with what the server knows of it."""
    made = pb.Workflow.FromString(row.draft)
    if not with_graph:
        del made.nodes[:]
        del made.connections[:]
    made.id, made.name, made.description, made.user_id = row.id, row.name, row.description, row.user_id
    made.etag = str(row.draft_revision)
    made.draft_revision = row.draft_revision
    made.published_version = row.published_version
    made.active = row.active
    made.created_at.FromMilliseconds(row.created_at)
    made.updated_at.FromMilliseconds(row.updated_at)
    return made


def version_to_proto(row: WorkflowVersion, definition: bytes | None = None) -> pb.WorkflowVersion:
    return pb.WorkflowVersion(
        workflow_id=row.workflow_id,
        version=row.version,
        definition=pb.Workflow.FromString(definition) if definition is not None else None,
        message=row.message,
        published_by=row.published_by,
        published_at=timestamp(row.published_at),
        digest=row.digest,
    )


def issue_to_proto(issue: Issue) -> pb.ValidationIssue:
    return pb.ValidationIssue(
        severity=pb.SEVERITY_ERROR if issue.is_error else pb.SEVERITY_WARNING,
        code=issue.code,
        node_id=issue.node,
        field=issue.field,
        message=issue.message,
        suggestion=issue.suggestion,
    )


# node types


@cache
def node_type_to_proto(node: Node[Parameters], say: Words = ENGLISH) -> pb.NodeType:
    """A node type never changes, and its schema takes a while: it is made once. Copy it before you change it."""
    shape: Shape = node.shape(node.example)
    return pb.NodeType(
        type=node.type,
        version=node.version,
        family=node.type.partition(".")[0],
        name=say(node.name),
        summary=say(node.summary),
        help=say(node.help),
        parameter_schema=to_struct(form_schema(node, say)),
        example=to_struct(node.example),
        starter=to_struct(node.starter),
        inputs=[_port(port, say) for port in shape.inputs],
        outputs=[_port(port, say) for port in shape.outputs],
        run_mode=pb.RunMode.Value(f"RUN_MODE_{shape.run_mode.name}"),
        effect=pb.Effect.Value(f"EFFECT_{shape.effect.name}"),
        credentials=[
            pb.CredentialSlot(name=slot.name, types=slot.types, required=slot.required) for slot in node.credentials
        ],
    )


def form_schema(node: Node[Parameters], say: Words = ENGLISH) -> dict[str, Any]:
    """The JSON Schema of a node's parameters; `literal` marks those in which braces are no expression. What the node
    itself asks for comes before what it shares with its kind."""
    # Parameters that say themselves what leads are in their order already.
    first = () if node.parameters.leading else get_annotations(node.parameters)
    schema = ordered(say.schema(node.parameters.model_json_schema()), first=first)
    for name in node.literals & schema.get("properties", {}).keys():
        schema["properties"][name]["literal"] = True
    return schema


def ordered(schema: dict[str, Any], first: Container[str] = ()) -> dict[str, Any]:
    """The schema with `propertyOrder` for every object: a Struct forgets in which order its keys came. The properties
    named `first` come before the others."""
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part["propertyOrder"] = sorted(part["properties"], key=lambda name: name not in first)
    return schema


def ports_to_proto(shape: Shape) -> ws.NodePorts:
    return ws.NodePorts(inputs=map(_port, shape.inputs), outputs=map(_port, shape.outputs))


def _port(port: Port, say: Words = ENGLISH) -> pb.Port:
    return pb.Port(
        name=port.name,
        kind=pb.PORT_KIND_DATA if port.kind is PortKind.DATA else pb.PORT_KIND_RESOURCE,
        resource=port.resource,
        required=port.required,
        description=say(port.description),
    )
