"""When a failed attempt is tried again. Jitter is drawn from a seed, so replay computes the same instant."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from workflow_engine.engine.items import Failure
from workflow_engine.proto import workflow_pb2 as pb

DEFAULT_INITIAL_INTERVAL = 1_000
DEFAULT_MAX_INTERVAL = 100_000
DEFAULT_COEFFICIENT = 2.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long apart; intervals in milliseconds."""

    max_attempts: int = 1
    initial_interval: int = DEFAULT_INITIAL_INTERVAL
    coefficient: float = DEFAULT_COEFFICIENT
    max_interval: int = DEFAULT_MAX_INTERVAL
    jitter: float = 0.0
    """Share of the delay, 0 to 1, by which it is moved at random to either side."""
    non_retryable: frozenset[str] = frozenset()

    @classmethod
    def from_proto(cls, policy: pb.RetryPolicy) -> RetryPolicy:
        return cls(
            max_attempts=policy.max_attempts or 1,
            initial_interval=policy.initial_interval.ToMilliseconds() or DEFAULT_INITIAL_INTERVAL,
            coefficient=policy.backoff_coefficient or DEFAULT_COEFFICIENT,
            max_interval=policy.max_interval.ToMilliseconds() or DEFAULT_MAX_INTERVAL,
            jitter=policy.jitter,
            non_retryable=frozenset(policy.non_retryable_reasons),
        )

    def delay(self, attempt: int, failure: Failure, seed: int) -> int | None:
        """Milliseconds from the failure of `attempt` (1 for the first) to the next; None to give up."""
        if attempt >= self.max_attempts or not failure.retryable or failure.reason in self.non_retryable:
            return None
        # A large exponent overflows a float long before anyone waits that long.
        grown = self.initial_interval * self.coefficient ** min(attempt - 1, 64)
        delay = min(grown, float(self.max_interval))
        if self.jitter:
            draw = zlib.crc32(f"{seed}:{attempt}".encode()) / 0xFFFFFFFF
            delay *= 1 + self.jitter * (2 * draw - 1)
        return max(round(delay), failure.retry_after)
