"""What ImportPriceSet receives, to records."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vcci.v1 import price_service_pb2 as pb
from vcci_engine.errors import InvalidField, InvalidInput

from vcci_server.importers import ecb, prices_csv, starter_prices
from vcci_server.importers.price_record import MAX_PRICES, RATE, PriceRecord
from vcci_server.price_messages import COLLECTION, records_of
from vcci_server.storage.prices import union
from vcci_server.streams import ignore_rest, next_request
from vcci_server.validation import MAX_NAME_BYTES, Problems, resource_id

MAX_BYTES = 16 << 20  # of a file, or of messages

READERS: Mapping[int, Callable[[bytes], list[PriceRecord]]] = {
    pb.PRICE_FORMAT_VCCI_CSV: prices_csv.read,
    pb.PRICE_FORMAT_ECB_EUROFXREF: ecb.read,
}


@dataclass(slots=True)
class PriceImport:
    """A spec and what came after it: chunks of a file, or lines."""

    spec: pb.PriceSetSpec
    chunks: list[bytes] = field(default_factory=list)
    prices: list[pb.Price] = field(default_factory=list)
    received_bytes: int = 0

    @property
    def base_set_id(self) -> int | None:
        """The set whose lines are taken over."""
        name = self.spec.base_price_set
        return resource_id(name, COLLECTION, "spec.base_price_set") if name else None

    def add(self, request: pb.ImportPriceSetRequest) -> None:
        """Take one request, or raise InvalidField."""
        self._check_kind(request)
        self.received_bytes += request.ByteSize()
        if self.received_bytes > MAX_BYTES:
            found = f"{self.received_bytes} bytes"
            raise InvalidField("request", found, f"at most {MAX_BYTES} bytes in all", reason="LIMIT_EXCEEDED")
        if request.chunk:
            self.chunks.append(request.chunk)
        self.prices.extend(request.prices.prices)

    def records(self, base: Sequence[PriceRecord]) -> list[PriceRecord]:
        """Return the set's lines, those of `base` included, or raise InvalidPriceFile or InvalidField."""
        records = self._read()
        if not records:
            raise InvalidField("prices", 0, "at least one rate or index", reason="REQUIRED_FIELD")
        united = union(base, records)
        if len(united) > MAX_PRICES:
            raise InvalidField("prices", len(united), f"at most {MAX_PRICES} lines", reason="LIMIT_EXCEEDED")
        bases = {record.base_currency for record in united if record.kind == RATE}
        if len(bases) > 1:
            found = " and ".join(sorted(bases))
            expected = "a base set whose rates are per the same currency"
            raise InvalidField("spec.base_price_set", found, expected, reason="MALFORMED_VALUE")
        return united

    def _read(self) -> list[PriceRecord]:
        if self.spec.format == pb.PRICE_FORMAT_UNSPECIFIED:
            return records_of(self.prices)
        if self.spec.format == pb.PRICE_FORMAT_STARTER:
            return prices_csv.read(starter_prices())
        return READERS[self.spec.format](b"".join(self.chunks))

    def _check_kind(self, request: pb.ImportPriceSetRequest) -> None:
        kind = request.WhichOneof("request")
        wanted, expected = "", "no contents: the starter set comes with the server"
        if self.spec.format == pb.PRICE_FORMAT_UNSPECIFIED:
            wanted, expected = "prices", "prices; a file needs spec.format"
        elif self.spec.format in READERS:
            wanted, expected = "chunk", "the next chunk of the file"
        if kind != wanted:
            raise InvalidField(kind or "request", f"{request.ByteSize()} bytes", expected, reason="MALFORMED_VALUE")


async def receive(requests: AsyncIterator[pb.ImportPriceSetRequest]) -> PriceImport:
    """Read a whole stream, or raise InvalidField."""
    try:
        return await _receive(requests)
    except InvalidInput:
        await ignore_rest(requests)
        raise


async def _receive(requests: AsyncIterator[pb.ImportPriceSetRequest]) -> PriceImport:
    first = await next_request(requests)
    if first is None or first.WhichOneof("request") != "spec":
        raise InvalidField("spec", "", "the first message to say what is imported", reason="REQUIRED_FIELD")
    _check_spec(first.spec)
    received = PriceImport(first.spec)
    while (request := await next_request(requests)) is not None:
        received.add(request)
    return received


def _check_spec(spec: pb.PriceSetSpec) -> None:
    problems = Problems()
    problems.text("spec.display_name", spec.display_name, MAX_NAME_BYTES, required=True)
    if spec.format not in pb.PriceFormat.values():
        problems.add("spec.format", spec.format, "a PriceFormat", "OUT_OF_RANGE")
    problems.check()
