"""The server itself: `serve`, and `worker`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from workflow_engine.cli.output import complain


def add_to(app: typer.Typer) -> None:
    app.command()(serve)
    app.command()(worker)


def serve(
    reload: Annotated[bool, typer.Option(help="Start anew whenever the code changes.")] = False,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Serve gRPC and HTTP until the process is told to stop."""
    if reload:
        from watchfiles import run_process

        run_process(Path(__file__).parent.parent, target=_serve, args=(log_level,))
    else:
        _serve(log_level)


def worker(
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Carry out executions for servers with ENGINE_RUNTIME=temporal, until the process is told to stop."""
    from workflow_engine.core import interpreter
    from workflow_engine.core.config import Settings
    from workflow_engine.core.logging import configure
    from workflow_engine.worker import work

    settings = Settings(engine_runtime="temporal")
    configure(log_level or settings.log_level)
    interpreter.tune()
    _run(work(settings))


def _serve(log_level: str | None) -> None:
    from workflow_engine import server
    from workflow_engine.core import interpreter
    from workflow_engine.core.config import Settings
    from workflow_engine.core.logging import configure
    from workflow_engine.models.migrate import NewerSchema
    from workflow_engine.models.writes import StoreUnavailable
    from workflow_engine.server.refusal import RefusedToStart

    settings = Settings()
    configure(log_level or settings.log_level)
    interpreter.tune()
    try:
        _run(server.serve(settings))
    except (RefusedToStart, StoreUnavailable, NewerSchema) as refused:
        complain(str(refused))
        raise SystemExit(1) from None


def _run(work: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop

        uvloop.run(work)
