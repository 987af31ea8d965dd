"""What ImportFactorSet receives, to records."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from vcci.v1 import factor_service_pb2 as pb
from vcci_engine.errors import InvalidField

from vcci_server.factor_expression import express
from vcci_server.factor_messages import COLLECTION, records_of
from vcci_server.gas_messages import check_gwp_set
from vcci_server.importers import READERS, FactorRecord, starter_factors
from vcci_server.importers.record import MAX_FACTORS
from vcci_server.storage.factors import union
from vcci_server.streams import next_request
from vcci_server.validation import MAX_NAME_BYTES, Problems, resource_id

MAX_BYTES = 64 << 20  # of a file, or of messages

READER_OF = {
    pb.FACTOR_FORMAT_VCCI_CSV: "vcci_csv",
    pb.FACTOR_FORMAT_EPA_V1_3: "epa_v1_3",
    pb.FACTOR_FORMAT_DESNZ_FLAT: "desnz_flat",
}
MARGINS_OF = {
    pb.MARGINS_UNSPECIFIED: "with",
    pb.MARGINS_WITH: "with",
    pb.MARGINS_WITHOUT: "without",
    pb.MARGINS_BOTH: "both",
}


@dataclass(slots=True)
class FactorImport:
    """A spec and what came after it: the contents of a file, or factors."""

    spec: pb.FactorSetSpec
    contents: BytesIO = field(default_factory=BytesIO)
    factors: list[pb.Factor] = field(default_factory=list)
    received_bytes: int = 0

    @property
    def base_set_id(self) -> int | None:
        """The set whose factors are taken over."""
        name = self.spec.base_factor_set
        return resource_id(name, COLLECTION, "spec.base_factor_set") if name else None

    def add(self, request: pb.ImportFactorSetRequest) -> None:
        """Take one request, or raise InvalidField."""
        self._check_kind(request)
        self.received_bytes += request.ByteSize()
        if self.received_bytes > MAX_BYTES:
            found = f"{self.received_bytes} bytes"
            raise InvalidField("request", found, f"at most {MAX_BYTES} bytes in all", reason="LIMIT_EXCEEDED")
        self.contents.write(request.chunk)
        self.factors.extend(request.factors.factors)

    def records(self, base: Sequence[FactorRecord]) -> list[FactorRecord]:
        """Return the set's factors, those of `base` included, or raise InvalidFactorFile or InvalidField."""
        records = self._read()
        if not records and not (base and self.spec.gwp_set):
            raise InvalidField("factors", 0, "at least one factor", reason="REQUIRED_FIELD")
        united = union(base, records)
        if len(united) > MAX_FACTORS:
            expected = f"at most {MAX_FACTORS} factors"
            raise InvalidField("factors", len(united), expected, reason="LIMIT_EXCEEDED")
        return express(united, self.spec.gwp_set, keep_others=self.spec.keep_other_gwp_sets)

    def _read(self) -> list[FactorRecord]:
        match self.spec.format:
            case pb.FACTOR_FORMAT_UNSPECIFIED:
                return records_of(self.factors, lambda number: f"factors[{number}]")
            case pb.FACTOR_FORMAT_STARTER:
                return starter_records()
            case pb.FACTOR_FORMAT_EPA_V1_3:
                return READERS["epa_v1_3"](self.contents.getvalue(), margins=MARGINS_OF[self.spec.margins])
            case known:
                return READERS[READER_OF[known]](self.contents.getvalue())

    def _check_kind(self, request: pb.ImportFactorSetRequest) -> None:
        kind = request.WhichOneof("request")
        wanted, expected = "", "no contents: the starter set comes with the server"
        if self.spec.format == pb.FACTOR_FORMAT_UNSPECIFIED:
            wanted, expected = "factors", "factors; a file needs spec.format"
        elif self.spec.format in READER_OF:
            wanted, expected = "chunk", "the next chunk of the file"
        if kind != wanted:
            raise InvalidField(kind or "request", f"{request.ByteSize()} bytes", expected, reason="MALFORMED_VALUE")


async def receive(requests: AsyncIterator[pb.ImportFactorSetRequest]) -> FactorImport:
    """Read a whole stream, or raise InvalidField."""
    first = await next_request(requests)
    if first is None or first.WhichOneof("request") != "spec":
        raise InvalidField("spec", "", "the first message to say what is imported", reason="REQUIRED_FIELD")
    _check_spec(first.spec)
    received = FactorImport(first.spec)
    while (request := await next_request(requests)) is not None:
        received.add(request)
    return received


def starter_records() -> list[FactorRecord]:
    """Return the factors that come with the server."""
    return READERS["vcci_csv"](starter_factors())


def _check_spec(spec: pb.FactorSetSpec) -> None:
    problems = Problems()
    problems.text("spec.display_name", spec.display_name, MAX_NAME_BYTES, required=True)
    if spec.format not in pb.FactorFormat.values():
        problems.add("spec.format", spec.format, "a FactorFormat", "OUT_OF_RANGE")
    if spec.margins not in MARGINS_OF:
        problems.add("spec.margins", spec.margins, "Margins", "OUT_OF_RANGE")
    elif spec.margins and spec.format != pb.FACTOR_FORMAT_EPA_V1_3:
        problems.add("spec.margins", spec.margins, "none: only the EPA's files have both variants", "MALFORMED_VALUE")
    check_gwp_set(problems, "spec.gwp_set", spec.gwp_set)
    if spec.keep_other_gwp_sets and not spec.gwp_set:
        problems.add("spec.keep_other_gwp_sets", True, "a gwp_set beside it", "MALFORMED_VALUE")
    problems.check()
