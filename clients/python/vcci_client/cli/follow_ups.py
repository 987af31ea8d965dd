"""The option --then: what is begun at the server once an upload is finalized."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vcci_client.work import Work

KINDS = ("hotspots", "report", "recalculation")

then_option = click.option(
    "--then",
    "follow_ups",
    type=click.Choice(KINDS),
    multiple=True,
    help="Begin this at the server afterwards: hotspots, a PDF of the inventory, a recalculation. Several times.",
)


def works(kinds: Iterable[str]) -> "list[Work]":
    """Return the requests of the option."""
    from vcci.v1.calculation_service_pb2 import RecalculateRequest
    from vcci.v1.hotspot_service_pb2 import AnalyzeHotspotsRequest
    from vcci.v1.report_service_pb2 import REPORT_FORMAT_PDF

    from vcci_client.services.reports import report_request

    of: dict[str, Work] = {
        "hotspots": AnalyzeHotspotsRequest(),
        "report": report_request(REPORT_FORMAT_PDF),
        "recalculation": RecalculateRequest(),
    }
    return [of[kind] for kind in kinds]


def told(operations: Iterable[str]) -> str:
    """Return where the follow-ups are; nothing when there are none."""
    names = ", ".join(operations)
    return f"Begun: {names}; `vcci operations show NAME` has what each comes to." if names else ""
