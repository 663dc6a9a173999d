"""tool.http: an HTTP request that an agent may send."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from workflow_engine.engine.shape import TOOL, Shape
from workflow_engine.nodes.action.http.auth import CERTIFICATE, REQUEST
from workflow_engine.nodes.action.http_request import HttpRequest, HttpRequestParameters
from workflow_engine.nodes.spec import Call, Effect, Part, Result
from workflow_engine.nodes.tool.parameters import Named
from workflow_engine.nodes.tools import Tool, ToolNode, action_tool


class HttpToolParameters(Named, HttpRequestParameters):
    """A request; what `{{ from_ai.name }}` stands for is what the model gives."""


class HttpTool(ToolNode[HttpToolParameters]):
    """Lets an agent send an HTTP request.

    All of action.http_request's parameters are here. The model fills in what they leave to it, for example
    `https://api.example.com/weather?city={{ from_ai.city }}`; everything else is fixed, so that a model can not go
    anywhere else. Failures are told to the model in words.
    """

    type = "tool.http"
    name = "HTTP tool"
    summary = "Lets an agent call an HTTP API."
    example = {
        "name": "get_weather",
        "description": "The weather in a city.",
        "url": "https://api.example.com/weather",
        "query": {"city": "{{ from_ai.city }}"},
    }
    effect = Effect.AT_MOST_ONCE
    credentials = (REQUEST, CERTIFICATE)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        shape = super().shape(parameters)
        effect = HttpRequest().shape(parameters).effect
        return Shape(inputs=shape.inputs, outputs=(TOOL,), effect=effect, run_mode=shape.run_mode)

    async def offered(self, part: Part) -> Sequence[Tool]:
        asked = part.node.template.outline()
        return [action_tool(part, name=asked["name"], description=asked["description"])]

    def run(self, call: Call[HttpToolParameters]) -> Awaitable[Result]:  # type: ignore[override]  # it is awaited all the same
        return HttpRequest().run(call)  # type: ignore[arg-type]  # the parameters are a request's, and a name
