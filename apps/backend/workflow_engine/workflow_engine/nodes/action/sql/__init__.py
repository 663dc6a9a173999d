"""What nodes that run SQL share: statements that data can not become part of, and the databases they run on."""

from __future__ import annotations

import re
from typing import Any

from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.engine.shape import Effect


def effect(parameters: dict[str, Any]) -> Effect:
    """Only what changes nothing, or what is said to do no harm when repeated, may run again after a crash."""
    repeatable = parameters.get("mode", "read") == "read" or parameters.get("idempotent") is True
    return Effect.IDEMPOTENT if repeatable else Effect.AT_MOST_ONCE


def spliced(parameters: dict[str, Any], example: str) -> list[ParameterProblem]:
    """Complains about expressions in statements."""
    statements = parameters.get("sql")
    for sql in statements if isinstance(statements, list) else [statements]:
        if isinstance(sql, str) and re.search(r"\{\{.*\}\}", sql, re.DOTALL):
            return [
                ParameterProblem(
                    "sql",
                    "an expression in a statement would let data become SQL",
                    f"write {example} there, and the expression under values.name",
                )
            ]
    return []
