"""action.run_code: a user's Python or JavaScript, in another process."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from workflow_engine.nodes.spec import Call, Effect, Emit, Item, Json, Node, NodeFailure, Parameters, Result, RunMode


class RunCodeParameters(Parameters):
    language: Literal["python", "javascript"]
    code: str = Field(min_length=1, max_length=64 * 1024)
    """The body of a function that gets `items`, a list of the input records, and `item`, and returns a value."""
    inputs: dict[str, Json] = {}
    """What else the code gets, as `inputs`; expressions work here, e.g. `{"rates": "{{ node['Rates'].json }}"}`."""
    mode: Literal["all_items", "each_item"] = "all_items"
    """Run once for all items (`item` is the first one), or once for each of them."""
    timeout: float = Field(default=10, ge=0.1, le=300)
    """Seconds that the code may take for all items together."""
    memory_mib: int = Field(default=128, ge=16, le=1024)
    """Memory that the code may use, in MiB."""


class RunCode(Node[RunCodeParameters]):
    """Runs your own Python or JavaScript.

    The code is the body of a function: it gets `items` (a list of records) and `item`, and what it `return`s
    becomes items. An object is one item, a list is one item for each element, nothing (None, null) is no item;
    anything that is not an object stands under `value`. Binary data is not passed in. In JavaScript `await` works.
    `{{ }}` has no meaning inside of the code: what it is to get from elsewhere goes into `inputs`, whose expressions
    are resolved once, for the first item.

    The code runs in a process of its own, without network, files and environment, and is stopped at its time
    and memory limits. Python is a subset, with few modules (json, math, re, datetime, collections, itertools, random
    and some more): no packages, no `yield`, no `del`. JavaScript is all of the language, without packages. What is
    printed is not kept. After a crash of the server the code may run again.
    """

    type = "action.run_code"
    summary = "Runs your own Python or JavaScript in a sandbox."
    example = {"language": "python", "mode": "each_item", "code": 'return {"total": item["price"] * item["count"]}'}
    effect = Effect.IDEMPOTENT
    run_mode = RunMode.ONCE
    literals = frozenset({"code"})

    async def run(self, call: Call[RunCodeParameters]) -> Result:
        parameters = call.parameters
        if call.context.sandbox is None:
            raise NodeFailure("CODE_UNAVAILABLE", "this host runs no user code", hint="give its Context a sandbox")
        each = parameters.mode == "each_item"
        value = await call.context.sandbox.run(
            parameters.language,
            parameters.code,
            [item.json for item in call.items],
            each=each,
            timeout=parameters.timeout,
            memory=parameters.memory_mib,
            inputs=parameters.inputs,
        )
        if not each:
            return Emit({"main": [Item(record) for record in _records(value)]})
        # The process may say anything; that it is one value for each item is only a promise.
        if not isinstance(value, list) or len(value) != len(call.items):
            raise NodeFailure("CODE_RESULT_INVALID", "the code did not give one value for each item", field="code")
        return Emit(
            {"main": [Item(record, sources=(index,)) for index, one in enumerate(value) for record in _records(one)]}
        )


def _records(value: Any) -> list[dict[str, Json]]:
    match value:
        case None:
            return []
        case list():
            return [each if isinstance(each, dict) else {"value": each} for each in value]
        case dict():
            return [value]
        case _:
            return [{"value": value}]
