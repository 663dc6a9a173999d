import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.spec import NodeFailure

ORDER: dict[str, Any] = {"id": 7, "customer": {"name": "Ada"}, "lines": [{"sku": "a"}, {"sku": "b"}], "a.b": 1}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 7),
        ("customer.name", "Ada"),
        ("lines[1].sku", "b"),
        ('["a.b"]', 1),
        ("customer", {"name": "Ada"}),
        ("customer.age", paths.MISSING),
        ("lines[2].sku", paths.MISSING),
        ("id.digits", paths.MISSING),
        ("customer[0]", paths.MISSING),
    ],
)
def test_reading(path: str, value: Any) -> None:
    assert paths.get(ORDER, path) == value


@pytest.mark.parametrize("path", ["", ".", "a.", "a..b", "[0]", "a[x]", "a]", 'a["b', "a[0", "a[-1]", "a[0]b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        paths.steps(path)


def test_writing_makes_what_is_missing_and_changes_nothing_in_place() -> None:
    before = copy.deepcopy(ORDER)
    assert paths.put(ORDER, "customer.address.city", "Bonn")["customer"] == {"name": "Ada", "address": {"city": "Bonn"}}
    assert paths.put(ORDER, "lines[0].sku", "z")["lines"] == [{"sku": "z"}, {"sku": "b"}]
    assert paths.put(ORDER, "lines[2]", "new")["lines"][2] == "new"
    assert paths.put(ORDER, "tags[0]", "x")["tags"] == ["x"]
    assert paths.put({"customer": None}, "customer.name", 1) == {"customer": {"name": 1}}
    assert before == ORDER


def test_writing_through_a_value_of_another_kind_says_what_is_in_the_way() -> None:
    with pytest.raises(NodeFailure, match=r"id.x: 'x' needs an object, but there is a number"):
        paths.put(ORDER, "id.x", 1)
    with pytest.raises(NodeFailure, match=r"position 9 is past the end of a list of 2"):
        paths.put(ORDER, "lines[9]", 1)


def test_dropping() -> None:
    assert paths.drop(ORDER, "lines[0].sku")["lines"] == [{}, {"sku": "b"}]
    assert paths.drop(ORDER, "lines[0]")["lines"] == [{"sku": "b"}]
    assert paths.drop(ORDER, "no.such") is ORDER
    assert "id" not in paths.drop(ORDER, "id")


def test_keeping_only_some() -> None:
    assert paths.only(ORDER, ["customer.name", "no.such", "id"]) == {"customer": {"name": "Ada"}, "id": 7}
    assert paths.only(ORDER, []) == {}


NAMES = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=4)


@given(NAMES, st.integers())
def test_what_was_written_can_be_read_and_dropped(names: list[str], value: int) -> None:
    path = ".".join(names)
    written = paths.put({}, path, value)
    assert paths.get(written, path) == value
    assert paths.get(paths.drop(written, path), path) is paths.MISSING
    assert paths.only(written, [path]) == written
