"""Whose things a request is about: a caller who is no admin reaches what they or their projects own, and nothing else.

Fields say by their name what they hold: `workflow_id` names a workflow wherever it stands, `user_id` an owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from workflow_engine.models import accounts
from workflow_engine.models.store import Store
from workflow_engine.services.access.callers import READ, Caller
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.rpcs import Rpc
from workflow_engine.utils.structs import struct_to_dict

NAMES = {
    "workflow_id": "workflow",
    "error_workflow_id": "workflow",
    "execution_id": "execution",
    "credential_id": "credential",
    "trigger_id": "trigger",
    "task_id": "task",
    "user_id": "owner",
}
"""What the string fields of requests name."""
SLOTS = "credentials"
"""A map from slots to ids of credentials."""
WRITTEN = ("parameters", "arguments")
"""Free-form fields in which a node's parameters stand; a `workflow_id` in them names a workflow as well."""
BY = ("triggered_by", "canceled_by", "requested_by", "resolved_by", "published_by", "sender")
"""Who does it, in words: the caller, unless they say otherwise."""
TASKS = ("ListTasks", "AnswerTask")
"""Here user_id is no owner but the person whom a task is for, as tasks name people: by their address."""
OWN = ("AuthService", "AdminService")
"""These know by themselves who may name whom."""

Named = tuple[str, str, str]
"""What kind of thing, its id, and the path of the field that names it."""


class Scope:
    def __init__(self, store: Store) -> None:
        self._store = store

    def fill(self, caller: Caller, rpc: Rpc, request: Message) -> None:
        """Writes the caller where a request leaves open who owns what it makes, and who does it."""
        if not caller.is_known or rpc.service in OWN or rpc.permission == READ:
            return
        self._fill(request, caller.name if rpc.name in TASKS else caller.user_id, caller.name)

    def _fill(self, request: Any, owner: str, by: str) -> None:
        fields = request.DESCRIPTOR.fields_by_name
        if "user_id" in fields and not request.user_id:
            request.user_id = owner
        for name in BY:
            if name in fields and not getattr(request, name):
                setattr(request, name, by)
        # A request may hold others: the turn of a stream, the executions of a batch.
        for field in request.DESCRIPTOR.fields:
            if field.message_type is None or not field.message_type.name.endswith("Request"):
                continue
            inside = getattr(request, field.name)
            for each in inside if field.is_repeated else [inside] if request.HasField(field.name) else []:
                self._fill(each, owner, by)

    async def check(self, caller: Caller, rpc: Rpc, request: Message) -> None:
        """Raises ServiceError when the request names what is not the caller's, as if it did not exist."""
        if rpc.service not in OWN:
            await self.check_message(caller, request, caller.names if rpc.name in TASKS else caller.owners)

    async def check_message(
        self, caller: Caller, message: Message, may_be: frozenset[str] | None = frozenset()
    ) -> None:
        """The same for any message, such as a workflow that came as text. `may_be` is what `user_id` may say."""
        owners = caller.owners
        if owners is None:
            return
        may_be = may_be or owners
        named = list(dict.fromkeys(names_in(message)))
        for kind, id, path in named:
            if kind == "owner" and id not in may_be:
                raise ServiceError(
                    "NOT_YOURS",
                    f"{path}: you are not {id!r}, nor does it name a project of yours",
                    violations=[(path, "names neither you nor a project of yours")],
                )
        things = [each for each in named if each[0] != "owner"]
        if things and (foreign := await asyncio.to_thread(self._foreign, things, caller)) is not None:
            kind, id, path = foreign
            raise ServiceError(
                f"{kind.upper()}_NOT_FOUND", f"{path}: there is no {kind} {id!r}", metadata={f"{kind}_id": id}
            )

    def _foreign(self, named: list[Named], caller: Caller) -> Named | None:
        owners = caller.owners or frozenset()
        with self._store.reading() as connection:
            for kind, id, path in named:
                owner = accounts.owner(connection, kind, id)
                if owner is None or owner in owners:
                    continue
                if kind == "task" and accounts.is_assigned(connection, id, caller.names):
                    continue
                return kind, id, path
        return None


def names_in(message: Message, prefix: str = "") -> Iterator[Named]:
    """Everything that a message names, however deep."""
    for field, kind in _telling(message.DESCRIPTOR):
        path = prefix + field.name
        value: Any = getattr(message, field.name)
        if kind == SLOTS:
            yield from (("credential", id, f"{path}[{slot!r}]") for slot, id in value.items() if id)
        elif kind == WRITTEN[0]:
            yield from _written(struct_to_dict(value), path)
        elif kind is not None:
            if value:
                yield kind, value, path
        elif field.is_repeated:
            for index, each in enumerate(value):
                yield from names_in(each, f"{path}[{index}].")
        elif message.HasField(field.name):
            yield from names_in(value, f"{path}.")


def _written(value: Any, path: str) -> Iterator[Named]:
    """The workflows that parameters name. What an expression makes up is seen when it is run."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "workflow_id" and isinstance(each, str) and each and "{{" not in each:
                yield "workflow", each, f"{path}.{name}"
            yield from _written(each, f"{path}.{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _written(each, f"{path}[{index}]")


def _is_written(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and kind.full_name == "google.protobuf.Struct" and field.name in WRITTEN


@cache
def _telling(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, str | None], ...]:
    """The fields that name something, and those (with None) whose messages may."""
    found: list[tuple[FieldDescriptor, str | None]] = []
    for field in descriptor.fields:
        kind = field.message_type
        if kind is None:
            if field.name in NAMES and not field.is_repeated:
                found.append((field, NAMES[field.name]))
        elif kind.GetOptions().map_entry:
            if field.name == SLOTS:
                found.append((field, SLOTS))
        elif _is_written(field):
            found.append((field, WRITTEN[0]))
        elif _tells(kind):
            found.append((field, None))
    return tuple(found)


@cache
def _tells(descriptor: Descriptor) -> bool:
    """Whether a message names anything, however deep. Well-known types do not."""
    todo, seen = [descriptor], {descriptor.full_name}
    while todo:
        for field in todo.pop().fields:
            kind = field.message_type
            if (kind is None and field.name in NAMES) or field.name == SLOTS or _is_written(field):
                return True
            if kind is not None and kind.full_name not in seen:
                seen.add(kind.full_name)
                todo.append(kind)
    return False
