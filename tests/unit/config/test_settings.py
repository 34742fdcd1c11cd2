"""Every setting holds as given or is refused with a message that names it."""

import traceback
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError

SECRET = "SENTINEL-SECRET"


def connection(**fields):
    values = {
        "conn_id": "directory_api",
        "conn_type": "directory_api",
        "host": "https://api.example.org",
        "login": "client-1",
        "password": SECRET,
    }
    return ConnectionFields(**{**values, **fields})


def api(**fields):
    return ApiSettings.from_connection(connection(**fields))


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": "https://api.example.org"}, "https://api.example.org"),
        ({"host": "https://api.example.org/"}, "https://api.example.org"),
        ({"host": "  https://api.example.org/v2/ "}, "https://api.example.org/v2"),
        ({"host": "http://localhost:8080"}, "http://localhost:8080"),
        ({"host": "api.example.org"}, "https://api.example.org"),
        ({"host": "api.example.org", "schema": "http"}, "http://api.example.org"),
        ({"host": "api.example.org", "schema": "https"}, "https://api.example.org"),
        ({"host": "api.example.org", "schema": "unrelated"}, "https://api.example.org"),
        ({"host": "api.example.org", "port": 8443}, "https://api.example.org:8443"),
        ({"host": "localhost", "schema": "http", "port": 80}, "http://localhost:80"),
        ({"host": "http://localhost", "port": 8080}, "http://localhost:8080"),
        ({"host": "http://localhost:9090", "port": 8080}, "http://localhost:9090"),
        ({"host": "https://api.example.org/v2", "port": 8443}, "https://api.example.org:8443/v2"),
        ({"host": "http://[::1]", "port": 8080}, "http://[::1]:8080"),
    ],
)
def test_the_base_url_comes_from_the_connection(fields, base_url):
    assert api(**fields).base_url == base_url


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "ftp://api.example.org"},
        {"host": "https://"},
        {"host": "https://[::1"},
        {"host": "https://[::1", "port": 8080},
        {"host": "::1", "port": 8080},
        {"host": "https://api.example.org:port"},
        {"host": "https://api.example.org:port", "port": 8080},
        {"host": "https://api.example.org:99999"},
        {"host": "https://api.example.org:99999", "port": 8080},
    ],
)
def test_a_host_that_is_no_url_is_refused(fields):
    with pytest.raises(ConfigError, match="host of connection `directory_api`"):
        api(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"host": f"https://user:{SECRET}@api.example.org"},
        {"host": f"user:{SECRET}@api.example.org"},
        {"host": f"https://{SECRET}@api.example.org/v2"},
        {"host": f"https://user:1/{SECRET}@api.example.org"},
        {"host": f"https://user:x#{SECRET}@api.example.org"},
        {"host": f"htps://user:{SECRET}@api.example.org"},
        {"host": f"https://api.example.org/?key={SECRET}"},
        {"extra": {"token_url": f"https://user:{SECRET}@login.example.org/token"}},
        {"extra": {"token_url": f"//user:{SECRET}@login.example.org/token"}},
    ],
)
def test_a_user_a_password_or_a_query_in_an_address_is_refused_unseen(fields):
    with pytest.raises(ConfigError, match=r"(host|token_url) of connection `directory_api`") as caught:
        api(**fields)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("given", "statuses"),
    [
        (None, {408, 425, 520, 522, 524, 529}),
        ("", {408, 425, 520, 522, 524, 529}),
        ("521, 530", {521, 530}),
        ("521", {521}),
        ([409, "423"], {409, 423}),
        ([], set()),
    ],
)
def test_the_statuses_to_try_again_are_a_list_or_its_text(given, statuses):
    assert api(extra={"retry_statuses": given}).retry_statuses == statuses


@pytest.mark.parametrize("given", ["soon", "302", "600", [401], "403", "520,404", 520, {"a": 1}, [[520]]])
def test_other_statuses_to_try_again_are_refused(given):
    with pytest.raises(ConfigError, match="`retry_statuses` of connection `directory_api`"):
        api(extra={"retry_statuses": given})


def test_no_host_anywhere_is_refused():
    with pytest.raises(ConfigError, match="host of connection `directory_api`"):
        api(host="")


def test_no_connection_is_refused_with_the_variable_that_makes_one():
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_DIRECTORY_API"):
        ApiSettings.from_connection(None)


@pytest.mark.parametrize("field", ["login", "password"])
def test_an_empty_credential_is_named(field):
    with pytest.raises(ConfigError, match=f"The {field} of connection `directory_api` is empty"):
        api(**{field: ""})


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"auth_method": "private_key"}, "auth_method"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
        ({"timeout_seconds": "0"}, "timeout_seconds"),
        ({"timeout_seconds": "soon"}, "timeout_seconds"),
        ({"timeout_seconds": "nan"}, "timeout_seconds"),
        ({"timeout_seconds": [30]}, "timeout_seconds"),
        ({"requests_per_second": -5}, "requests_per_second"),
        ({"requests_per_second": "0"}, "requests_per_second"),
        ({"requests_per_second": "many"}, "requests_per_second"),
        ({"requests_per_second": {"a": 1}}, "requests_per_second"),
    ],
)
def test_a_bad_value_of_the_extra_is_named(extra, name):
    with pytest.raises(ConfigError, match=f"`{name}` of connection `directory_api`"):
        api(extra=extra)


@pytest.mark.parametrize(
    ("extra", "name", "value"),
    [
        ({}, "token_url", "/oauth/token"),
        ({"token_url": "/login"}, "token_url", "/login"),
        ({}, "scope", ""),
        ({"scope": "read"}, "scope", "read"),
        ({}, "auth_method", "client_secret_post"),
        ({"auth_method": "client_secret_basic"}, "auth_method", "client_secret_basic"),
        ({}, "timeout_seconds", 30.0),
        ({"timeout_seconds": "12.5"}, "timeout_seconds", 12.5),
        ({}, "requests_per_second", None),
        ({"requests_per_second": ""}, "requests_per_second", None),
        ({"requests_per_second": None}, "requests_per_second", None),
        ({"requests_per_second": "10"}, "requests_per_second", 10.0),
        ({"requests_per_second": 0.5}, "requests_per_second", 0.5),
        ({}, "verify", True),
        ({"verify": False}, "verify", False),
        ({"verify": "false"}, "verify", False),
        ({"verify": "No"}, "verify", False),
        ({"verify": "0"}, "verify", False),
        ({"verify": "TRUE"}, "verify", True),
        ({"verify": ""}, "verify", True),
        ({"verify": " /etc/ca.pem "}, "verify", "/etc/ca.pem"),
    ],
)
def test_the_extra_says_the_rest(extra, name, value):
    assert getattr(api(extra=extra), name) == value


@pytest.mark.parametrize(
    ("token_url", "absolute"),
    [
        ("/oauth/token", "https://api.example.org/oauth/token"),
        ("https://login.example.org/t", "https://login.example.org/t"),
    ],
)
def test_a_token_path_counts_from_the_host(token_url, absolute):
    assert api(host="https://api.example.org/v2", extra={"token_url": token_url}).absolute_token_url == (
        absolute
    )


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/v1/directory", "https://api.example.org/base/v1/directory"),
        ("v1/directory", "https://api.example.org/base/v1/directory"),
        ("https://other.example.org/x", "https://other.example.org/x"),
    ],
)
def test_a_path_counts_from_the_base_url(path, url):
    assert api(host="https://api.example.org/base").url(path) == url


CLIENT = {
    "base_url": "https://form.example.org",
    "auth": {"token_url": "https://form.example.org/t", "client_id": None, "client_secret": None},
}


def test_the_address_of_the_form_serves_where_the_connection_has_none():
    settings = ApiSettings.from_connection(connection(host=""), client=CLIENT)
    assert settings.base_url == "https://form.example.org"
    assert settings.absolute_token_url == "https://form.example.org/t"


def test_the_name_dlt_has_for_the_token_url_serves_too():
    client = {**CLIENT, "auth": {"access_token_url": "https://form.example.org/dlt"}}
    settings = ApiSettings.from_connection(connection(host=""), client=client)
    assert settings.absolute_token_url == "https://form.example.org/dlt"


def test_the_token_url_of_the_form_does_not_go_with_the_host_of_the_connection():
    settings = ApiSettings.from_connection(connection(), client=CLIENT)
    assert settings.absolute_token_url == "https://api.example.org/oauth/token"


def test_no_secret_stands_in_a_repr():
    fields = connection(extra={"token": SECRET})
    settings = ApiSettings.from_connection(connection())
    assert SECRET not in repr(fields) + repr(settings) + str(fields) + str(settings)


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "ftp://x"},
        {"login": ""},
        {"extra": {"auth_method": "x"}},
        {"extra": {"timeout_seconds": SECRET}},
        {"extra": {"requests_per_second": SECRET}},
        {"extra": {"verify_tls": SECRET}},
    ],
)
def test_no_secret_stands_in_a_refusal(fields):
    with pytest.raises(ConfigError) as caught:
        api(**fields)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_empty_environment_gives_the_defaults():
    settings = SyncSettings.from_environment({})
    assert settings == SyncSettings(home=Path.home() / "airflow" / "directory_sync")


def test_the_home_is_below_that_of_airflow():
    settings = SyncSettings.from_environment({"AIRFLOW_HOME": "/opt/airflow"})
    assert settings.home == Path("/opt/airflow/directory_sync")


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("HOME", "/data", Path("/data")),
        ("DATASET", "people", "people"),
        ("SCHEDULE", "0 5 * * *", "0 5 * * *"),
        ("SHARDS", "1", 1),
        ("REQUESTS_IN_FLIGHT", "16", 16),
        ("MAX_REMOVED_SHARE", "0.5", 0.5),
        ("MAX_REMOVED_COUNT_7_DAYS", "2000", 2000),
        ("RUNS_MAY_RAISE_LIMITS", "True", True),
        ("RUNS_MAY_RAISE_LIMITS", "0", False),
        ("APPROVERS", "ursula, otto,", ("ursula", "otto")),
        ("WAREHOUSE_WAIT_SECONDS", "10", 10.0),
        ("DEADLINE_MINUTES", "90", 90.0),
        ("OWNER_LINK", "mailto:data@example.org", "mailto:data@example.org"),
        ("OWNER_LINK", "https://chat.example.org/data", "https://chat.example.org/data"),
    ],
)
def test_a_switch_is_read_from_the_environment(variable, text, value):
    settings = SyncSettings.from_environment({f"DIRECTORY_SYNC_{variable}": text})
    assert getattr(settings, variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SHARDS", "many"),
        ("SHARDS", "0"),
        ("SHARDS", "2.5"),
        ("REQUESTS_IN_FLIGHT", "-1"),
        ("RETENTION_DAYS", "0"),
        ("MEMORY_LIMIT_MB", "256MB"),
        ("MAX_REMOVED_SHARE", "5 %"),
        ("MAX_REMOVED_SHARE_30_DAYS", "much"),
        ("RUNS_MAY_RAISE_LIMITS", "perhaps"),
        ("DEADLINE_MINUTES", "-1"),
        ("DEADLINE_MINUTES", "inf"),
        ("DEADLINE_MINUTES", "soon"),
        ("UNSTORABLE", "drop"),
        ("OWNER_LINK", "the data team"),
        ("OWNER_LINK", "/plugin/directory"),
        ("OWNER_LINK", "mailto:"),
    ],
)
def test_a_switch_that_does_not_parse_is_named(variable, text):
    with pytest.raises(ConfigError, match=f"DIRECTORY_SYNC_{variable}"):
        SyncSettings.from_environment({f"DIRECTORY_SYNC_{variable}": text})


def test_the_removal_limits_of_the_environment_hold():
    settings = SyncSettings.from_environment({"DIRECTORY_SYNC_MAX_REMOVED_COUNT": "7"})
    assert settings.removal_limits == RemovalLimits(max_removed_count=7)


def test_an_empty_switch_is_as_good_as_none():
    assert (
        SyncSettings.from_environment({"AIRFLOW_HOME": "/airflow", "DIRECTORY_SYNC_SHARDS": ""}).shards == 4
    )


def test_a_home_that_depends_on_the_current_folder_is_refused():
    with pytest.raises(ConfigError, match="DIRECTORY_SYNC_HOME"):
        SyncSettings.from_environment({"DIRECTORY_SYNC_HOME": "here"})


@pytest.mark.parametrize(
    "given",
    [
        {"host": "/data/x"},
        {"schema": "data/x"},
        {"extra": {"path": "/data/x"}, "host": "ignored"},
    ],
)
def test_a_file_is_named_by_extra_host_or_a_uri_whose_path_airflow_calls_schema(given):
    assert ConnectionFields(conn_id="directory_warehouse", conn_type="duckdb", **given).path == "/data/x"


@pytest.mark.parametrize(
    ("schedule", "hours", "waits"),
    [
        ("0 3 * * *", 20, timedelta(hours=20)),
        ("0 3 * * *", 30, timedelta(hours=20)),
        ("0 * * * *", 20, timedelta(minutes=50)),
        ("0 3 * * 1", 20, timedelta(hours=20)),
        ("0 3,5 * * *", 20, timedelta(minutes=100)),
    ],
)
def test_an_answer_is_waited_for_no_longer_than_until_the_next_run(
    schedule: str, hours: float, waits: timedelta
) -> None:
    settings = SyncSettings(home=Path("/home"), schedule=schedule, response_timeout_hours=hours)
    assert settings.response_timeout == waits


@pytest.mark.parametrize(("allowance", "share"), [(20.0, 5.0), (None, None)])
def test_clients_that_share_an_allowance_keep_it_together(
    allowance: float | None, share: float | None
) -> None:
    api = ApiSettings(base_url="https://x.example", client_id="a", client_secret="b")
    assert replace(api, requests_per_second=allowance).shared_by(4).requests_per_second == share
