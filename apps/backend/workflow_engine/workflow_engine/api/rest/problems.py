"""Failures as HTTP tells them: RFC 9457 problem+json, made from google.rpc.Status."""

from __future__ import annotations

import http
from typing import Any

import grpc
from google.rpc import error_details_pb2
from starlette.responses import Response

from workflow_engine.services.calls import Refused
from workflow_engine.utils import json

MEDIA_TYPE = "application/problem+json"
CLIENT_CLOSED = 499
STATUSES = {
    grpc.StatusCode.CANCELLED: CLIENT_CLOSED,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
}
"""As google.rpc.Code says."""


def problem(status: int, detail: str, *, code: str = "", **members: Any) -> Response:
    """A problem that no RPC stands behind, such as a body that is too large."""
    return _response(_members(status, detail, code=code, **members))


def of(refused: Refused) -> Response:
    """The answer to a call that was refused."""
    body = members_of(refused)
    response = _response(body)
    if "retryAfter" in body:
        response.headers["retry-after"] = str(max(1, round(body["retryAfter"])))
    if refused.code is grpc.StatusCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = 'Bearer realm="workflow-engine"'
    return response


def members_of(refused: Refused) -> dict[str, Any]:
    """The members of a problem: `reason`, `metadata`, `violations` and `retryAfter` (seconds) when they are known."""
    body = _members(STATUSES[refused.code], refused.status.message, code=refused.code.name)
    for detail in refused.status.details:
        _add(body, detail)
    return body


def _members(status: int, detail: str, **members: Any) -> dict[str, Any]:
    title = "Client Closed Request" if status == CLIENT_CLOSED else http.HTTPStatus(status).phrase
    named = {name: value for name, value in members.items() if value}
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **named}


def _add(body: dict[str, Any], detail: Any) -> None:
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    if detail.Unpack(info):
        body["type"] = f"urn:{info.domain}:{info.reason}"
        body["reason"] = info.reason
        body["metadata"] = dict(info.metadata)
    elif detail.Unpack(bad):
        body["violations"] = [{"field": each.field, "description": each.description} for each in bad.field_violations]
    elif detail.Unpack(retry):
        body["retryAfter"] = retry.retry_delay.ToNanoseconds() / 1e9


def _response(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), status_code=body["status"], media_type=MEDIA_TYPE)
