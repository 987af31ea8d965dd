"""What makes a batch ready to commit: decode ▸ calculate ▸ suppliers ▸ cut.

Decoding and arithmetic run in a worker thread or on Ray, never on the event loop; only the ids of the suppliers come
from the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vcci.v1 import error_pb2
from vcci.v1 import upload_service_pb2 as pb
from vcci_cluster.placement import Executor, Work
from vcci_engine.activities import Activities
from vcci_engine.errors import InvalidInput, VcciError
from vcci_engine.results import Calculation
from vcci_engine.segments import Segment, cut

from vcci_server.batches import (
    decode_and_calculate,
    estimated_s,
    is_of_columns,
    reference,
    row_count,
    row_error_messages,
    tell,
    uses_stream_suppliers,
)
from vcci_server.cache import FactorCache
from vcci_server.storage.ingest import PreparedBatch
from vcci_server.storage.suppliers import SupplierStore
from vcci_server.supplier_messages import KnownSuppliers, add_suppliers
from vcci_server.validation import BatchLimits

CUT_S_PER_ROW = 0.15e-6


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that is ready to be committed."""

    batch: PreparedBatch
    row_errors: Sequence[error_pb2.RowError]  # the first of them

    def ack(self) -> pb.BatchAck:
        """Return the batch's acknowledgement, to be sent once it is committed."""
        batch = self.batch
        return pb.BatchAck(
            offset=batch.offset,
            accepted_rows=batch.accepted,
            rejected_rows=batch.rejected,
            row_errors=self.row_errors,
        )


@dataclass(frozen=True, slots=True)
class Preparation:
    """Prepares the batches of one upload."""

    tenant_id: int
    allow_negative: bool
    executor: Executor
    factors: FactorCache
    suppliers: SupplierStore
    limits: BatchLimits

    async def add_suppliers(self, known: KnownSuppliers | None, message: pb.AddSuppliers) -> KnownSuppliers:
        """Return the stream's suppliers with those of a message, or raise InvalidInput."""
        return await add_suppliers(known, message, self.limits)

    async def prepare(self, append: pb.AppendBatch, known: KnownSuppliers | None) -> Prepared | InvalidInput:
        """Return the batch ready to commit, or why it is refused; `known` are its stream's suppliers."""
        try:
            activities, calculation = await self._calculate(append, known)
            row_errors = row_error_messages(calculation, activities, append.offset, self.limits.max_row_errors_inline)
            if append.all_or_nothing and len(calculation.errors):
                return RefusedRows(len(calculation.errors), row_errors)
            if known is None or not uses_stream_suppliers(append):
                known = KnownSuppliers.of(activities.suppliers)
            return Prepared(await self._cut(append.offset, activities, calculation, known), row_errors)
        except InvalidInput as error:
            return error

    async def _calculate(self, append: pb.AppendBatch, known: KnownSuppliers | None) -> tuple[Activities, Calculation]:
        work = Work(
            name="calculate_columns" if is_of_columns(append) else "calculate_rows",
            function=decode_and_calculate,
            args=(append, self.limits, self.allow_negative, known and known.suppliers),
            shared=(await self.factors.table(self.tenant_id),),
            estimated_s=estimated_s(append),
            rows=row_count(append),
            lane="intake",
        )
        return await self.executor.run(work)

    async def _cut(
        self, offset: int, activities: Activities, calculation: Calculation, known: KnownSuppliers
    ) -> PreparedBatch:
        emissions = calculation.emissions
        supplier_ids = await known.resolve(self.suppliers, self.tenant_id, emissions.supplier)
        work = Work(
            name="cut",
            function=cut,
            args=(emissions, supplier_ids, activities.units, offset),
            estimated_s=len(emissions) * CUT_S_PER_ROW,
            rows=len(emissions),
            lane="intake",
        )
        segments: list[Segment] = await self.executor.run(work)
        return PreparedBatch(
            offset=offset,
            rows=len(activities),
            accepted=len(emissions),
            rejected=len(calculation.errors),
            basis=calculation.basis,
            segments=segments,
            errors=calculation.errors,
            references=tuple(reference(activities, int(row)) for row in calculation.errors.row),
        )


class RefusedRows(InvalidInput):
    """A row of an all-or-nothing batch is wrong."""

    reason = "BATCH_REFUSED"

    def __init__(self, rejected_rows: int, row_errors: Sequence[error_pb2.RowError]) -> None:
        super().__init__(f"{rejected_rows} rows of an all-or-nothing batch are wrong")
        self.rejected_rows = rejected_rows
        self.row_errors = row_errors


def refusal(offset: int, expected_offset: int, error: VcciError) -> pb.BatchRefusal:
    """Return the message that says why a batch was not taken, and where to go on."""
    message = pb.BatchRefusal(offset=offset, expected_offset=expected_offset)
    tell(message, error)
    if isinstance(error, RefusedRows):
        message.rejected_rows = error.rejected_rows
        message.row_errors.extend(error.row_errors)
    return message
