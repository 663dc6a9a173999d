"""The syntax tree that the CEL library hands out: the part of cel/expr/syntax.proto that an evaluator reads.

The library can serialize what it parsed and checked but has no Python classes for it. So the messages are described
here, in a descriptor pool of their own: a program that embeds the engine may well register all of cel/expr itself.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_SCALARS = {
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
}
# Message: fields as "name number type"; a star repeats, and what stands after "|" is a oneof.
_MESSAGES = {
    "Constant": "| null_value 1 int32, bool_value 2 bool, int64_value 3 int64, uint64_value 4 uint64, "
    "double_value 5 double, string_value 6 string, bytes_value 7 bytes",
    "Ident": "name 1 string",
    "Select": "operand 1 Expr, field 2 string, test_only 3 bool",
    "Call": "target 1 Expr, function 2 string, args 3 *Expr",
    "List": "elements 1 *Expr, optional_indices 2 *int32",
    "Entry": "id 1 int64, map_key 3 Expr, value 4 Expr, optional_entry 5 bool",
    "Struct": "message_name 1 string, entries 2 *Entry",
    "Comprehension": "iter_var 1 string, iter_range 2 Expr, accu_var 3 string, accu_init 4 Expr, "
    "loop_condition 5 Expr, loop_step 6 Expr, result 7 Expr, iter_var2 8 string",
    "Expr": "id 2 int64, | const_expr 3 Constant, ident_expr 4 Ident, select_expr 5 Select, call_expr 6 Call, "
    "list_expr 7 List, struct_expr 8 Struct, comprehension_expr 9 Comprehension",
    # A map field is, on the wire, a repeated message of key and value.
    "Position": "id 1 int64, offset 2 int32",
    "SourceInfo": "positions 4 *Position",
    "ParsedExpr": "expr 2 Expr, source_info 3 SourceInfo",
    "CheckedExpr": "expr 4 Expr, source_info 5 SourceInfo",
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="cel_syntax.proto", package="cel", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        plain, _, choice = fields.partition("|")
        for text in filter(None, map(str.strip, plain.split(","))):
            _add(message, text)
        if choice:
            message.oneof_decl.add(name="kind")
            for text in choice.split(","):
                _add(message, text.strip()).oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"cel.{name}"))
        for name in ("CheckedExpr", "ParsedExpr")
    }


def _add(message: descriptor_pb2.DescriptorProto, text: str) -> descriptor_pb2.FieldDescriptorProto:
    name, number, kind = text.split()
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
    kind = kind.lstrip("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, f".cel.{kind}"
    return field


_CLASSES = _classes()
Expr = Any
"""A `cel.expr.Expr` message."""


def read(serialized: bytes) -> tuple[Expr, dict[int, int]]:
    """The tree of a serialized expression, and where each of its nodes stands: id to character."""
    wrapped = any_pb2.Any.FromString(serialized)
    tree = _CLASSES[wrapped.type_url.rpartition(".")[2]].FromString(wrapped.value)
    return tree.expr, {position.id: position.offset for position in tree.source_info.positions}
