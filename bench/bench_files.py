"""Files, by the command: from its start to the acknowledgement of the last row."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bench import dataset
from bench.activity_files import write_files
from bench.dataset import Order
from bench.harness import Figures, Harness
from bench.service import Service
from bench.sizes import Sizes

COMMAND = (sys.executable, "-c", "from vcci_client.cli import main; main()")
SMALL_ROWS = 10_000
CSV_RATIO, PARQUET_RATIO, SMALL_S = 0.3, 0.5, 1.0


def test_files(harness: Harness, service: Service, sizes: Sizes, tmp_path: Path) -> None:
    """How many activities of a file per second become durable by `vcci upload`, the start of the command included,
    against the same ones as columns in memory? And how long does a file of 10,000 rows take?
    """
    number = min(sizes.distinct_batches, sizes.file_rows // sizes.batch_rows)
    batches = [dataset.batch(n, sizes, order=Order.BY_SUPPLIER) for n in range(number)]
    csv, parquet = write_files(batches, tmp_path, "activities")
    small, _ = write_files([batches[0].slice(0, SMALL_ROWS)], tmp_path, "small")

    def columns() -> Figures:
        service.database.checkpoint()
        uploaded = service.upload(sizes, number, order=Order.BY_SUPPLIER)
        service.settle()
        return {"rows/s": uploaded.rows / uploaded.seconds}

    contenders = {
        "columns": columns,
        "CSV": lambda: _upload(service, csv, number * sizes.batch_rows),
        "Parquet": lambda: _upload(service, parquet, number * sizes.batch_rows),
        "CSV of 10,000 rows": lambda: _upload(service, small, min(SMALL_ROWS, sizes.batch_rows)),
    }
    harness.take_turns(contenders, dict.fromkeys(contenders, service.process))
    harness.ratio("rows/s", "CSV", "columns", at_least=CSV_RATIO)
    harness.ratio("rows/s", "Parquet", "columns", at_least=PARQUET_RATIO)
    harness.bound("seconds", "CSV of 10,000 rows", at_most=SMALL_S)


def _upload(service: Service, file: Path, rows: int) -> Figures:
    """Upload a file by the command; raise when a row was lost or rejected."""
    service.database.checkpoint()
    environment = {**os.environ, "VCCI_SERVER": service.address, "VCCI_TOKEN": service.token}
    begin = time.perf_counter()
    command = [*COMMAND, "upload", str(file), "--again", "--json"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - begin
    told = json.loads(done.stdout)
    if (told["committed"], told["rejected"]) != (rows, 0):
        raise AssertionError(f"not every row was stored: {told}")
    service.settle()
    return {"rows/s": rows / seconds, "seconds": seconds}
