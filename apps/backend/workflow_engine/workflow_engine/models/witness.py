"""The record of who changed something, stored in the transaction of the change: a crash leaves both or neither.

Whoever carries out a call brings a witness to it. The first change that the call makes takes it along.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Witness:
    """Of one call. `record` stores what there is to say, given what the change came to; it returns the row's pk."""

    def __init__(self, record: Callable[[Connection, Any], int]) -> None:
        self._record = record
        self._is_needed = True
        self.pk: int | None = None
        """Of the row, once it is stored."""

    async def see(self, change: Callable[[Connection], T], carry_out: Callable[[Any], Awaitable[Any]]) -> T:
        """Carries out a change, with the record when there is none yet."""
        result: T
        if not self._is_needed:
            result = await carry_out(change)
            return result

        def both(connection: Connection) -> tuple[T, int]:
            result = change(connection)
            return result, self._record(connection, result)

        self._is_needed = False
        try:
            result, self.pk = await carry_out(both)
        except Exception:
            self._is_needed = True
            raise
        return result

    def leave(self) -> None:
        """The call is over; what it has started goes on by itself."""
        self._is_needed = False


present: ContextVar[Witness | None] = ContextVar("witness", default=None)
"""The witness of the call that is being carried out."""
