"""Prometheus metrics: one registry of the process, served on a port of its own.

Label values are bound once (`labels(...)` is kept). What each call counts is in `call_metrics`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from vcci_server.call_metrics import CALL_BUCKETS_S, CallMetrics, Tallies

COMMIT_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

FORMS = {"calculate_columns": "columns", "calculate_rows": "rows"}  # the works that calculate a batch


class Tier(NamedTuple):
    """Counts what one tier of the cache had, and had not."""

    hit: Callable[[], None]
    miss: Callable[[], None]


class Metrics:
    """All that the server measures."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.calls = CallMetrics()
        registry.register(self.calls)
        self.query_seconds = Histogram(
            "db_query_duration_seconds",
            "Duration of database statements.",
            ("query_type",),
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )
        self.connections_active = Gauge(
            "db_connections_active", "Database connections that are in use.", ("pool",), registry=registry
        )
        self.connections_limit = Gauge(
            "db_connections_limit", "Database connections that may be in use.", ("pool",), registry=registry
        )
        self.tasks = Counter("worker_tasks_total", "Works that ended.", ("task_name", "status"), registry=registry)
        self.task_seconds = Histogram(
            "worker_task_duration_seconds",
            "Duration of works, without their time in the queue.",
            ("task_name",),
            buckets=CALL_BUCKETS_S,
            registry=registry,
        )
        self.queue_depth = Gauge("worker_queue_depth", "Works that wait.", ("queue",), registry=registry)
        self.queue_limit = Gauge(
            "worker_queue_limit", "Works that may wait; more are refused.", ("queue",), registry=registry
        )
        self.in_flight = Gauge("worker_in_flight", "Works that run.", ("queue",), registry=registry)
        hits = Tallies("cache_hits", "Factor tables found.", "tier")
        misses = Tallies("cache_misses", "Factor tables not found.", "tier")
        for tallies in (hits, misses):
            registry.register(tallies)
        self.process_tier, self.redis_tier = (
            Tier(hits.tally(name).inc, misses.tally(name).inc) for name in ("process", "redis")
        )
        self.rows = Counter("vcci_ingest_rows_total", "Rows of uploads.", ("result",), registry=registry)
        self.accepted = self.rows.labels("accepted")
        self.rejected = self.rows.labels("rejected")
        self.duplicate = self.rows.labels("duplicate")
        self.bytes = Counter(
            "vcci_ingest_bytes_total", "Bytes of batches taken in, of uploads and calculations.", registry=registry
        )
        self.batches = Counter("vcci_ingest_batches_total", "Batches calculated.", ("place", "form"), registry=registry)
        self.commit_seconds = Histogram(
            "vcci_ingest_commit_seconds",
            "Duration of the transactions that store batches.",
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )
        self.credits = Gauge("vcci_ingest_credits", "Batches that open streams may have in flight.", registry=registry)
        self.streams = Gauge("vcci_ingest_streams_open", "Streams open.", registry=registry)
        self.bytes_in_flight = Gauge("vcci_ingest_bytes_in_flight", "Bytes of batches in memory.", registry=registry)
        self.refusals = Counter(
            "vcci_refusals_total", "Calls and batches that were refused.", ("reason",), registry=registry
        )
        self.shed = Counter(
            "vcci_calls_shed_total",
            "Calls refused since those before them would take too long, to be taken up or of their method.",
            ("line",),
            registry=registry,
        )
        self.quota_refusals = Counter(
            "vcci_quota_refusals_total", "Calls refused by a quota of their tenant.", ("quota",), registry=registry
        )
        self.paced_seconds = Counter(
            "vcci_quota_paced_seconds_total",
            "Time that batches waited for their tenant's rows_per_s.",
            registry=registry,
        )
        self._query = cache(self.query_seconds.labels)

    def observe_query(self, query_type: str, seconds: float) -> None:
        """Time one database statement."""
        self._query(query_type).observe(seconds)

    def observe_work(self, name: str, place: str, status: str, seconds: float) -> None:
        """Count one attempt of a work; the form that `open_executor(observe=)` asks for."""
        self.tasks.labels(name, status).inc()
        self.task_seconds.labels(name).observe(seconds)
        if status == "success" and name in FORMS:
            self.batches.labels(place, FORMS[name]).inc()


@contextmanager
def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """Serve /metrics in a thread; yield the port."""
    server, thread = start_http_server(port, host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
