"""Whatever a model draws: it is called valid only when it can be saved, and nothing that it draws breaks the author."""

from __future__ import annotations

import copy
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflow_engine.engine.planning import build
from workflow_engine.nodes.registry import installed
from workflow_engine.nodes.schema import violation
from workflow_engine.services.authoring import drawing
from workflow_engine.services.authoring.author import Author
from workflow_engine.services.backend import Backend

NOW = 1_750_000_000_000
TYPES = installed().types()
SCHEMA = drawing.schema(TYPES)
EXAMPLES = {node.type: dict(node.example) for node in installed()}


def author() -> Any:
    clock = SimpleNamespace(now_ms=lambda: NOW)
    backend: Any = SimpleNamespace(registry=installed(), clock=clock)
    backend.pinned_versions = lambda workflow: Backend.pinned_versions(backend, workflow)
    return Author(backend, SimpleNamespace(name="none"))  # type: ignore[arg-type]


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**65), 2**65),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(
            ["", "{{ json.x }}", "{{ json. }}", "{{ 1 / 0 }}", "{{ items.map(i, i.json) }}", "main", "\0", "é中"]
        ),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "name", "mode", "$ref"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def drawings(draw: st.DrawFn) -> dict[str, Any]:
    """A few nodes of any types, with parameters that work or some that were tampered with, joined at random."""
    nodes = [{"id": "start", "name": "start", "type": "trigger.manual", "parameters": {}}]
    for number in range(draw(st.integers(1, 4))):
        type = draw(st.sampled_from(TYPES))
        parameters = copy.deepcopy(EXAMPLES[type])
        for _ in range(draw(st.integers(0, 2))):
            name = draw(st.sampled_from([*parameters, "mode", "extra"]))
            parameters[name] = draw(values)
        node: dict[str, Any] = {"id": f"n{number}", "name": f"n{number}", "type": type, "parameters": parameters}
        if draw(st.booleans()):
            node["sample_output"] = draw(st.dictionaries(st.sampled_from(["x", "y"]), values, max_size=2))
        nodes.append(node)
    ids = st.sampled_from([node["id"] for node in nodes])
    ports = st.sampled_from(["", "main", "true", "false", "body", "return", "done", "tool", "tools", "model", "error"])
    links = draw(st.lists(st.tuples(ids, ports, ids, ports), max_size=6))
    if draw(st.booleans()):
        links += [(one["id"], "", other["id"], "") for one, other in pairwise(nodes)]
    connections = [{"from_node": a, "from_port": b, "to_node": c, "to_port": d} for a, b, c, d in links]
    return {"name": "x", "nodes": nodes, "connections": connections, "explanation": "x", "sample_input": {"x": 1}}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawings())
def test_a_drawing_is_valid_or_told_in_words(answer: dict[str, Any]) -> None:
    if violation(SCHEMA, answer):
        return
    wrong = author()._wrong(answer, None)
    assert isinstance(wrong, str)
    if not wrong:
        assert build(drawing.drawn(answer), installed()).plan is not None


@pytest.mark.parametrize("type", TYPES)
def test_every_node_type_can_be_described_and_rehearsed(type: str) -> None:
    """Its card is made, and its example neither breaks the checks nor the rehearsal."""
    assert f"## {type}\n" in author()._catalogue.cards([type])
    nodes = [
        {"id": "start", "name": "start", "type": "trigger.manual", "parameters": {}},
        {"id": "n", "name": "n", "type": type, "parameters": EXAMPLES[type]},
    ]
    links = [{"from_node": "start", "to_node": "n"}]
    answer = {"name": "x", "nodes": nodes, "connections": links, "explanation": "x", "sample_input": {}}
    assert isinstance(author()._wrong(answer, None), str)
