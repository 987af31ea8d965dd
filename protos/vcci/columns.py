"""Private twins of the messages that hold columns, for writing: a packed column is `bytes` at the same number.

Packed fixed-width numbers are the same bytes on the wire as the array in memory, so a twin is forty times cheaper to
fill than the public message (2 ms against 93 ms for a million doubles). Write with a twin, read with the public
message: a twin keeps only the last chunk of a column that comes in several, and sees nothing of an unpacked one.
"""

from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from vcci.v1 import calculation_service_pb2, emission_service_pb2, upload_service_pb2

_PACKAGE = "vcci.twin.v1"
_FIXED_WIDTH = frozenset(
    {
        FieldDescriptor.TYPE_FIXED32,
        FieldDescriptor.TYPE_SFIXED32,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED64,
        FieldDescriptor.TYPE_FLOAT,
        FieldDescriptor.TYPE_DOUBLE,
    }
)


def is_column(field: Any) -> bool:
    """Whether the field, by its descriptor, is a packed column of fixed-width numbers."""
    return bool(field.is_packed and field.type in _FIXED_WIDTH)


def pack(values: npt.ArrayLike, dtype: npt.DTypeLike) -> bytes:
    """Return the values as a column's bytes; `dtype` is the column's: `<f8`, `<u4`, `<i4` or `<f4`."""
    return np.ascontiguousarray(values, dtype).tobytes()


def _has_columns(message: Descriptor) -> bool:
    return any(
        is_column(field) or (field.message_type is not None and _has_columns(field.message_type))
        for field in message.fields
    )


def _collect(message: Descriptor, found: dict[str, Descriptor]) -> None:
    if message.name not in found and _has_columns(message):
        found[message.name] = message
        for field in message.fields:
            if field.message_type is not None:
                _collect(field.message_type, found)


def _twin_message(message: Descriptor, twinned: dict[str, Descriptor]) -> descriptor_pb2.DescriptorProto:
    twin = descriptor_pb2.DescriptorProto()
    message.CopyToProto(twin)
    for field, proto in zip(message.fields, twin.field, strict=True):
        if is_column(field):
            proto.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
            proto.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
            proto.ClearField("options")
        elif field.message_type is not None and field.message_type.name in twinned:
            proto.type_name = f".{_PACKAGE}.{field.message_type.name}"
    return twin


def _twin_file(roots: tuple[Descriptor, ...]) -> descriptor_pb2.FileDescriptorProto:
    found: dict[str, Descriptor] = {}
    for root in roots:
        _collect(root, found)
    files = {dependency.name for message in found.values() for dependency in message.file.dependencies}
    files |= {message.file.name for message in found.values()}
    return descriptor_pb2.FileDescriptorProto(
        name="vcci/twin/v1/columns.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=sorted(files),
        message_type=[_twin_message(message, found) for message in found.values()],
    )


_POOL = descriptor_pool.Default()
_POOL.AddSerializedFile(
    _twin_file(
        (
            upload_service_pb2.AppendActivitiesRequest.DESCRIPTOR,
            calculation_service_pb2.CalculateStreamRequest.DESCRIPTOR,
            calculation_service_pb2.CalculateStreamResponse.DESCRIPTOR,
            emission_service_pb2.StreamEmissionsResponse.DESCRIPTOR,
        )
    ).SerializeToString()
)


def twin(message: str) -> Any:
    """Return the twin's class of a message of vcci.v1, by its name; messages without columns keep their own class."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{message}"))


ActivityColumns = twin("ActivityColumns")
AddSuppliers = twin("AddSuppliers")
InputColumn = twin("InputColumn")
EmissionColumns = twin("EmissionColumns")
AppendActivitiesRequest = twin("AppendActivitiesRequest")
CalculateStreamRequest = twin("CalculateStreamRequest")
CalculateStreamResponse = twin("CalculateStreamResponse")
StreamEmissionsResponse = twin("StreamEmissionsResponse")


def checksum(columns: Any) -> int:
    """Return the CRC-32C of an ActivityColumns, of its twin or of an AddSuppliers, as AppendBatch.crc32c defines it."""
    return _extend(0, columns)


def _extend(crc: int, message: Any) -> int:
    for field in message.DESCRIPTOR.fields:  # our protos declare fields in the order of their numbers
        if field.name == "crc32c":
            continue
        value = getattr(message, field.name)
        if field.message_type is not None:
            for part in value:
                crc = _extend(crc, part)
        else:
            crc = int(google_crc32c.extend(crc, _canonical(field, value)))
    return crc


def _canonical(field: FieldDescriptor, value: Any) -> bytes:
    if field.type == FieldDescriptor.TYPE_STRING:
        return "\0".join((*value, "") if field.is_repeated else (value, "")).encode()
    if isinstance(value, bytes):
        return value
    return np.asarray(value if field.is_repeated else np.uint32(value)).tobytes()
