"""Binary COPY of rows by psycopg, a transaction a batch."""

import psycopg

from bench.row_format import NAMES, TABLE

COPY = f"COPY {TABLE} ({', '.join(NAMES)}) FROM STDIN (FORMAT BINARY)"


def store(connection: "psycopg.Connection[tuple[object, ...]]", stream: bytes) -> None:
    """Return when the rows are durable."""
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write(stream)
