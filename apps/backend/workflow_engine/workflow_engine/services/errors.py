"""Failures as gRPC tells them: a canonical status code, a message for a person, google.rpc details for a program.

Every ErrorInfo has the domain `workflow-engine` and one of these reasons:

| reason | code | for example |
|---|---|---|
| INVALID_REQUEST | INVALID_ARGUMENT | a field breaks a rule of the contract |
| INVALID_WORKFLOW | INVALID_ARGUMENT | a cycle outside a loop, an unknown node type |
| INVALID_CONTENT | INVALID_ARGUMENT | an import that is not YAML |
| WORKFLOW_NOT_FOUND, EXECUTION_NOT_FOUND, VERSION_NOT_FOUND, NODE_NOT_FOUND | NOT_FOUND | an id that does not exist |
| FILE_NOT_FOUND | NOT_FOUND | bytes that no item of the execution refers to |
| CREDENTIAL_NOT_FOUND, TOOL_NOT_FOUND, TASK_NOT_FOUND | NOT_FOUND | the same, of a credential, a tool or a task |
| INVALID_ANSWER | INVALID_ARGUMENT | an answer that is not as the task's schema says |
| NOT_ASSIGNED | PERMISSION_DENIED | an answer to a task that is for others |
| TASK_ANSWERED, TASK_CLOSED | FAILED_PRECONDITION | a second answer by the same person; one that comes too late |
| TASK_BUSY | ABORTED | an answer at the very moment in which the task is decided |
| TRIGGER_NOT_FOUND, EVENT_NOT_FOUND | NOT_FOUND | the same, of a trigger or of something that came to it |
| ROUTE_TAKEN | ALREADY_EXISTS | a webhook's path that another workflow's webhook has |
| TRIGGER_OF_NODE | FAILED_PRECONDITION | a change of a trigger whose node has to be changed instead |
| ETAG_MISMATCH | ABORTED | somebody else changed the draft first |
| IDEMPOTENCY_KEY_REUSED | ALREADY_EXISTS | the key came with another request |
| NOT_PUBLISHED | FAILED_PRECONDITION | a webhook for a workflow without a published version |
| EXECUTION_ENDED, EXECUTION_RUNNING | FAILED_PRECONDITION | a signal for an execution that has ended |
| HISTORY_LOST | FAILED_PRECONDITION | a signal for an execution that Temporal has lost; cancel closes it |
| NOTHING_TO_DO | FAILED_PRECONDITION | a retry of an execution without failed nodes |
| SECRET_KEY_MISSING | FAILED_PRECONDITION | a credential for a server that can not encrypt it |
| CREDENTIAL_UNREADABLE | FAILED_PRECONDITION | its master key is no longer known |
| OAUTH_NOT_SET_UP | FAILED_PRECONDITION | the credential names no client |
| OAUTH_STATE_UNKNOWN | FAILED_PRECONDITION | a state that was used already, or is too old |
| OAUTH_REFUSED | FAILED_PRECONDITION | the peer does not take the code |
| NO_MODEL | FAILED_PRECONDITION | no language model is set up; the message says how |
| MODEL_FAILED | FAILED_PRECONDITION | the model refuses, its key is wrong, a limit stopped it |
| MODEL_BUSY | RESOURCE_EXHAUSTED | the provider takes no more calls for now |
| MODEL_UNAVAILABLE | UNAVAILABLE | the provider does not answer |
| CONVERSATION_NOT_FOUND | NOT_FOUND | a conversation that does not exist, or is somebody else's |
| SIGN_IN_REQUIRED, KEY_INVALID, KEY_EXPIRED, USER_DISABLED | UNAUTHENTICATED | a call without a key, a wrong key |
| WRONG_PASSWORD | UNAUTHENTICATED | no such user, or another password |
| PERMISSION_MISSING | PERMISSION_DENIED | a viewer that changes a workflow |
| NOT_YOURS | PERMISSION_DENIED | an owner that one may not act for |
| CSRF_TOKEN_MISSING, ORIGIN_REFUSED | PERMISSION_DENIED | a page of another site uses the cookie |
| USER_NOT_FOUND, PROJECT_NOT_FOUND, KEY_NOT_FOUND, SESSION_NOT_FOUND | NOT_FOUND | an id that does not exist |
| EMAIL_TAKEN | ALREADY_EXISTS | there is a user with this address |
| ADMIN_FIRST, LAST_ADMIN | FAILED_PRECONDITION | nobody could manage the server |
| TOO_MANY_ATTEMPTS, RATE_LIMITED | RESOURCE_EXHAUSTED | wrong passwords, or calls, too fast |
| QUEUE_FULL | RESOURCE_EXHAUSTED | too many executions wait for their turn |
| SHUTTING_DOWN, STORE_UNAVAILABLE | UNAVAILABLE | the disk is full; nothing was stored |
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from workflow_engine.engine.plan import Issue
from workflow_engine.models.store import KeyReused, OwnershipLost, Stale, StoreUnavailable, WriteRefused
from workflow_engine.models.triggers import RouteTaken
from workflow_engine.runtime.contract import RuntimeFailure

DOMAIN = "workflow-engine"
CODES = {
    "INVALID_REQUEST": grpc.StatusCode.INVALID_ARGUMENT,
    "INVALID_WORKFLOW": grpc.StatusCode.INVALID_ARGUMENT,
    "INVALID_CONTENT": grpc.StatusCode.INVALID_ARGUMENT,
    "WORKFLOW_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "EXECUTION_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "FILE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "VERSION_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "NODE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "CREDENTIAL_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "TOOL_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "TASK_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "INVALID_ANSWER": grpc.StatusCode.INVALID_ARGUMENT,
    "NOT_ASSIGNED": grpc.StatusCode.PERMISSION_DENIED,
    "TASK_ANSWERED": grpc.StatusCode.FAILED_PRECONDITION,
    "TASK_CLOSED": grpc.StatusCode.FAILED_PRECONDITION,
    "TASK_BUSY": grpc.StatusCode.ABORTED,
    "TRIGGER_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "EVENT_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ROUTE_TAKEN": grpc.StatusCode.ALREADY_EXISTS,
    "TRIGGER_OF_NODE": grpc.StatusCode.FAILED_PRECONDITION,
    "ETAG_MISMATCH": grpc.StatusCode.ABORTED,
    "IDEMPOTENCY_KEY_REUSED": grpc.StatusCode.ALREADY_EXISTS,
    "NOT_PUBLISHED": grpc.StatusCode.FAILED_PRECONDITION,
    "EXECUTION_ENDED": grpc.StatusCode.FAILED_PRECONDITION,
    "EXECUTION_RUNNING": grpc.StatusCode.FAILED_PRECONDITION,
    "HISTORY_LOST": grpc.StatusCode.FAILED_PRECONDITION,
    "NOTHING_TO_DO": grpc.StatusCode.FAILED_PRECONDITION,
    "SECRET_KEY_MISSING": grpc.StatusCode.FAILED_PRECONDITION,
    "CREDENTIAL_UNREADABLE": grpc.StatusCode.FAILED_PRECONDITION,
    "OAUTH_NOT_SET_UP": grpc.StatusCode.FAILED_PRECONDITION,
    "OAUTH_STATE_UNKNOWN": grpc.StatusCode.FAILED_PRECONDITION,
    "OAUTH_REFUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "NO_MODEL": grpc.StatusCode.FAILED_PRECONDITION,
    "MODEL_FAILED": grpc.StatusCode.FAILED_PRECONDITION,
    "MODEL_BUSY": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "MODEL_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "CONVERSATION_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "SIGN_IN_REQUIRED": grpc.StatusCode.UNAUTHENTICATED,
    "KEY_INVALID": grpc.StatusCode.UNAUTHENTICATED,
    "KEY_EXPIRED": grpc.StatusCode.UNAUTHENTICATED,
    "USER_DISABLED": grpc.StatusCode.UNAUTHENTICATED,
    "WRONG_PASSWORD": grpc.StatusCode.UNAUTHENTICATED,
    "PERMISSION_MISSING": grpc.StatusCode.PERMISSION_DENIED,
    "NOT_YOURS": grpc.StatusCode.PERMISSION_DENIED,
    "CSRF_TOKEN_MISSING": grpc.StatusCode.PERMISSION_DENIED,
    "ORIGIN_REFUSED": grpc.StatusCode.PERMISSION_DENIED,
    "USER_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "PROJECT_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "KEY_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "SESSION_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "EMAIL_TAKEN": grpc.StatusCode.ALREADY_EXISTS,
    "ADMIN_FIRST": grpc.StatusCode.FAILED_PRECONDITION,
    "LAST_ADMIN": grpc.StatusCode.FAILED_PRECONDITION,
    "TOO_MANY_ATTEMPTS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "RATE_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "QUEUE_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "SHUTTING_DOWN": grpc.StatusCode.UNAVAILABLE,
    "STORE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
}


class ServiceError(Exception):
    """A request that is refused."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        violations: Iterable[tuple[str, str]] = (),
        metadata: dict[str, str] | None = None,
        retry_after: float = 1.0,
    ) -> None:
        """`violations` are (field, what is wrong with it); `retry_after` are seconds, where trying again may help."""
        super().__init__(message)
        self.retry_after = retry_after
        self.reason, self.message = reason, message
        self.violations = list(violations)
        self.metadata = metadata or {}

    @property
    def code(self) -> grpc.StatusCode:
        return CODES[self.reason]

    def status(self) -> status_pb2.Status:
        """The error as google.rpc.Status, for the trailer `grpc-status-details-bin`."""
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        _pack(status, info)
        if self.violations:
            _pack(
                status,
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
                        for field, description in self.violations
                    ]
                ),
            )
        if status.code in (code_pb2.UNAVAILABLE, code_pb2.RESOURCE_EXHAUSTED):
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(int(self.retry_after * 1000))
            _pack(status, retry)
        return status


def _pack(status: status_pb2.Status, detail: object) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)  # type: ignore[arg-type]
    status.details.append(packed)


def invalid_workflow(issues: Iterable[Issue]) -> ServiceError:
    """A workflow that can not be stored, with every error in it."""
    errors = [issue for issue in issues if issue.is_error]
    first = errors[0]
    where = " ".join(part for part in (f"node {first.node!r}" if first.node else "", first.field) if part)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    suggestion = f"; {first.suggestion}" if first.suggestion else ""
    return ServiceError(
        "INVALID_WORKFLOW",
        f"{where}: {first.message}{suggestion}{more}",
        violations=[
            (
                _path(issue),
                f"{issue.code}: {issue.message}" + (f"; {issue.suggestion}" if issue.suggestion else ""),
            )
            for issue in errors
        ],
        metadata={"node_id": first.node, "field": first.field, "code": first.code},
    )


def _path(issue: Issue) -> str:
    # Of what has no place in a node, the field is the whole path already.
    if not issue.node or issue.field.startswith(("nodes[", "connections[")):
        return issue.field
    return f"nodes[{issue.node}]" + (f".{issue.field}" if issue.field else "")


def no_workflow(id: str) -> ServiceError:
    return ServiceError("WORKFLOW_NOT_FOUND", f"there is no workflow {id!r}", metadata={"workflow_id": id})


def known(error: Exception) -> ServiceError | None:
    """The refusal that an exception from below stands for; None when it is a fault of ours."""
    match error:
        case ServiceError():
            return error
        case RuntimeFailure():
            return ServiceError(error.reason, error.message)
        case Stale():
            return ServiceError(
                "ETAG_MISMATCH",
                f"the draft has changed since you read it; {error}. Read it again and repeat your change on it",
                metadata={"etag": str(error.revision)},
            )
        case KeyReused():
            return ServiceError(
                "IDEMPOTENCY_KEY_REUSED", f"the idempotency key {str(error)!r} was used for another request"
            )
        case RouteTaken():
            return ServiceError(
                "ROUTE_TAKEN",
                f"{error}: give the trigger another path, or unpublish that workflow",
                metadata={"node_id": error.node_id, "route": error.route},
            )
        case WriteRefused():
            return ServiceError("INVALID_REQUEST", f"the database refuses this: {error}")
        case StoreUnavailable() | OwnershipLost():
            return ServiceError("STORE_UNAVAILABLE", str(error))
        case _:
            return None
