"""The tuning guide's stack: JSON to FastAPI, checked by pydantic, calculated and bulk-inserted by SQLAlchemy in its
thread pool; as many processes of uvicorn as the machine has cores. The process prints where it listens.
"""

import os
from datetime import date
from itertools import count

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field
from sqlalchemy import create_engine, insert, make_url
from uvicorn.supervisors import Multiprocess

from bench.stacks.calculation import Batch, calculate, load_reference
from bench.stacks.fastapi_models import Emission
from bench.stacks.turns import Job

app = FastAPI()
job = Job.of_arguments()
reference = load_reference(job.reference)
suppliers, units, keys = (
    {text: place for place, text in enumerate(texts.tolist())}
    for texts in (reference.suppliers, reference.units, reference.keys)
)
engine = create_engine(make_url(job.database_url).set(drivername="postgresql+psycopg"))
uploads = count(1)


class Activity(BaseModel):
    """An activity of a supplier."""

    supplier_code: str = Field(max_length=64)
    category: int = Field(ge=1, le=15)
    reporting_period: date
    quantity: float
    unit: str
    factor: str = ""
    scores: tuple[int, int, int, int, int]
    distance: float = Field(1.0, gt=0)
    supplier_factor: float = Field(1.0, ge=0)


@app.post("/uploads")
def upload(activities: list[Activity]) -> dict[str, int]:
    """Return how many rows are durable."""
    columns = calculate(_batch(activities), reference)
    values = {name: column.tolist() for name, column in columns.items()}
    values["period"] = [activity.reporting_period for activity in activities]
    upload_id = next(uploads)
    rows = [
        {"tenant_id": 1, "upload_id": upload_id, "row": number, **dict(zip(values, row, strict=True))}
        for number, row in enumerate(zip(*values.values(), strict=True))
    ]
    with engine.begin() as connection:
        connection.execute(insert(Emission), rows)
    return {"rows": len(rows)}


def _batch(activities: list[Activity]) -> Batch:
    return Batch(
        supplier=np.array([suppliers[of.supplier_code] for of in activities], np.int32),
        category=np.array([of.category for of in activities], np.int16),
        period=np.array([of.reporting_period for of in activities], "datetime64[D]").astype(np.int32),
        quantity=np.array([of.quantity for of in activities]),
        unit=np.array([units[of.unit] for of in activities], np.int16),
        key=np.array([keys[of.factor] for of in activities], np.int16),
        scores=np.array([of.scores for of in activities], np.uint8),
        distance=np.array([of.distance for of in activities]),
        own_factor=np.array([of.supplier_factor for of in activities]),
    )


def main() -> None:
    config = uvicorn.Config("bench.stacks.fastapi_server:app", port=0, workers=os.cpu_count(), log_level="warning")
    socket = config.bind_socket()
    socket.listen()  # so that nobody is refused before the processes are there
    host, port = socket.getsockname()
    print(f"{host}:{port}", flush=True)
    Multiprocess(config, [socket]).run()


if __name__ == "__main__":
    main()
