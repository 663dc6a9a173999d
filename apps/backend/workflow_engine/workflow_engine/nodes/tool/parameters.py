"""What tools of one's own making have in common."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from workflow_engine.nodes.spec import Json, Parameters
from workflow_engine.utils import json_schema


class Named(Parameters):
    """A tool by name."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """What the model calls it by."""
    description: str = Field(min_length=1, max_length=4000)
    """For the model: what it does, and when to use it."""


def _of_object(schema: dict[str, Json]) -> dict[str, Json]:
    if schema.get("type", "object") != "object":
        raise ValueError("arguments are an object: say `type: object`")
    if wrong := json_schema.schema_problem(schema):
        raise ValueError(f"this is no JSON Schema: {wrong}")
    return {"type": "object", **schema}


ArgumentsSchema: TypeAlias = Annotated[dict[str, Json], AfterValidator(_of_object)]
"""JSON Schema of what the model gives."""
