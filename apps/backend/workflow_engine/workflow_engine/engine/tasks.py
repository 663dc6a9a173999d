"""What a run asks of people, and when that is decided.

A node suspends its run with tasks; the journal holds them, each answer is an event, and the run goes on when every task
is decided. Reminders and escalation need no events: a task says from the start who may answer from when on, and
which messages go out at which time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from workflow_engine.engine.items import BinaryRef, Json

APPROVED, REFUSED, ANSWERED = "approved", "refused", "answered"
OPEN, EXPIRED, CANCELED = "open", "expired", "canceled"


class Assignee(msgspec.Struct, frozen=True, array_like=True):
    """Someone who may answer."""

    user: str
    since: int = 0
    """From when on, in epoch milliseconds: later than the task for those to whom it escalates."""


class Notice(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A message about a task, to be sent while it is open."""

    at: int
    """When, in epoch milliseconds."""
    occasion: str
    """`asked`, `reminder` or `escalation`."""
    channel: str
    """For example `email`."""
    to: str = ""
    """Who gets it; an answer by the link in it is theirs."""
    settings: dict[str, Json] = {}
    """What the channel needs besides."""
    credential: str = ""
    """The credential that opens the channel."""


class Task(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Something that waits for a person."""

    id: str = ""
    """Derived from the run and `key` when the run suspends."""
    key: str = ""
    """Tells apart what one attempt asks; free to choose, for example a tool call's id."""
    kind: str
    """`approval`, `form`, `choice`, `edit` or `reply`."""
    title: str
    text: str = ""
    """Markdown."""
    schema: dict[str, Json] = {}
    """JSON Schema of an answer."""
    assignees: tuple[Assignee, ...] = ()
    """Who may answer; anyone when empty."""
    quorum: int = 1
    """Equal votes that decide it; for what is no vote, answers."""
    refusals: int = 1
    """For an approval, refusals that decide against it."""
    expires_at: int | None = None
    """Epoch milliseconds."""
    data: dict[str, Json] = {}
    """What the answer starts from."""
    files: dict[str, BinaryRef] = {}
    """To look at."""
    labels: dict[str, str] = {}
    """Words for votes, for example what the button for `approved` says."""
    notices: tuple[Notice, ...] = ()


class Answer(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What one person said to a task."""

    task: str
    at: int
    by: str = ""
    data: dict[str, Json] = {}
    files: dict[str, BinaryRef] = {}
    via: str = ""
    """`rpc`, `link` or `chat`."""


class Settled(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What became of a task, for the node that asked."""

    id: str
    key: str
    decision: str
    """How the vote went; empty when nobody decided in time."""
    answers: list[Answer]

    @property
    def last(self) -> Answer:
        """The answer that decided it."""
        return self.answers[-1]


class TaskChange(msgspec.Struct, frozen=True):
    """How a task stands now; stored together with the event that made it so."""

    node: str
    path: tuple[int, ...]
    task: Task
    status: str
    """`open`, `answered`, `expired` or `canceled`."""
    answers: tuple[Answer, ...] = ()


def vote(task: Task, data: dict[str, Json]) -> str:
    """What an answer counts as."""
    match task.kind:
        case "approval":
            return APPROVED if data.get("approved") is True else REFUSED
        case "choice":
            return str(data.get("choice"))
        case _:
            return ANSWERED


def decision(task: Task, answers: Sequence[Answer]) -> str:
    """How the vote went; empty while it is open.

    The first vote that has its quorum decides. When everyone who may ever answer has, and none has it, an approval is
    refused and a choice goes to what got most votes, the earliest of equals.
    """
    votes = Counter(vote(task, answer.data) for answer in answers)
    for name, count in votes.items():
        needed = task.refusals if task.kind == "approval" and name == REFUSED else task.quorum
        if count >= needed:
            return name
    if answers and task.assignees and len(answers) >= len({each.user for each in task.assignees}):
        return REFUSED if task.kind == "approval" else votes.most_common(1)[0][0]
    return ""


def settled(task: Task, answers: Sequence[Answer]) -> Settled:
    """What the node that asked is told; `answers` may be those of several tasks."""
    own = [answer for answer in answers if answer.task == task.id]
    return Settled(id=task.id, key=task.key, decision=decision(task, own), answers=own)
