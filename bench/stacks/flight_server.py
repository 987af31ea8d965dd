"""The process that serves Arrow Flight; it prints its port."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bench.row_format import encoded
from bench.stacks.calculation import load_reference
from bench.stacks.copying import store
from bench.stacks.flight_service import Columns, Server, Store
from bench.stacks.turns import Job


def main() -> None:
    job = Job.of_arguments()

    @contextmanager
    def open_store() -> Iterator[Store]:
        with psycopg.connect(job.database_url) as connection:

            def copy(offset: int, columns: Columns) -> None:
                store(connection, encoded(1, offset, columns))

            yield copy

    server = Server(load_reference(job.reference), open_store)
    print(f"127.0.0.1:{server.port}", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
