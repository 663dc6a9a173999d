"""Links by which a person answers a task without an account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workflow_engine.core.signing import Signer

LONGEST = 30 * 86_400_000
"""Milliseconds for which a link is good when its task has no end."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says."""

    task_id: str
    by: str
    """Who answers by it. It works once, as everyone answers once."""
    expires_at: int
    """Epoch milliseconds."""


class Links:
    """Makes links and reads them."""

    def __init__(self, signer: Signer, public_url: Callable[[], str]) -> None:
        """`public_url` is where people reach us, without a slash at its end."""
        self._signer, self._public_url = signer, public_url

    def make(self, task_id: str, by: str, now: int, task_expires_at: int | None) -> str:
        """The address of a task's page for one person. Times are epoch milliseconds. Raises NoSecretKey."""
        expires_at = task_expires_at if task_expires_at is not None else now + LONGEST
        return f"{self._public_url()}/tasks/{self._signer.sign(task_id, by, expires_at // 1000)}"

    def read(self, token: str) -> Link | None:
        """None when the token is none of ours; an expired one is read all the same."""
        match self._signer.read(token):
            case [str(task_id), str(by), int(expires_at)]:
                return Link(task_id, by, expires_at * 1000)
            case _:
                return None
