"""The metrics of several processes on one endpoint: each sample with the number of its process as a label."""

import http.client
import logging
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

SCRAPE_S = 3.0  # a process that does not answer within is left out

logger = logging.getLogger(__name__)


class JointMetrics(Collector):
    """Scrapes the processes when it is scraped; from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.restarts = Counter(
            "vcci_process_restarts_total", "Processes that ended and were started again.", registry=self.registry
        )
        serving = Gauge("vcci_processes", "Processes that serve.", registry=self.registry)
        serving.set_function(lambda: len(self._addresses))
        self._addresses: dict[int, str] = {}
        self.registry.register(self)

    def scrape(self, process: int, address: str) -> None:
        """Have a process's metrics at `host:port` from now on."""
        self._addresses = {**self._addresses, process: address}

    def forget(self, process: int) -> None:
        """Leave a process out."""
        self._addresses = {number: address for number, address in self._addresses.items() if number != process}

    def describe(self) -> Iterable[Metric]:
        """Say nothing of what there will be: at the start there is nothing to scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield each metric once, with the samples of all processes."""
        found: dict[str, Metric] = {}
        for process, address in sorted(self._addresses.items()):
            for family in text_string_to_metric_families(_scraped(address)):
                joint = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    joint.samples.append(sample._replace(labels={**sample.labels, "process": str(process)}))
        yield from found.values()


def _scraped(address: str) -> str:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=SCRAPE_S)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except OSError as error:
        logger.warning("the process at %s has no metrics: %s", address, error)
        return ""
    finally:
        connection.close()
