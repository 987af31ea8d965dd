"""What UpdateFactor and BatchUpdateFactors ask for, to records."""

import re
from collections.abc import Mapping, Sequence

from vcci.v1 import factor_service_pb2 as pb
from vcci_engine.errors import FieldProblem, InvalidFactorFile, InvalidField, InvalidFields, NotFound

from vcci_server.factor_messages import COLLECTION, factor_message, records_of
from vcci_server.importers import FactorRecord
from vcci_server.storage.factors import StoredFactor
from vcci_server.validation import MAX_NAME_BYTES, Problems

MOST_CHANGED = 1_000
EVERYTHING = "*"
IDENTITY = ("source", "code", "region", "year")  # what makes it this factor
CHANGEABLE = tuple(field.name for field in pb.Factor.DESCRIPTOR.fields if field.name not in ("name", *IDENTITY))
_FACTOR_NAME = re.compile(rf"{COLLECTION}/(\d{{1,18}})/factors/(\d{{1,18}})", re.ASCII)


def factor_ids(name: str, field: str = "name") -> tuple[int, int]:
    """Return the ids of set and factor in a factor's name."""
    match = _FACTOR_NAME.fullmatch(name)
    if match is None:
        reason = "MALFORMED_VALUE" if name else "REQUIRED_FIELD"
        raise InvalidField(field, name, "a name `factorSets/{number}/factors/{number}`", reason=reason)
    return int(match[1]), int(match[2])


def check_batch(request: pb.BatchUpdateFactorsRequest, set_id: int) -> None:
    """Raise InvalidField or InvalidFields unless each request is for one factor of the set, and for nothing else."""
    count = len(request.requests)
    if not 1 <= count <= MOST_CHANGED:
        reason = "LIMIT_EXCEEDED" if count else "REQUIRED_FIELD"
        raise InvalidField("requests", count, f"1 to {MOST_CHANGED} requests", reason=reason)
    problems = Problems()
    seen: set[int] = set()
    for number, each in enumerate(request.requests):
        of_set, factor_id = factor_ids(each.factor.name, f"requests[{number}].factor.name")
        if of_set != set_id or factor_id in seen:
            expected = f"a factor of {request.parent}, each once"
            problems.add(f"requests[{number}].factor.name", each.factor.name, expected, "MALFORMED_VALUE")
        if each.activate or each.set_display_name:
            expected = "activate and set_display_name of the whole batch only"
            problems.add(f"requests[{number}]", each.factor.name, expected, "MALFORMED_VALUE")
        seen.add(factor_id)
    problems.check()


def check_name(display_name: str) -> None:
    """Raise InvalidFields unless a new set can have this name."""
    problems = Problems()
    problems.text("set_display_name", display_name, MAX_NAME_BYTES)
    problems.check()


def changed_records(
    requests: Sequence[pb.UpdateFactorRequest], found: Mapping[int, StoredFactor], places: Sequence[str]
) -> dict[int, FactorRecord]:
    """Return the factors as they are to be, by id; `places` calls each request what its caller does.

    Raises NotFound for a factor that was not found, InvalidFields for values that are wrong or cannot change.
    """
    ids = [factor_ids(request.factor.name)[1] for request in requests]
    for factor_id, request in zip(ids, requests, strict=True):
        if factor_id not in found:
            raise NotFound("There is no such factor.", metadata={"name": request.factor.name})
    problems = Problems()
    changed = [
        _changed(request, factor_message(found[factor_id]), place, problems)
        for factor_id, request, place in zip(ids, requests, places, strict=True)
    ]
    problems.check()
    try:
        records = records_of(changed, lambda number: f"{places[number]}factor")
    except InvalidFactorFile as error:
        raise InvalidFields(
            [
                FieldProblem(problem.field, problem.value, problem.expected, "MALFORMED_VALUE")
                for problem in error.problems
            ]
        ) from error
    return dict(zip(ids, records, strict=True))


def _changed(request: pb.UpdateFactorRequest, factor: pb.Factor, place: str, problems: Problems) -> pb.Factor:
    """Return the factor with the values that the request gives."""
    for path in _paths(request):
        value = getattr(request.factor, path, None)
        if path in IDENTITY:
            if value != getattr(factor, path):
                problems.add(
                    f"{place}factor.{path}", value, f"{getattr(factor, path)!r}: it cannot change", "IMMUTABLE_FIELD"
                )
        elif path not in CHANGEABLE:
            problems.add(
                f"{place}update_mask", path, f"{EVERYTHING}, or some of {', '.join(CHANGEABLE)}", "UNKNOWN_FIELD"
            )
        elif path == "gases":
            factor.ClearField("gases")
            factor.gases.update(request.factor.gases)
        else:
            setattr(factor, path, value)
    return factor


def _paths(request: pb.UpdateFactorRequest) -> list[str]:
    given = [field.name for field, _ in request.factor.ListFields() if field.name != "name"]
    paths = list(request.update_mask.paths) or given
    if EVERYTHING not in paths:
        return paths
    return [*CHANGEABLE, *(name for name in given if name in IDENTITY)]
