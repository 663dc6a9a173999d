"""human.form, human.choice, human.edit and human.chat_reply: what they ask for and what they hand on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import failure, problems, run_node
from workflow_engine.engine.events import NodeSuspended
from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.forms import wrong_answers
from workflow_engine.utils.json_schema import Violation


async def schema(type: str, parameters: dict[str, Any], item: dict[str, Any] | None = None) -> dict[str, Any]:
    outcome = await run_node(type, {"title": "t", **parameters}, [item or {}])
    assert isinstance(outcome, NodeSuspended), outcome
    return outcome.tasks[0].schema


def one(type: str, parameters: dict[str, Any], *links: str) -> Rig:
    nodes = [{"id": "ask", "type": type, "parameters": {"title": "t", **parameters}}]
    nodes += [{"id": link.rpartition("> ")[2], "type": "flow.no_op"} for link in links]
    return Rig({"nodes": nodes, "connections": list(links)}).start([{"n": 1}])


def broken(found: list[Violation]) -> list[tuple[str, str]]:
    return [(each.place, each.keyword) for each in found]


class TestForm:
    def test_what_was_filled_in_is_the_answer(self) -> None:
        run = one("human.form", {"fields": [{"name": "street"}]}).answer("ask", "ada", street="Main St 1")
        assert run.output[0]["answer"] == {"street": "Main St 1"}
        assert run.output[0]["n"] == 1

    async def test_fields_become_a_schema_that_checks_them(self) -> None:
        made = await schema(
            "human.form",
            {
                "fields": [
                    {"name": "mail", "type": "email", "required": True},
                    {"name": "size", "type": "choice", "options": ["S", "L"]},
                    {"name": "when", "type": "time"},
                    {"name": "seats", "type": "integer", "minimum": 1, "maximum": 4},
                    {"name": "terms", "type": "boolean", "required": True},
                    {"name": "cv", "type": "file", "required": True},
                ]
            },
        )
        pdf = {"cv": BinaryRef("sha256:1", 3)}
        good = {"mail": "ada@example.com", "size": "L", "seats": 2, "terms": True, "when": "09:30"}
        assert wrong_answers(made, good, pdf) == []
        bad = {"mail": "ada", "size": "M", "seats": 9, "terms": False, "when": "25:00", "more": 1}
        assert sorted(broken(wrong_answers(made, bad, {"photo": pdf["cv"]}))) == [
            ("", "additionalProperties"),
            ("cv", "required"),
            ("mail", "format"),
            ("photo", "unknown"),
            ("seats", "maximum"),
            ("size", "enum"),
            ("terms", "const"),
            ("when", "pattern"),
        ]

    async def test_a_schema_of_ones_own_may_use_all_of_json_schema(self) -> None:
        own = {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"minimum": 3}}}
        assert broken(wrong_answers(await schema("human.form", {"schema": own}), {"a": 1}, {})) == [("a", "minimum")]

    @pytest.mark.parametrize(
        ("parameters", "words"),
        [
            ({}, "exactly one of fields and schema"),
            ({"fields": [{"name": "a b"}]}, "fields[0].name"),
            ({"fields": [{"name": "a", "type": "choice"}]}, "a choice needs options"),
            ({"schema": {"type": "nothing"}}, "schema: "),
            ({"schema": {"$ref": "http://127.0.0.1/other"}}, "schema: "),
        ],
    )
    def test_what_can_not_work_is_refused_at_save(self, parameters: dict[str, Any], words: str) -> None:
        assert words in problems("human.form", {"title": "t", **parameters})[0]


class TestChoice:
    OPTIONS = [{"value": "refund"}, {"value": "replace", "label": "A new one"}]

    def test_the_choice_is_the_way(self) -> None:
        run = one("human.choice", {"options": self.OPTIONS}, "ask.refund -> a", "ask.replace -> b")
        run.answer("ask", "ada", choice="replace")
        assert run.runs() == {"ask": "succeeded", "a": "skipped", "b": "succeeded"}

    def test_with_a_quorum_the_most_votes_win(self) -> None:
        parameters = {"options": self.OPTIONS, "assignees": ["a", "b", "c"], "quorum": 2}
        run = one("human.choice", parameters, "ask.refund -> a", "ask.replace -> b")
        run.answer("ask", "a", choice="refund").answer("ask", "b", choice="replace")
        assert run.runs()["ask"] == "waiting"
        assert run.answer("ask", "c", choice="refund").runs()["a"] == "succeeded"

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ([{"value": "a"}], "at least 2"),
            ([{"value": "a"}, {"value": "timeout"}], "can not be named 'timeout'"),
            ([{"value": "a"}, {"value": "a"}], "same value"),
            ([{"value": "a"}, {"value": "{{ json.b }}"}], "can not be an expression"),
        ],
    )
    def test_what_can_not_work_is_refused_at_save(self, options: list[Any], words: str) -> None:
        assert any(words in each for each in problems("human.choice", {"title": "t", "options": options}))


class TestEdit:
    async def test_the_item_goes_on_as_it_was_corrected(self) -> None:
        run = Rig(
            {"nodes": [{"id": "ask", "type": "human.edit", "parameters": {"title": "t", "members": ["total"]}}]}
        ).start([{"total": 12, "secret": "x"}])
        [change] = run.tasks.values()
        assert change.task.data == {"total": 12}
        assert run.answer("ask", "ada", total=21).output == [{"total": 21, "secret": "x"}]

    async def test_every_member_keeps_its_type(self) -> None:
        record = {"s": "a", "i": 1, "f": 0.5, "b": True, "l": [1], "o": {}, "n": None}
        made = await schema("human.edit", {}, record)
        assert wrong_answers(made, record, {}) == []
        bad = {"s": 1, "i": "1", "f": "x", "b": "yes", "l": {}, "o": [], "n": "anything"}
        assert {place for place, _ in broken(wrong_answers(made, bad, {}))} == set("sifblo")

    async def test_several_items_are_one_too_many(self) -> None:
        failed = failure(await run_node("human.edit", {"title": "t"}, [{"a": 1}, {"a": 2}]))
        assert failed.reason == "TOO_MANY_ITEMS"
        assert "flow.map" in failed.hint


def test_a_reply_is_what_a_person_wrote() -> None:
    run = one("human.chat_reply", {"text": "Which one?"}).answer("ask", "ada", reply="The red one")
    assert run.output[0]["answer"] == {"reply": "The red one"}


@pytest.mark.parametrize("type", ["human.form", "human.choice", "human.edit", "human.chat_reply"])
async def test_all_of_them_can_run_out_of_time(type: str) -> None:
    parameters: dict[str, Any] = {
        "human.form": {"fields": [{"name": "a"}]},
        "human.choice": {"options": TestChoice.OPTIONS},
        "human.edit": {},
        "human.chat_reply": {"text": "t"},
    }[type]
    run = one(type, {**parameters, "timeout": "5m"}, "ask.timeout -> late").pass_time(300_000)
    assert run.input("late") == [{"n": 1, "answer": None, "answers": []}]
    assert [change.status for change in run.tasks.values()] == ["expired"]
    assert problems(type, {"title": "t", **parameters, "mail": 1}) == ["parameters.mail: there is no parameter 'mail'"]
