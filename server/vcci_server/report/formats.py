"""The formats: from facts to the bytes of a file. Pure, for a thread or Ray."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from vcci_server.report import (
    cdp,
    esrs,
    ifrs,
    inventory,
    transport,
    write_csv,
    write_html,
    write_json,
    write_pdf,
)
from vcci_server.report.facts import Facts
from vcci_server.report.model import Report


class Format(NamedTuple):
    """How a report is written."""

    write: Callable[[Report], bytes]
    media_type: str


def _write_xlsx(report: Report) -> bytes:
    from vcci_server.report import write_xlsx  # loading its library takes a tenth of a server's start

    return write_xlsx.write(report)


FORMATS: Mapping[str, Format] = {
    "json": Format(write_json.write, "application/json"),
    "csv": Format(write_csv.write, "text/csv; charset=utf-8"),
    "html": Format(write_html.write, "text/html; charset=utf-8"),
    "xlsx": Format(_write_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "pdf": Format(write_pdf.write, "application/pdf"),
}
KINDS: Mapping[str, Callable[[Facts], Report]] = {
    inventory.KIND: inventory.inventory,
    esrs.KIND: esrs.esrs,
    cdp.KIND: cdp.cdp,
    ifrs.KIND: ifrs.ifrs,
    transport.KIND: transport.transport,
}


def make(facts: Facts, kind: str, file_format: str) -> bytes:
    """Return the file of a report."""
    return FORMATS[file_format].write(KINDS[kind](facts))
