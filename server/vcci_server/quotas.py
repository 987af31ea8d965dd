"""What each tenant may use: defaults of the settings, and a file of those who may use more or less.

    [acme]
    calls_per_s = 200
    stored_rows = 500_000_000

A process counts for itself, but for stored rows, which the ledger counts.
"""

import asyncio
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from vcci_server.auth import Principal
from vcci_server.changing import LOOK_EVERY_S, ChangingFiles
from vcci_server.metrics import Metrics
from vcci_server.settings import Settings, SettingsError
from vcci_server.usage import Quota, Usage

logger = logging.getLogger(__name__)


def default_quota(settings: Settings) -> Quota:
    """Return that of a tenant whom the file does not name."""
    return Quota(**{field.name: getattr(settings, f"quota_{field.name}") for field in fields(Quota)})


class Quotas:
    """The quotas of all tenants, and what they use of them; for one event loop."""

    def __init__(self, default: Quota, metrics: Metrics, path: str = "") -> None:
        self._default = default
        self._metrics = metrics
        self._path = path
        self._watched = ChangingFiles(path)
        self._watched.have_changed()
        self._own = read_quotas(path, default) if path else {}
        self._usages: dict[int, Usage] = {}

    def of(self, who: Principal) -> Usage:
        """Return what the caller's tenant uses, and may."""
        return self._usages.get(who.tenant_id) or self._first(who)

    def count_call(self, who: Principal, now: float) -> None:
        """Count a call at a time of `perf_counter`, or raise QuotaExceeded; each pays this, so it is short."""
        usage = self._usages.get(who.tenant_id) or self._first(who)
        calls = usage.calls
        if calls.owed_s(now) > 0:
            raise usage.too_many_calls(now)
        calls.take(1, now)

    async def follow(self) -> None:
        """Go on looking for changes of the file."""
        while self._path:
            await asyncio.sleep(LOOK_EVERY_S)
            if await asyncio.to_thread(self._watched.have_changed):
                self._read_again()

    def _read_again(self) -> None:
        try:
            self._own = read_quotas(self._path, self._default)
        except SettingsError as error:
            logger.warning("the last quotas stay: %s", error)
            return
        for usage in self._usages.values():
            usage.set_quota(self._quota(usage.tenant))
        logger.info("the quotas of tenants have changed")

    def _first(self, who: Principal) -> Usage:
        usage = self._usages[who.tenant_id] = Usage(who.tenant, self._quota(who.tenant), self._metrics)
        return usage

    def _quota(self, tenant: str) -> Quota:
        return self._own.get(tenant, self._default)


def read_quotas(path: str, default: Quota) -> Mapping[str, Quota]:
    """Read the file, in which a tenant has what is named of its own and the rest by default; raise SettingsError."""
    try:
        given = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"VCCI_QUOTAS: {path}: {error}") from error
    return {tenant: _quota(f"VCCI_QUOTAS: {path}: {tenant}", entry, default) for tenant, entry in given.items()}


def _quota(where: str, entry: Any, default: Quota) -> Quota:
    names = [field.name for field in fields(Quota)]
    if not isinstance(entry, dict):
        raise SettingsError(f"{where}: expected a table [{where.rpartition(' ')[2]}] of quotas")
    for name, value in entry.items():
        if name not in names:
            raise SettingsError(f"{where}: there is no quota {name!r}, expected one of {', '.join(names)}")
        if type(value) is not int or value < 0:
            raise SettingsError(f"{where}: {name}: found {value!r}, expected a whole number, 0 for no limit")
    return replace(default, **entry)
