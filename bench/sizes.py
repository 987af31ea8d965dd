"""How much each benchmark does: everything that `python -m bench NAME=VALUE` can change."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Sizes:
    """The default takes about ten minutes on two cores."""

    warmup_rounds: int = 1
    rounds: int = 3
    suppliers: int = 100_000
    quarters: int = 20
    batch_rows: int = 50_000
    distinct_batches: int = 40  # made beforehand, then sent again and again under new offsets
    streams: int = 1  # uploads at once, and connections of each peer
    ingest_rows: int = 2_000_000  # each turn, rounded down to whole batches
    guide_rows: int = 500_000  # in the table with the tuning guide's indexes
    guide_batches: int = 2  # stored there each turn
    peer_rows: int = 1_000_000  # each turn of a peer with COPY
    slow_peer_rows: int = 40_000  # each turn of the tuning guide's stack
    message_rows: int = 300_000  # each turn, a message per row
    file_rows: int = 1_000_000
    memory_rows: int = 5_000_000
    memory_warmup_rows: int = 1_000_000
    draws: int = 1_000
    drawn_rows: int = 50_000  # each turn
    workers: int = 2  # of Ray at most; those beyond the cores are simulated
    callers: int = 50
    connections: int = 1
    rate: float = 400.0  # calls per second of the open loop
    call_s: float = 1.0  # each turn
    read_rows: int = 1_000_000  # in the store that is read from
    read_upload_rows: int = 5_000_000  # of each upload that brought them
    read_calls: int = 100  # each turn
    read_folds: int = 1  # each turn
    users: int = 1_000
    user_connections: int = 200
    users_s: float = 12.0
    overload_s: float = 4.0  # and twice as long before it
    report_suppliers: int = 1_000  # that the longest report lists

    @property
    def batches_per_stream(self) -> int:
        """Batches of one upload of the ingest benchmark."""
        return max(1, self.ingest_rows // (self.batch_rows * self.streams))

    @property
    def turn_rows(self) -> int:
        """Rows of a turn of the ingest benchmark."""
        return self.batches_per_stream * self.streams * self.batch_rows

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Sizes":
        return cls(**json.loads(text))

    def changed(self, assignments: Iterable[str]) -> "Sizes":
        """Return the sizes with `NAME=VALUE`s applied; raises ValueError for an unknown name or a wrong value."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        changes = {}
        for assignment in assignments:
            name, _, value = assignment.partition("=")
            if name not in kinds:
                raise ValueError(f"{assignment!r}: expected NAME=VALUE with a name of {', '.join(kinds)}")
            changes[name] = kinds[name](value)
        return replace(self, **changes)


FULL = Sizes(
    ingest_rows=10_000_000,
    guide_rows=5_000_000,
    peer_rows=2_000_000,
    message_rows=500_000,
    memory_rows=10_000_000,
    workers=8,
    call_s=5.0,
    read_rows=10_000_000,
    read_calls=200,
    read_folds=3,
    report_suppliers=10_000,
    users_s=120.0,
    overload_s=10.0,
)
QUICK = Sizes(
    warmup_rounds=0,
    rounds=1,
    suppliers=2_000,
    quarters=4,
    batch_rows=5_000,
    distinct_batches=2,
    ingest_rows=50_000,
    guide_rows=10_000,
    guide_batches=1,
    peer_rows=10_000,
    slow_peer_rows=2_000,
    message_rows=10_000,
    file_rows=10_000,
    memory_rows=50_000,
    memory_warmup_rows=10_000,
    drawn_rows=2_000,
    workers=2,
    callers=5,
    rate=100.0,
    call_s=0.2,
    read_rows=50_000,
    read_calls=5,
    read_folds=1,
    users=20,
    users_s=4.0,
    overload_s=0.5,
)
