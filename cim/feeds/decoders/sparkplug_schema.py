"""The protobuf messages of Sparkplug B (ISO/IEC 20237), as far as readings need them.

Built here, by field number, so that nothing has to be generated; fields that are not named are
skipped when a payload is read.
"""

from functools import lru_cache
from typing import Any, Final

_FIELDS: Final = {
    "Payload": (
        ("timestamp", 1, "UINT64"),
        ("metrics", 2, "Metric*"),
        ("seq", 3, "UINT64"),
    ),
    "Metric": (
        ("name", 1, "STRING"),
        ("alias", 2, "UINT64"),
        ("timestamp", 3, "UINT64"),
        ("datatype", 4, "UINT32"),
        ("is_null", 7, "BOOL"),
        ("properties", 9, "Properties"),
        ("int_value", 10, "UINT32"),
        ("long_value", 11, "UINT64"),
        ("float_value", 12, "FLOAT"),
        ("double_value", 13, "DOUBLE"),
        ("boolean_value", 14, "BOOL"),
        ("string_value", 15, "STRING"),
        ("bytes_value", 16, "BYTES"),
        ("dataset_value", 17, "BYTES"),
        ("template_value", 18, "BYTES"),
    ),
    "Properties": (("keys", 1, "STRING*"), ("values", 2, "Property*")),
    "Property": (("int_value", 3, "UINT32"), ("long_value", 4, "UINT64")),
}
"""Message → its fields: name, number, type; `*` is repeated."""

VALUES: Final = frozenset(name for name, number, _ in _FIELDS["Metric"] if number >= 10)
"""Fields of a metric of which at most one is there."""


@lru_cache(1)
def payload_class() -> Any:
    """The class of a payload, made once: protobuf is imported only where Sparkplug is read."""
    from google.protobuf import (  # noqa: PLC0415 - only who reads Sparkplug needs protobuf
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    file = descriptor_pb2.FileDescriptorProto(
        name="cim/sparkplug.proto", package="cim.sparkplug", syntax="proto2"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            made = message.field.add(name=field, number=number)
            made.label = made.LABEL_REPEATED if kind.endswith("*") else made.LABEL_OPTIONAL
            plain = kind.rstrip("*")
            if plain in _FIELDS:
                made.type, made.type_name = made.TYPE_MESSAGE, f".cim.sparkplug.{plain}"
            else:
                made.type = getattr(made, f"TYPE_{plain}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("cim.sparkplug.Payload")
    return message_factory.GetMessageClass(found)
