"""Calculated emissions and their totals, from arrays to the wire."""

from typing import Any

import numpy as np
from vcci import columns as twins
from vcci.v1 import calculation_service_pb2
from vcci.v1 import emission_pb2 as pb
from vcci_engine.activities import Activities
from vcci_engine.countries import alpha_2
from vcci_engine.dates import MONTH, YEAR, day_index
from vcci_engine.express import activity_of
from vcci_engine.factors import FactorTable
from vcci_engine.gases import ratios
from vcci_engine.groups import GroupTotal
from vcci_engine.inputs import attributions, spread
from vcci_engine.methods import SUPPLIER_FACTOR
from vcci_engine.notices import Asked, steps
from vcci_engine.quality import unpack
from vcci_engine.results import Emissions
from vcci_engine.simulations import Simulated, Simulation
from vcci_engine.uncertainty import Estimate, of_row
from vcci_engine.units import KG_CO2E, parse

from vcci_server.gas_messages import fill_gases, fill_gwp_sets


def estimate_message(of: Estimate) -> pb.Estimate:
    """Return an estimate as the contract has it."""
    return pb.Estimate(
        kg_co2e=of.kg_co2e,
        kg_co2e_low=of.low,
        kg_co2e_high=of.high,
        kg_co2e_mean=of.mean,
        kg_co2e_median=of.median,
    )


def simulation_message(of: Simulation) -> pb.Simulation:
    """Return what draws say as the contract has it."""
    return pb.Simulation(
        draws=of.draws,
        kg_co2e_mean=of.mean,
        kg_co2e_sd=of.sd,
        kg_co2e_p2_5=of.p2_5,
        kg_co2e_p5=of.p5,
        kg_co2e_p50=of.p50,
        kg_co2e_p95=of.p95,
        kg_co2e_p97_5=of.p97_5,
    )


def group_message(of: GroupTotal) -> pb.GroupTotal:
    """Return a group's total as the contract has it."""
    message = pb.GroupTotal(
        group=of.group,
        activities=of.activities,
        estimate=estimate_message(of.estimate),
        kg_co2e_per_functional_unit=of.kg_co2e_per_functional_unit,
    )
    if of.portfolio is not None:
        message.portfolio.CopyFrom(
            pb.Portfolio(
                investments=of.portfolio.investments,
                outstanding=of.portfolio.outstanding,
                kg_co2e_per_outstanding=of.portfolio.kg_co2e_per_outstanding,
                data_quality_score=of.portfolio.data_quality_score,
                kg_co2e_per_outstanding_adjusted=of.portfolio.kg_co2e_per_outstanding_adjusted,
            )
        )
    return message


def tell_simulations(response: calculation_service_pb2.CalculateResponse, simulated: Simulated) -> None:
    """Put what draws say beside the estimates of a response."""
    for emission, simulation in zip(response.emissions, simulated.rows, strict=True):
        emission.estimate.simulation.CopyFrom(simulation_message(simulation))
    for group in response.groups:
        group.estimate.simulation.CopyFrom(simulation_message(simulated.groups[group.group]))
    response.total.simulation.CopyFrom(simulation_message(simulated.total))


def emission_messages(
    emissions: Emissions, activities: Activities, table: FactorTable, gwp_set: str = ""
) -> list[pb.Emission]:
    """Return one message per emission, which is under `gwp_set`, of activities that were all calculated."""
    factor_set = f"factorSets/{table.set_id}"
    parts = table.parts
    ratio = ratios(parts, gwp_set) if gwp_set else None
    amounts = emissions.kg_co2e if emissions.amount is None else emissions.amount
    messages = []
    rows = zip(
        emissions.kg_co2e.tolist(),
        emissions.sigma.tolist(),
        emissions.method.tolist(),
        emissions.factor.tolist(),
        table.positions(emissions.factor).tolist(),
        emissions.notices.tolist(),
        amounts.tolist(),
        attributions(emissions.inputs, len(emissions)).tolist(),
        strict=True,
    )
    for row, (kg_co2e, sigma, method, factor, position, notices, amount, attribution) in enumerate(rows):
        message = pb.Emission(
            estimate=estimate_message(of_row(kg_co2e, sigma)),
            method=method,
            factor_set=factor_set,
            notices=[number for number in pb.Notice.values() if notices >> number & 1] if notices else (),
            amount=amount,
            attribution=attribution,
            gwp_set=gwp_set or parts.sets[parts.gwp_set[position]],
        )
        if notices:
            asked = _asked(activities, emissions, row)
            message.notice_details.extend(notice_messages(notices, asked, position, table))
        if factor:
            message.factor = f"{factor_set}/factors/{factor}"
            message.factor_kg_co2e = table.kg_co2e[position] * (1.0 if ratio is None else ratio[position])
            message.factor_unit = table.unit[position]
        else:
            message.factor_kg_co2e, message.factor_unit = _own_factor(activities, row)
        messages.append(message)
    return messages


def notice_messages(notices: int, asked: Asked, factor: int, table: FactorTable) -> list[pb.NoticeDetail]:
    """Return notices in words; `factor` is the position of the factor used in the table."""
    return [
        pb.NoticeDetail(
            notice=step.notice.value,  # type: ignore[arg-type]  # the engine's Notice has the contract's numbers
            wanted=step.wanted,
            why_not=step.why_not,
            used=step.used,
        )
        for step in steps(notices, asked, factor, table)
    ]


def _asked(activities: Activities, emissions: Emissions, row: int) -> Asked:
    inputs = {name: float(spread(column, len(emissions))[row]) for name, column in emissions.inputs.items()}
    day = day_index(emissions.period[row : row + 1])
    return Asked(
        country=alpha_2(activities.suppliers.country_of(emissions.supplier[row])) or "",
        year=int(YEAR[day][0]),
        month=int(MONTH[day][0]) % 12 + 1,
        unit=activities.units[emissions.unit[row]],
        inputs={name: value for name, value in inputs.items() if value == value},
    )


def _own_factor(activities: Activities, row: int) -> tuple[float, str]:
    """Return the supplier's own factor and its unit; of emissions as they were reported, 1."""
    unit = activities.units[activities.unit[row]]
    if (parsed := parse(unit)) is not None and parsed.is_emissions:
        return 1.0, KG_CO2E
    return float(spread(activities.inputs[SUPPLIER_FACTOR.name], len(activities))[row]), unit


def fill_composition(message: Any, emissions: Emissions, table: FactorTable, gwp_set: str) -> None:
    """Fill a twin of EmissionColumns with what emissions, which are under `gwp_set`, consist of."""
    position = table.positions(emissions.factor)
    fill_gwp_sets(message, table.parts, position, gwp_set)
    fill_gases(message, table.parts, position, activity_of(emissions, table, gwp_set))


def fill_emission_columns(message: Any, emissions: Emissions, activities: Activities, table: FactorTable) -> None:
    """Fill a twin of EmissionColumns with the emissions of one batch."""
    factors, factor = np.unique(emissions.factor, return_inverse=True)
    keys = (*table.key, "")
    message.rows = len(emissions)
    message.supplier_codes.extend(activities.suppliers.codes)
    message.units.extend(activities.units)
    message.factors.extend(keys[position] for position in table.positions(factors))
    message.supplier = twins.pack(emissions.supplier, "<u4")
    message.category = twins.pack(emissions.category, "<u4")
    message.method = twins.pack(emissions.method, "<u4")
    message.quantity = twins.pack(emissions.quantity, "<f8")
    message.unit = twins.pack(emissions.unit, "<u4")
    message.factor = twins.pack(factor, "<u4")
    message.period = twins.pack(emissions.period, "<i4")
    message.quality = twins.pack(unpack(emissions.quality), "<u4")
    message.row = twins.pack(emissions.row, "<u4")
    message.kg_co2e = twins.pack(emissions.kg_co2e, "<f8")
    message.gsd2 = twins.pack(np.exp(2 * emissions.sigma), "<f4")
    message.notices = twins.pack(emissions.notices, "<u4")
    _fill_optional(message, emissions)


def _fill_optional(message: Any, emissions: Emissions) -> None:
    if emissions.group is not None:
        message.groups.extend(emissions.groups)
        message.group = twins.pack(emissions.group, "<u4")
    message.references.extend(emissions.references)
    for name, column in emissions.inputs.items():
        rows = b"" if column.rows is None else twins.pack(column.rows, "<u4")
        message.inputs.add(name=name, value=twins.pack(column.values, "<f8"), row=rows)
