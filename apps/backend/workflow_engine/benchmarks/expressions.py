"""Microseconds per expression: compiled, and evaluated over a small and over a 100 KB item.

    python benchmarks/expressions.py

Beside ours stand the CEL libraries that are installed: `cel-expr-python` always (we parse with it), `celpy` from
`cel-python` and `cel` from `common-expression-language` after a `pip install` of them.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from importlib import import_module
from typing import Any

from cel_expr_python import cel as library

from workflow_engine.engine.expressions import Scope, compile_template
from workflow_engine.engine.expressions.language import Program

EXPRESSIONS = {
    "a key": "json.id",
    "a comparison": "json.count > 5",
    "text": "json.name + ' <' + json.email + '>'",
    "a condition": "json.count > 5 && json.name.startsWith('A') ? 'yes' : 'no'",
    "a map": "{'id': json.id, 'total': json.count * 2}",
    "a loop of 20": "json.rows.filter(r, r.n > 10).map(r, r.n)",
}
SMALL = {"id": 7, "count": 9, "name": "Ada", "email": "ada@example.org", "rows": [{"n": n} for n in range(20)]}
LARGE = {**SMALL, "payload": [{"key": f"k{n}", "value": "v" * 80, "n": n} for n in range(900)]}

Evaluate = Callable[[dict[str, Any]], Any]


def ours(source: str) -> Evaluate:
    template = compile_template("{{ " + source + " }}")
    return lambda json: template.resolve(Scope(json=json))


def parser_library(source: str) -> Evaluate:
    expression = library.NewEnv(variables={"json": library.Type.DYN}).compile(source)
    return lambda json: expression.eval(data={"json": json}).plain_value()


def cel_python(source: str) -> Evaluate:
    celpy = import_module("celpy")
    environment = celpy.Environment()
    compiled = environment.program(environment.compile(source))
    return lambda json: compiled.evaluate({"json": celpy.json_to_cel(json)})


def common_expression_language(source: str) -> Evaluate:
    compiled = import_module("cel").compile(source)
    return lambda json: compiled.execute({"json": json})


ENGINES = {
    "ours": ours,
    "cel-expr-python": parser_library,
    "common-expression-language": common_expression_language,
    "cel-python": cel_python,
}


def microseconds(call: Callable[[], Any]) -> float:
    """The best of five rounds of about 20 ms each."""
    timer = timeit.Timer(call)
    once = max(timer.timeit(1), 1e-7)
    rounds = max(int(0.02 / once), 1)
    return min(timer.repeat(5, rounds)) / rounds * 1e6


def main() -> None:
    print(f"{'evaluate':28}{'expression':16}{'small item':>12}{'100 KB item':>14}   us")
    for name, engine in ENGINES.items():
        try:
            engine("json.id")
        except ImportError:
            print(f"{name:28}not installed")
            continue
        for title, source in EXPRESSIONS.items():
            evaluate = engine(source)
            small, large = (
                microseconds(lambda item=item, evaluate=evaluate: evaluate(item)) for item in (SMALL, LARGE)
            )  # type: ignore[misc]
            print(f"{name:28}{title:16}{small:12.1f}{large:14.1f}")
    print("\ncompile, not cached")
    for title, source in EXPRESSIONS.items():
        print(f"{'ours':28}{title:16}{microseconds(lambda source=source: Program(source)):12.1f}")  # type: ignore[misc]


if __name__ == "__main__":
    main()
