"""What the engine says to people, the editor says in Chinese: each of its texts has a translation, and each translation
is of a text.

The texts are read from the source: what failures, issues and refusals are made with. `{1}` stands for a value.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core._pydantic_core import list_all_errors

import workflow_engine

SOURCE = Path(workflow_engine.__file__).parent
TABLE = SOURCE.parents[2] / "frontend/src/i18n/engine.zh.json"
ROOMS = ("engine", "nodes", "runtime", "services", "triggers")
SAID_BY = {
    "NodeFailure": (1,),
    "Failure": (1,),
    "failure": (1, 2),
    "Issue": (1,),
    "error": (1,),
    "warn": (1,),
    "ServiceError": (1,),
    "RuntimeFailure": (1,),
    "ParameterProblem": (1, 2),
    "Trouble": (0, 1),
    "LanguageError": (0, 2),
    "ExpressionError": (0, 1, 2, 3),
    "WriteRefused": (0,),
    "ValueError": (0,),
    # what an import from n8n reports
    "Untranslatable": (0,),
    "Beyond": (0,),
    "remark": (1,),
    "untranslated": (1,),
    "say": (2, 3),
}
"""Which arguments of a call are said to people."""
SAID_AS = {"message", "hint", "suggestion"}
"""Keywords and variables that hold what is said."""
VALUE = "\0"
"""Stands for a value until the values of a text are counted."""


def texts(said: ast.expr) -> list[str]:
    """All that an expression may come to."""
    match said:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in parts)]
        case ast.IfExp(body=one, orelse=other):
            return [*texts(one), *texts(other)]
        case ast.BoolOp(values=values):
            return [text for value in values for text in texts(value)]
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return [a + b for a in texts(left) or [VALUE] for b in texts(right) or [VALUE]]
        case _:
            return []


def numbered(text: str) -> str:
    values = iter(range(1, 100))
    return re.sub(VALUE, lambda _: f"{{{next(values)}}}", text)


def said_in(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield from (node.args[at] for at in SAID_BY.get(name, ()) if at < len(node.args))
                known = SAID_AS if name in SAID_BY else SAID_AS - {"message"}
                yield from (each.value for each in node.keywords if each.arg in known)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in SAID_AS:
                yield value
            case _:
                pass


def trees() -> Iterator[ast.AST]:
    for room in ROOMS:
        for file in sorted((SOURCE / room).rglob("*.py")):
            yield ast.parse(file.read_text("utf-8"))


def own(text: str) -> str:
    return re.sub(r"\{\d\}|\s", "", text)


@pytest.fixture(scope="module")
def table() -> dict[str, str]:
    found: dict[str, str] = json.loads(TABLE.read_text("utf-8"))
    return found


def test_all_that_is_said_has_a_translation(table: dict[str, str]) -> None:
    said = {numbered(text) for tree in trees() for each in said_in(tree) for text in texts(each)}
    sentences = {text for text in said if " " in text.strip() and re.search("[a-z]{2}", own(text))}
    assert len(sentences) > 600
    missing = dict.fromkeys(sorted(sentences - table.keys()), "")
    assert not missing, f"{TABLE.name} lacks {json.dumps(missing, ensure_ascii=False, indent=2)}"


def test_every_translation_is_of_something_that_is_said(table: dict[str, str]) -> None:
    written = {
        numbered(text)
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp)
        for text in texts(node)
    }
    pydantic = {numbered(re.sub(r"\{\w+\}", VALUE, error["message_template_python"])) for error in list_all_errors()}
    # What is put together from several texts has all its pieces in them.
    joined = "\n".join(sorted({own(text) for text in written | pydantic}))
    unknown = [text for text in table if not all(own(piece) in joined for piece in re.split(r"\{\d\}|: |; ", text))]
    assert not unknown, f"{TABLE.name} has what nobody says: {json.dumps(unknown, ensure_ascii=False, indent=2)}"


def test_values_keep_their_places(table: dict[str, str]) -> None:
    def places(text: str) -> list[str]:
        return sorted(set(re.findall(r"\{\d\}", text)))

    # A plural's ending, and what a value is called in Python, are left out.
    lost = {text for text, said in table.items() if not set(places(said)) <= set(places(text)) or not said.strip()}
    assert lost == set()
