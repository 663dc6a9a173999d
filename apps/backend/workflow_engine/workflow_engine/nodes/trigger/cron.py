"""trigger.cron: at the times that a cron expression names."""

from __future__ import annotations

from pydantic import field_validator

from workflow_engine.nodes.spec import Field
from workflow_engine.nodes.trigger.crontimes import Cron, check_cron
from workflow_engine.nodes.trigger.times import Scheduled, ScheduleParameters, zone


class CronParameters(ScheduleParameters):
    """When."""

    expression: str = Field(min_length=1, max_length=200)
    """Minute, hour, day of month, month, day of week, such as `30 7 * * MON-FRI`; with six fields the first is the
    second. `@daily` and its like are known, and so are `L` (last day), `LW` (last weekday), `FRIL` and `5L` (last
    Friday) and `MON#2` (second Monday)."""

    @field_validator("expression")
    @classmethod
    def _parses(cls, expression: str) -> str:
        check_cron(expression)
        return expression


class CronTrigger(Scheduled[CronParameters]):
    """Starts the workflow at the times that a cron expression names, on the clock of a timezone.

    When clocks change: a time that is skipped in spring comes due right after the gap, a time that happens twice in
    autumn comes due once, the first time. An expression whose minute or hour is `*` or `*/n` follows elapsed time
    instead: every hour stays every hour. docs/schedules.md has all the rules, also those about downtime.

    Its item is `{"scheduled_at": ..., "timezone": ...}`.
    """

    type = "trigger.cron"
    summary = "Starts at the times of a cron expression."
    example = {"expression": "30 7 * * MON-FRI", "timezone": "Europe/Berlin"}

    def schedule(self, parameters: CronParameters, timezone: str) -> Cron:
        return Cron(parameters.expression, zone(parameters.timezone or timezone or "UTC"))
