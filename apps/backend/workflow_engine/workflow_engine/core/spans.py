"""Where finished spans go: to an OpenTelemetry collector, if the standard OTEL_* variables name one.

Without them nothing of OpenTelemetry is imported and `active` is None, which is all that anybody looks at.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from workflow_engine.core import tracing
from workflow_engine.core.logging import get_logger
from workflow_engine.core.tracing import Origin, Place

log = get_logger(__name__)

SERVICE = "workflow-engine"
PATIENCE = 3.0
"""Seconds that a process that ends gives its collector to take the last spans."""
active: Spans | None = None
"""Where this process tells its spans; None: nobody traces."""


class Spans:
    """Tells finished spans. The collector may be slow or away: they wait in memory, up to a bound, and in no one's way.

    Close it in the end.
    """

    def __init__(self) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import Decision
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        provider = TracerProvider(
            resource=Resource.create({} if named else {"service.name": SERVICE}), shutdown_on_exit=False
        )
        self._trace, self._resource, self._sampler = trace, provider.resource, provider.sampler
        self._yes = Decision.RECORD_AND_SAMPLE
        self._span, self._scope = ReadableSpan, InstrumentationScope("workflow_engine")
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        self.execution = lru_cache(10_000)(self._execution)

    async def close(self) -> None:
        """Tells what is left, unless the collector is away."""
        global active
        active = None
        # A daemon, so that a collector that does not answer can not hold the process up.
        leaving = threading.Thread(target=self._processor.shutdown, daemon=True)
        leaving.start()
        await asyncio.to_thread(leaving.join, PATIENCE)

    def _execution(self, execution_id: str, kept: str) -> Place:
        """An execution's own span, and whether anybody wants to see it."""
        place, caller = tracing.of_execution(execution_id, kept), Origin.read(kept).caller
        context = None
        if caller is not None:
            context = self._trace.set_span_in_context(self._trace.NonRecordingSpan(self._place(caller)))
        wanted = self._sampler.should_sample(context, place.trace_id, "execution")
        return replace(place, sampled=wanted.decision is self._yes)

    def tell(
        self,
        name: str,
        place: Place,
        parent: Place | None,
        began: int,
        ended: int,
        attributes: Mapping[str, str | int],
        *,
        links: Sequence[Place] = (),
        error: str = "",
    ) -> None:
        """A span is over. Times are epoch milliseconds; `error` is a failure's reason."""
        if not place.sampled:
            return
        trace = self._trace
        self._processor.on_end(
            self._span(
                name=name,
                context=self._place(place),
                parent=self._place(parent) if parent is not None else None,
                resource=self._resource,
                attributes={**attributes, "error.type": error} if error else attributes,
                links=[trace.Link(self._place(each)) for each in links],
                status=trace.Status(trace.StatusCode.ERROR if error else trace.StatusCode.UNSET, error or None),
                start_time=began * 1_000_000,
                end_time=ended * 1_000_000,
                instrumentation_scope=self._scope,
            )
        )

    def _place(self, place: Place) -> Any:
        flags = self._trace.TraceFlags(place.sampled)
        return self._trace.SpanContext(place.trace_id, place.span_id, is_remote=False, trace_flags=flags)


def begin() -> Spans | None:
    """Tells spans from here on, if the environment says where to; close what is returned at the end."""
    global active
    if active is not None or not _wanted():
        return None
    active = Spans()
    return active


def _wanted() -> bool:
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return False
    if not any(os.environ.get(name) for name in names):
        return False
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if exporter != "otlp" or protocol not in (None, "", "http/protobuf"):
        log.error(
            "not_tracing",
            why=f"OTEL_TRACES_EXPORTER={exporter} with protocol {protocol or 'http/protobuf'} is not spoken here",
            hint="use the exporter otlp with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, usually on port 4318",
        )
        return False
    return True
