"""Sends the messages about tasks: when they are due, again when that fails, and not at all when they are not needed.

A notice is a row that is stored with the task itself, so a crash forgets none. It is sent, and then marked as sent: a
crash in between sends it twice, with a link that counts once. One that can not be sent is tried again for a day; why it
failed is shown with the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.engine.items import Item
from workflow_engine.engine.planning import build
from workflow_engine.engine.tasks import OPEN
from workflow_engine.models import tasks
from workflow_engine.models.store import Store, StoreUnavailable
from workflow_engine.models.tasks import FoundTask
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.human.channels import Message, answers_as, message
from workflow_engine.nodes.registry import Registry
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.runtime.trial import try_node
from workflow_engine.utils.structs import fill_struct

log = get_logger(__name__)

AT_ONCE = 20
"""Messages that are sent side by side."""
AGAIN = (60_000, 300_000, 1_800_000, 7_200_000, 21_600_000, 57_600_000)
"""Milliseconds after each try that failed; then it is given up."""
CLAIM = 120_000
"""Milliseconds for which nobody else sends what one process has taken on."""
UNTOLD = 30_000
"""Milliseconds after which it is looked again where another process may have stored something."""
UNREACHABLE = 5_000
"""Milliseconds before a database that did not answer is asked again."""

MakeLink = Callable[[str, str, int, int | None], str]
"""The link to a task's page: (task, who answers by it, now, the task's end). Raises an exception that says why not."""


class Notifier:
    """Construct it, `open` it once the store is owned, tell it of new notices, `close` it."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        clock: Clock,
        services: Callable[[Context], Context],
        link: MakeLink,
        *,
        shared: bool = False,
    ) -> None:
        """`shared`: other processes store tasks in this database as well."""
        self._shared = shared
        self._store, self._registry, self._clock = store, registry, clock
        self._services, self._link = services, link
        self._news = asyncio.Event()
        self._next: int | None = None
        self._working: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._working = asyncio.create_task(self._work())

    async def close(self) -> None:
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    def told(self, due_at: int) -> None:
        """A notice that is due then has been stored."""
        if self._next is None or due_at < self._next:
            self._news.set()

    async def _work(self) -> None:
        while True:
            self._news.clear()
            try:
                self._next = await self._send_due()
                if self._shared:
                    untold = self._clock.now_ms() + UNTOLD
                    self._next = untold if self._next is None else min(self._next, untold)
            except Exception as error:
                # Whatever it is, messages must not stop in silence.
                unforeseen = not isinstance(error, StoreUnavailable)
                log.error("notices_delayed", error=str(error), exc_info=unforeseen)
                self._next = self._clock.now_ms() + UNREACHABLE
            alarm = self._clock.call_at(self._next, self._news.set) if self._next is not None else None
            try:
                await self._news.wait()
            finally:
                if alarm is not None:
                    alarm.cancel()

    async def _send_due(self) -> int | None:
        """Sends all that are due; returns when the next one is."""
        # What is stored from here on may come too late for our look, so of all of it we want to be told.
        self._next = None
        # A look is cheap; a claim is a write, and made only when there is something to claim.
        while (at := await asyncio.to_thread(tasks.next_due, self._store)) is not None:
            if at > (now := self._clock.now_ms()):
                break
            due = await tasks.claim(self._store, now, now + CLAIM, AT_ONCE)
            await asyncio.gather(*(self._send(*each) for each in due))
        return at

    async def _send(self, task_id: str, number: int, tries: int) -> None:
        found = await asyncio.to_thread(tasks.get, self._store, task_id)
        sent_at, again_at, error = None, None, ""
        if found is not None and _is_wanted(found, number):
            error = await self._try(found, number)
            now = self._clock.now_ms()
            if not error:
                sent_at = now
            elif tries < len(AGAIN):
                again_at = now + AGAIN[tries]
            if error:
                log.warning("notice_failed", task_id=task_id, number=number, tries=tries + 1, error=error)
        await tasks.tried(self._store, task_id, number, again_at=again_at, sent_at=sent_at, error=error)

    async def _try(self, found: FoundTask, number: int) -> str:
        """Why it could not be sent; empty when it was."""
        task, notice = found.task, found.task.notices[number]
        try:
            url = self._link(task.id, answers_as(notice), self._clock.now_ms(), task.expires_at)
            return await self._perform(message(task, notice, url), notice.credential)
        except Exception as error:
            return str(error) or type(error).__name__

    async def _perform(self, sending: Message, credential: str) -> str:
        node = pb.Node(id="message", name="message", type=sending.type, credentials={sending.slot: credential})
        fill_struct(node.parameters, sending.parameters)
        built = build(pb.Workflow(id="notice", nodes=[node]), self._registry)
        if built.plan is None:
            return "; ".join(issue.message for issue in built.errors)
        items = [Item(sending.item)]
        history = await try_node(built.plan, "message", items, {}, self._clock, self._services)
        [record] = history.runs.values()
        if record.status == "succeeded":
            return ""
        return record.failure.message if record.failure is not None else record.status


def _is_wanted(found: FoundTask, number: int) -> bool:
    """Whether the one it is for can still answer."""
    who = answers_as(found.task.notices[number])
    return found.status == OPEN and all(answer.by != who for answer in found.answers)
