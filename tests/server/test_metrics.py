"""The second port."""

import urllib.request

from vcci_server.metrics import Metrics, serve_metrics

NAMES = (
    "api_requests_total",
    "api_request_duration_seconds",
    "db_query_duration_seconds",
    "db_connections_active",
    "worker_tasks_total",
    "worker_task_duration_seconds",
    "worker_queue_depth",
    "worker_queue_limit",
    "worker_in_flight",
    "cache_hits_total",
    "cache_misses_total",
    "vcci_ingest_rows_total",
    "vcci_ingest_bytes_total",
    "vcci_ingest_batches_total",
    "vcci_ingest_commit_seconds",
    "vcci_ingest_credits",
    "vcci_ingest_streams_open",
)


def _scraped(metrics: Metrics) -> str:
    with serve_metrics(metrics.registry, "127.0.0.1", 0) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url) as response:
            text: str = response.read().decode()
    return text


def test_every_metric_has_the_name_that_operators_know() -> None:
    types = {line.split()[2] for line in _scraped(Metrics()).splitlines() if line.startswith("# TYPE")}
    assert set(NAMES) <= types


def test_what_is_observed_is_scraped_with_its_labels() -> None:
    metrics = Metrics()
    meter = metrics.calls.meter("unary", "/a/B")
    meter.ended("OK", 0.02)
    meter.ended("NOT_FOUND", 0.025)
    meter.ended("OK", 1_000.0)
    metrics.observe_work("calculate", "ray", "success", 0.5)
    metrics.observe_query("advance_upload", 0.1)
    metrics.accepted.inc(7)
    text = _scraped(metrics)
    assert 'api_requests_total{endpoint="/a/B",method="unary",status="OK"} 2.0' in text
    assert 'api_requests_total{endpoint="/a/B",method="unary",status="NOT_FOUND"} 1.0' in text
    assert 'api_request_duration_seconds_bucket{endpoint="/a/B",le="0.01"} 0.0' in text
    assert 'api_request_duration_seconds_bucket{endpoint="/a/B",le="0.025"} 2.0' in text
    assert 'api_request_duration_seconds_bucket{endpoint="/a/B",le="+Inf"} 3.0' in text
    assert 'api_request_duration_seconds_count{endpoint="/a/B"} 3.0' in text
    assert 'api_request_duration_seconds_sum{endpoint="/a/B"} 1000.045' in text
    assert 'worker_tasks_total{status="success",task_name="calculate"} 1.0' in text
    assert 'db_query_duration_seconds_count{query_type="advance_upload"} 1.0' in text
    assert 'vcci_ingest_rows_total{result="accepted"} 7.0' in text
