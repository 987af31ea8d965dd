"""Reads the transport of a period: what was moved and stored, by chain, factor and method."""

from collections.abc import Sequence
from functools import partial

from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.activity_amounts import amounts_in
from vcci_engine.errors import InvalidField
from vcci_engine.units import Unit, parse

from vcci_server.emission_groups import method_label
from vcci_server.report.facts import Amount, Facts, Operation
from vcci_server.report.question import Question
from vcci_server.storage.aggregate import read_groups
from vcci_server.storage.passes import Tally, combine_tallies, no_tally, pass_over, tally
from vcci_server.storage.reading import Filter, StoredSegment
from vcci_server.storage.sums import Groups, chosen_columns, columns_for
from vcci_server.stored_amounts import AMOUNT_COLUMNS, activities_of
from vcci_server.stored_pieces import pieces_of

UNITS = ("tonne*km", "TEU*km", "vehicle*km", "km", "tonne", "tonne*day", "m3*day", "m2*day", "item*day", "kWh", "litre")
BY = ("group", "factor", "method")
KG_CO2E, AMOUNT = 0, 1  # the sums of a tally
MOST_OPERATIONS = 500_000


async def read_transport(of: Question, facts: Facts) -> None:
    """Fill the operations, and the largest chains with their intervals."""
    groups = await read_groups(of.db, of.run, of.tenant_id, of.chosen)
    columns = sorted({*columns_for(of.chosen, BY), *AMOUNT_COLUMNS})
    of_chunk = partial(transport_tally, chosen=of.chosen, groups=groups)
    nothing = no_tally(len(BY) + 1, 2)
    segments = await of.segments(columns)
    found = await pass_over(of.run, segments, of_chunk, combine_tallies, nothing, most_groups=MOST_OPERATIONS)
    if len(found) > MOST_OPERATIONS:
        expected = f"at most {MOST_OPERATIONS} operations, by group, factor and method"
        raise InvalidField("filter", f"{len(found)} of them", expected, reason="LIMIT_EXCEEDED")
    facts.operations = await of.run(
        _operations, found, groups.names, await of.tonnes(found.keys[1], found.amounts(KG_CO2E))
    )
    chains = await of.totals(pb.DIMENSION_GROUP, limit=of.supplier_limit)
    facts.chains, facts.chain_count = [Amount.of(group) for group in chains.groups], chains.group_count


def transport_tally(segments: Sequence[StoredSegment], *, chosen: Filter, groups: Groups) -> Tally:
    """Sum kg CO2e and amounts of activity by group, factor, method and unit, of which -1 is none."""
    keys = chosen_columns(segments, chosen, (*BY, "kg_co2e"), {"group": groups})
    if not len(keys["kg_co2e"]):
        return no_tally(len(BY) + 1, 2)
    amount, unit = amounts_in(activities_of(pieces_of(segments, chosen)), _units())
    return tally([*(keys[name] for name in BY), unit], [keys["kg_co2e"], amount])


def _units() -> list[Unit]:
    return [unit for unit in map(parse, UNITS) if unit is not None]


def _operations(found: Tally, names: Sequence[str], tonnes: Sequence[float]) -> list[Operation]:
    columns = [key.tolist() for key in found.keys]
    return [
        Operation(names[group], factor, method_label(method), UNITS[unit] if unit >= 0 else "", amount, rows, of)
        for group, factor, method, unit, amount, rows, of in zip(
            *columns, found.amounts(AMOUNT).tolist(), found.rows.tolist(), tonnes, strict=True
        )
    ]
