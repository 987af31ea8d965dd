"""Small files of activities in every format, with the same contents."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from vcci_client.activities import Activities, Dictionary
from vcci_client.activity_file import ActivityFile
from vcci_client.mapping import Mapping as FieldMapping

HEADER = "supplier_code,supplier_name,country,category,reporting_period,quantity,unit,factor,distance,reliability"
ROWS = (
    "S-1,Steel Ltd,DE,1,2024-03-09,1000,USD,naics:331110,,1",
    "S-2,,US,4,2024-Q2,2.5,tonne,freight:rail,420,",
    "S-1,Steel Ltd,DE,6,2023-12-31,3,passenger,travel:taxi,12,5",
)
CSV = "\n".join((HEADER, *ROWS)) + "\n"


def write_all(folder: Path) -> Sequence[Path]:
    """Write the rows as CSV, compressed CSV, JSON Lines, XLSX and Parquet."""
    table = pa.csv.read_csv(pa.BufferReader(CSV.encode()))
    (folder / "a.csv").write_text(CSV)
    with pa.CompressedOutputStream(str(folder / "a.csv.gz"), "gzip") as compressed:
        compressed.write(CSV.encode())
    rows = table.to_pylist()
    lines = (json.dumps({name: value for name, value in row.items() if value is not None}, default=str) for row in rows)
    (folder / "a.jsonl").write_text("\n\n".join(lines))
    pa.parquet.write_table(table, folder / "a.parquet")
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for cells in (table.column_names, *(list(row.values()) for row in rows)):
        sheet.append(cells)
    book.save(folder / "a.xlsx")
    return [folder / name for name in ("a.csv", "a.csv.gz", "a.jsonl", "a.parquet", "a.xlsx")]


def read(path: Path, mapping: FieldMapping | None = None, rows: int = 1_000) -> list[Activities]:
    """Return the batches of a file."""
    with ActivityFile(path, mapping) as file:
        return list(file.batches(rows))


def plain(batches: Sequence[Activities]) -> list[Mapping[str, object]]:
    """Return rows as mappings, so that they can be compared however they were split."""
    return [_row(batch, row) for batch in batches for row in range(len(batch))]


def _row(batch: Activities, row: int) -> Mapping[str, object]:
    supplier = int(batch.supplier.index[row])
    inputs = {}
    for name, column in batch.inputs.items():
        at = range(len(batch)) if column.rows is None else column.rows.tolist()
        if row in at:
            inputs[name] = float(column.values[list(at).index(row)])
    wrong = [cell._replace(row=0) for cell in batch.unreadable if cell.row == row]
    return {
        "supplier": batch.supplier.entries[supplier],
        "name": batch.names[supplier] if batch.names else "",
        "country": batch.countries[supplier] if batch.countries else "",
        "category": int(batch.category[row]),
        "period": int(batch.period[row]),
        "quantity": repr(float(batch.quantity[row])),
        "unit": _text(batch.unit, row),
        "method": 0 if batch.method is None else int(batch.method[row]),
        "factor": _text(batch.factor, row),
        "quality": 0 if batch.quality is None else int(batch.quality[row]),
        "group": _text(batch.group, row),
        "reference": batch.references[row] if batch.references else "",
        "inputs": inputs,
        "wrong": wrong,
    }


def _text(column: Dictionary | None, row: int) -> str:
    return column.entries[int(column.index[row])] if column else ""
