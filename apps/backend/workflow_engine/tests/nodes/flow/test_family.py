"""What every node of the family promises, whatever it does."""

import json
from typing import Any

import pytest

from workflow_engine.engine.shape import Effect, RunMode
from workflow_engine.nodes.registry import installed

FAMILY = [type for type in installed().types() if type.partition(".")[0] in ("flow", "trigger")]
PER_ITEM = {"flow.if", "flow.switch", "flow.filter", "flow.set", "flow.rename", "flow.split"}
RUBBISH: list[Any] = [None, True, -1, 10**9, 1.5, "", "{{ json.x }}", [], [None], [{"output": 3}], {}, {"a": 1}]


@pytest.mark.parametrize("type", FAMILY)
def test_every_parameter_is_explained(type: str) -> None:
    node = installed().find(type, 0)
    assert node
    schema = node.parameters.model_json_schema()
    models = [schema, *schema.get("$defs", {}).values()]
    silent = [name for model in models for name, field in model["properties"].items() if not field.get("description")]
    assert silent == []
    assert len(node.help) > 40
    json.dumps(schema)


@pytest.mark.parametrize("type", FAMILY)
def test_rubbish_never_breaks_the_drawing(type: str) -> None:
    """The editor asks for ports while a person is still typing."""
    node = installed().find(type, 0)
    assert node
    for name in [*node.parameters.model_fields, "no_such_parameter"]:
        for value in RUBBISH:
            shape = node.shape({**node.example, name: value})
            names = [port.name for port in shape.outputs]
            assert len(names) == len(set(names))
            node.check({**node.example, name: value})
            node.check({name: value})
            node.shape({name: value})


@pytest.mark.parametrize("type", FAMILY)
def test_it_computes_and_touches_nothing(type: str) -> None:
    node = installed().find(type, 0)
    assert node
    shape = node.shape(dict(node.example))
    assert shape.effect is Effect.PURE
    assert (shape.run_mode is RunMode.PER_ITEM) == (type in PER_ITEM)
