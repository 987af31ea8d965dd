"""Every method of the contract, found in the descriptors, and how to call it with the bytes of a message."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.longrunning import operations_proto_pb2

ROOT = Path(__file__).parents[1]
ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Method:
    """One method: where it is, and the descriptors that tell its kind and messages."""

    service: str
    descriptor: Any

    @property
    def name(self) -> str:
        """Its name within the service."""
        name: str = self.descriptor.name
        return name

    @property
    def path(self) -> str:
        """How a call names it."""
        return f"/{self.service}/{self.name}"

    async def answers(self, channel: grpc.aio.Channel, request: bytes, metadata: list[tuple[str, str]]) -> list[bytes]:
        """Send one message and return the answers, as bytes; raise the status that the call ends with.

        A stream that the server ends before the message is sent gets INTERNAL from gRPC itself: it is sent again.
        """
        while True:
            try:
                return await self._answers(channel, request, metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.INTERNAL or dict(error.trailing_metadata() or ()):
                    raise

    async def _answers(self, channel: grpc.aio.Channel, request: bytes, metadata: list[tuple[str, str]]) -> list[bytes]:
        kind = ("unary", "stream")
        sends, gets = kind[self.descriptor.client_streaming], kind[self.descriptor.server_streaming]
        make: Any = getattr(channel, f"{sends}_{gets}")
        given = iter([request]) if sends == "stream" else request
        call = make(self.path)(given, metadata=metadata, timeout=ANSWER_S)
        return [answer async for answer in call] if gets == "stream" else [await call]


def _methods() -> list[Method]:
    protos = sorted((ROOT / "protos/vcci/v1").glob("*.proto"))
    files = [import_module(f"vcci.v1.{proto.stem}_pb2").DESCRIPTOR for proto in protos]
    services = [
        service for file in [*files, operations_proto_pb2.DESCRIPTOR] for service in file.services_by_name.values()
    ]
    return [Method(service.full_name, method) for service in services for method in service.methods]


METHODS = _methods()
