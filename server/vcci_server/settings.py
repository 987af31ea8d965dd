"""Everything that an operator can change: read once, from the environment and the flags of `serve`."""

import difflib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vcci_cluster import DEFAULT_RAY_THRESHOLD_S, Lane, RayOptions

from vcci_server.filters import FilterLimits
from vcci_server.keys import is_url, may_be_fetched
from vcci_server.lane_settings import lanes_of
from vcci_server.validation import BatchLimits, CallLimits

PREFIX = "VCCI_"
OF_OTHERS = frozenset(
    {"VCCI_SERVER", "VCCI_TOKEN", "VCCI_CA", "VCCI_CERTIFICATE", "VCCI_KEY", "VCCI_TEST_DATA"}
)  # of the client and the tests
YES = frozenset({"1", "true", "yes", "on"})
POSTGRES_SCHEMES = ("postgresql", "postgres")
REDIS_SCHEMES = ("redis", "rediss", "unix")
DEEPEST_FILTER = 100  # they are read by functions that call each other
NO = frozenset({"", "0", "false", "no", "off"})


class SettingsError(Exception):
    """A setting is wrong; the message says which and what would be right."""


def _setting(default: Any, unit: str, why: str, *, secret: bool = False, may_be_zero: bool = False) -> Any:
    metadata = {"unit": unit, "why": why, "secret": secret, "may_be_zero": may_be_zero}
    if callable(default):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


def state_dir() -> Path:
    """Return the platform's folder; never in root's home, whose permissions the embedded database would open."""
    if os.geteuid() == 0:
        return Path("/var/lib/vcci")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "vcci"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One frozen object; the environment variable of a field is VCCI_ and its name in capitals."""

    listen: str = _setting(
        "127.0.0.1:50051", "host:port", "gRPC; beyond loopback only with TLS and authentication; port 0: a free one"
    )
    metrics_listen: str = _setting(
        "127.0.0.1:9464", "host:port", "Prometheus metrics, under /metrics; plain HTTP, so loopback only"
    )
    state_dir: Path = _setting(  # noqa: RUF009  a field
        state_dir, "path", "token secret and embedded database; as root /var/lib/vcci, else in XDG_STATE_HOME"
    )
    database_url: str = _setting("", "URL", "PostgreSQL 14 or newer; empty: the embedded one", secret=True)
    write_connections: int = _setting(
        10, "connections", "to PostgreSQL at most, of calls that write: one for each stream that commits"
    )
    read_connections: int = _setting(
        10, "connections", "likewise, of calls that read: the others wait for one, and writing does not"
    )
    service_connections: int = _setting(5, "connections", "likewise, of the service itself: folding, merging, tenants")
    database_wait_s: float = _setting(60.0, "s", "at the start, until VCCI_DATABASE_URL answers")
    migrate: bool = _setting(False, "yes or no", "migrate the database of VCCI_DATABASE_URL at the start, too")
    redis_url: str = _setting(
        "", "URL", "shares factor sets among processes, `redis://host:6379/0` or `rediss://`; empty: none", secret=True
    )
    ray_address: str = _setting("", "address", "`local`, `auto` or `host:port`; empty: calculate in this process")
    ray_token: str = _setting("", "text", "token of the Ray cluster; empty: Ray's own RAY_AUTH_TOKEN", secret=True)
    ray_cpus: int = _setting(0, "CPUs", "of a `local` Ray; 0: all that it finds", may_be_zero=True)
    ray_retries: int = _setting(3, "attempts", "more on Ray when it loses a batch; then this process", may_be_zero=True)
    ray_threshold_s: float = _setting(
        DEFAULT_RAY_THRESHOLD_S, "s", "estimated time from which a batch goes to Ray; a task costs 2 ms"
    )
    processes: int = _setting(1, "processes", "that serve the port together; other limits but threads are of each")
    compute_threads: int = _setting(os.cpu_count, "threads", "one per core: NumPy lets go of the interpreter lock")
    lanes: str = _setting(
        "",
        "LANE: FIELD=VALUE, …; …",
        "other limits of lanes: `simulation: in_flight=1, time_limit_s=60` (cluster.md)",
    )
    token_secret: str = _setting(
        "", "text", "key of development tokens, 32 bytes or more; empty: made once in the state folder", secret=True
    )
    tls_certificate: str = _setting("", "path", "PEM, the service's certificate and its chain; empty: no TLS")
    tls_key: str = _setting("", "path", "PEM, its private key; the files are read again when they change")
    tls_client_ca: str = _setting("", "path", "PEM; clients must show a certificate that one of these signed")
    tls_identities: str = _setting("", "path", "TOML: which tenant and roles a client certificate stands for")
    jwks: str = _setting(
        "", "path or URL", "key set of the token issuer, https:// or a file; empty: only tokens of VCCI_TOKEN_SECRET"
    )
    jwt_issuer: str = _setting("", "text", "claim `iss` of the tokens; needed with VCCI_JWKS")
    jwt_audience: str = _setting("", "text", "claim `aud` of the tokens; needed with VCCI_JWKS")
    jwt_tenant_claim: str = _setting("tenant", "text", "name of the claim that has the tenant")
    jwt_roles_claim: str = _setting("roles", "text", "name of the claim that lists the roles")
    jwt_skew_s: float = _setting(30.0, "s", "by which the issuer's clock may differ", may_be_zero=True)
    max_message_bytes: int = _setting(16 << 20, "bytes", "of one message; 1 MiB is fastest")
    max_metadata_bytes: int = _setting(8_192, "bytes", "names and values of one call's metadata; a token is in it")
    max_batch_rows: int = _setting(250_000, "rows", "of one batch: one transaction, 10 MB as columns")
    max_dictionary_entries: int = _setting(
        65_535, "texts", "of one dictionary of a batch: units, factors, groups, its own suppliers"
    )
    max_stream_suppliers: int = _setting(250_000, "suppliers", "that one stream's batches share: some 30 MB")
    max_filter_characters: int = _setting(2_000, "characters", "of a filter of a list")
    max_filter_comparisons: int = _setting(50, "comparisons", "in one filter")
    max_filter_depth: int = _setting(10, "parentheses", "of a filter, in each other")
    max_call_s: float = _setting(600.0, "s", "for a call with one answer whose client set no deadline; then it ends")
    max_in_flight_bytes: int = _setting(256 << 20, "bytes", "batches in memory over all streams")
    max_streams: int = _setting(100, "streams", "uploads and calculations open at once")
    max_connection_calls: int = _setting(
        1_000,
        "calls",
        "open at once on one connection; it refuses some beyond, or when they come and go at once",
    )
    credits: int = _setting(8, "batches", "of one stream unacknowledged: enough to hide a commit of 20 ms")
    quotas: str = _setting("", "path", "TOML: tenants that may use more or less than the quotas below (limits.md)")
    max_wait_s: float = _setting(
        0.1, "s", "that unary calls wait for those before them; while it would be more, some are refused (operating.md)"
    )
    quota_calls_per_s: int = _setting(
        20_000, "calls/s", "of one tenant to one process; 0, as in all quotas: any number", may_be_zero=True
    )
    quota_rows_per_s: int = _setting(
        0, "rows/s", "of a tenant's streams; what is faster is slowed, not refused", may_be_zero=True
    )
    quota_streams: int = _setting(
        0, "streams", "of a tenant, open at once; all share VCCI_MAX_STREAMS", may_be_zero=True
    )
    quota_in_flight_bytes: int = _setting(
        192 << 20, "bytes", "of a tenant's batches in memory, so that others have room", may_be_zero=True
    )
    quota_stored_rows: int = _setting(
        0, "rows", "of a tenant's uploads that are stored; more are refused", may_be_zero=True
    )
    drain_s: float = _setting(20.0, "s", "from SIGTERM until what is still open is closed; Kubernetes kills after 30")
    log_format: str = _setting("auto", "auto, json or console", "auto: console on a terminal, else JSON")
    log_level: str = _setting("info", "debug, info, warning or error", "what is logged")

    @property
    def batch_limits(self) -> BatchLimits:
        """What one batch may hold."""
        return BatchLimits(
            max_message_bytes=self.max_message_bytes,
            max_rows=self.max_batch_rows,
            max_dictionary_entries=self.max_dictionary_entries,
            max_stream_suppliers=self.max_stream_suppliers,
        )

    @property
    def call_limits(self) -> CallLimits:
        """What one call may be."""
        return CallLimits(self.max_message_bytes, self.max_metadata_bytes, self.max_call_s, self.max_wait_s)

    @property
    def filter_limits(self) -> FilterLimits:
        """What one filter may be."""
        return FilterLimits(self.max_filter_characters, self.max_filter_comparisons, self.max_filter_depth)

    @property
    def work_lanes(self) -> tuple[Lane, ...]:
        """The lanes that works wait in."""
        return lanes_of(self.lanes)

    @property
    def ray_options(self) -> RayOptions:
        """How Ray is used."""
        return RayOptions(cpus=self.ray_cpus or None, retries=self.ray_retries)


def from_environment(environment: Mapping[str, str], flags: Mapping[str, object | None] | None = None) -> Settings:
    """Read the settings; a flag that is not None goes before its variable. Raises SettingsError."""
    given = {name: text for name, text in environment.items() if name.startswith(PREFIX) and name not in OF_OTHERS}
    known = {variable(setting): setting for setting in fields(Settings)}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            raise SettingsError(f"{name} is not a setting; did you mean {near[0]}?")
    values: dict[str, Any] = {known[name].name: _parse(known[name], text) for name, text in given.items()}
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    settings = Settings(**values)
    _check(settings)
    return settings


def variable(setting: "Field[Any]") -> str:
    """Return the name of a setting's environment variable."""
    return PREFIX + setting.name.upper()


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port` or `[v6]:port`; raise ValueError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError(address)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _parse(setting: "Field[Any]", text: str) -> object:
    try:
        if setting.type is bool:
            return _parse_bool(text)
        return setting.type(text)  # type: ignore[operator]  # str, int, float or Path: the annotations are classes
    except ValueError as error:
        raise SettingsError(f"{variable(setting)}: found {text!r}, expected {setting.metadata['unit']}") from error


def _parse_bool(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise ValueError(text)
    return text.lower() in YES


def _check(settings: Settings) -> None:
    _check_tls(settings)
    if not is_loopback("listen", settings.listen) and (lacking := _lacking(settings)):
        raise SettingsError(
            f"VCCI_LISTEN: {settings.listen} can be reached from other machines, so it needs TLS and authentication: "
            f"set {'; '.join(lacking)}. Development tokens are for loopback only"
        )
    if not is_loopback("metrics_listen", settings.metrics_listen):
        raise SettingsError(
            f"VCCI_METRICS_LISTEN: {settings.metrics_listen} can be reached from other machines, and metrics go over "
            "plain HTTP: listen on 127.0.0.1 or [::1], and collect them on this machine or through a proxy with TLS"
        )
    for setting in fields(Settings):
        value = getattr(settings, setting.name)
        zero = setting.metadata["may_be_zero"]
        if setting.type in (int, float) and not (value > 0 or (zero and value == 0)):
            least = "0 or more" if zero else "more than 0"
            raise SettingsError(f"{variable(setting)}: found {value}, expected {least} {setting.metadata['unit']}")
    if settings.max_filter_depth > DEEPEST_FILTER:
        raise SettingsError(f"VCCI_MAX_FILTER_DEPTH: found {settings.max_filter_depth}, at most {DEEPEST_FILTER}")
    if settings.processes > 1 and settings.ray_address == "local":
        raise SettingsError("VCCI_RAY_ADDRESS: `local` is of one process; with several, `ray start --head` and `auto`")
    if settings.token_secret and len(settings.token_secret.encode()) < 32:
        raise SettingsError("VCCI_TOKEN_SECRET: too short, expected 32 bytes or more (RFC 7518, section 3.2)")
    _check_database_url(settings.database_url)
    if settings.redis_url and urlsplit(settings.redis_url).scheme not in REDIS_SCHEMES:
        raise SettingsError(f"VCCI_REDIS_URL: expected a URL that begins with {', '.join(REDIS_SCHEMES)}")
    try:
        lanes_of(settings.lanes)
    except ValueError as error:
        raise SettingsError(f"VCCI_LANES: {error}") from error
    _check_issuer(settings)
    _check_choice("log_format", settings.log_format, ("auto", "json", "console"))
    _check_choice("log_level", settings.log_level, ("debug", "info", "warning", "error"))


def _check_issuer(settings: Settings) -> None:
    if not settings.jwks:
        if settings.jwt_issuer or settings.jwt_audience:
            raise SettingsError("VCCI_JWKS: the token issuer's key set is not given, but its name or audience is")
        return
    for name in ("jwt_issuer", "jwt_audience"):
        if not getattr(settings, name):
            raise SettingsError(f"{PREFIX}{name.upper()}: needed with VCCI_JWKS, or tokens for others would be taken")
    if is_url(settings.jwks) and not may_be_fetched(settings.jwks):
        raise SettingsError(f"VCCI_JWKS: found {settings.jwks!r}, expected https:// (http:// on this machine only)")


def _check_database_url(url: str) -> None:
    """Raise SettingsError when the driver could not read it; the message does not show it, as it holds a password."""
    try:
        parts = urlsplit(url)
        right = not url or parts.scheme in POSTGRES_SCHEMES
        for host in parts.netloc.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{host}").port  # raises ValueError
    except ValueError:
        right = False
    if not right:
        raise SettingsError("VCCI_DATABASE_URL: expected postgresql://user:password@host:5432/database")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{PREFIX}{name.upper()}: found {value!r}, expected {', '.join(choices)}")


def _check_tls(settings: Settings) -> None:
    for name, needs in (
        ("key", "certificate"),
        ("certificate", "key"),
        ("client_ca", "key"),
        ("identities", "client_ca"),
    ):
        if getattr(settings, f"tls_{name}") and not getattr(settings, f"tls_{needs}"):
            raise SettingsError(f"VCCI_TLS_{needs.upper()}: needed with VCCI_TLS_{name.upper()}")


def _lacking(settings: Settings) -> list[str]:
    """Return what keeps a service that others can reach from being safe."""
    tls = [] if settings.tls_certificate else ["VCCI_TLS_CERTIFICATE and VCCI_TLS_KEY"]
    known = settings.jwks or settings.tls_identities
    return tls if known else [*tls, "VCCI_JWKS, or VCCI_TLS_CLIENT_CA and VCCI_TLS_IDENTITIES"]


def is_loopback(name: str, address: str) -> bool:
    """Tell whether only this machine reaches an address; raise SettingsError when it is none."""
    try:
        host, _ = split_address(address)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}{name.upper()}: found {address!r}, expected host:port") from error
    return _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
