"""The same batches as the engine has them, made exactly as the server does: decoded, calculated, cut."""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from vcci.v1.upload_service_pb2 import AppendActivitiesRequest
from vcci_client.activities import Activities as ClientActivities
from vcci_client.encode import encode
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.prices import Prices, build_prices
from vcci_engine.results import Emissions
from vcci_engine.segments import Segment, cut
from vcci_server.importers import prices_csv, starter_prices, vcci_csv
from vcci_server.importers.price_record import INDEX, RATE
from vcci_server.messages import activities_from_columns
from vcci_server.validation import BatchLimits


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch in each of its forms."""

    activities: Activities
    emissions: Emissions
    supplier_ids: npt.NDArray[np.int32]
    segments: list[Segment]


def starter_table() -> FactorTable:
    """Return the starter factors, numbered from 1, with the starter prices."""
    records = vcci_csv.read((files("vcci_server") / "data" / "starter_factors.csv").read_bytes())
    return build_table(
        1,
        "starter",
        ids=range(1, len(records) + 1),
        keys=[record.key for record in records],
        regions=[record.region for record in records],
        years=[record.year for record in records],
        units=[record.unit for record in records],
        kg_co2e=[record.kg_co2e for record in records],
        gsd2=[record.gsd2 for record in records],
        price_years=[record.price_year for record in records],
        prices=_starter_prices(),
    )


def _starter_prices() -> Prices:
    records = prices_csv.read(starter_prices())
    rates = {(of.currency, of.year, of.month): of.value for of in records if of.kind == RATE}
    indices = {(of.currency, of.year): of.value for of in records if of.kind == INDEX}
    return build_prices(1, "starter", "EUR", rates, indices)


def prepare(sent: ClientActivities, factors: FactorTable) -> Batch:
    """Return what the server makes of a batch; raises when it would reject a row of it."""
    (encoded,) = encode(sent, 0, max_bytes=1 << 30)
    columns = AppendActivitiesRequest.FromString(encoded.request).append.columns
    activities, _ = activities_from_columns(columns, BatchLimits())
    calculation = calculate(activities, factors)
    errors = calculation.errors
    if len(errors):
        field, value, expected = (column[0] for column in (errors.field, errors.value, errors.expected))
        raise ValueError(f"a row would be rejected: {field} is {value!r}, expected {expected}")
    supplier_ids = np.array([int(code[1:]) + 1 for code in activities.suppliers.codes], np.int32)
    emissions = calculation.emissions
    return Batch(activities, emissions, supplier_ids, cut(emissions, supplier_ids, activities.units, 0))
