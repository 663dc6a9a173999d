"""flow.compare: what two lists have in common, and what not."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from pydantic import Field

from workflow_engine.engine.items import Item, Json
from workflow_engine.engine.shape import Port, RunMode
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.lineage import of
from workflow_engine.nodes.flow.merge import KeyPair, key_of
from workflow_engine.nodes.flow.paths import Path
from workflow_engine.nodes.flow.values import Key, same
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters


class CompareParameters(Parameters):
    """How two items are known to be about the same thing, and when they are equal."""

    keys: list[KeyPair] = Field(min_length=1, max_length=20)
    """The fields that say which items belong together, such as an id. Missing and null belong to nothing."""
    fields: list[Path] = Field(default=[], max_length=100)
    """What is compared, by its path in both; empty for every field but the keys."""
    ignore: list[Path] = Field(default=[], max_length=100)
    """What is not compared, such as the time of the last change."""


class Compare(Node[CompareParameters]):
    """Compares two lists, as one does before bringing one up to date with the other.

    `same` and the two `only` ports hand on items as they came, `same` those of `input_1`. `different` gives
    `{"input_1": ..., "input_2": ..., "changed": [...]}`: both items, and the names of the fields in which they differ.
    When a key comes several times in a list, the first ones belong together, then the second ones, and so on. A list
    that is dead counts as empty. Binary data is not compared, and `different` leaves it behind.
    """

    type = "flow.compare"
    name = "Compare lists"
    summary = "Tells what two lists have in common, and what not."
    run_mode = RunMode.BATCH
    inputs = (Port("input_1", description="One list."), Port("input_2", description="The other one."))
    outputs = (
        Port("only_1", description="Items of input_1 that have no partner."),
        Port("same", description="Items that are equal in both."),
        Port("different", description="Items that are in both and differ."),
        Port("only_2", description="Items of input_2 that have no partner."),
    )
    example = {"keys": [{"left": "id"}], "ignore": ["updated_at"]}

    def run(self, call: Call[CompareParameters]) -> Emit:
        asked = call.parameters
        left_keys = [pair.left for pair in asked.keys]
        right_keys = [pair.right or pair.left for pair in asked.keys]
        first = [*call.inputs.get("main", []), *call.inputs.get("input_1", [])]
        second = call.inputs.get("input_2", [])
        waiting: defaultdict[Key, deque[int]] = defaultdict(deque)
        for position, item in enumerate(second):
            if (found := key_of(item, right_keys)) is not None:
                waiting[found].append(position)
        out: dict[str, list[Item]] = {port.name: [] for port in self.outputs}
        partnered: set[int] = set()
        for position, item in enumerate(first):
            found = key_of(item, left_keys)
            if found is None or not waiting[found]:
                out["only_1"].append(of(item, position))
                continue
            partner = waiting[found].popleft()
            partnered.add(partner)
            other = second[partner]
            if changed := _changed(asked, item.json, other.json, {*left_keys, *right_keys}):
                both: dict[str, Json] = {"input_1": item.json, "input_2": other.json, "changed": [*changed]}
                out["different"].append(Item(both, sources=(position, len(first) + partner)))
            else:
                out["same"].append(of(item, position, len(first) + partner))
        out["only_2"] = [
            of(item, len(first) + position) for position, item in enumerate(second) if position not in partnered
        ]
        return Emit({port: items for port, items in out.items() if items})


def _changed(asked: CompareParameters, left: dict[str, Json], right: dict[str, Json], keys: set[str]) -> list[str]:
    for path in asked.ignore:
        left, right = paths.drop(left, path), paths.drop(right, path)
    if asked.fields:
        return [path for path in asked.fields if not _equal(paths.get(left, path), paths.get(right, path))]
    names = [name for name in dict.fromkeys([*left, *right]) if name not in keys]
    return [name for name in names if not _equal(left.get(name, paths.MISSING), right.get(name, paths.MISSING))]


def _equal(left: Any, right: Any) -> bool:
    if left is paths.MISSING or right is paths.MISSING:
        return left is right
    return same(left, right)
