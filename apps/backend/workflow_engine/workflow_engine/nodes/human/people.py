"""People, as parameters name them."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints


def _listed(value: Any) -> Any:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


Person: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]
People: TypeAlias = Annotated[
    list[Person],
    BeforeValidator(_listed, json_schema_input_type=list[str] | str),
    Field(max_length=100),
]
"""User ids or e-mail addresses; as a list, or as text with commas."""
