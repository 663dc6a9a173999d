"""flow.wait: for a while, until a moment, or for a signal."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BeforeValidator, Field, model_validator

from workflow_engine.engine.items import Items
from workflow_engine.engine.shape import MAIN, Port, RunMode, Shape
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.flow.parameters import given, wrong
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters, Suspend

TIMEOUT = "timeout"


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, datetime):
        return value
    raise ValueError("write a moment in ISO 8601, such as 2031-05-01T09:00:00Z")


class WaitParameters(Parameters):
    """What to wait for: exactly one of `duration`, `until` and `signal`."""

    duration: Duration | None = None
    """How long: seconds, or text such as `30s`, `5m`, `2h30m`, `1d`."""
    until: Annotated[datetime, BeforeValidator(_moment)] | None = None
    """Until this moment, ISO 8601. Without an offset it is in the workflow's timezone. A moment in the past does not
    wait at all."""
    signal: str | None = Field(default=None, min_length=1, max_length=200)
    """Until someone sends the execution a signal of this name. A signal that came before is taken at once; several
    waits for one name are served in the order in which they began."""
    timeout: Duration | None = None
    """For `signal`: the longest time to wait; then the items leave by the port `timeout`. For ever when left out."""

    @model_validator(mode="before")
    @classmethod
    def _one(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if sum(given(data, name) for name in ("duration", "until", "signal")) != 1:
                raise wrong("give exactly one of duration, until and signal")
            if given(data, TIMEOUT) and not given(data, "signal"):
                raise wrong("timeout is for signal; without one, duration alone says how long")
        return data


class Wait(Node[WaitParameters]):
    """Holds its items back, and hands them on unchanged when the wait is over.

    After a signal each item carries the signal's payload under `signal`. A waiting execution survives restarts and
    takes next to no memory, so waits may last for months.
    """

    type = "flow.wait"
    summary = "Waits for a time or for a signal."
    run_mode = RunMode.BATCH
    example = {"signal": "approved", "timeout": "2d"}

    def shape(self, parameters: dict[str, Any]) -> Shape:
        shape = super().shape(parameters)
        if given(parameters, "signal") and given(parameters, TIMEOUT):
            port = Port(TIMEOUT, description="The items, when no signal came in time.")
            shape = replace(shape, outputs=(MAIN, port))
        return shape

    def run(self, call: Call[WaitParameters]) -> Emit | Suspend:
        asked, now = call.parameters, call.context.now
        if call.resume is not None:
            return _over(call, traced(call.items))
        if asked.signal is not None:
            until = None if asked.timeout is None else now + asked.timeout
            return Suspend(until, asked.signal, detail=f"waits for the signal {asked.signal!r}")
        until = now + asked.duration if asked.duration is not None else _epoch(call)
        if until <= now:
            return Emit({"main": traced(call.items)})
        return Suspend(until, detail="waits for a time")


def _over(call: Call[WaitParameters], items: Items) -> Emit:
    assert call.resume is not None
    if call.resume.kind == "signal":
        payload = call.resume.payload
        return Emit({"main": [msgspec.structs.replace(item, json={**item.json, "signal": payload}) for item in items]})
    return Emit({TIMEOUT if call.parameters.signal is not None else "main": items})


def _epoch(call: Call[WaitParameters]) -> int:
    until = call.parameters.until
    assert until is not None
    if until.tzinfo is None:
        until = until.replace(tzinfo=ZoneInfo(call.context.timezone))
    return round(until.timestamp() * 1000)
