"""What the demo does: import the starter factors, upload the sample, and gather what it came to."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vcci.v1 import emission_service_pb2 as emission_pb
from vcci.v1 import factor_service_pb2 as factor_pb
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.emission_service_pb2 import EmissionGroup

from vcci_client import row_errors
from vcci_client.activities import Activities
from vcci_client.activity_file import ActivityFile
from vcci_client.appender import Progress
from vcci_client.client import AsyncClient
from vcci_client.demo.service import Service
from vcci_client.encode import Form
from vcci_client.export import export_emissions
from vcci_client.upload import UploadOptions, UploadSummary, run_upload

BATCH_ROWS = 6_000
SMALL_CLIENT_ROWS = 16_000  # the last rows go as a message per row, in batches so large that Ray pays
SMALL_CLIENT_BATCH_ROWS = 12_000
SUPPLIERS_LISTED = 10_000
LARGEST = 10
BATCHES = re.compile(r'^vcci_ingest_batches_total\{form="(\w+)",place="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo came to."""

    summary: UploadSummary
    factor_set: factor_pb.FactorSet
    reasons: Counter[tuple[str, str]]
    by_category: emission_pb.AggregateEmissionsResponse
    by_supplier: emission_pb.AggregateEmissionsResponse
    names: dict[str, str]  # of the largest suppliers, by code
    batches: dict[tuple[str, str], int]  # by form and place

    @property
    def largest(self) -> Sequence[EmissionGroup]:
        """The suppliers with the most emissions."""
        return self.by_supplier.groups[:LARGEST]


async def run_demo(
    client: AsyncClient, service: Service, sample: Path, out: Path, rows: int, on_progress: Callable[[Progress], None]
) -> Outcome:
    """Import, upload, read; results of many rows go to files in `out`."""
    spec = factor_pb.FactorSetSpec(display_name="Starter set", format=factor_pb.FACTOR_FORMAT_STARTER, activate=True)
    factor_set = await client.import_factor_set(spec)
    summary = await _upload(client, sample, rows, on_progress)
    await row_errors.write_csv(client, summary.upload, out / "rejected.csv")
    await export_emissions(client, out / "emissions.parquet", EmissionFilter(upload=summary.upload))
    by_supplier = await client.aggregate_emissions([emission_pb.DIMENSION_SUPPLIER], limit=SUPPLIERS_LISTED)
    largest = [await client.get_supplier(f"suppliers/{group.keys[0]}") for group in by_supplier.groups[:LARGEST]]
    return Outcome(
        summary=summary,
        factor_set=factor_set,
        reasons=await row_errors.count_by_reason(client, summary.upload),
        by_category=await client.aggregate_emissions([emission_pb.DIMENSION_CATEGORY]),
        by_supplier=by_supplier,
        names={supplier.code: supplier.display_name for supplier in largest},
        batches=batches_by_place(service.read_metrics()),
    )


async def _upload(
    client: AsyncClient, sample: Path, rows: int, on_progress: Callable[[Progress], None]
) -> UploadSummary:
    """Upload the sample as one upload: most of it as columns, the rest as a small client would send it."""
    options = UploadOptions("demo", sample.name, batch_rows=BATCH_ROWS, finalize=False)
    upload = await client.create_upload(options)
    with ActivityFile(sample) as file:
        first = _up_to(file.batches(BATCH_ROWS), rows - SMALL_CLIENT_ROWS)
        as_columns = await run_upload(client.connection, upload, first, options, on_progress)
    options = replace(options, form=Form.ROWS, batch_rows=SMALL_CLIENT_BATCH_ROWS, finalize=True)
    with ActivityFile(sample) as file:
        as_rows = await run_upload(client.connection, upload, file, options, on_progress)
    seconds = as_columns.seconds + as_rows.seconds
    return replace(as_rows, seconds=seconds, rows_per_second=as_rows.rows / seconds)


def _up_to(batches: Iterator[Activities], rows: int) -> Iterator[Activities]:
    """Yield the first `rows` rows."""
    for batch in batches:
        yield batch.slice(0, min(rows, len(batch)))
        rows -= len(batch)
        if rows <= 0:
            return


def batches_by_place(metrics: str) -> dict[tuple[str, str], int]:
    """Return how many batches were calculated, by form and place, out of a server's metrics."""
    return {(form, where): int(float(number)) for form, where, number in BATCHES.findall(metrics)}
