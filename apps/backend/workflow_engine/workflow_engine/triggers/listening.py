"""Test URLs: whoever draws a workflow waits for one call, which then runs the draft."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.engine.items import Items
from workflow_engine.triggers.router import Router


@dataclass(slots=True, eq=False)
class Listener:
    """Somebody waits for a call of a trigger node of a draft."""

    workflow_id: str
    node_id: str
    parameters: Any
    """The node's, checked."""
    credentials: dict[str, str]
    digest: str
    """The draft, stored."""
    start: Callable[[Items], Awaitable[str]]
    """Runs the draft; returns the execution id."""
    called: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Gets the id of the execution."""


class Listeners:
    """All who wait. Who asks last for a route gets it."""

    def __init__(self) -> None:
        self.router: Router[Listener] = Router()

    @contextmanager
    def listening(self, listener: Listener, routes: list[str]) -> Iterator[None]:
        """Routes begin with the test URL's prefix."""
        for route in routes:
            method, _, path = route.partition(" ")
            earlier = self.router.find(method, path)
            if earlier is not None and not earlier.target.called.done():
                earlier.target.called.cancel()
            self.router.add(route, listener)
        try:
            yield
        finally:
            for route in routes:
                method, _, path = route.partition(" ")
                found = self.router.find(method, path)
                if found is not None and found.target is listener:
                    self.router.remove(route)
