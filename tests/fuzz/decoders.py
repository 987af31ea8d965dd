"""Everything that reads bytes of others. Whatever it is given, it answers or says what is wrong, and nothing else."""

import asyncio
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from zipfile import ZipFile

from google.protobuf.message import DecodeError
from vcci.v1 import calculation_service_pb2, upload_service_pb2
from vcci_client.activity_file import ActivityFile
from vcci_client.errors import ClientError
from vcci_client.mapping import load_mapping
from vcci_engine.errors import VcciError
from vcci_engine.factors import FactorTable, build_table
from vcci_server.auth import Authenticator, DevelopmentTokens, make_token
from vcci_server.batches import decode_and_calculate, row_count
from vcci_server.filters import parse_filter
from vcci_server.importers import READERS, ecb, prices_csv
from vcci_server.status import code_of, details_of, message_of
from vcci_server.storage.supplier_fields import condition
from vcci_server.tokens import read_token
from vcci_server.validation import BatchLimits

from tests.fuzz import tokens

SECRET = "a secret of the tests that is long enough"
CHUNK_ROWS = 100
SHEET = "xl/worksheets/sheet1.xml"
CORPUS = Path(__file__).with_name("corpus")

Decoder = Callable[[bytes], object]


@cache
def _factors() -> FactorTable:
    return build_table(
        1, "", ids=[1], keys=["naics:331110"], regions=[""], years=[2022], units=["USD"], kg_co2e=[0.787], gsd2=[1.5]
    )


def append(data: bytes) -> None:
    """A message of AppendActivities, through to the calculation."""
    request = upload_service_pb2.AppendActivitiesRequest.FromString(data)
    if request.WhichOneof("request") == "append" and row_count(request.append):
        decode_and_calculate(_factors(), request.append, BatchLimits(), allow_negative=False)


def calculate(data: bytes) -> None:
    """A message of CalculateStream, through to the calculation."""
    request = calculation_service_pb2.CalculateStreamRequest.FromString(data)
    if request.WhichOneof("payload") and row_count(request):
        decode_and_calculate(_factors(), request, BatchLimits(), allow_negative=True)


def page_token(data: bytes) -> None:
    """The token of a page, and that of a stream."""
    token = data.decode("latin-1")
    read_token(token, "uploads", 1, default=0)
    read_token(token, "emissions/0123456789abcdef", 1, default=(-1, 0, 0, 0, 0, 0), field="resume_token")


def bearer_token(data: bytes) -> None:
    """The token of a caller, as it comes in the metadata of a call: of printable ASCII."""

    async def tenant_id(name: str) -> int | None:
        return 1

    with suppress(UnicodeDecodeError):
        asyncio.run(Authenticator(DevelopmentTokens(SECRET), tenant_id).check(data.decode("ascii")))


def issuer_token(data: bytes) -> None:
    """The same of an identity provider."""
    with suppress(UnicodeDecodeError):
        tokens.check(data.decode("ascii"))


def filter_text(data: bytes) -> None:
    """A filter of suppliers, through to the SQL."""
    with suppress(UnicodeDecodeError):  # protobuf has refused it
        if (node := parse_filter(data.decode())) is not None:
            condition(node, 1)


def _file(data: bytes, ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"activities{ending}")
        path.write_bytes(data)
        with ActivityFile(path) as file:
            for batch in file.batches(CHUNK_ROWS):
                len(batch)


def _with_sheet(book: str, data: bytes) -> bytes:
    """Return the workbook of the corpus of a decoder with another sheet."""
    made = io.BytesIO()
    with ZipFile(CORPUS / book / "0") as whole, ZipFile(made, "w") as changed:
        for name in whole.namelist():
            changed.writestr(name, data if name == SHEET else whole.read(name))
    return made.getvalue()


def mapping_file(data: bytes) -> None:
    """The file that says what the columns of another file mean."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mapping.toml")
        path.write_bytes(data)
        load_mapping(path)


DECODERS: Mapping[str, Decoder] = {
    "append": append,
    "calculate": calculate,
    "page_token": page_token,
    "bearer_token": bearer_token,
    "issuer_token": issuer_token,
    "token_parts": tokens.parts,
    "key_set": tokens.key_set,
    "filter": filter_text,
    "csv": lambda data: _file(data, ".csv"),
    "csv_gz": lambda data: _file(data, ".csv.gz"),
    "json_lines": lambda data: _file(data, ".jsonl"),
    "xlsx": lambda data: _file(data, ".xlsx"),
    "xlsx_sheet": lambda data: _file(_with_sheet("xlsx", data), ".xlsx"),
    "parquet": lambda data: _file(data, ".parquet"),
    "mapping": mapping_file,
    "prices": prices_csv.read,
    "rates": ecb.read,
    "desnz_sheet": lambda data: READERS["desnz_flat"](_with_sheet("factors_desnz_flat", data)),
    **{f"factors_{name}": reader for name, reader in READERS.items()},
}


def try_out(name: str, data: bytes) -> None:
    """Give bytes to a decoder; let anything pass that is not what it may raise."""
    try:
        DECODERS[name](data)
    except VcciError as error:
        code_of(error), message_of(error), details_of(error)  # it can be told, too
    except (DecodeError, ClientError):
        pass


def seeds(name: str) -> list[bytes]:
    """Return what the corpus has for a decoder."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def token() -> str:
    """Return a token that is right."""
    return make_token(SECRET, "default", "somebody", 10.0**9)


def quieten() -> None:
    """Leave out what libraries say of wrong files."""
    warnings.simplefilter("ignore")
    logging.disable()
    sys.unraisablehook = lambda _: None  # openpyxl leaves some
