"""The reference page of each node type, made from its class: `python -m workflow_engine.nodes.docs`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from workflow_engine.engine.shape import Effect, Port, PortKind, RunMode
from workflow_engine.nodes.registry import FAMILIES, AnyNode, installed

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "nodes"

_EFFECTS = {
    Effect.PURE: "Computes; does not touch the world.",
    Effect.IDEMPOTENT: "Touches the world; safe to repeat after a crash.",
    Effect.AT_MOST_ONCE: "Touches the world; never repeated blindly. After a crash the node's policy decides.",
}
_RUN_MODES = {
    RunMode.PER_ITEM: "Once for each item; expressions are resolved for each item.",
    RunMode.ONCE: "Once; expressions see the first item as `json` and all as `items`.",
    RunMode.BATCH: "Once, over all items; expressions see the first item as `json` and all as `items`.",
}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "like `{}`",
}


def markdown(node: AnyNode) -> str:
    """The reference page of a node type."""
    return "\n\n".join(_sections(node)) + "\n"


def index(nodes: Iterable[AnyNode]) -> str:
    """The page that lists all others."""
    parts = ["# Node types", "Made from the classes by `python -m workflow_engine.nodes.docs`."]
    listed = list(nodes)
    for family in FAMILIES:
        if members := [node for node in listed if node.type.startswith(f"{family}.")]:
            rows = [(f"[{node.type}]({node.type}.md)", node.summary) for node in members]
            parts += [f"## {family}", _table(("Type", "What it does"), rows)]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    """All pages by file name, for the node types of this package."""
    ours = [node for node in installed() if type(node).__module__.startswith("workflow_engine.nodes.")]
    return {"README.md": index(ours)} | {f"{node.type}.md": markdown(node) for node in ours}


def write(folder: Path) -> None:
    """Makes `folder` hold the pages, and no page of a type that is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for old in folder.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, page in wanted.items():
        (folder / name).write_text(page, encoding="utf-8")


def _sections(node: AnyNode) -> Iterator[str]:
    yield f"# {node.name}"
    yield f"`{node.type}`, version {node.version}. {node.summary}"
    yield node.help
    facts = [("Runs", _RUN_MODES[node.run_mode]), ("Effect", _EFFECTS[node.effect])]
    yield _table(("", ""), facts)
    yield from _ports(node)
    yield from _parameters(node)
    if node.credentials:
        yield "## Credentials"
        rows = [
            (f"`{slot.name}`", ", ".join(f"`{type}`" for type in slot.types), "yes" if slot.required else "no")
            for slot in node.credentials
        ]
        yield _table(("Slot", "Types", "Required"), rows)
    if node.example:
        yield "## Example"
        drawn = {"id": node.type.partition(".")[2], "type": node.type, "parameters": node.example}
        yield f"```json\n{json.dumps(drawn, indent=2, ensure_ascii=False)}\n```"


def _ports(node: AnyNode) -> Iterator[str]:
    shape, bare = node.shape(node.example), node.shape({})
    yield "## Ports"
    if (shape.inputs, shape.outputs) != (bare.inputs, bare.outputs):
        yield "The parameters decide the ports; these are the ones of the example below."
    rows = [("in", *_port(port)) for port in shape.inputs] + [("out", *_port(port)) for port in shape.outputs]
    if rows:
        yield _table(("", "Port", "Carries", ""), rows)
    else:
        yield "None."


def _port(port: Port) -> tuple[str, str, str]:
    carries = "items" if port.kind is PortKind.DATA else f"a {port.resource}"
    return f"`{port.name}`", f"{carries}, required" if port.required else carries, port.description


def _parameters(node: AnyNode) -> Iterator[str]:
    schema = node.parameters.model_json_schema()
    yield "## Parameters"
    if not schema.get("properties"):
        yield "None."
        return
    yield _fields(schema)
    for name, model in schema.get("$defs", {}).items():
        if "properties" in model:
            yield f"### {name}"
            if about := model.get("description"):
                yield about
            yield _fields(model)


def _fields(model: dict[str, Any]) -> str:
    required = model.get("required", [])
    rows = []
    for name, field in model["properties"].items():
        default = "required" if name in required else f"`{json.dumps(field.get('default'), ensure_ascii=False)}`"
        rows.append((f"`{name}`", _kind(field), default, field.get("description", "")))
    return _table(("Name", "Type", "Default", ""), rows)


def _kind(field: dict[str, Any]) -> str:
    """A JSON Schema type in words."""
    bounds = ", ".join(words.format(field[key]) for key, words in _BOUNDS.items() if key in field)
    return f"{_type(field)}, {bounds}" if bounds else _type(field)


def _type(field: dict[str, Any]) -> str:
    match field:
        case {"$ref": str(ref)}:
            name = ref.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": [*values]}:
            return " or ".join(f"`{value}`" for value in values)
        case {"anyOf": [*kinds]} | {"oneOf": [*kinds]}:
            return " or ".join(dict.fromkeys(_kind(kind) for kind in kinds))
        case {"allOf": [kind]}:
            return _kind(kind)
        case {"type": "array", "items": dict(items)} if items:
            return f"list of {_kind(items)}"
        case {"type": "array"}:
            return "list"
        case {"type": "object", "additionalProperties": dict(values)} if values:
            return f"object of {_kind(values)}"
        case {"type": "string", "format": str(form)}:
            return form
        case {"type": "boolean"}:
            return "true or false"
        case {"type": str(name)}:
            return name
        case _:
            return "any JSON"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [_row(head), _row(("---",) * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    write(FOLDER)
