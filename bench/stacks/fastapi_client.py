"""The client of the tuning guide's stack: requests of JSON, as many at once as the machine has cores."""

import http.client
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

from bench.stacks.calculation import Batch, Reference
from bench.stacks.turns import Job, take_turns

REQUEST_ROWS = 10_000
EPOCH = date(1970, 1, 1)
Activities = list[dict[str, object]]


def activities(batch: Batch, reference: Reference) -> list[Activities]:
    """Return the activities of a batch as objects, by request."""
    columns = {
        "supplier_code": reference.suppliers[batch.supplier].tolist(),
        "category": batch.category.tolist(),
        "reporting_period": [(EPOCH + timedelta(days)).isoformat() for days in batch.period.tolist()],
        "quantity": batch.quantity.tolist(),
        "unit": reference.units[batch.unit].tolist(),
        "factor": reference.keys[batch.key].tolist(),
        "scores": batch.scores.tolist(),
        "distance": batch.distance.tolist(),
        "supplier_factor": batch.own_factor.tolist(),
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [rows[start : start + REQUEST_ROWS] for start in range(0, len(rows), REQUEST_ROWS)]


def post(server: str, request: Activities) -> int:
    """Return how many rows are durable."""
    connection = http.client.HTTPConnection(server)
    try:
        connection.request("POST", "/uploads", json.dumps(request), {"content-type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{answer.status}: {body[:1_000]!r}")
        rows: int = json.loads(body)["rows"]
        return rows
    finally:
        connection.close()


def main() -> None:
    job = Job.of_arguments()
    batches, reference = job.load()
    requests = [request for batch in batches for request in activities(batch, reference)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:

        def upload() -> int:
            return sum(threads.map(lambda request: post(job.server, request), requests))

        take_turns(upload)


if __name__ == "__main__":
    main()
