"""trigger.interval: again and again, after equal spans of time."""

from __future__ import annotations

from pydantic import model_validator

from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.spec import Field
from workflow_engine.nodes.trigger.times import DAY, Interval, Scheduled, ScheduleParameters


class IntervalParameters(ScheduleParameters):
    """How often."""

    every: Duration = Field(ge=1_000, le=366 * DAY)
    """Time between two starts: seconds, or text such as `90s`, `15m`, `2h`, `1d`; a second at least."""
    offset: Duration = 0
    """Shifts all of them: `every: 1h, offset: 5m` starts five minutes past each full hour UTC. Less than `every`."""

    @model_validator(mode="after")
    def _within(self) -> IntervalParameters:
        if self.offset >= self.every:
            raise ValueError("offset must be shorter than every")
        return self


class IntervalTrigger(Scheduled[IntervalParameters]):
    """Starts the workflow after equal spans of elapsed time, whatever the clocks on the wall do.

    The spans are counted from 1970-01-01T00:00Z, so that neither a restart nor a new version moves them. For times of
    the day use trigger.cron. Its item is `{"scheduled_at": ..., "timezone": ...}`.
    """

    type = "trigger.interval"
    summary = "Starts again and again, after equal spans of time."
    example = {"every": "15m"}

    def schedule(self, parameters: IntervalParameters, timezone: str) -> Interval:
        return Interval(parameters.every, parameters.offset)
