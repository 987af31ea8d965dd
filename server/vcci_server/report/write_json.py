"""A report as JSON: the model as it is, cells by the names of their columns, numbers in full."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from vcci_server.report.model import Block, Chart, Highlights, Report, Table


def write(report: Report) -> bytes:
    """Return the file."""
    document = {
        "kind": report.kind,
        "title": report.title,
        "organization": report.subtitle,
        "facts": dict(report.facts),
        "sections": [
            {"title": section.title, "blocks": [_block(block) for block in section.blocks]}
            for section in report.sections
        ],
        "sources": [*report.sources],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, default=date.isoformat).encode()


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Table):
        return {"table": _table(block)}
    if isinstance(block, Chart):
        bars = [{"label": bar.label, "value": bar.value, "low": bar.low, "high": bar.high} for bar in block.bars]
        return {"chart": {"name": block.name, "title": block.title, "unit": block.unit, "bars": bars}}
    if isinstance(block, Highlights):
        return {"highlights": [asdict(item) for item in block.items]}
    return {"text": block}


def _table(table: Table) -> dict[str, Any]:
    names = [column.name for column in table.columns]
    return {
        "name": table.name,
        "title": table.title,
        "columns": [{"name": of.name, "title": of.title, "kind": of.kind} for of in table.columns],
        "rows": [dict(zip(names, row, strict=True)) for row in table.rows],
        "total": dict(zip(names, table.total, strict=True)) if table.total else None,
        "note": table.note,
    }
