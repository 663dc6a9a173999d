"""A state on disk, so that a long run need not be replayed from its first event.

A snapshot says nothing that the journal does not: it may be thrown away at any time, and is when this release would not
write the same one. What the driver had been asked for when it was taken is asked for again, as after a replay.
"""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec

from workflow_engine.engine.plan import Plan
from workflow_engine.engine.state import RunKey, Running, Scheduled, State

VERSION = 3
"""Grows with every change of what a state holds, or of what its records mean."""

_TRANSIENT = {"plan", "abort", "start", "tasks", "changes"}
_HINTS = {name: hint for name, hint in get_type_hints(State).items() if name not in _TRANSIENT}
_LATER: dict[str, Any] = {"trace": ""}
"""What earlier releases did not write, and may be missing."""
_FIELDS = [name for name in State.__struct_fields__ if name in _HINTS]
_Snapshot: Any = msgspec.defstruct(
    "_Snapshot",
    [
        ("version", int),
        *((name, list[RunKey] if name == "ready" else _HINTS[name]) for name in _FIELDS if name not in _LATER),
        *((name, _HINTS[name], default) for name, default in _LATER.items()),
    ],
    array_like=True,
)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Snapshot)


def dump(state: State) -> bytes:
    """The stored form of `state`. Take it when everything that the state asked for has been taken out of it."""
    values = {name: getattr(state, name) for name in _FIELDS}
    return _encoder.encode(_Snapshot(version=VERSION, **values | {"ready": list(state.ready)}))


def load(plan: Plan, data: bytes) -> State | None:
    """The state that `dump` wrote; None when another release wrote it."""
    try:
        stored = _decoder.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    if stored.version != VERSION:
        return None
    state = State(plan)
    for name in _FIELDS:
        if name != "ready":
            setattr(state, name, getattr(stored, name))
    state.ready.extend(stored.ready)
    for key, run in state.runs.items():
        # An attempt that was under way is performed again, unless its effect must not be repeated.
        if isinstance(run, Running) and not run.intent:
            state.runs[key] = Scheduled(run.work)
            state.ready.append(key)
    return state
