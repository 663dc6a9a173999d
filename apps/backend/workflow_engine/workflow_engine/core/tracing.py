"""Which trace a thing belongs to, in the terms of W3C Trace Context.

Theory. A span's id is worked out from what the span is about (an execution, an attempt) and kept nowhere. So a process
that comes after a crash goes on in the same trace by itself, and an attempt that is told twice is one span. Only what a
caller brought has to be kept: its `traceparent`, in the execution's first event. Where spans go is for core.spans.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A span in its trace."""

    trace_id: int
    span_id: int
    sampled: bool = True

    def __str__(self) -> str:
        """As a `traceparent`."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.sampled:02x}"

    def beneath(self, *what: object) -> Place:
        """The place of something that is part of this."""
        return replace(self, span_id=_number(8, f"{self.span_id:x}", *what))


@dataclass(frozen=True, slots=True)
class Origin:
    """What an execution's trace goes on from."""

    caller: Place | None = None
    again: Place | None = None
    """The execution that this one repeats."""

    @classmethod
    def read(cls, kept: str) -> Origin:
        caller, _, again = kept.partition(" ")
        return cls(parse(caller), parse(again))


def kept(caller: str, again: Place | None = None) -> str:
    """What an execution keeps of where it comes from; a `caller` that is no traceparent is as good as none."""
    place = parse(caller)
    return f"{place or ''} {again or ''}".rstrip()


def parse(traceparent: str) -> Place | None:
    """The caller's span; None when the text is not what the standard says."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    return Place(trace_id, span_id, bool(int(found[4], 16) & 1)) if trace_id and span_id else None


def of_execution(execution_id: str, kept: str) -> Place:
    """The execution's own span: in its caller's trace, or the first of a new one."""
    caller = Origin.read(kept).caller if kept else None
    trace_id = caller.trace_id if caller is not None else _number(16, "trace", execution_id)
    return Place(trace_id, _number(8, "execution", execution_id), caller.sampled if caller is not None else True)


def _number(size: int, *what: object) -> int:
    # Zero means "none" to everybody else, and does not happen.
    return int.from_bytes(blake2b("\0".join(map(str, what)).encode(), digest_size=size).digest(), "big") or 1


class UnderWay(Protocol):
    """An attempt that this task carries out, for its log lines and for the requests that it makes."""

    @property
    def execution_id(self) -> str: ...
    @property
    def node(self) -> str:
        """Its address."""
        ...

    @property
    def attempt(self) -> int: ...
    @property
    def place(self) -> Place | None:
        """None while nobody traces."""
        ...


UNDER_WAY: ContextVar[UnderWay | None] = ContextVar("under_way", default=None)


def going_out() -> str:
    """The `traceparent` of a request made here; empty when nobody traces."""
    here = UNDER_WAY.get()
    return str(here.place) if here is not None and here.place is not None else ""
