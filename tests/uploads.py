"""Uploads over a channel, message by message: what a test drives by hand, in order and out of order."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import grpc
import grpc.aio
import numpy as np
from google.type.date_pb2 import Date
from vcci.v1 import emission_service_pb2, emission_service_pb2_grpc, upload_service_pb2_grpc
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.activity_pb2 import Activity, ActivityColumns, ActivityRows
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.error_pb2 import RowError
from vcci.v1.upload_pb2 import Upload
from vcci_client.emission_arrays import EmissionArrays, EmissionDecoder
from vcci_client.errors import ServerError, from_rpc

METHOD = "/vcci.v1.UploadService/AppendActivities"
ANSWER_S = 60.0
DAY = 19_052  # 2022-03-01: in the year of the factor's prices
STEEL = 0.787  # kg CO2e per USD of 2022: EPA v1.3 with margins, NAICS 331110

Metadata: TypeAlias = Sequence[tuple[str, str]]
Answer: TypeAlias = pb.BatchAck | pb.BatchRefusal | pb.Drain


def columns(rows: int = 2, *, first: int = 0, **changes: Any) -> ActivityColumns:
    """Steel for first + 1, first + 2, … USD as columns, with changes."""
    fields: dict[str, Any] = {
        "supplier_codes": ["S1"],
        "units": ["USD"],
        "factors": ["naics:331110"],
        "supplier": [0] * rows,
        "category": [1] * rows,
        "quantity": [float(first + row + 1) for row in range(rows)],
        "unit": [0] * rows,
        "factor": [0] * rows,
        "period": [DAY] * rows,
    }
    return ActivityColumns(**(fields | changes))


def line(quantity: float, **changes: Any) -> Activity:
    """Steel for some USD as a message, with changes."""
    fields: dict[str, Any] = {
        "supplier_code": "S1",
        "category": 1,
        "quantity": quantity,
        "unit": "USD",
        "factor": "naics:331110",
        "reporting_period": Date(year=2022, month=3, day=1),
    }
    return Activity(**(fields | changes))


def batch(offset: int, rows: int = 2, **fields: Any) -> pb.AppendBatch:
    """The rows [offset, offset + rows) of an upload in which row n is steel for n + 1 USD, as columns."""
    return pb.AppendBatch(offset=offset, columns=columns(rows, first=offset), **fields)


def batch_of_lines(offset: int, rows: int = 2, **fields: Any) -> pb.AppendBatch:
    """The same rows, one message each."""
    lines = [line(float(offset + row + 1)) for row in range(rows)]
    return pb.AppendBatch(offset=offset, rows=ActivityRows(activities=lines), **fields)


class Writer:
    """One open stream of an upload. Every wait is bounded."""

    def __init__(self, call: Any) -> None:
        self.opened = pb.UploadOpened()
        self._call = call

    async def open(self, upload: str) -> pb.UploadOpened:
        """Send the first message and return its answer."""
        await self.send(pb.AppendActivitiesRequest(open=pb.OpenUpload(upload=upload)))
        self.opened = (await self.read()).opened
        return self.opened

    async def send(self, request: pb.AppendBatch | pb.AppendActivitiesRequest | bytes) -> None:
        """Send a message, or the bytes of one."""
        if isinstance(request, pb.AppendBatch):
            request = pb.AppendActivitiesRequest(append=request)
        data = request if isinstance(request, bytes) else request.SerializeToString()
        async with asyncio.timeout(ANSWER_S):
            await self._call.write(data)

    async def read(self) -> pb.AppendActivitiesResponse:
        """Return the next message of the server."""
        async with asyncio.timeout(ANSWER_S):
            response = await self._call.read()
        assert response is not grpc.aio.EOF, "the server ended the stream"
        return response  # type: ignore[no-any-return]

    async def answer(self) -> Answer:
        """Return the next answer: an acknowledgement, a refusal, or the notice that the server drains."""
        response = await self.read()
        answer: Answer = getattr(response, str(response.WhichOneof("response")))
        return answer

    async def ask(self, *requests: pb.AppendBatch | bytes) -> Any:
        """Send messages, all of them before any answer is read; return the answer, or the answers of several."""
        for request in requests:
            await self.send(request)
        answers = [await self.answer() for _ in requests]
        return answers[0] if len(answers) == 1 else answers

    async def end(self) -> list[Answer]:
        """Send nothing more; return the answers that still come. Raises what the server ends the stream with."""
        answers: list[Answer] = []
        async with asyncio.timeout(ANSWER_S):
            await self._call.done_writing()
            while (response := await self._call.read()) is not grpc.aio.EOF:
                answers.append(getattr(response, response.WhichOneof("response")))
            code = await self._call.code()
        assert code is grpc.StatusCode.OK
        return answers

    async def failure(self) -> ServerError:
        """Return what the server ends the stream with, after whatever answers come before."""
        try:
            async with asyncio.timeout(ANSWER_S):
                while await self._call.read() is not grpc.aio.EOF:
                    pass
        except grpc.aio.AioRpcError as error:
            return from_rpc(error)
        raise AssertionError("the stream ended well")

    def cut(self) -> None:
        """End the stream at once, whatever is under way."""
        self._call.cancel()


@dataclass(frozen=True, slots=True)
class Stored:
    """Emissions of one upload as the server streams them, by row number."""

    row: "np.ndarray[Any, np.dtype[np.uint32]]"
    kg_co2e: "np.ndarray[Any, np.dtype[np.float64]]"


@dataclass(frozen=True, slots=True)
class Uploads:
    """UploadService and the reading side, for one caller."""

    channel: grpc.aio.Channel
    metadata: Metadata

    @property
    def stub(self) -> "upload_service_pb2_grpc.UploadServiceAsyncStub":
        return upload_service_pb2_grpc.UploadServiceStub(self.channel)

    @property
    def emissions(self) -> "emission_service_pb2_grpc.EmissionServiceAsyncStub":
        return emission_service_pb2_grpc.EmissionServiceStub(self.channel)

    async def create(self, **fields: Any) -> str:
        """Make an upload and return its name."""
        fields.setdefault("request_id", uuid4().hex)
        request = pb.CreateUploadRequest(**fields)
        return (await self.stub.CreateUpload(request, metadata=self.metadata, timeout=ANSWER_S)).name

    async def get(self, name: str) -> Upload:
        """Return an upload."""
        request = pb.GetUploadRequest(name=name)
        return await self.stub.GetUpload(request, metadata=self.metadata, timeout=ANSWER_S)

    async def finalize(self, name: str, row_count: int | None = None) -> Upload:
        """Close an upload."""
        request = pb.FinalizeUploadRequest(name=name, row_count=row_count)
        return await self.stub.FinalizeUpload(request, metadata=self.metadata, timeout=ANSWER_S)

    async def abandon(self, name: str) -> Upload:
        """Remove an upload."""
        request = pb.AbandonUploadRequest(name=name)
        return await self.stub.AbandonUpload(request, metadata=self.metadata, timeout=ANSWER_S)

    async def row_errors(self, name: str, page_size: int = 0) -> list[RowError]:
        """Return all rejected rows of an upload, page by page."""
        request = pb.ListRowErrorsRequest(upload=name, page_size=page_size)
        errors: list[RowError] = []
        while True:
            page = await self.call("ListRowErrors", request)
            errors += page.row_errors
            if not page.next_page_token:
                return errors
            request.page_token = page.next_page_token

    async def call(self, method: str, request: Any) -> Any:
        """Call a method of UploadService."""
        return await getattr(self.stub, method)(request, metadata=self.metadata, timeout=ANSWER_S)

    async def failure(self, method: str, request: Any) -> ServerError:
        """Return what such a call fails with."""
        try:
            await self.call(method, request)
        except grpc.aio.AioRpcError as error:
            return from_rpc(error)
        raise AssertionError(f"{method} was answered")

    def stream(self, metadata: Metadata | None = None) -> Writer:
        """A stream that has not opened an upload yet."""
        method: Any = self.channel.stream_stream(METHOD, response_deserializer=pb.AppendActivitiesResponse.FromString)
        return Writer(method(metadata=self.metadata if metadata is None else metadata))

    @asynccontextmanager
    async def writing(self, name: str) -> AsyncIterator[Writer]:
        """A stream that writes to an upload until the end of the body; it is cut there, unless it has ended."""
        writer = self.stream()
        try:
            await writer.open(name)
            yield writer
        finally:
            writer.cut()

    async def pages(
        self, name: str, columns: Iterable[emission_service_pb2.EmissionColumn.ValueType] = ()
    ) -> list[EmissionArrays]:
        """Return the emissions of an upload, some or all columns."""
        request = emission_service_pb2.StreamEmissionsRequest(filter=EmissionFilter(upload=name), columns=columns)
        call = self.emissions.StreamEmissions(request, metadata=self.metadata, timeout=ANSWER_S)
        decoder = EmissionDecoder()
        return [decoder.decode(response) async for response in call]

    async def stored(self, name: str) -> Stored:
        """Return row numbers and calculated values of an upload, by row number."""
        wanted = (emission_service_pb2.EMISSION_COLUMN_ROW, emission_service_pb2.EMISSION_COLUMN_KG_CO2E)
        pages = await self.pages(name, wanted)
        row = np.concatenate([page.row for page in pages] or [np.empty(0, np.uint32)])
        kg_co2e = np.concatenate([page.kg_co2e for page in pages] or [np.empty(0)])
        order = np.argsort(row, kind="stable")
        return Stored(row[order], kg_co2e[order])

    async def total(self, name: str = "") -> Any:
        """Return the sum of an upload, or of everything: an EmissionGroup."""
        request = emission_service_pb2.AggregateEmissionsRequest(filter=EmissionFilter(upload=name))
        answer = await self.emissions.AggregateEmissions(request, metadata=self.metadata, timeout=ANSWER_S)
        return answer.total
