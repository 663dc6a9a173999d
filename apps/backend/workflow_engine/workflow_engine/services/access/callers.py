"""Who calls. Every call has a caller; what has none, such as a trigger that fires, may do everything."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

from workflow_engine.proto import access_pb2, options_pb2

READ, EDIT = options_pb2.PERMISSION_READ, options_pb2.PERMISSION_EDIT
OPERATE, ADMIN = options_pb2.PERMISSION_OPERATE, options_pb2.PERMISSION_ADMIN
EVERYTHING = frozenset[int]({READ, EDIT, OPERATE, ADMIN})
ROLES: dict[int, frozenset[int]] = {
    access_pb2.ROLE_VIEWER: frozenset({READ}),
    access_pb2.ROLE_EDITOR: frozenset({READ, EDIT}),
    access_pb2.ROLE_OPERATOR: frozenset({READ, OPERATE}),
    access_pb2.ROLE_ADMIN: EVERYTHING,
}


def permissions_of(roles: Iterable[int]) -> frozenset[int]:
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))


@dataclass(frozen=True, slots=True)
class Caller:
    user_id: str = ""
    name: str = ""
    """For people: an address."""
    permissions: frozenset[int] = frozenset()
    projects: frozenset[str] = frozenset()
    key_id: str = ""
    session_id: str = ""

    @property
    def is_known(self) -> bool:
        return bool(self.user_id)

    @property
    def names(self) -> frozenset[str]:
        """What tasks may call them."""
        return frozenset({self.user_id, self.name} - {""})

    @property
    def owners(self) -> frozenset[str] | None:
        """Whose things they may see; None for everybody's."""
        return None if ADMIN in self.permissions else self.projects | {self.user_id}


@dataclass(frozen=True, slots=True)
class Incoming:
    """What an edge knows of a call."""

    surface: str = ""
    """grpc or http; empty for a call of our own."""
    token: str = ""
    """An API key, a session's token or a JWT."""
    from_cookie: bool = False
    """A browser sent the token by itself."""
    needs_csrf: bool = False
    """It did, with something that may change things: it must prove that a page of ours asked it to."""
    csrf: str = ""
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    traceparent: str = ""


LOCAL = Caller(permissions=EVERYTHING)
"""Whoever reaches a server without users: the machine's own people."""
STRANGER = Caller()
"""Somebody who has not said who they are."""

_current: ContextVar[Caller] = ContextVar("caller", default=LOCAL)
_incoming: ContextVar[Incoming] = ContextVar("incoming", default=Incoming())  # noqa: B039 (it never changes)


def current() -> Caller:
    """Who makes the call that is being carried out."""
    return _current.get()


def incoming() -> Incoming:
    """How it came."""
    return _incoming.get()


def act_for(caller: Caller, incoming: Incoming) -> None:
    """From here on this call, and what it starts, is theirs. A call has a context of its own, which ends with it."""
    _current.set(caller)
    _incoming.set(incoming)
