"""Expressions: `{{ ... }}` in any parameter, in CEL. See docs/expressions.md for what people write.

`template.py` finds them in parameters, `spelling.py` takes n8n's spellings, `language.py` has the CEL library parse
and check them, `lower.py` makes closures of the checked tree, `operators.py` and `functions/` are what these
can do, and `values.py` says with what and for how long.
"""

from workflow_engine.engine.expressions.template import (
    Argument,
    ExpressionError,
    ExpressionErrors,
    Json,
    Scope,
    Template,
    compile_template,
    expressions_in,
)

__all__ = [
    "Argument",
    "ExpressionError",
    "ExpressionErrors",
    "Json",
    "Scope",
    "Template",
    "compile_template",
    "expressions_in",
]
