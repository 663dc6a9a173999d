from tests.nodes.harness import problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item


async def test_items_go_on_unchanged_and_remember_where_they_came_from() -> None:
    outcome = await run_node("flow.no_op", {}, [Item({"a": 1}, sources=(9,)), Item({"a": 2})])
    assert records(outcome) == [{"a": 1}, {"a": 2}]
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["main"]] == [(0,), (1,)]


async def test_no_items_are_handed_on_as_no_items() -> None:
    assert records(await run_node("flow.no_op", {}, [])) == []


def test_there_is_nothing_to_tell_it() -> None:
    assert problems("flow.no_op", {"a": 1}) == ["parameters.a: there is no parameter 'a'"]
