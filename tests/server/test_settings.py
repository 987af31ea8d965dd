"""Settings from the environment and flags."""

import os
from dataclasses import fields
from pathlib import Path

import pytest
from vcci_cluster import LANES, RayOptions
from vcci_server.settings import (
    Settings,
    SettingsError,
    from_environment,
    split_address,
    state_dir,
    variable,
)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = from_environment({"PATH": "/bin", "VCCI_SERVER": "elsewhere:1", "VCCI_TOKEN": "of the client"})
    assert settings == Settings()
    assert settings.listen == "127.0.0.1:50051"


def test_values_are_read_by_their_type() -> None:
    settings = from_environment(
        {
            "VCCI_CREDITS": "3",
            "VCCI_DRAIN_S": "1.5",
            "VCCI_MIGRATE": "Yes",
            "VCCI_STATE_DIR": "/a/b",
            "VCCI_LOG_LEVEL": "debug",
        }
    )
    assert (settings.credits, settings.drain_s, settings.migrate) == (3, 1.5, True)
    assert settings.state_dir == Path("/a/b")
    assert settings.log_level == "debug"


def test_a_local_ray_has_all_cpus_unless_told_otherwise() -> None:
    assert from_environment({}).ray_options == RayOptions()
    told = from_environment({"VCCI_RAY_CPUS": "3", "VCCI_RAY_RETRIES": "0"})
    assert told.ray_options == RayOptions(cpus=3, retries=0)


def test_several_processes_do_not_start_a_ray_each() -> None:
    with pytest.raises(SettingsError, match="`local` is of one process"):
        from_environment({"VCCI_PROCESSES": "2", "VCCI_RAY_ADDRESS": "local"})
    assert from_environment({"VCCI_PROCESSES": "2", "VCCI_RAY_ADDRESS": "auto"}).processes == 2


def test_a_filter_is_not_deeper_than_it_can_be_read() -> None:
    assert from_environment({"VCCI_MAX_FILTER_DEPTH": "100"}).filter_limits.depth == 100
    with pytest.raises(SettingsError, match="VCCI_MAX_FILTER_DEPTH: found 101, at most 100"):
        from_environment({"VCCI_MAX_FILTER_DEPTH": "101"})


def test_lanes_are_changed_field_by_field() -> None:
    text = "simulation: in_flight=1, time_limit_s=0.5; reporting: ray_resource=reports, waiting=0;"
    lanes = {lane.name: lane for lane in from_environment({"VCCI_LANES": text}).work_lanes}
    assert (lanes["simulation"].in_flight, lanes["simulation"].time_limit_s) == (1, 0.5)
    assert (lanes["reporting"].ray_resource, lanes["reporting"].waiting) == ("reports", 0)
    assert [lanes[lane.name] for lane in LANES if lane.name in ("intake", "hotspot")] == [LANES[0], LANES[2]]
    assert from_environment({}).work_lanes == LANES


def test_a_flag_goes_before_its_variable() -> None:
    environment = {"VCCI_LISTEN": "127.0.0.1:1", "VCCI_METRICS_LISTEN": "127.0.0.1:2"}
    settings = from_environment(environment, {"listen": "127.0.0.1:3", "metrics_listen": None})
    assert (settings.listen, settings.metrics_listen) == ("127.0.0.1:3", "127.0.0.1:2")


def test_an_unknown_variable_suggests_the_nearest() -> None:
    with pytest.raises(SettingsError, match="VCCI_DATABSE_URL is not a setting; did you mean VCCI_DATABASE_URL"):
        from_environment({"VCCI_DATABSE_URL": "x"})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("VCCI_CREDITS", "many", "found 'many', expected batches"),
        ("VCCI_CREDITS", "0", "expected more than 0 batches"),
        ("VCCI_RAY_CPUS", "-1", "expected 0 or more CPUs"),
        ("VCCI_DRAIN_S", "nan", "expected more than 0 s"),
        ("VCCI_MIGRATE", "perhaps", "expected yes or no"),
        ("VCCI_LOG_FORMAT", "xml", "expected auto, json, console"),
        ("VCCI_LISTEN", "50051", "expected host:port"),
        ("VCCI_LISTEN", "127.0.0.1:70000", "expected host:port"),
        ("VCCI_REDIS_URL", "localhost:6379", "a URL that begins with redis"),
        ("VCCI_LANES", "express: waiting=1", "there is no lane 'express', expected one of intake, calculator"),
        ("VCCI_LANES", "hotspot: speed=1", "a lane has no 'speed', expected one of weight, waiting"),
        ("VCCI_LANES", "hotspot: waiting=many", "waiting: found 'many', expected a number"),
        ("VCCI_LANES", "hotspot: weight=0", "weight: found '0', expected more than 0"),
        ("VCCI_LANES", "hotspot: time_limit_s=nan", "time_limit_s: found 'nan', expected more than 0"),
        ("VCCI_PROCESSES", "0", "expected more than 0 processes"),
        ("VCCI_LANES", "hotspot", "a lane has no '', expected one of weight"),
        ("VCCI_TOKEN_SECRET", "short", "expected 32 bytes or more"),
    ],
)
def test_a_wrong_value_says_what_was_expected(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=name) as raised:
        from_environment({name: value})
    assert says in str(raised.value)


TLS = {"VCCI_TLS_CERTIFICATE": "/c.pem", "VCCI_TLS_KEY": "/c.key"}
MUTUAL = TLS | {"VCCI_TLS_CLIENT_CA": "/ca.pem", "VCCI_TLS_IDENTITIES": "/identities.toml"}
ISSUER = {"VCCI_JWKS": "/keys.json", "VCCI_JWT_ISSUER": "https://login.example", "VCCI_JWT_AUDIENCE": "vcci"}
SECRET = {"VCCI_TOKEN_SECRET": "0123456789abcdef0123456789abcdef"}


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.7", "example.org"])
@pytest.mark.parametrize(
    ("given", "lacks"),
    [
        ({}, "set VCCI_TLS_CERTIFICATE and VCCI_TLS_KEY; VCCI_JWKS, or VCCI_TLS_CLIENT_CA and VCCI_TLS_IDENTITIES"),
        (ISSUER, "set VCCI_TLS_CERTIFICATE and VCCI_TLS_KEY."),
        (TLS, "set VCCI_JWKS, or VCCI_TLS_CLIENT_CA"),
        (TLS | SECRET, "Development tokens are for loopback only"),
    ],
    ids=["nothing", "no TLS", "no authentication", "only development tokens"],
)
def test_it_refuses_to_listen_beyond_loopback_without_tls_and_authentication(
    host: str, given: dict[str, str], lacks: str
) -> None:
    with pytest.raises(SettingsError, match=r"VCCI_LISTEN: .* other machines") as raised:
        from_environment({"VCCI_LISTEN": f"{host}:50051"} | given)
    assert lacks in str(raised.value)


@pytest.mark.parametrize("given", [TLS | ISSUER, MUTUAL, MUTUAL | ISSUER], ids=["tokens", "certificates", "both"])
def test_it_listens_anywhere_with_tls_and_authentication(given: dict[str, str]) -> None:
    assert from_environment({"VCCI_LISTEN": "0.0.0.0:50051"} | given).listen == "0.0.0.0:50051"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.7", "example.org"])
def test_metrics_are_for_this_machine(host: str) -> None:
    with pytest.raises(SettingsError, match=r"VCCI_METRICS_LISTEN: .* plain HTTP"):
        from_environment({"VCCI_METRICS_LISTEN": f"{host}:9464"} | MUTUAL)


@pytest.mark.parametrize("name", ["VCCI_TLS_CERTIFICATE", "VCCI_TLS_KEY", "VCCI_TLS_CLIENT_CA"])
def test_files_of_tls_need_each_other(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: needed with"):
        from_environment({other: path for other, path in MUTUAL.items() if other != name})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "[::1]", "localhost"])
def test_it_listens_on_loopback(host: str) -> None:
    assert from_environment({"VCCI_LISTEN": f"{host}:0"}).listen == f"{host}:0"


def test_an_address_of_version_6_is_split() -> None:
    assert split_address("[::1]:50051") == ("::1", 50051)


@pytest.mark.parametrize("name", ISSUER)
def test_an_issuer_is_given_whole(name: str) -> None:
    assert from_environment(ISSUER).jwks == "/keys.json"
    with pytest.raises(SettingsError, match=name):
        from_environment({other: value for other, value in ISSUER.items() if other != name})


@pytest.mark.parametrize("url", ["http://login.example/keys", "ftp://login.example/keys", "file:///keys.json"])
def test_keys_do_not_come_over_a_line_that_anybody_may_write_on(url: str) -> None:
    with pytest.raises(SettingsError, match="https://"):
        from_environment(ISSUER | {"VCCI_JWKS": url})


@pytest.mark.parametrize("url", ["https://login.example/keys", "http://127.0.0.1:80/keys"])
def test_keys_come_over_tls_or_from_this_machine(url: str) -> None:
    assert from_environment(ISSUER | {"VCCI_JWKS": url}).jwks == url


def test_secrets_stay_out_of_what_is_printed() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    names = [variable(setting) for setting in fields(Settings) if setting.metadata["secret"]]
    assert names == ["VCCI_DATABASE_URL", "VCCI_REDIS_URL", "VCCI_RAY_TOKEN", "VCCI_TOKEN_SECRET"]
    urls = {"VCCI_DATABASE_URL": f"postgresql://v:{secret}@h", "VCCI_REDIS_URL": f"redis://:{secret}@localhost"}
    given = dict.fromkeys(names, secret) | urls
    assert secret not in repr(from_environment(given))


def test_the_state_folder_is_not_in_a_roots_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_dir() == Path("/var/lib/vcci")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere/state")
    assert state_dir() == Path("/somewhere/state/vcci")
