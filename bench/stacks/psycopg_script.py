"""The script: columns in memory, calculated in NumPy, stored by COPY. No server, nobody else to wait for."""

import psycopg

from bench.row_format import encoded
from bench.stacks.calculation import calculate
from bench.stacks.copying import store
from bench.stacks.turns import Job, take_turns


def main() -> None:
    job = Job.of_arguments()
    batches, reference = job.load()
    with psycopg.connect(job.database_url) as connection:

        def upload() -> int:
            rows = 0
            for batch in batches:
                store(connection, encoded(1, rows, calculate(batch, reference)))
                rows += len(batch.period)
            return rows

        take_turns(upload)


if __name__ == "__main__":
    main()
