"""Expressions: what people write in parameters, what they get, and what a hostile one can not do."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_optional
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workflow_engine.engine.expressions import (
    ExpressionError,
    ExpressionErrors,
    Scope,
    compile_template,
    expressions_in,
)
from workflow_engine.engine.expressions.functions import TABLE, Function
from workflow_engine.engine.expressions.language import Program
from workflow_engine.engine.expressions.values import Exhausted, Run, Trouble

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FETCH = {
    "json": {"id": 7},
    "item": {"json": {"id": 7}},
    "items": [{"json": {"id": 7}}, {"json": {"id": 8}}],
}
ORDER = {"id": 42, "name": "Ada", "price": 2.5, "tags": ["new", "vip"], "address": {"city": "London"}, "note": None}


def scope(**parts: Any) -> Scope:
    items = [{"json": ORDER, "binary": {}}, {"json": {"id": 43}, "binary": {}}]
    known: dict[str, Any] = {
        "json": ORDER,
        "item": items[0],
        "items": items,
        "node": {"Fetch": FETCH}.get,
        "vars": {"region": "eu"},
        "execution": {"id": "e1"},
        "workflow": {"id": "w1", "timezone": "Asia/Tokyo"},
        "now": NOW,
        "run": {"index": 3, "item_index": 0},
    }
    return Scope(**{**known, **parts})


def result(template: Any, **parts: Any) -> Any:
    return compile_template(template).resolve(scope(**parts))


def refused(template: Any) -> ExpressionError:
    """The one error that saving it gives."""
    with pytest.raises(ExpressionErrors) as caught:
        compile_template(template)
    [error] = caught.value.errors
    return error


def failed(template: Any, **parts: Any) -> ExpressionError:
    """The error that running it gives."""
    with pytest.raises(ExpressionError) as caught:
        result(template, **parts)
    return caught.value


class TestTemplates:
    def test_a_lone_expression_keeps_its_type(self) -> None:
        assert result({"a": "{{ json.id }}", "b": "{{json.tags}}", "c": "{{ json.note }}"}) == {
            "a": 42,
            "b": ["new", "vip"],
            "c": None,
        }

    def test_text_around_it_makes_text(self) -> None:
        assert result("#{{ json.id }}: {{ json.name }} {{ json.tags }}{{ true }}") == '#42: Ada ["new","vip"]true'
        assert result(" {{ json.id }}") == " 42"

    def test_parameters_without_expressions_come_back_themselves(self) -> None:
        parameters = {"url": "https://example.org/{id}", "headers": [{"a": 1}]}
        template = compile_template(parameters)
        assert template.is_static
        assert template.resolve(Scope()) is parameters

    def test_static_parts_and_parts_of_the_item_are_shared_rather_than_copied(self) -> None:
        parameters = {"still": {"deep": [1]}, "moving": "{{ json.tags }}"}
        resolved = result(parameters)
        assert resolved["still"] is parameters["still"]
        assert resolved["moving"] is ORDER["tags"]

    def test_braces_can_be_written(self) -> None:
        assert result("{{ '{{' }} json.id {{ '}}' }}") == "{{ json.id }}"
        assert result("a } b {c} {") == "a } b {c} {"

    def test_braces_in_strings_maps_and_comments_do_not_end_an_expression(self) -> None:
        assert result("{{ {'a': {'b': '}}'}} }}") == {"a": {"b": "}}"}}
        assert result("{{ json.id // }} is no end\n + 1 }}") == 43

    def test_members_that_are_literal_are_left_alone(self) -> None:
        template = compile_template({"code": "{{ not ours", "url": "{{ json.id }}"}, literal=frozenset({"code"}))
        assert template.resolve(scope()) == {"code": "{{ not ours", "url": 42}

    def test_it_says_which_nodes_it_reads(self) -> None:
        template = compile_template(["{{ node['Fetch'].json.id + node.Other.json.id }}", "{{ vars.region }}"])
        assert template.nodes == {"Fetch", "Other"}

    def test_a_node_is_named_by_the_fields_that_use_it(self) -> None:
        template = compile_template({"a": [{"b": "{{ node.Fetch.json.id }}"}], "c": "{{ json.id }}"})
        assert list(template.fields_naming("Fetch")) == ["a[0].b"]

    def test_expressions_are_listed_with_their_places_even_wrong_ones(self) -> None:
        parameters = {"url": "a{{ b }}c{{json.}}", "list": [1, {"x": "{{ 'y' }}"}], "open": "{{ never"}
        assert expressions_in(parameters) == [("url", " b ", 3), ("url", "json.", 11), ("list[1].x", " 'y' ", 2)]

    def test_one_template_serves_many_threads(self) -> None:
        sources = [f"{{{{ json.rows.filter(r, r > {n}).map(r, r * {n}).sum() }}}}" for n in range(40)]

        def work(_: int) -> list[Any]:
            return compile_template(sources).resolve(Scope(json={"rows": list(range(50))}))

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(work, range(16)))
        assert answers == [[sum(r * n for r in range(50) if r > n) for n in range(40)]] * 16


class TestVariables:
    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("json.address.city", "London"),
            ("json['name']", "Ada"),
            ("item.json.id", 42),
            ("items.map(i, i.json.id)", [42, 43]),
            ('node["Fetch"].json.id', 7),
            ("node.Fetch.items.last().json.id", 8),
            ("has(node.Fetch) && !has(node.Skipped)", True),
            ("default(node['Skipped'].json.id, 'none')", "none"),
            ("vars.region + execution.id + workflow.id", "eue1w1"),
            ("now", "2026-01-02T03:04:05Z"),
            ("now.format('%Y-%m-%d %H:%M', workflow.timezone)", "2026-01-02 12:04"),
            ("now + duration('1h') - now", 3600.0),
            ("run.index", 3),
        ],
    )
    def test_ours(self, source: str, value: Any) -> None:
        assert result("{{ " + source + " }}") == value

    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("$json.id", 42),
            ('$json["name"]', "Ada"),
            ('$node["Fetch"].json.id', 7),
            ("$('Fetch').item.json.id", 7),
            ("$( \"Fetch\" ).first().json.id + $('Fetch').last().json.id", 15),
            ("$('Fetch').all().map(i, i.json.id)", [7, 8]),
            ("$items('Fetch').size() + $items().size() + $items.size()", 6),
            ("$input.all().size()", 2),
            ("$input.first().json.id + $input.last().json.id + $input.item.json.id", 127),
            ("$now", "2026-01-02T03:04:05Z"),
            ("$vars.region + $execution.id + $workflow.id", "eue1w1"),
            ("$itemIndex", 0),
        ],
    )
    def test_n8n_spellings(self, source: str, value: Any) -> None:
        assert result("{{ " + source + " }}") == value

    def test_inside_strings_a_dollar_is_a_dollar(self) -> None:
        assert result("{{ '$json costs $' + \"$('x')\" }}") == "$json costs $$('x')"

    def test_a_node_must_be_named_in_the_expression(self) -> None:
        for source in ("node[json.name].json", "node", "node.map(n, n)", "toJson(node)"):
            error = refused("{{ " + source + " }}")
            assert error.message == "a node must be named in the expression itself"

    def test_a_node_that_delivered_nothing(self) -> None:
        error = failed('{{ node["Skipped"].json.id }}')
        assert error.message == "the node 'Skipped' delivered nothing in this execution"

    def test_a_node_is_asked_for_once_and_only_when_it_is_needed(self) -> None:
        asked: list[str] = []

        def node(name: str) -> dict[str, Any]:
            asked.append(name)
            return FETCH

        template = compile_template("{{ json.id > 50 ? node.A.json.id : node.B.json.id + node.B.items.size() }}")
        assert template.resolve(scope(node=node)) == 9
        assert asked == ["B"]


class TestNumbersAndAbsence:
    def test_an_int_beside_a_double_counts_as_a_double(self) -> None:
        assert result("{{ json.id * 1.5 }}") == 63.0
        assert result("{{ json.price * 2 + 1 }}") == 6.0
        assert result("{{ 1 + 1.5 == 2.5 && [1] == [1.0] && json.id + 1 == 43.0 && 2 in [1.0, 2.0] }}") is True

    def test_both_sides_of_a_condition_may_differ_in_type(self) -> None:
        assert result("{{ json.id > 1 ? json.id + 1 : 'none' }}") == 43

    def test_ints_divide_to_ints(self) -> None:
        assert result("{{ [7 / 2, -7 / 2, 7 % 2, -7 % 2] }}") == [3, -3, 1, -1]

    def test_64_bits_are_the_limit_of_arithmetic_but_input_passes_unchanged(self) -> None:
        huge = {"n": 2**63}
        assert result("{{ json.n }}", json=huge) == 2**63
        assert "64 bits" in failed("{{ json.n + 1 }}", json=huge).message
        assert "64 bits" in failed("{{ 9223372036854775807 + 1 }}").message

    def test_what_json_can_not_hold_is_an_error(self) -> None:
        assert "Infinity, which JSON can not hold" in failed("{{ 1.0 / 0.0 }}").message
        assert "NaN" in failed("{{ [0.0 / 0.0] }}").message

    def test_true_is_not_one(self) -> None:
        assert result("{{ [dyn(true) == 1, true in [dyn(1)], [dyn(1), true, 1.0].distinct().size() == 2] }}") == [
            False,
            False,
            True,
        ]

    @pytest.mark.parametrize(
        "source",
        [
            "default(json.no, 5)",
            "json.address.no.deep.orElse(5)",
            "json.note.orElse(5)",
            "json.?no.orValue(5)",
            "default(json.tags[7], 5)",
            "default([].first(), 5)",
            "default(json.note.deep, 5)",
        ],
    )
    def test_what_is_absent_or_null_can_have_a_default(self, source: str) -> None:
        assert result("{{ " + source + " }}") == 5

    def test_default_hides_no_other_trouble(self) -> None:
        assert "+ can not join string and int" in failed("{{ default(json.name + json.id, 5) }}").message

    def test_a_missing_key_is_named_with_the_keys_that_there_are(self) -> None:
        error = failed({"headers": [{"value": "Hi {{ json.nme }}"}]})
        assert error.field == "headers[0].value"
        assert error.offset == len("Hi {{ json.")
        assert error.message == "there is no key 'nme'; the keys are address, id, name, note, price, tags"
        assert error.hint.startswith("did you mean name?")


class TestErrors:
    @pytest.mark.parametrize(
        ("template", "at", "message", "hint"),
        [
            ("{{ jsn.id }}", "jsn", "there is no variable 'jsn'", "did you mean json?"),
            ("Hi {{ json.name.uper() }}", "uper", "there is no function 'uper'", "upper"),
            ("{{ json.name.toUpperCase() }}", "toUpperCase", "there is no function 'toUpperCase'", "write upper"),
            ("{{ json.id === 1 }}", "===", "CEL has no ===", "write =="),
            ("{{ json.a ?? 1 }}", "??", "CEL has no ??", "default("),
            ("{{ json.tags.map(x => x) }}", "=>", "CEL has no =>", "list.map(x, x.id)"),
            ("{{ 'é😀' + 1 }}", "+", "+ does not go with (string, int)", "string(x)"),
            ("{{ json.id +\n 'a' - 'b' }}", "-", "- does not go with", "convert"),
            ("{{ 'abc }}", "'", "this text is never closed", "'"),
            ("{{ json.id + }}", "}}", "the expression ends too early", ""),
            ("{{   }}", "   ", "the expression is empty", "remove"),
            ("a {{ json.id", "{{", "this {{ is never closed", "'{{'"),
            ("{{ $foo }}", "$", "there is no such $ name", "$json"),
            ("{{ $('Fetch').first().json.id + jsn }}", "jsn", "there is no variable 'jsn'", "json"),
            ("{{ json.tags.map(x) }}", "(x)", "map does not work so", "list.map(x, x.id)"),
            ("{{ google.protobuf.Struct{} }}", "", "", ""),
            ("{{ eval('1') }}", "eval", "there is no function 'eval'", ""),
            ("{{ ''.__class__ }}", "", "string", ""),
        ],
    )
    def test_refused_when_saved(self, template: str, at: str, message: str, hint: str) -> None:
        error = refused({"p": template})
        assert error.field == "p"
        assert message in error.message
        assert hint in error.hint
        if at:
            assert template.startswith(at, error.offset) or abs(template.index(at) - error.offset) <= 1

    @pytest.mark.parametrize(
        ("template", "at", "message", "hint"),
        [
            ("{{ 'a' + json.id }}", "+ json.id }}", "+ can not join string and int", "string(json.n)"),
            ("{{ json.name.upper() + json.id.upper() }}", "upper() }}", "upper does not take (int)", "text.upper()"),
            ("{{ json.tags[2] }}", "[2]", "the list has no element 2; it has 2, numbered from 0", "default("),
            ("{{ json.name.length }}", "length", "a string has no key 'length'", "size(value)"),
            ("{{ json.note.x }}", "x", "there is no key 'x' in null", "default("),
            ("{{ !json.name }}", "!", "! needs true or false, not string", "== ''"),
            ("{{ json.id && true }}", "&&", "&& joins true and false, not int", "json.count > 0"),
            ("{{ json.id.map(x, x) }}", "(x, x)", "a loop runs over a list or a map, not over int", "default("),
            ("{{ json.name > 5 }}", ">", "> does not go between string and int", "convert"),
            ("{{ json.id / 0 }}", "/", "division by zero", "== 0"),
            ("{{ int(json.name) }}", "int", "'Ada' is no whole number", "double"),
            ("{{ json.name.matches('(') }}", "matches", "the pattern '(' is wrong", "RE2"),
            ("{{ json.name.fromJson() }}", "fromJson", "this is no JSON", "Ada"),
            ("{{ json.__class__ }}", "__class__", "there is no key '__class__'", ""),
            ("{{ json.?no }}", "", "the result is an optional", ".orValue("),
            ("{{ now.format('%999999999d') }}", "format", "format does not know %9", "%Y"),
            ("{{ $('Fetch').first().json.no }}", "no }}", "there is no key 'no'", ""),
        ],
    )
    def test_failed_when_run(self, template: str, at: str, message: str, hint: str) -> None:
        error = failed({"p": template})
        assert error.field == "p"
        assert message in error.message
        assert hint in error.hint
        if at:
            assert abs(template.index(at) - error.offset) <= 1

    def test_all_wrong_expressions_are_told_at_once(self) -> None:
        with pytest.raises(ExpressionErrors) as caught:
            compile_template({"a": "{{ x }}", "b": ["{{ 1 + }}", "{{ json.fine }}"]})
        assert [error.field for error in caught.value.errors] == ["a", "b[0]"]


@pytest.mark.parametrize("function", TABLE, ids=[each.signatures[0].text for each in TABLE])
class TestFunctions:
    def test_its_example_is_true(self, function: Function) -> None:
        assert result("{{ " + function.example + " }}") is True

    def test_it_is_documented(self, function: Function) -> None:
        page = (Path(__file__).parents[2] / "docs" / "expressions.md").read_text()
        for signature in function.signatures:
            assert "@" in signature.text or f"`{signature.text}`" in page
        assert function.summary.splitlines()[0] in page


# Against the CEL library's own evaluator: where it has an answer, ours is the same.

KEYS = ["a", "b", "c"]
NUMBERS = st.one_of(
    st.integers(-3, 3), st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1]), st.sampled_from([0.0, 0.5, -2.0, 1e300])
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(["", "a", "b", "é😀", "a.b"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)),
    max_leaves=10,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)


def _sources() -> st.SearchStrategy[str]:
    paths = st.sampled_from(
        [
            "json.a",
            "json.b",
            "json.c",
            "json.a.b",
            "json['b']",
            "json.c[0]",
            "json.a[1]",
            "json.?a.orValue(1)",
            "x",
            "has(json.a)",
            "has(json.b.c)",
            "json.?a.?b.hasValue()",
            "size(json.a)",
            "json.b.size()",
        ]
    )
    literals = st.sampled_from(
        [
            "1",
            "0",
            "-2",
            "9223372036854775807",
            "1.5",
            "0.0",
            "'a'",
            "''",
            "'é😀'",
            "true",
            "false",
            "null",
            "[]",
            "[1, 2]",
            "{'a': 1}",
            "['a', 1.5]",
            "{}",
        ]
    )

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        # dyn() keeps the checker from refusing what only the evaluators shall judge.
        part = inner.map(lambda text: f"dyn({text})")
        operators = st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"])
        loops = st.sampled_from(["map", "filter", "all", "exists", "exists_one"])
        functions = st.sampled_from(["contains", "startsWith", "endsWith"])
        conversions = st.sampled_from(["int", "double", "string", "bool", "type", "size", "-", "!"])
        return st.one_of(
            st.tuples(part, operators, part).map(lambda each: f"({each[0]} {each[1]} {each[2]})"),
            st.tuples(part, part, part).map(lambda each: f"({each[0]} ? {each[1]} : {each[2]})"),
            st.tuples(part, loops, part).map(lambda each: f"{each[0]}.{each[1]}(x, {each[2]})"),
            st.tuples(part, part, part).map(lambda each: f"{each[0]}.map(x, {each[1]}, {each[2]})"),
            st.tuples(part, functions, part).map(lambda each: f"{each[0]}.{each[1]}({each[2]})"),
            st.tuples(conversions, part).map(lambda each: f"{each[0]}({each[1]})"),
            st.tuples(part, part).map(lambda each: f"{each[0]}[{each[1]}]"),
            st.tuples(part, part).map(lambda each: f"[{each[0]}, {each[1]}]"),
            st.tuples(part, part).map(lambda each: f"{{'k': {each[0]}, 'l': {each[1]}}}"),
            part.map(lambda text: f"{text}.a"),
        )

    return st.recursive(st.one_of(paths, literals), grown, max_leaves=6)


LIBRARY = cel.NewEnv(
    variables={"json": cel.Type.DYN, "x": cel.Type.DYN},
    extensions=[ext_math.ExtMath(), ext_optional.ExtOptional(version=1)],
)
REFUSED = object()


def _theirs(source: str, document: Any) -> Any:
    try:
        value = LIBRARY.compile(source).eval(data={"json": document, "x": 1})
        return value.plain_value() if value.type() != cel.Type.ERROR else REFUSED
    except RuntimeError:
        return REFUSED


def _ours(source: str, document: Any) -> Any:
    run = Run(type("Names", (), {"json": document, "x": 1}))
    try:
        return Program(source, ("json", "x")).value(run)
    except (Trouble, Exhausted):
        return REFUSED


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, cel.Type) or isinstance(other, cel.Type):
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


@settings(max_examples=800, deadline=None)
@given(_sources(), DOCUMENTS)
@example("json.a.exists(x, x > 1)", {"a": ["b", 2]})
@example("(dyn(json.no) || dyn(true))", {})
def test_where_the_library_has_an_answer_ours_is_the_same(source: str, document: Any) -> None:
    try:
        LIBRARY.compile(source)
    except RuntimeError:
        return
    theirs = _theirs(source, document)
    if theirs is REFUSED:
        return  # Ours may know more: an int beside a double.
    ours = _ours(source, document)
    assert _same(ours, theirs), f"{source} over {document}: ours {ours!r}, the library's {theirs!r}"


@given(VALUES)
def test_every_json_value_passes_through_unchanged(value: Any) -> None:
    assert result("{{ json.v }}", json={"v": value}) is value
    assert _same(result("{{ fromJson(toJson(json.v)) }}", json={"v": value}), value)
    assert _same(result("{{ [json.v].map(x, {'k': x})[0].k }}", json={"v": value}), value)


@given(st.text(max_size=60))
def test_any_text_compiles_or_is_refused_at_a_place_inside_it(text: str) -> None:
    template = "{{" + text + "}}"
    try:
        compile_template(template)
    except ExpressionErrors as refusal:
        for error in refusal.errors:
            assert 0 <= error.offset <= len(template)
            assert error.message


# Hostile expressions. They run in a process of their own with a limit on its memory, and report CPU time and growth.

HOSTILE_DATA = """{
    "l": list(range(1000)), "s": "a" * 100_000, "u": "\\u00e9\\U0001F600" * 50_000,
    "big": [{"k": "v" * 50, "i": n} for n in range(1000)], "words": [f"w{n}" for n in range(20_000)],
}"""
HOSTILE = {
    "nested loops": "json.l.all(a, json.l.all(b, json.l.all(c, json.l.all(d, true))))",
    "nested maps": "json.l.map(a, json.l.map(b, json.l.map(c, json.l)))",
    "text doubled": "['aaaaaaaaaa']" + ".map(x, x + x)" * 28,
    "list doubled": "[json.l]" + ".map(x, x + x)" * 28,
    "references doubled": "[json.big]" + ".map(x, [x, x])" * 28,
    "bindings doubled": "cel.bind(a, json.s + json.s, cel.bind(b, a + a + a, cel.bind(c, b + b + b, c + c + c + c)))",
    "the item a thousand times": "json.l.map(a, json)",
    "its JSON a thousand times": "json.l.map(a, toJson(json)).size()",
    "replace grows": "json.s.replace('a', json.s)",
    "replace chained": "'x'" + ".replace('x', 'xxxxxxxxxxxxxxxxxxxx')" * 28,
    "split in a loop": "json.l.map(a, json.s.split(''))",
    "join grows": "json.l.map(a, json.big).join(json.s)",
    "a backtracking pattern": "json.l.map(i, json.s.matches('(a+)+$b'))",
    "a large pattern": "json.s.matches('((a{0,30}){0,30}){0,30}c')",
    "patterns made in a loop": "json.l.exists(i, json.s.matches('(a|b|ab)*[ac]{' + string(i) + '}x'))",
    "wrong patterns in a loop": "json.l.exists(i, 'a'.matches('(x{1000}){' + string(i + 1) + '}b'))",
    "every match": "json.l.map(i, json.s.extract(''))",
    "sorting in a loop": "json.l.map(i, json.words.sort())",
    "sorting long texts": "json.l.map(i, json.s + string(i)).sort()",
    "range": "range(1000000000000)",
    "ranges in ranges": "range(5000).map(x, range(5000))",
    "membership": "json.words.map(w, w in json.words)",
    "deep equality": "json.l.map(i, json == json)",
    "searching": "json.l.map(i, json.s.indexOf('aaaaaaaaaaaaaaaaaaaaaab'))",
    "case": "json.l.map(i, json.u.upper()).size()",
    "brackets as JSON": "range(9000).map(x, '[').join('').fromJson()",
    "small JSON often": "json.l.map(i, ('[' + range(900).map(x, '[]').join(',') + ']').fromJson())",
    "time format": "now.format('%999999999Y')",
    "base64 chained": "json.s" + ".base64Encode()" * 28,
    "absence in loops": "json.l.map(a, json.l.map(b, default(json.nope, 1)))",
    "errors in loops": "json.l.exists(a, json.l.exists(b, json.nope))",
    "distinct in a loop": "json.l.map(i, json.words.distinct())",
    "optionals in loops": "json.l.map(a, json.l.map(b, json.?a.?b.orValue(1)))",
    "optMap doubles the tree": "json" + ".optMap(a, a)" * 30,
    "dunder names": "json.__class__.__mro__[1].__subclasses__",
    "deep nesting": "(" * 2000 + "1" + ")" * 2000,
    "a deep tree": "json." + "a." * 30 + "map(a, json." * 1 + "b)" + " + 1" * 20,
    "a long sum": "1" + " + 1" * 1000,
    "not not not": "!" * 4000 + "json.a",
    "a long list": "[" + "[]," * 1300 + "[json.nope]]",
    "nothing but signs": "@" * 4000,
    "quotes": "'\\\"" * 1300,
    "too long": "'" + "a" * 1_000_000 + "'",
}
HOSTILE_TEMPLATES = {
    "a megabyte of braces": "{{ " * 330_000,
    "a megabyte of expressions": "{{ json.s }}" * 80_000,
    "a megabyte never closed": "{{ " + "'\\\"" * 300_000,
    "large text many times": "{{ json.s }}" * 400,
}
PROBE = """
import json, resource, sys, time
from datetime import UTC, datetime
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
from workflow_engine.engine.expressions import ExpressionError, ExpressionErrors, Scope, compile_template

def peak():
    lines = open("/proc/self/status").read()
    return int(lines.split("VmHWM:")[1].split()[0]) / 1024

scope = Scope(json=DATA, now=datetime(2026, 1, 1, tzinfo=UTC))
compile_template("{{ json.l.map(x, x.a) }}")
told = {}
for name, template in json.load(sys.stdin).items():
    best = grown = 1e9
    for _ in range(3):
        open("/proc/self/clear_refs", "w").write("5")
        before, start = peak(), time.process_time()
        try:
            value = compile_template(template).resolve(scope)
            outcome = f"a value: {str(value)[:50]}"
        except ExpressionErrors as refusal:
            outcome = "refused: " + refusal.errors[0].message
        except ExpressionError as error:
            outcome = "failed: " + error.message
        best, grown = min(best, time.process_time() - start), min(grown, peak() - before)
    told[name] = {"milliseconds": best * 1000, "megabytes": grown, "outcome": outcome}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def hostile() -> dict[str, Any]:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peak memory is read from /proc")
    templates = {name: "{{ " + source + " }}" for name, source in HOSTILE.items()} | HOSTILE_TEMPLATES
    probe = subprocess.run(
        [sys.executable, "-c", PROBE.replace("DATA", HOSTILE_DATA)],
        input=json.dumps(templates),
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert probe.returncode == 0, probe.stderr
    told: dict[str, Any] = json.loads(probe.stdout)
    return told


@pytest.mark.parametrize("name", [*HOSTILE, *HOSTILE_TEMPLATES])
def test_a_hostile_expression_ends_in_an_error_within_100_ms_and_64_mb(name: str, hostile: dict[str, Any]) -> None:
    told = hostile[name]
    assert not told["outcome"].startswith("a value"), told
    assert told["milliseconds"] < 100, told
    assert told["megabytes"] < 64, told


def test_honest_work_over_ten_thousand_items_fits_the_budget() -> None:
    items = [{"json": {"id": n, "name": f"customer {n}", "total": n * 1.5}} for n in range(10_000)]
    source = "{{ items.filter(i, i.json.total > 100.0 && i.json.name.startsWith('c')).map(i, i.json.total).sum() }}"
    assert result(source, items=items) == sum(n * 1.5 for n in range(10_000) if n * 1.5 > 100)


def test_the_budget_is_one_for_the_whole_template() -> None:
    turn = "{{ json.l.map(x, x + 1).size() }}"
    assert result(turn * 2, json={"l": list(range(10_000))}) == "10000" * 2
    assert "steps" in failed(turn * 40, json={"l": list(range(10_000))}).message
