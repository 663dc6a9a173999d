from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import problems, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import BinaryRef, Item

OLD: list[dict[str, Any]] = [
    {"id": 1, "name": "Ada", "seen": "monday"},
    {"id": 2, "name": "Bob", "seen": "monday"},
    {"id": 3, "name": "Cid", "tags": ["a"]},
]
NEW: list[dict[str, Any]] = [
    {"id": 4, "name": "Dee"},
    {"id": 2, "name": "Rob", "seen": "friday"},
    {"id": 1, "name": "Ada", "seen": "friday"},
    {"id": 3.0, "name": "Cid", "tags": ["a"]},
]


async def compared(first: list[Any], second: list[Any], **parameters: Any) -> dict[str, list[Item]]:
    drawn = {"keys": [{"left": "id"}], **parameters}
    given = {"input_1": [Item(each) for each in first], "input_2": [Item(each) for each in second]}
    event = await run_node("flow.compare", drawn, inputs=given)
    assert isinstance(event, NodeSucceeded), event
    return event.outputs


def shown(outputs: dict[str, list[Item]]) -> dict[str, list[Any]]:
    return {port: [item.json for item in items] for port, items in outputs.items() if items}


async def test_what_is_new_gone_the_same_and_different() -> None:
    out = await compared(OLD, NEW, ignore=["seen"])
    assert shown(out) == {
        "same": [OLD[0], OLD[2]],
        "different": [{"input_1": OLD[1], "input_2": NEW[1], "changed": ["name"]}],
        "only_2": [NEW[0]],
    }
    assert [item.sources for item in out["same"]] == [(0, 5), (2, 6)]
    assert [item.sources for item in out["different"]] == [(1, 4)]
    assert [item.sources for item in out["only_2"]] == [(3,)]


async def test_what_changed_is_named() -> None:
    [one, two] = (await compared(OLD[:2], NEW))["different"]
    assert (one.json["changed"], two.json["changed"]) == (["seen"], ["name", "seen"])
    [gone] = (await compared([{"id": 1, "a": None}], [{"id": 1}]))["different"]
    assert gone.json["changed"] == ["a"]


async def test_only_the_fields_that_matter() -> None:
    left, right = {"id": 1, "by": {"name": "Ada", "age": 3}}, {"id": 1, "by": {"name": "Ada", "age": 4}}
    assert shown(await compared([left], [right], fields=["by.name"])) == {"same": [left]}
    [item] = (await compared([left], [right], fields=["by.name", "by.age"]))["different"]
    assert item.json["changed"] == ["by.age"]


async def test_keys_of_other_names_and_none_at_all() -> None:
    out = await compared([{"id": 1}, {"id": None}, {}], [{"nr": 1}, {"nr": None}], keys=[{"left": "id", "right": "nr"}])
    assert shown(out) == {"same": [{"id": 1}], "only_1": [{"id": None}, {}], "only_2": [{"nr": None}]}


async def test_a_key_that_comes_several_times_is_paired_in_order() -> None:
    out = await compared(
        [{"id": 1, "n": 1}, {"id": 1, "n": 2}, {"id": 1, "n": 3}], [{"id": 1, "n": 1}, {"id": 1, "n": 5}]
    )
    assert shown(out)["same"] == [{"id": 1, "n": 1}]
    assert shown(out)["different"][0]["input_2"] == {"id": 1, "n": 5}
    assert shown(out)["only_1"] == [{"id": 1, "n": 3}]


async def test_nothing_on_either_side() -> None:
    assert shown(await compared([], [])) == {}
    assert shown(await compared([{"id": 1}], [])) == {"only_1": [{"id": 1}]}


async def test_files_stay_with_what_is_handed_on() -> None:
    file = BinaryRef("sha", "text/plain", 1)
    given = {
        "input_1": [Item({"id": 1}, {"data": file}), Item({"id": 2}, {"data": file})],
        "input_2": [Item({"id": 1})],
    }
    event = await run_node("flow.compare", {"keys": [{"left": "id"}]}, inputs=given)
    assert isinstance(event, NodeSucceeded)
    assert event.outputs["same"][0].binary == {"data": file}
    assert event.outputs["only_1"][0].binary == {"data": file}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [({}, "keys"), ({"keys": []}, "keys"), ({"keys": [{"left": "[0]"}]}, "is no path")],
)
def test_mistakes_are_found_when_saving(parameters: dict[str, Any], said: str) -> None:
    assert said in problems("flow.compare", parameters)[0]


def test_a_port_without_items_leads_nowhere() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "start", "type": "trigger.manual"},
                {"id": "a"},
                {"id": "b"},
                {"id": "compare", "type": "flow.compare", "parameters": {"keys": [{"left": "id"}]}},
                {"id": "add"},
                {"id": "remove"},
            ],
            "connections": [
                "start -> a -> compare.input_1",
                "start -> b -> compare.input_2",
                "compare.only_1 -> remove",
                "compare.only_2 -> add",
            ],
        }
    ).start()
    run.succeed("a", [{"id": 1}]).succeed("b", [{"id": 1}, {"id": 2}])
    assert run.input("add") == [{"id": 2}]
    assert run.runs()["remove"] == "skipped"
