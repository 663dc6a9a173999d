"""What every service node does when things go wrong, and what it refuses to save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.nodes.external_action.rig import Reply, stage
from tests.nodes.harness import failure, problems
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.credentials import KINDS
from workflow_engine.nodes.external_action.service import CallApi, Operation, Service, operations
from workflow_engine.nodes.providers import PROVIDERS
from workflow_engine.nodes.registry import installed

SERVICES: list[Service[Any]] = [node for node in installed() if isinstance(node, Service)]
SECRETS: dict[str, str] = {"key": "app-key", "email": "ada@example.com", "account_sid": "AC1"}
each_service = pytest.mark.parametrize("node", SERVICES, ids=lambda node: node.type.partition(".")[2])


def secret(node: Service[Any]) -> dict[str, Any]:
    type = node.credentials[0].types[0]
    token = {"access_token": "the-token"} if type == "oauth2" else {"token": "the-token"}
    return {"type": type, **token, **{name: SECRETS[name] for name in KINDS[type].model_fields if name in SECRETS}}


def action(node: Service[Any]) -> dict[str, Any]:
    """The example, with values in place of expressions."""
    return plain(node.example["action"])  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """Values in place of expressions."""
    match value:
        case str():
            return "x@example.com" if "{{" in value else value
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case list():
            return [plain(each) for each in value]
    return value


@each_service
@pytest.mark.parametrize(
    ("reply", "reason", "retryable", "hint"),
    [
        (Reply({"message": "Bad credentials"}, 401), "HTTP_4XX", False, "does not accept the credential"),
        (Reply({"message": "Not Found"}, 404), "HTTP_4XX", False, "spelled right"),
        (Reply({"message": "slow"}, 429, {"Retry-After": "3"}), "HTTP_4XX", True, "as long as it says"),
        (Reply({"message": "oops"}, 503), "HTTP_5XX", True, ""),
        (Reply(b"<html>maintenance</html>", 200, {"Content-Type": "text/html"}), "INVALID_RESPONSE", False, ""),
    ],
    ids=["401", "404", "429", "503", "malformed"],
)
async def test_what_the_service_refuses(
    tmp_path: Path, node: Service[Any], reply: Reply, reason: str, retryable: bool, hint: str
) -> None:
    async with stage(tmp_path, secret(node), reply) as there:
        failed = failure(await there.run(node.type, action(node)))
    assert failed.reason == reason
    assert failed.retryable is retryable
    assert hint in failed.hint
    if reply.status == 429:
        assert failed.retry_after == 3000
    if isinstance(reply.body, dict):
        assert reply.body["message"] in failed.message
    assert "the-token" not in str(failed)


@each_service
async def test_a_credential_goes_nowhere_else(tmp_path: Path, node: Service[Any]) -> None:
    bound = {**secret(node), "allowed_hosts": ["api.elsewhere.example"]}
    async with stage(tmp_path, bound, Reply({})) as there:
        failed = failure(await there.run(node.type, action(node)))
    assert failed.reason == "CREDENTIAL_REFUSED"
    assert there.there.seen == []


@each_service
def test_what_is_not_known_is_refused_when_it_is_saved(node: Service[Any]) -> None:
    wanted = action(node)
    assert problems(node.type, {"action": wanted}) == []
    (said,) = problems(node.type, {"action": {**wanted, "colour": "red"}})
    assert said == "parameters.action.colour: there is no parameter 'action.colour'"
    (said,) = problems(node.type, {"action": {"operation": "nothing.do"}})
    assert "nothing.do" in said
    assert problems(node.type, {}) == ["parameters.action: action is required"]


@each_service
def test_every_operation_says_what_it_does_and_what_it_takes(node: Service[Any]) -> None:
    known = operations(node.parameters)
    assert len(known) >= 6
    for name, operation in known.items():
        assert operation.__doc__, name
        schema = operation.model_json_schema()
        for field, each in schema["properties"].items():
            assert field == "operation" or "description" in each or "$ref" in each, f"{name}.{field}"
    probe = KINDS[node.credentials[0].types[0]]
    if hasattr(probe, "probed"):
        type, tried = probe.probed
        assert type == node.type
        assert node.effect_of(tried) is Effect.IDEMPOTENT
        assert problems(type, {"action": tried}) == []


@each_service
def test_reads_may_be_repeated_and_writes_may_not(node: Service[Any]) -> None:
    def effect(operation: type[Operation]) -> Effect:
        name = operation.model_fields["operation"].annotation.__args__[0]  # type: ignore[union-attr]
        return node.shape({"action": {"operation": name}}).effect

    for operation in operations(node.parameters).values():
        if operation is CallApi:
            continue
        http = operation.http
        if http.method == "GET":
            assert effect(operation) is Effect.IDEMPOTENT
        if http.method == "POST" and not http.key_header and ".create" in str(operation.model_fields["operation"]):
            assert effect(operation) is Effect.AT_MOST_ONCE, operation


def test_an_operation_that_an_expression_chooses_is_refused() -> None:
    said = problems("external_action.github", {"action": {"operation": "{{ json.do }}"}})
    assert said
    assert "issue.create" in said[0]


async def test_a_path_can_not_be_left_by_what_a_field_holds(tmp_path: Path) -> None:
    account = {"type": "github", "token": "t"}
    async with stage(tmp_path, account, Reply({})) as there:
        event = await there.run(
            "external_action.github", {"operation": "repository.get", "owner": "../../user", "repo": "?x=1#"}
        )
        assert there.asked == ["GET /repos/..%2F..%2Fuser/%3Fx=1%23"]
        assert event
        for owner in ("..", "."):
            event = await there.run(
                "external_action.github", {"operation": "repository.get", "owner": owner, "repo": "x"}
            )
            assert failure(event).reason == "INVALID_PARAMETER"
        for file in ("../../../user", "a/./b", "/a", ""):
            read = {"operation": "file.get", "owner": "acme", "repo": "shop", "file": file}
            assert failure(await there.run("external_action.github", read)).reason == "INVALID_PARAMETER", file
        event = await there.run("external_action.github", {"operation": "api.call", "path": "/a/../../b"})
        assert failure(event).reason == "INVALID_PARAMETER"


@pytest.mark.parametrize("name", [name for name, each in PROVIDERS.items() if each.tried_by[0]])
def test_every_provider_is_tried_by_a_read(name: str) -> None:
    type, operation = PROVIDERS[name].tried_by
    node = installed().find(type)
    assert isinstance(node, Service)
    assert "oauth2" in node.credentials[0].types
    assert problems(type, {"action": {"operation": operation}}) == []
    assert node.effect_of({"operation": operation}) is Effect.IDEMPOTENT
