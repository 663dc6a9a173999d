"""Structured logs: one JSON object a line, or coloured text on a terminal. Secrets are masked by their key,
and wherever a stored credential's value shows up.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

from workflow_engine.core.redaction import LOGS
from workflow_engine.core.tracing import UNDER_WAY

SECRET_KEYS = ("authorization", "password", "secret", "token", "api_key", "apikey", "cookie", "credential")


def configure(level: str = "INFO", *, as_json: bool | None = None) -> None:
    """Sets up logging for the process. JSON unless stderr is a terminal, or as `as_json` says."""
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(pad_event_to=0)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _under_way,
        structlog.stdlib.add_log_level,
        *([structlog.stdlib.add_logger_name] if as_json else []),
        structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
        _mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # What they tell besides trouble, we tell ourselves, once; or nobody wants to know, DEBUG or not.
    for name in ("alembic", "asyncio", "grpc", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if any(secret in key.lower() for secret in SECRET_KEYS):
            event[key] = "***"
    return event


def _under_way(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Which attempt a line is about, when one is under way where it is written."""
    if (here := UNDER_WAY.get()) is not None:
        event.setdefault("execution_id", here.execution_id)
        event.setdefault("node", here.node)
        event.setdefault("attempt", here.attempt)
        if here.place is not None:
            event.setdefault("trace_id", f"{here.place.trace_id:032x}")
    return event


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # After the traceback has become text, because secrets stand in tracebacks too.
    return {name: LOGS.value(value) for name, value in event.items()}


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))
