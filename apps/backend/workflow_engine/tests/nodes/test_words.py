"""The catalogue speaks Chinese: every text that it shows has a translation, and every translation is of a text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from workflow_engine.nodes.registry import installed
from workflow_engine.nodes.words import ENGLISH, Words, words
from workflow_engine.services import wire
from workflow_engine.services.tools import integration_to_proto, systems


class Listening(Words):
    """Hears what is asked for while the catalogue is built."""

    def __init__(self, table: dict[str, str]) -> None:
        super().__init__(table)
        self.heard: set[str] = set()
        self.values: set[str] = set()

    def __call__(self, text: str) -> str:
        self.heard |= {text} - {""}
        return super().__call__(text)

    def labels(self, values: list[Any]) -> dict[str, str]:
        self.values |= {each for each in values if isinstance(each, str)}
        return super().labels(values)


@pytest.fixture(scope="module")
def listening() -> Listening:
    found = Listening(words("zh").table)
    for node in installed():
        if type(node).__module__.startswith("workflow_engine."):
            wire.node_type_to_proto(node, found)
    for system in systems(installed()):
        integration_to_proto(system, installed(), found)
    return found


def test_every_text_has_a_translation(listening: Listening) -> None:
    missing = dict.fromkeys(sorted(listening.heard - listening.table.keys()), "")
    assert not missing, f"nodes/locale/zh.json lacks {json.dumps(missing, ensure_ascii=False, indent=2)}"


def test_every_translation_is_of_a_text(listening: Listening) -> None:
    assert listening.table.keys() - listening.heard - listening.values == set()
    assert [text for text, said in listening.table.items() if not said.strip()] == []


def test_what_is_code_in_a_text_stays_code(listening: Listening) -> None:
    """Names of parameters and settings are the same in every language."""

    def code(text: str) -> set[str]:
        return {each for each in text.split("`")[1::2] if re.fullmatch(r"[a-z][a-z0-9_.]*", each)}

    assert {text for text, said in listening.table.items() if said != text and code(text) != code(said)} == set()


def test_a_language_is_found_by_its_tag() -> None:
    assert words("zh-Hans-CN") is words("zh-cn") is words("zh")
    for unknown in ("", "en", "en-GB", "tlh", "../zh", "zh.json"):
        assert words(unknown) is ENGLISH, unknown


def test_a_schema_keeps_its_values_and_gets_labels() -> None:
    say = Words({"How": "方式", "How it joins.": "如何合并。", "left": "左", "Wrong": "x"})
    schema = {
        "title": "Wrong",
        "properties": {
            "how": {"title": "How", "description": "How it joins.", "enum": ["left", "r_b"], "default": "left"},
            "title": {"const": "left"},
        },
    }
    assert say.schema(schema) == {
        "title": "Wrong",
        "properties": {
            "how": {
                "title": "方式",
                "description": "如何合并。",
                "enum": ["left", "r_b"],
                "default": "left",
                "labels": {"left": "左"},
            },
            "title": {"const": "left", "labels": {"left": "左"}},
        },
    }
    assert ENGLISH.schema(schema) is schema
