"""What schedules have in common: their parameters, intervals, jitter. docs/schedules.md has the rules in words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import field_validator

from workflow_engine.engine.items import Item
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.spec import Field
from workflow_engine.nodes.trigger.base import CatchUp, ScheduleTrigger, TriggerParameters

DAY = 86_400_000
"""Milliseconds."""


class ScheduleParameters(TriggerParameters):
    """What every schedule can be told."""

    timezone: str = Field(default="", max_length=64)
    """IANA name such as `Europe/Berlin`. The workflow's when left out."""
    jitter: Duration = Field(default=0, le=DAY)
    """Each tick starts up to so much later, a given tick always by as much, so that not everything starts at once."""
    catch_up_window: Duration = Field(default=CatchUp().window, le=366 * DAY)
    """How late a tick may still start when the server was down or its clock was set."""
    catch_up_limit: int = Field(default=CatchUp().limit, ge=0, le=10_000)
    """How many late ticks start at most; the latest of them do."""

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name:
            zone(name)
        return name


P = TypeVar("P", bound=ScheduleParameters)


class Scheduled(ScheduleTrigger[P]):
    """Base of our own schedules: they take their jitter and catch-up from their parameters."""

    def jitter(self, parameters: P) -> int:
        return parameters.jitter

    def catch_up(self, parameters: P) -> CatchUp:
        return CatchUp(parameters.catch_up_window, parameters.catch_up_limit)


@dataclass(frozen=True, slots=True)
class Interval:
    """Equal steps of elapsed time, counted from the Unix epoch so that they do not move with a restart."""

    every: int
    offset: int = 0
    """Milliseconds, both."""

    def ticks(self, after: int) -> Iterator[int]:
        at = (after - self.offset) // self.every * self.every + self.offset
        while True:
            at += self.every
            yield at


@lru_cache
def zone(name: str) -> ZoneInfo:
    """Raises ValueError for a timezone that there is not."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no timezone {name!r}: write an IANA name such as Europe/Berlin") from None


def jitter_of(trigger_id: str, tick: int, longest: int) -> int:
    """How many milliseconds after its time a tick starts: fair over ticks and triggers, and always the same."""
    if longest <= 0:
        return 0
    seed = hashlib.blake2b(f"{trigger_id}:{tick}".encode(), digest_size=8).digest()
    return int.from_bytes(seed, "big") % (longest + 1)


def tick_item(tick: int, timezone: str) -> Item:
    """What an execution that a tick starts is given."""
    local = datetime.fromtimestamp(tick / 1000, UTC).astimezone(zone(timezone or "UTC"))
    record: dict[str, Any] = {"scheduled_at": local.isoformat(), "timezone": timezone or "UTC"}
    return Item(record)
