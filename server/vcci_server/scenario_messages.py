"""Scenarios, to messages."""

from vcci.v1 import hotspot_service_pb2 as pb
from vcci_engine.abatement import Abatement, abatement, curve
from vcci_engine.scenarios import Effect

from vcci_server.calculation_messages import estimate_message
from vcci_server.hotspot_messages import group_message
from vcci_server.scenario_checks import whole_years
from vcci_server.scenario_levers import costs_of
from vcci_server.scenario_run import Computed

KG_PER_TONNE = 1_000


def scenario_message(request: pb.RunScenarioRequest, computed: Computed) -> pb.Scenario:
    """Return a scenario, with the abatement costs of its levers."""
    outcome = computed.outcome
    costs = [_abatement(request, *pair) for pair in zip(request.levers, outcome.effects, strict=True)]
    levers = zip(request.levers, outcome.effects, costs, strict=True)
    steps = (
        pb.AbatementStep(
            lever=step.lever,
            display_name=request.levers[step.lever].display_name,
            from_tonnes=step.from_tonnes,
            to_tonnes=step.to_tonnes,
            cost_per_tonne=step.cost_per_tonne,
        )
        for step in curve(costs)
    )
    baseline = group_message("", computed.rows, outcome.baseline)
    baseline.composition.CopyFrom(computed.baseline)
    return pb.Scenario(
        baseline=baseline,
        scenario=estimate_message(outcome.scenario),
        reduction=estimate_message(outcome.reduction),
        levers=(_lever(lever.display_name, effect, of) for lever, effect, of in levers),
        years=(pb.ScenarioYear(year=year, estimate=estimate_message(of)) for year, of in outcome.years),
        curve=steps,
        composition=computed.scenario,
    )


def _abatement(request: pb.RunScenarioRequest, lever: pb.Lever, effect: Effect) -> Abatement | None:
    costs = costs_of(lever)
    if costs is None:
        return None
    annual_tonnes = effect.reduction.kg_co2e / KG_PER_TONNE / whole_years(request)
    return abatement(costs, annual_tonnes, request.discount_rate)


def _lever(name: str, effect: Effect, of: Abatement | None) -> pb.LeverResult:
    return pb.LeverResult(
        display_name=name,
        reduction=estimate_message(effect.reduction),
        scenario=estimate_message(effect.scenario),
        rows=effect.rows,
        unchanged_rows=effect.unchanged_rows,
        abatement=None if of is None else _abatement_message(of),
    )


def _abatement_message(of: Abatement) -> pb.Abatement:
    return pb.Abatement(
        annual_tonnes=of.annual_tonnes,
        annual_cost=of.annual_cost,
        npv=of.npv,
        cost_per_tonne=of.cost_per_tonne,
        payback_years=of.payback_years,
    )
