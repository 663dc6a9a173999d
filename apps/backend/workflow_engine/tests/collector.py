"""An OpenTelemetry collector on loopback, that takes OTLP over HTTP as the real ones do."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.runtime.peers import peer


@dataclass(frozen=True)
class Told:
    """A span as it arrived."""

    name: str
    trace: str
    id: str
    parent: str
    error: str
    links: tuple[str, ...]
    attributes: dict[str, Any]
    service: str


@dataclass
class Collector:
    url: str = ""
    spans: dict[str, Told] = field(default_factory=dict[str, Told])
    """By id: one that is told twice is one."""
    raw: bytes = b""
    more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def environment(self) -> dict[str, str]:
        """What leads a process here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def named(self, name: str) -> list[Told]:
        return [span for span in self.spans.values() if span.name == name]

    def of(self, node: str) -> list[Told]:
        """The attempts of a node."""
        return [each for each in self.spans.values() if each.attributes.get("workflow_engine.node.id") == node]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.more.clear()
                await self.more.wait()

    async def take(self, request: web.Request) -> web.Response:
        assert request.path == "/v1/traces"
        body = await request.read()
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                assert span.end_time_unix_nano >= span.start_time_unix_nano > 0
                self.spans[span.span_id.hex()] = Told(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.status.message if span.status.code == 2 else "",
                    tuple(link.span_id.hex() for link in span.links),
                    _attributes(span.attributes),
                    service,
                )
        self.more.set()
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in pairs}


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    async with peer(made.take) as listening:
        made.url = listening.url
        yield made
