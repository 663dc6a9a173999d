"""What a conversation has consumed, step by step, and what it may consume at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workflow_engine.engine.history import added
from workflow_engine.engine.items import Json
from workflow_engine.nodes.spec import NodeFailure


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a conversation stops. Zero means no limit."""

    model_calls: int = 20
    tool_calls: int = 50
    tokens: int = 0
    """Read and written together."""
    cost_micros: int = 0
    """Millionths of a US dollar."""
    milliseconds: int = 0
    """Of models and tools at work; waiting for people does not count."""


@dataclass(slots=True)
class Ledger:
    """Every step with what it took, and the sum."""

    limits: Limits
    entries: list[dict[str, Json]] = field(default_factory=list[dict[str, Json]])
    total: dict[str, Json] = field(default_factory=dict[str, Json])

    def add(self, step: str, usage: dict[str, Json], **more: Json) -> None:
        self.entries.append({"step": step, **more, **usage})
        self.total = added(self.total, usage)

    @property
    def tokens(self) -> int:
        return int(self._of("input_tokens") + self._of("output_tokens"))

    @property
    def tokens_left(self) -> int | None:
        """None without a limit."""
        return max(self.limits.tokens - self.tokens, 1) if self.limits.tokens else None

    @property
    def seconds_left(self) -> float | None:
        """None without a limit."""
        if not self.limits.milliseconds:
            return None
        return float(max(self.limits.milliseconds - self._of("milliseconds"), 1) / 1000)

    def check(self, *, model_calls: int = 0, tool_calls: int = 0) -> None:
        """Raises NodeFailure BUDGET_EXCEEDED when so many more calls are too many, or another limit is reached."""
        limits = self.limits
        spent: list[tuple[str, Any, int, bool]] = [
            ("max_model_calls", self._of("model_calls"), limits.model_calls, model_calls > 0),
            ("max_tool_calls", self._of("tool_calls") + tool_calls - 1, limits.tool_calls, tool_calls > 0),
            ("max_tokens", self.tokens, limits.tokens, True),
            ("max_cost", self._of("cost_micros") / 1_000_000, limits.cost_micros / 1_000_000, True),  # type: ignore[list-item]
            ("max_seconds", self._of("milliseconds") / 1000, limits.milliseconds / 1000, True),  # type: ignore[list-item]
        ]
        for name, used, most, counts in spent:
            if counts and most and used >= most:
                raise NodeFailure(
                    "BUDGET_EXCEEDED",
                    f"the agent has used up {name}: {used:g} of {most:g}",
                    field=name,
                    hint="look at its steps for a loop; raise the limit if the work needs more",
                    details={"usage": self.total},
                )
        if limits.cost_micros and self._of("model_calls") and "cost_micros" not in self.total:
            raise NodeFailure(
                "PRICE_UNKNOWN",
                "max_cost can not be kept: nobody knows what this model costs",
                field="max_cost",
                hint="limit max_tokens instead",
            )

    def _of(self, name: str) -> Any:
        return self.total.get(name, 0)
