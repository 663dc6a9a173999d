"""Writes docs/expressions.md: what people write, and every function from the table that the engine itself uses."""

from __future__ import annotations

from pathlib import Path

from workflow_engine.engine.expressions.functions import TABLE

PAGE = Path(__file__).resolve().parent.parent / "docs" / "expressions.md"
PROSE = """# Expressions

Any parameter of a node may hold `{{ expressions }}`. The language is [CEL](https://cel.dev), the Common Expression
Language: it is checked when the workflow is saved, can not loop for ever, and reaches nothing but the data below.

- A lone `{{ json.total }}` keeps its type. With text around it the result is text: `Order {{ json.id }} is paid`.
- To write the braces themselves, write `{{ '{{' }}`.
- In code and in templates of another language (a node's page says which parameters those are), braces mean nothing.

## What there is to read

| name | is |
|---|---|
| `json` | the current item's data; `json.customer.name`, `json["odd key"]` |
| `item` | the current item: `item.json`, `item.binary` |
| `items` | all input items, as a list of the same |
| `node["Fetch"].json` | what another node delivered: the item at the same position, or its first |
| `node["Fetch"].items` | all of it |
| `vars` | the workflow's constants |
| `execution`, `workflow` | `execution.id`, `execution.started_at`, `workflow.id`, `workflow.timezone` |
| `now` | the time when the attempt began |
| `run` | `run.index` and `run.path` inside loops and maps, `run.turn`, `run.attempt`, `run.item_index` |
| `from_ai` | in a node that an agent uses as a tool, what its model gives: `from_ai.city` |

A node has to be named in the expression itself, and it has to run before the one that reads it; both are checked when
the workflow is saved. What a body of a loop delivers is read from the loop's `done` port, not from inside.

n8n's spellings are understood: `$json`, `$node["Fetch"]`, `$('Fetch').item`, `$items`, `$input.first()`, `$now`,
`$vars`, `$execution`, `$workflow`, `$fromAI('city')`.

## Absence

A key that is not there is an error that names the keys that are. Where it may be absent, say what then:
`default(json.nickname, json.name)`, `json.?nickname.orValue('')`, or ask first: `has(json.nickname)`.

## Limits

An expression has at most 4,096 characters, is nested at most 32 deep, and runs under a budget of steps and of what it
builds; one that outgrows it ends in an error within a tenth of a second. Whole numbers have 64 bits.

## Functions

Beside CEL's operators (`+ - * / % == != < <= > >= && || ! in ? :`) and its macros (`map`, `filter`, `all`, `exists`,
`exists_one`, `has`) there are these. The words in a signature are kinds of values; `maybe` is an optional.

| function | does | true, for example |
|---|---|---|
"""


def page() -> str:
    rows = []
    for function in sorted(TABLE, key=lambda each: each.signatures[0].name.lower()):
        signatures = "<br>".join(f"`{_cell(written(signature.text))}`" for signature in function.signatures)
        rows.append(f"| {signatures} | {_cell(function.summary.splitlines()[0])} | `{_cell(function.example)}` |")
    return PROSE + "\n".join(rows) + "\n"


def written(signature: str) -> str:
    """As people write it: `greatest` and `least` are macros of the library around functions with other names."""
    return signature.replace("math.@max(list)", "math.greatest(...)").replace("math.@min(list)", "math.least(...)")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
