"""Expressions: `{{ ... }}` in any parameter, in CEL. See docs/expressions.md for what people write."""

from workflow_engine.engine.expressions.template import (
    ExpressionError,
    ExpressionErrors,
    References,
    Scope,
    Template,
    compile_template,
)

__all__ = ["ExpressionError", "ExpressionErrors", "References", "Scope", "Template", "compile_template"]
