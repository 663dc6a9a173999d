"""The reference page of each node type, made from its class: `python -m workflow_engine.nodes.docs`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from workflow_engine.engine.shape import Effect, Port, PortKind, RunMode
from workflow_engine.nodes.credentials import KINDS
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
            (f"`{slot.name}`", ", ".join(_credential(type) for type in slot.types), "yes" if slot.required else "no")
            for slot in node.credentials
        ]
        yield _table(("Slot", "Types", "Required"), rows)
    if node.example:
        yield "## Example"
        drawn = {"id": node.type.partition(".")[2], "type": node.type, "parameters": node.example}
        yield f"```json\n{json.dumps(drawn, indent=2, ensure_ascii=False)}\n```"


def _credential(type: str) -> str:
    kind = KINDS.get(type)
    return f"{kind.title} (`{type}`)" if kind else f"`{type}`"


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
    models = schema.get("$defs", {})
    labels = {name: _label(name, model) for name, model in models.items()}
    yield _fields(schema, labels)
    for name in _in_reading_order(schema, models):
        yield f"### {labels[name]}"
        if about := models[name].get("description"):
            yield about
        yield _fields(models[name], labels)


def _label(name: str, model: dict[str, Any]) -> str:
    """What people choose a model by: `message.send`, or `kind: json`; its own name where they do not choose."""
    for field, each in model.get("properties", {}).items():
        if "const" in each:
            return str(each["const"]) if field == "operation" else f"{field}: {each['const']}"
    return name


def _in_reading_order(schema: dict[str, Any], models: dict[str, Any]) -> list[str]:
    """Names of models with fields, as one meets them from the top."""
    found: dict[str, None] = {}

    def look(value: Any) -> None:
        match value:
            case {"$ref": str(ref)}:
                name = ref.rpartition("/")[2]
                if name not in found and "properties" in models.get(name, {}):
                    found[name] = None
                    look(models[name])
            case dict():
                for key, each in value.items():
                    if key not in ("$defs", "discriminator"):
                        look(each)
            case list():
                # Variants stand together, before what they are made of.
                refs = [each for each in value if isinstance(each, dict) and "$ref" in each]
                names = [each["$ref"].rpartition("/")[2] for each in refs]
                new = [name for name in names if name not in found and "properties" in models.get(name, {})]
                found.update(dict.fromkeys(new))
                for name in new:
                    look(models[name])
                for each in value:
                    if each not in refs:
                        look(each)
            case _:
                pass

    look(schema)
    return list(found)


def _fields(model: dict[str, Any], labels: dict[str, str]) -> str:
    required = model.get("required", [])
    rows = []
    for name, field in model["properties"].items():
        default = "required" if name in required else f"`{json.dumps(field.get('default'), ensure_ascii=False)}`"
        rows.append((f"`{name}`", _kind(field, labels), default, field.get("description", "")))
    return _table(("Name", "Type", "Default", ""), rows)


def _kind(field: dict[str, Any], labels: dict[str, str]) -> str:
    """A JSON Schema type in words."""
    bounds = ", ".join(words.format(field[key]) for key, words in _BOUNDS.items() if key in field)
    said = _type(field, labels)
    return f"{said}, {bounds}" if bounds else said


_SCALARS = ("string", "integer", "number", "true or false")


def _several(kinds: list[dict[str, Any]], labels: dict[str, str]) -> str:
    said = dict.fromkeys(_kind(kind, labels) for kind in _opened(kinds))
    if all(each in said for each in _SCALARS):
        said = {"text, number, true or false": None, **{each: None for each in said if each not in _SCALARS}}
    return " or ".join(said)


def _opened(kinds: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Choices within choices, as one."""
    for kind in kinds:
        inner = kind.get("anyOf") or kind.get("oneOf")
        yield from _opened(inner) if inner else [kind]


def _type(field: dict[str, Any], labels: dict[str, str]) -> str:
    match field:
        case {"$ref": str(ref)}:
            label = labels.get(ref.rpartition("/")[2], "")
            return f"[{label}](#{_anchor(label)})"
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": [*values]}:
            return " or ".join(f"`{value}`" for value in values)
        case {"anyOf": [*kinds]} | {"oneOf": [*kinds]}:
            return _several(kinds, labels)
        case {"allOf": [kind]}:
            return _kind(kind, labels)
        case {"type": "array", "items": dict(items)} if items:
            return f"list of {_kind(items, labels)}"
        case {"type": "array"}:
            return "list"
        case {"type": "object", "additionalProperties": dict(values)} if values:
            return f"object of {_kind(values, labels)}"
        case {"type": "string", "format": str(form)}:
            return form
        case {"type": "boolean"}:
            return "true or false"
        case {"type": str(name)}:
            return name
        case _:
            return "any JSON"


def _anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [_row(head), _row(("---",) * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    write(FOLDER)
