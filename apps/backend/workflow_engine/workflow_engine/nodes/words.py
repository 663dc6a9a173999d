"""The catalogue in other languages.

English is the key: a node's texts are written once, beside its code, and `locale/<language>.json` says what each is
called elsewhere. A text without a translation stays English, so that a package of node types needs none.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

Schema = dict[str, Any]


class Words:
    """What texts are called in one language."""

    def __init__(self, table: dict[str, str]) -> None:
        self.table = table

    def __call__(self, text: str) -> str:
        return self.table.get(text, text) if text else text

    def schema(self, schema: Schema) -> Schema:
        """A JSON Schema with translated titles and descriptions. Values stay; where those of an `enum` or
        `const` are words, `labels` says what to call them."""
        return self._schema(schema, is_member=False) if self.table else schema

    def _schema(self, schema: Schema, *, is_member: bool) -> Schema:
        made: Schema = {}
        for key, value in schema.items():
            match key, value:
                case "description", str():
                    made[key] = self(value)
                # Other titles are names of classes.
                case "title", str() if is_member:
                    made[key] = self(value)
                case (("properties" | "$defs"), dict()):
                    made[key] = {
                        name: self._schema(each, is_member=key == "properties") for name, each in value.items()
                    }
                case (("items" | "additionalProperties" | "not"), dict()):
                    made[key] = self._schema(value, is_member=False)
                case (("anyOf" | "oneOf" | "allOf" | "prefixItems"), list()):
                    made[key] = [self._schema(each, is_member=False) for each in value]
                case _:
                    made[key] = value
        values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]
        if labels := self.labels(values):
            made["labels"] = labels
        return made

    def labels(self, values: list[Any]) -> dict[str, str]:
        """What to call those values that are words; most are code."""
        return {each: self.table[each] for each in values if isinstance(each, str) and each in self.table}


ENGLISH = Words({})


@cache
def _languages() -> dict[str, Words]:
    return {
        file.name.removesuffix(".json"): Words(json.loads(file.read_text("utf-8")))
        for file in (files("workflow_engine.nodes") / "locale").iterdir()
        if file.name.endswith(".json")
    }


def words(language: str) -> Words:
    """The words of a BCP 47 tag, such as `zh-CN`: of the language itself where the region has none of its own, and
    English where the language has none."""
    tag = language.lower()
    while tag:
        if found := _languages().get(tag):
            return found
        tag = tag.rpartition("-")[0]
    return ENGLISH
