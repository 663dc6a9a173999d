"""What an agent may call: actions whose tool port it binds, and nodes that offer tools of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.engine.rig import workflow as drawn
from tests.nodes.harness import NOW
from workflow_engine.engine import machine
from workflow_engine.engine.items import Item
from workflow_engine.engine.plan import Built
from workflow_engine.engine.planning import build
from workflow_engine.engine.shape import MAIN, TOOL, Effect, Port, PortKind
from workflow_engine.engine.state import Perform, Work
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.perform import perform
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.nodes.spec import Call, Emit, Field, Node, NodeFailure, NoParameters, Parameters, emit
from workflow_engine.nodes.tools import Tool, ToolNode, tools_of


class Agent(Node[NoParameters]):
    """Stands for an agent: hands its tools to the test."""

    type = "ai_agent.probe"
    summary = "Hands its tools to the test."
    effect = Effect.AT_MOST_ONCE
    inputs = (MAIN, Port("tools", PortKind.RESOURCE, "tool"))

    async def run(self, call: Call[NoParameters]) -> Emit:
        OFFERED.clear()
        OFFERED.update({tool.name: tool for tool in await tools_of(call)})
        return emit({})


class Line(Parameters):
    sku: str = Field(pattern="^[A-Z]+$")
    """What is bought."""
    count: int = Field(default=1, ge=1)
    """How many."""


class OrderParameters(Parameters):
    shop: str
    """Where to buy."""
    lines: list[Line] = []
    """What to buy."""
    note: str = ""


class Order(Node[OrderParameters]):
    """Buys things."""

    type = "action.order"
    summary = "Buys things."
    effect = Effect.IDEMPOTENT

    async def run(self, call: Call[OrderParameters]) -> Emit:
        return emit({"bought": call.parameters.model_dump(), "key": call.idempotency_key, "for": call.item.json})


class Numbers(ToolNode[NoParameters]):
    """Offers two tools."""

    type = "tool.numbers"
    summary = "Adds and divides."

    async def tools(self, call: Call[NoParameters]) -> Sequence[Tool]:
        async def add(arguments: dict[str, Any], key: str) -> Any:
            return arguments["a"] + arguments["b"]

        async def divide(arguments: dict[str, Any], key: str) -> Any:
            if not arguments["b"]:
                raise NodeFailure("DIVISION", "nothing can be divided by 0")
            return {"quotient": arguments["a"] / arguments["b"], "key": key}

        numbers = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
        schema = {**numbers, "required": ["a", "b"], "additionalProperties": False}
        return [Tool("add", "Adds.", schema, add), Tool("divide", "Divides.", schema, divide)]


OFFERED: dict[str, Tool] = {}
REGISTRY = Registry(
    [*installed(), Agent(), Order(), Numbers()]  # type: ignore[list-item]
)
ORDER = {"id": "order", "name": "Order from the shop", "type": "action.order"}
AGENT = {"id": "agent", "type": "ai_agent.probe"}


def built(*nodes: dict[str, Any], more: Sequence[str] = ()) -> Built:
    """An agent with nodes bound to its tools; `more` are further connections."""
    bound = [f"{node['id']}.tool -> agent.tools" for node in nodes]
    return build(drawn({"nodes": [AGENT, *nodes], "connections": [*bound, *more]}), REGISTRY)


async def attempt(plan: Any, node: str, item: dict[str, Any], context: Context | None = None) -> Any:
    state = machine.new(plan)
    state.execution_id = "exec"
    index = plan.by_id[node]
    task = Perform((index, ()), plan.nodes[index], Work(inputs={"main": [Item(item)]}))
    return await perform(state, task, context or Context("exec", "wf", NOW), lambda: NOW)


async def offered(
    *nodes: dict[str, Any], item: dict[str, Any] | None = None, context: Context | None = None
) -> dict[str, Tool]:
    """The tools that an agent sees with these nodes bound to it."""
    plan = built(*nodes).plan
    assert plan, built(*nodes).errors
    await attempt(plan, "agent", item or {}, context)
    return dict(OFFERED)


class TestActions:
    async def test_what_is_left_to_the_model_has_the_schema_of_its_parameter(self) -> None:
        parameters = {
            "shop": "{{ json.shop }}",
            "lines": [{"sku": "{{ from_ai.sku }}", "count": "{{ default(from_ai.count, 1) }}"}],
            "note": "Asked by a model: {{ from_ai.why }}",
        }
        tools = await offered({**ORDER, "parameters": parameters})
        tool = tools["Order_from_the_shop"]
        assert tool.description == "Order from the shop: Buys things."
        assert tool.effect is Effect.IDEMPOTENT
        assert tool.parameters == {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "minimum": 1, "description": "How many."},
                "sku": {"type": "string", "pattern": "^[A-Z]+$", "description": "What is bought."},
                "why": {"type": "string"},
            },
            "required": ["sku", "why"],
            "additionalProperties": False,
        }

    async def test_a_call_resolves_the_parameters_for_the_agents_item(self) -> None:
        parameters = {"shop": "{{ json.shop }}", "lines": "{{ from_ai.lines }}", "note": "notes win"}
        node = {**ORDER, "parameters": parameters, "notes": "Use it when asked to buy."}
        tool = (await offered(node, item={"shop": "corner"}))["Order_from_the_shop"]
        assert tool.description == "Use it when asked to buy."
        assert tool.parameters["properties"]["lines"]["items"]["properties"]["sku"]["pattern"] == "^[A-Z]+$"
        result = await tool.invoke({"lines": [{"sku": "A", "count": 2}]}, "call_1")
        assert result["bought"] == {"shop": "corner", "lines": [{"sku": "A", "count": 2}], "note": "notes win"}
        assert result["key"] == "exec:agent/order:call_1"
        assert result["for"] == {"shop": "corner"}

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ({}, 'Order_from_the_shop: sku: "sku" is a required property'),
            ({"sku": "A", "colour": "red"}, "('colour' was unexpected)"),
            ({"sku": "lower"}, 'sku: "lower" does not match'),
        ],
    )
    async def test_arguments_that_do_not_fit_are_told_to_the_model(self, arguments: dict[str, Any], says: str) -> None:
        parameters = {"shop": "x", "lines": [{"sku": "{{ from_ai.sku }}"}]}
        tool = (await offered({**ORDER, "parameters": parameters}))["Order_from_the_shop"]
        with pytest.raises(NodeFailure) as caught:
            await tool.invoke(arguments, "1")
        assert caught.value.failure.reason == "INVALID_ARGUMENTS"
        assert says in caught.value.failure.message

    async def test_n8ns_spelling_is_understood(self) -> None:
        parameters = {"shop": "{{ $fromAI('where', 'The shop', 'string') }}"}
        tool = (await offered({**ORDER, "parameters": parameters}))["Order_from_the_shop"]
        assert tool.parameters["properties"] == {"where": {"type": "string", "description": "Where to buy."}}

    async def test_one_alone_takes_its_arguments_from_its_item(self) -> None:
        plan = built({**ORDER, "parameters": {"shop": "{{ from_ai.shop }}"}}).plan
        event = await attempt(plan, "order", {"shop": "corner"})
        assert event.outputs["main"][0].json["bought"]["shop"] == "corner"


class TestDrawing:
    @pytest.mark.parametrize(
        ("nodes", "more", "says"),
        [
            ([{**ORDER, "parameters": {"shop": "x"}}], ["order -> agent"], "PART_CONNECTED"),
            ([{**AGENT, "id": "b"}], [], "UNKNOWN_PORT"),
        ],
    )
    def test_a_tool_is_its_agents_alone(self, nodes: list[dict[str, Any]], more: list[str], says: str) -> None:
        assert says in {issue.code for issue in built(*nodes, more=more).errors}

    def test_from_ai_means_nothing_in_the_flow(self) -> None:
        node = {**ORDER, "parameters": {"shop": "{{ from_ai.shop }}"}}
        (issue,) = build(drawn({"nodes": [node]}), REGISTRY).errors
        assert issue.code == "FROM_AI_OUTSIDE_TOOL"
        assert "leaves shop to a model" in issue.message

    def test_an_argument_has_to_be_named(self) -> None:
        (issue,) = built({**ORDER, "parameters": {"shop": "{{ from_ai }}"}}).errors
        assert issue.code == "INVALID_EXPRESSION"
        assert "from_ai.city" in issue.suggestion


class TestToolNodes:
    async def test_one_offers_several_tools(self) -> None:
        tools = await offered({"id": "n", "type": "tool.numbers"})
        assert sorted(tools) == ["add", "divide"]
        assert await tools["add"].invoke({"a": 1, "b": 2}, "1") == 3
        with pytest.raises(NodeFailure, match="divided by 0"):
            await tools["divide"].invoke({"a": 1, "b": 0}, "2")

    async def test_two_of_the_same_name_are_refused(self) -> None:
        plan = built({"id": "n", "type": "tool.numbers"}, {"id": "m", "type": "tool.numbers"}).plan
        event = await attempt(plan, "agent", {})
        assert event.failure.reason == "DUPLICATE_TOOL"

    async def test_alone_it_tells_what_it_offers_and_does_what_it_is_asked(self) -> None:
        plan = built({"id": "n", "type": "tool.numbers"}).plan
        listed = await attempt(plan, "n", {})
        assert [tool["name"] for tool in listed.outputs["main"][0].json["tools"]] == ["add", "divide"]
        added = await attempt(plan, "n", {"tool": "add", "arguments": {"a": 1, "b": 2}})
        assert added.outputs["main"][0].json == {"result": 3}
        for item, reason in (({"tool": "x"}, "TOOL_NOT_FOUND"), ({"tool": "add"}, "INVALID_ARGUMENTS")):
            assert (await attempt(plan, "n", item)).failure.reason == reason


def test_every_action_can_be_a_tool_of_an_agent_whatever_its_parameters_say() -> None:
    lacking = [
        kind.type
        for kind in installed()
        if isinstance(kind, Node) and kind.is_action and kind.shape(dict(kind.example)).output(TOOL.name) is None
    ]
    assert not lacking
