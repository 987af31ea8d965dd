"""The clients: one for asyncio, and one that waits."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from vcci_client.channel import TlsFiles
from vcci_client.connection import Connection, Token
from vcci_client.services.audit import Audit
from vcci_client.services.calculations import Calculations
from vcci_client.services.emissions import Emissions
from vcci_client.services.factors import Factors
from vcci_client.services.hotspots import Hotspots
from vcci_client.services.operations import Operations
from vcci_client.services.prices import Prices
from vcci_client.services.reports import Reports
from vcci_client.services.runs import Runs
from vcci_client.services.suppliers import Suppliers
from vcci_client.services.uploads import Uploads

P = ParamSpec("P")
R = TypeVar("R")


class AsyncClient(
    Uploads, Calculations, Suppliers, Factors, Prices, Emissions, Hotspots, Runs, Operations, Reports, Audit
):
    """A connection to a server: `async with AsyncClient() as client`.

    The address is `host:port`, else VCCI_SERVER of the environment, else 127.0.0.1:50051; plain on this machine, TLS to
    every other or with `https://`. `tls` has the PEM files, else VCCI_CA, VCCI_CERTIFICATE and VCCI_KEY. The token is a
    bearer token, else VCCI_TOKEN; or a function that each call asks for one that does not expire at once: an upload
    whose token expires goes on with the next. With `gzip` the server compresses what it answers, for slow lines.
    Resources are the messages of the contract (`vcci.v1`), errors those of `vcci_client.errors`.
    """

    def __init__(
        self,
        address: str = "",
        token: Token = "",
        *,
        tls: TlsFiles | None = None,
        timeout_s: float = 60.0,
        gzip: bool = False,
    ) -> None:
        super().__init__(Connection(address, token, tls=tls, timeout_s=timeout_s, gzip=gzip))

    @classmethod
    def over(cls, connection: Connection) -> "AsyncClient":
        """Return a client over a connection that another closes."""
        client = cls.__new__(cls)
        client.connection = connection
        return client

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        await self.connection.aclose()


class _Loop:
    """One event loop in a thread of its own, for every waiting client of the process: gRPC takes several badly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in the loop and return its result; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="vcci-client", daemon=True).start()
            return self._loop


_LOOP = _Loop()


def _waiting(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["Client", P], R]:
    def call(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return _LOOP.run(method(self._client, *args, **kwargs))

    return update_wrapper(call, method)


def _iterating(
    method: Callable[Concatenate[AsyncClient, P], AsyncIterator[R]],
) -> Callable[Concatenate["Client", P], Iterator[R]]:
    def iterate(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        items = method(self._client, *args, **kwargs)
        end = object()
        try:
            while (item := _LOOP.run(_next(items, end))) is not end:
                yield item  # type: ignore[misc]
        finally:
            _LOOP.run(items.aclose())  # type: ignore[attr-defined]

    return update_wrapper(iterate, method)


async def _next(items: AsyncIterator[R], end: object) -> R | object:
    return await anext(items, end)


class Client:
    """AsyncClient for programs without an event loop: the same methods, which wait, and iterators. For any thread."""

    def __init__(
        self,
        address: str = "",
        token: Token = "",
        *,
        tls: TlsFiles | None = None,
        timeout_s: float = 60.0,
        gzip: bool = False,
    ) -> None:
        async def connect() -> AsyncClient:
            return AsyncClient(address, token, tls=tls, timeout_s=timeout_s, gzip=gzip)

        self._client = _LOOP.run(connect())

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    close = _waiting(AsyncClient.close)

    upload = _waiting(AsyncClient.upload)
    upload_file = _waiting(AsyncClient.upload_file)
    create_upload = _waiting(AsyncClient.create_upload)
    get_upload = _waiting(AsyncClient.get_upload)
    list_uploads = _iterating(AsyncClient.list_uploads)
    list_row_errors = _iterating(AsyncClient.list_row_errors)
    finalize_upload = _waiting(AsyncClient.finalize_upload)
    abandon_upload = _waiting(AsyncClient.abandon_upload)

    calculate = _waiting(AsyncClient.calculate)
    explain = _waiting(AsyncClient.explain)
    calculate_stream = _iterating(AsyncClient.calculate_stream)

    recalculate = _waiting(AsyncClient.recalculate)
    get_run = _waiting(AsyncClient.get_run)
    list_runs = _iterating(AsyncClient.list_runs)
    watch_run = _iterating(AsyncClient.watch_run)
    wait_for_run = _waiting(AsyncClient.wait_for_run)
    list_run_differences = _iterating(AsyncClient.list_run_differences)
    list_run_row_errors = _iterating(AsyncClient.list_run_row_errors)
    delete_run = _waiting(AsyncClient.delete_run)
    start_operation = _waiting(AsyncClient.start_operation)
    wait_for_result = _waiting(AsyncClient.wait_for_result)
    get_operation = _waiting(AsyncClient.get_operation)
    list_operations = _iterating(AsyncClient.list_operations)
    wait_operation = _waiting(AsyncClient.wait_operation)
    cancel_operation = _waiting(AsyncClient.cancel_operation)
    delete_operation = _waiting(AsyncClient.delete_operation)

    get_supplier = _waiting(AsyncClient.get_supplier)
    list_suppliers = _iterating(AsyncClient.list_suppliers)
    list_supplier_pages = _iterating(AsyncClient.list_supplier_pages)
    batch_upsert_suppliers = _waiting(AsyncClient.batch_upsert_suppliers)
    update_supplier = _waiting(AsyncClient.update_supplier)

    list_factors = _iterating(AsyncClient.list_factors)
    get_factor = _waiting(AsyncClient.get_factor)
    update_factor = _waiting(AsyncClient.update_factor)
    batch_update_factors = _waiting(AsyncClient.batch_update_factors)
    import_factor_set = _waiting(AsyncClient.import_factor_set)
    get_factor_set = _waiting(AsyncClient.get_factor_set)
    list_factor_sets = _iterating(AsyncClient.list_factor_sets)
    diff_factor_sets = _iterating(AsyncClient.diff_factor_sets)
    activate_factor_set = _waiting(AsyncClient.activate_factor_set)
    list_factor_set_activations = _iterating(AsyncClient.list_factor_set_activations)

    list_prices = _iterating(AsyncClient.list_prices)
    import_price_set = _waiting(AsyncClient.import_price_set)
    list_price_sets = _iterating(AsyncClient.list_price_sets)
    activate_price_set = _waiting(AsyncClient.activate_price_set)
    deactivate_price_set = _waiting(AsyncClient.deactivate_price_set)
    list_price_set_activations = _iterating(AsyncClient.list_price_set_activations)

    stream_emissions = _iterating(AsyncClient.stream_emissions)
    get_dashboard = _waiting(AsyncClient.get_dashboard)
    aggregate_emissions = _waiting(AsyncClient.aggregate_emissions)
    simulate_emissions = _waiting(AsyncClient.simulate_emissions)

    analyze_hotspots = _waiting(AsyncClient.analyze_hotspots)
    run_scenario = _waiting(AsyncClient.run_scenario)

    generate_report = _waiting(AsyncClient.generate_report)
    get_report = _waiting(AsyncClient.get_report)
    list_reports = _iterating(AsyncClient.list_reports)
    download_report = _waiting(AsyncClient.download_report)
    delete_report = _waiting(AsyncClient.delete_report)

    list_audit_events = _iterating(AsyncClient.list_audit_events)
    verify_audit_events = _waiting(AsyncClient.verify_audit_events)
