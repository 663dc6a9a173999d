"""Items as dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.utils.structs import struct_to_dict, to_struct


def to_items(records: Iterable[Mapping[str, Any]]) -> list[pb.Item]:
    """Raises TypeError for what JSON can not say."""
    return [pb.Item(json=to_struct(record)) for record in records]


def output(execution: ex.Execution) -> list[dict[str, Any]]:
    """The result of an execution: the JSON of each item."""
    return [struct_to_dict(item.json) for item in execution.output]
