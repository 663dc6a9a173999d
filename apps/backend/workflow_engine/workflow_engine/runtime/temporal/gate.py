"""One gate for each group of executions that share a limit: it knows who is in, and who is next.

The same `Admission` that the local runtime uses. An execution enters by signal, is told by signal that it is in, and
leaves by signal. One that was ended by force never leaves; while others wait, the gate asks from time to time.

A gate may outlive every build of the workers, so it goes over to the current one in the middle of its history. What
this file commands Temporal to do, and in which order, must therefore stay as it is for histories that exist: a change
stands behind `workflow.patched`. `tests/runtime/test_gate_histories.py` replays what gates of earlier releases did.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
from temporalio import workflow
from temporalio.common import RetryPolicy, VersioningBehavior
from temporalio.exceptions import FailureError

from workflow_engine.runtime.admission import Admission
from workflow_engine.runtime.temporal import names
from workflow_engine.runtime.temporal.wire import ENTER, Codec, Enter, limits_of

GROUP = "group"
CHECK = timedelta(seconds=60)
"""How often those who hold slots are looked after while others wait."""


class Inside(msgspec.Struct, array_like=True):
    """Who holds a slot, or held one within the time that the rate looks back over."""

    id: str
    since: int
    has_left: bool = False


class Gate(msgspec.Struct, array_like=True):
    """A gate that goes on under a new history."""

    inside: list[Inside] = []
    waiting: list[Enter] = []
    limits: tuple[int, int, int] = (0, 0, 0)


GATE = Codec(Gate)


@workflow.defn(name=names.GATE_KEEPER, sandboxed=False)
class GateWorkflow:
    @workflow.init
    def __init__(self, data: bytes) -> None:
        gate = GATE.load(data)
        self.admission, self.limits = Admission(), gate.limits
        self.inside: dict[int, Inside] = {}
        self.waiting: dict[int, Enter] = {}
        self.numbers: dict[str, int] = {}
        self.last = 0
        self.told: list[str] = []
        """Let in, and not told yet."""
        self.changed = False
        for each in gate.inside:
            number = self._number(each.id)
            self.admission.take(number, GROUP, limits_of(gate.limits), each.since)
            self.inside[number] = each
            if each.has_left:
                self.admission.leave(number)
        for enter in gate.waiting:
            self._enter(enter)

    @workflow.signal(name=names.ENTER)
    def enter(self, data: bytes) -> None:
        self._enter(ENTER.load(data))
        self.changed = True

    @workflow.signal(name=names.LEAVE)
    def leave(self, data: bytes) -> None:
        self._leave(data.decode())
        self.changed = True

    def _number(self, id: str) -> int:
        if id not in self.numbers:
            self.last += 1
            self.numbers[id] = self.last
        return self.numbers[id]

    def _enter(self, enter: Enter) -> None:
        number = self._number(enter.execution_id)
        if number in self.inside:
            # It asks again, because it goes on under a new history.
            self.told.append(enter.execution_id)
            return
        self.limits = enter.limits
        limits = limits_of(enter.limits)
        if self.admission.enter(number, GROUP, limits, user=enter.user, priority=enter.priority, now=_now()):
            self._let_in(number, enter.execution_id)
        else:
            self.waiting[number] = enter

    def _leave(self, id: str) -> None:
        number = self.numbers.get(id)
        if number is not None:
            self.admission.leave(number)
            self.waiting.pop(number, None)
            if number in self.inside:
                self.inside[number].has_left = True

    def _let_in(self, number: int, id: str) -> None:
        self.inside[number] = Inside(id, _now())
        self.told.append(id)

    @workflow.run
    async def run(self, data: bytes) -> None:
        while True:
            self.changed = False
            for number in self.admission.next(GROUP, _now()):
                self._let_in(number, self.waiting.pop(number).execution_id)
            while self.told:
                told, self.told = self.told, []
                await asyncio.gather(*map(self._tell, told))
            self._forget_old()
            if not self.inside and not self.waiting and not self.changed:
                return
            if workflow.info().is_continue_as_new_suggested() and not self.changed:
                workflow.continue_as_new(GATE.dump(self._sequel()))
            try:
                await workflow.wait_condition(lambda: self.changed, timeout=self._until())
            except TimeoutError:
                if self.waiting:
                    await self._look_after()

    async def _tell(self, id: str) -> None:
        try:
            await workflow.get_external_workflow_handle(id).signal(names.ADMITTED)
        except FailureError:
            self._leave(id)
            self.changed = True

    def _until(self) -> timedelta | None:
        """When something may have to be done though nobody comes or goes."""
        opens = self.admission.opens_at(GROUP, _now())
        if opens is not None:
            return timedelta(milliseconds=max(opens - _now(), 1))
        if self.waiting:
            return CHECK
        left = [each.since for each in self.inside.values() if each.has_left]
        return timedelta(milliseconds=max(min(left) + self.limits[2] - _now(), 1)) if left else None

    def _forget_old(self) -> None:
        """Those who left count until the rate no longer looks back so far."""
        old = _now() - self.limits[2]
        for number, each in list(self.inside.items()):
            if each.has_left and (not self.limits[1] or each.since <= old):
                del self.inside[number]
                self.numbers.pop(each.id, None)

    async def _look_after(self) -> None:
        holding = [each.id for each in self.inside.values() if not each.has_left]
        gone = await workflow.execute_activity(
            names.GONE,
            holding,
            result_type=list[str],
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
        )
        for id in gone:
            self._leave(id)

    def _sequel(self) -> Gate:
        return Gate(list(self.inside.values()), list(self.waiting.values()), self.limits)


@workflow.defn(name=names.GATE_KEEPER, sandboxed=False, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UpgradingGate(GateWorkflow):
    """The same for a worker that has a build: Temporal refuses a behavior from one that has none."""

    @workflow.init
    def __init__(self, data: bytes) -> None:
        super().__init__(data)

    @workflow.run
    async def run(self, data: bytes) -> None:
        await super().run(data)


def _now() -> int:
    return int(workflow.time() * 1000)
