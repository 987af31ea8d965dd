"""Writes the corpus: small right inputs of each decoder, which fuzzing begins with. `python -m tests.fuzz.seeds`."""

import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from vcci.v1 import calculation_service_pb2, upload_service_pb2
from vcci_server.importers import desnz_sheet, starter_factors, starter_prices
from vcci_server.tokens import write_token

from tests.fuzz import tokens
from tests.fuzz.decoders import CORPUS, SHEET, token
from tests.uploads import batch, batch_of_lines, columns

HEADER = ("supplier_code", "category", "quantity", "unit", "factor", "reporting_period")
ROWS = (("S1", 1, 12.5, "USD", "naics:331110", "2024-03-01"), ("S2", 4, 3, "tonne*km", "", "2024-04-30"))
FILTERS = (
    b'country = "DE" AND NOT (code : "S*" OR display_name != "x")',
    b"kg_co2e > 1e3 AND (country = DE OR country = FR)",
)
MAPPING = b'[file]\ndelimiter = ";"\n\n[fields]\nsupplier_code = "{Vendor}"\ncategory = 1\nquantity = "{Amount}"\n'
FACTORS = (
    ("1_1_1_1", "Scope 1", "Fuels", "Gaseous fuels", "Butane", "", "", "litres", "kg CO2e", 1.74532),
    ("1_1_1_2", "Scope 1", "Fuels", "Gaseous fuels", "Butane", "", "", "litres", "kg CO2e of CO2 per unit", 1.74283),
)
RATES = b"Date,USD,JPY,\n2024-03-01,1.0813,162.37,\n2024-02-29,1.0826,162.45,\n"
SECTORS = (
    "2017 NAICS Code,2017 NAICS Title,GHG,Unit,Supply Chain Emission Factors without Margins,"
    "Margins of Supply Chain Emission Factors,Supply Chain Emission Factors with Margins,Reference USEEIO Code\n"
    '331110,Iron and Steel Mills,All GHGs,"kg CO2e/2022 USD, purchaser price",0.7,0.087,0.787,331110\n'
)


def write(name: str, number: int, data: bytes) -> None:
    """Write one seed."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(number)).write_bytes(data)


def lines() -> Iterator[str]:
    """The rows as CSV."""
    yield ",".join(HEADER)
    for row in ROWS:
        yield ",".join(map(str, row))


def save_workbook(path: Path, title: str, rows: Iterable[Iterable[object]]) -> None:
    """Write a workbook of one sheet."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    for row in rows:
        sheet.append([*row])
    book.save(path)


def main(folder: Path) -> None:
    """Write all of them."""
    text = "\n".join(lines()).encode()
    activities, factors, parquet = folder / "a.xlsx", folder / "b.xlsx", folder / "c.parquet"
    save_workbook(activities, "Activities", (HEADER, *ROWS))
    save_workbook(factors, desnz_sheet.SHEET, ((*desnz_sheet.COLUMNS, f"{desnz_sheet.FACTOR_COLUMN} 2025"), *FACTORS))
    pq.write_table(pa.table({name: [row[index] for row in ROWS] for index, name in enumerate(HEADER)}), parquet)
    requests = [upload_service_pb2.AppendActivitiesRequest(append=made) for made in (batch(0, 3), batch_of_lines(0, 3))]
    stream = calculation_service_pb2.CalculateStreamRequest(columns=columns(3))
    head = b"\n".join(starter_factors().splitlines()[:6]), b"\n".join(starter_prices().splitlines()[:6])
    seeds = {
        "append": [request.SerializeToString() for request in requests],
        "calculate": [stream.SerializeToString()],
        "page_token": [
            write_token("uploads", 1, 17).encode(),
            write_token("emissions/0123456789abcdef", 1, (1, 2, 3, 4, 5, 19_000)).encode(),
        ],
        "bearer_token": [token().encode()],
        "filter": FILTERS,
        "csv": [text, text.replace(b",", b";")],
        "csv_gz": [gzip.compress(text, mtime=0)],
        "json_lines": ["\n".join(json.dumps(dict(zip(HEADER, row, strict=True))) for row in ROWS).encode()],
        "xlsx": [activities.read_bytes()],
        "xlsx_sheet": [ZipFile(activities).read(SHEET)],
        "parquet": [parquet.read_bytes()],
        "mapping": [MAPPING],
        "prices": [head[1]],
        "rates": [RATES],
        "factors_vcci_csv": [head[0]],
        "factors_epa_v1_3": [SECTORS.encode()],
        "factors_desnz_flat": [factors.read_bytes()],
        "desnz_sheet": [ZipFile(factors).read(SHEET)],
    }
    for name, datas in seeds.items():
        for number, data in enumerate(datas):
            write(name, number, data)
    tokens.write_seeds(CORPUS)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(scratch))
