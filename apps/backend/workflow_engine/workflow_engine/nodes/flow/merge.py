"""flow.merge: several ways become one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product, zip_longest
from math import prod
from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Item, Json
from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.engine.shape import Join, JoinKind, Port, RunMode, Shape
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.lineage import of, traced
from workflow_engine.nodes.flow.parameters import literal, needs, whole, wrong
from workflow_engine.nodes.flow.paths import Path
from workflow_engine.nodes.flow.values import Key, key
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters

MAX_INPUTS = 100


class KeyPair(Parameters):
    """Fields that must be equal."""

    left: Path
    """The field in items of `input_1`."""
    right: Path | None = None
    """The field in items of `input_2`; the same as `left` when left out."""


class MergeParameters(Parameters):
    """How the inputs become one list."""

    inputs: int = Field(default=2, ge=1, le=MAX_INPUTS)
    """How many inputs there are: `input_1` to `input_N`. Each may have any number of connections."""
    mode: Literal["append", "by_position", "by_key", "combinations", "choose", "first", "quorum"] = "append"
    """`append`: all items, input after input. `by_position`: the first items of every input become one item, then the
    second ones. `by_key`: items of two inputs with equal key fields become one. `combinations`: each item with each of
    the others. `choose`: one input's items. `first`: whatever delivers first, without waiting for the rest. `quorum`:
    as soon as `count` connections have delivered."""
    unpaired: Literal["pad", "drop"] = "pad"
    """For `by_position`, when the inputs have different lengths: keep items without a partner, or drop them."""
    keys: list[KeyPair] = Field(default=[], max_length=20)
    """For `by_key`: the fields to match on. Missing and null never match."""
    join: Literal["inner", "left", "outer", "right"] = "inner"
    """For `by_key`: which items without a partner stay: none, those of `input_1`, all, or those of `input_2`."""
    clash: Literal["last", "first", "suffix"] = "last"
    """When merged items have a field of the same name: the last input's wins, the first one's, or both are kept as
    `field_1` and `field_2`, by the number of the input."""
    choose: int = Field(default=1, ge=1, le=MAX_INPUTS)
    """For `choose`: the number of the input. When that input is dead, so is the output."""
    count: int = Field(default=1, ge=1, le=MAX_INPUTS)
    """For `quorum`: how many connections must deliver."""
    cancel_rest: bool = False
    """For `first` and `quorum`: cancel what still runs and leads only here. Otherwise it runs on, unheard."""
    max_items: int = Field(default=10_000, ge=1, le=1_000_000)
    """For `by_key` and `combinations`: fail rather than make more items than this."""

    @model_validator(mode="before")
    @classmethod
    def _mode(cls, data: Any) -> Any:
        if isinstance(data, dict):
            inputs = whole(data.get("inputs"), 2, 1, MAX_INPUTS)
            match data.get("mode"):
                case "by_key":
                    needs(data, "by_key", "keys")
                    if inputs != 2:
                        raise wrong("by_key merges two inputs, not {inputs}; chain merges for more", inputs=inputs)
                case "choose" if whole(data.get("choose"), 1, 1, MAX_INPUTS) > inputs:
                    chosen = data["choose"]
                    raise wrong("choose is {choose}, but there are {inputs} inputs", choose=chosen, inputs=inputs)
                case "quorum":
                    needs(data, "quorum", "count")
                    count = data["count"]
                    if whole(count, 1, 1, MAX_INPUTS) > inputs:
                        raise wrong("{inputs} inputs can never meet a quorum of {count}", count=count, inputs=inputs)
                case _:
                    pass
        return data


class Merge(Node[MergeParameters]):
    """Joins branches.

    It waits until every connection into it has delivered or is dead, so branches that were not taken never block it;
    modes `first` and `quorum` go on earlier and ignore what comes later. A dead input counts as one without items.
    Items keep the order of the inputs.
    """

    type = "flow.merge"
    summary = "Joins branches into one list."
    run_mode = RunMode.BATCH
    inputs = ()
    example = {"mode": "by_key", "keys": [{"left": "id", "right": "customer_id"}], "join": "left"}

    def shape(self, parameters: dict[str, Any]) -> Shape:
        inputs = whole(parameters.get("inputs"), 2, 1, MAX_INPUTS)
        join = Join()
        if (mode := parameters.get("mode")) in ("first", "quorum"):
            count = whole(parameters.get("count"), 1, 1, inputs) if mode == "quorum" else 1
            join = Join(JoinKind.QUORUM, count, parameters.get("cancel_rest") is True)
        ports = tuple(Port(f"input_{number}") for number in range(1, inputs + 1))
        return replace(super().shape(parameters), inputs=ports, join=join)

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        fixed = literal(parameters, "inputs", "mode", "count", "cancel_rest")
        return [*super().check(parameters), *fixed]

    def run(self, call: Call[MergeParameters]) -> Emit:
        asked = call.parameters
        if asked.mode in ("append", "first", "quorum"):
            return Emit({"main": traced(call.items)})
        columns = _columns(call)
        rows: Iterable[_Row] = ()
        match asked.mode:
            case "choose":
                return _choose(call, columns)
            case "by_position":
                rows = zip_longest(*columns) if asked.unpaired == "pad" else zip(*columns, strict=False)
            case "combinations":
                _bound(prod(len(column) for column in columns), asked.max_items)
                rows = product(*columns)
            case "by_key":
                rows = _matched(columns[0], columns[1], asked)
        return Emit({"main": [_one(row, asked.clash) for row in rows]})


_Place = tuple[int, Item]
"""An item with its position over all inputs."""
_Row = Iterable[_Place | None]
"""Items that become one: one or none for each input."""


def _columns(call: Call[MergeParameters]) -> list[list[_Place]]:
    """The items of each input. A lone `main`, as when a node is tested by itself, stands for the first input."""
    columns: dict[str, list[_Place]] = {f"input_{number}": [] for number in range(1, call.parameters.inputs + 1)}
    position = 0
    for port, items in call.inputs.items():
        columns[port if port in columns else "input_1"] += enumerate(items, position)
        position += len(items)
    return list(columns.values())


def _choose(call: Call[MergeParameters], columns: list[list[_Place]]) -> Emit:
    number = call.parameters.choose
    if f"input_{number}" not in call.inputs and not (number == 1 and "main" in call.inputs):
        return Emit({})
    places = columns[number - 1]
    return Emit({"main": [of(item, position) for position, item in places]})


def _matched(left: list[_Place], right: list[_Place], asked: MergeParameters) -> Iterator[tuple[_Place | None, ...]]:
    left_keys = [pair.left for pair in asked.keys]
    right_keys = [pair.right or pair.left for pair in asked.keys]
    if asked.join == "right":
        for row in _from_first(right, right_keys, left, left_keys, True, asked.max_items):
            yield row[::-1]
        return
    keep = asked.join in ("left", "outer")
    partnered: set[int] = set()
    for row in _from_first(left, left_keys, right, right_keys, keep, asked.max_items):
        if row[1]:
            partnered.add(row[1][0])
        yield row
    if asked.join == "outer":
        yield from ((None, place) for place in right if place[0] not in partnered)


def _from_first(
    first: list[_Place], first_keys: list[str], second: list[_Place], second_keys: list[str], keep: bool, most: int
) -> Iterator[tuple[_Place | None, ...]]:
    """Each item of `first` with each match in `second`; without one, by itself when `keep`."""
    index: dict[Key, list[_Place]] = {}
    for place in second:
        if (found := key_of(place[1], second_keys)) is not None:
            index.setdefault(found, []).append(place)
    made = 0
    for place in first:
        found = key_of(place[1], first_keys)
        partners = index.get(found, []) if found is not None else []
        made += len(partners) or keep
        _bound(made, most)
        if partners:
            yield from ((place, partner) for partner in partners)
        elif keep:
            yield place, None


def key_of(item: Item, fields: list[str]) -> Key | None:
    """What an item is known by; None when one of the fields is missing or null."""
    values = [paths.get(item.json, field) for field in fields]
    if any(value is paths.MISSING or value is None for value in values):
        return None
    return tuple(key(value) for value in values)


def _bound(count: int, most: int) -> None:
    if count > most:
        raise NodeFailure(
            "TOO_MANY_ITEMS",
            f"merging would make at least {count} items, more than the {most} allowed",
            field="max_items",
            hint="filter the inputs first, match on more selective keys, or raise max_items",
        )


def _one(row: _Row, clash: str) -> Item:
    present = [(number, *place) for number, place in enumerate(row, 1) if place]
    sources = tuple(position for _, position, _ in present)
    return Item(
        _fields([(number, item.json) for number, _, item in present], clash),
        _fields([(number, item.binary) for number, _, item in present], clash),
        sources,
    )


def _fields(parts: list[tuple[int, dict[str, Any]]], clash: str) -> dict[str, Json]:
    merged: dict[str, Any] = {}
    if clash != "suffix":
        for _, part in parts if clash == "last" else reversed(parts):
            merged |= part
        return merged
    held = Counter(name for _, part in parts for name in part)
    for number, part in parts:
        for name, value in part.items():
            merged[f"{name}_{number}" if held[name] > 1 else name] = value
    return merged
