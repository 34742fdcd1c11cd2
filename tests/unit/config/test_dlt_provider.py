"""dlt's look-ups are answered from connections, in the task and not before."""

import os

import dlt
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.dlt_provider import (
    PROVIDER_NAME,
    ConnectionsProvider,
    form_secrets,
    quiet_dlt,
    register,
)
from directory_sync.config.sign_in import FROM_CONNECTION
from directory_sync.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_trace_of_a_registration(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    providers = Container()[PluggableRunContext].providers.providers
    before = list(providers)
    yield
    providers[:] = before


def settings_from(*, login: str, password: str) -> ApiSettings:
    """The settings as a task reads them: the form through dlt, then the connection."""
    fields = ConnectionFields(
        conn_id="directory_api",
        conn_type="directory_api",
        host="https://api.example.org",
        login=login,
        password=password,
    )
    with form_secrets():
        auth = {
            "client_id": dlt.secrets["client_id"],
            "client_secret": dlt.secrets["client_secret"],
        }
    return ApiSettings.from_connection(fields, client={"auth": auth})


@pytest.mark.parametrize(
    "secret",
    [
        "plain",
        "00123",
        "123",
        "1e5",
        "1.10",
        "0x10",
        "1_000",
        "-0",
        "+5",
        " 12",
        "12e400",
        "nan",
        "NaN",
        "inf",
        "Infinity",
        "true",
        "False",
        "null",
        "None",
        '{"a":  1}',
        "[1,2]",
        "2024-01-01",
        "a+b/c==",
        "ünïcode",
        "resolved-in-the-task",
    ],
)
def test_a_secret_that_looks_like_another_type_stays_what_it_is(secret):
    settings = settings_from(login=secret, password=secret)
    assert (settings.client_id, settings.client_secret) == (secret, secret)


def test_an_answer_is_fetched_only_when_it_is_asked_for():
    fetched = []
    register({"client_id": lambda: fetched.append("id") or "client-1"})
    assert fetched == []
    assert dlt.secrets["client_id"] == "client-1"
    assert fetched == ["id"]


def test_a_key_without_an_answer_stays_missing():
    register({"client_id": lambda: "client-1"})
    with pytest.raises(ConfigFieldMissingException):
        dlt.secrets["another_key"]


def test_a_later_registration_replaces_the_earlier_one():
    register({"client_id": lambda: "first"})
    register({"client_id": lambda: "second"})
    names = [p.name for p in Container()[PluggableRunContext].providers.providers]
    assert (dlt.secrets["client_id"], names.count(PROVIDER_NAME)) == ("second", 1)


def test_the_provider_is_asked_last():
    register({"client_id": lambda: "client-1"})
    assert Container()[PluggableRunContext].providers.providers[-1].name == PROVIDER_NAME


def test_an_environment_variable_goes_before_the_connection(monkeypatch):
    monkeypatch.setenv("CLIENT_ID", "from-the-environment")
    register({"client_id": lambda: "client-1"})
    assert dlt.secrets["client_id"] == "from-the-environment"


@pytest.mark.parametrize(
    ("key", "sections", "answer"),
    [
        ("client_id", (), ("client-1", "client_id")),
        ("bucket_url", ("destination", "filesystem"), ("/landing", "filesystem.bucket_url")),
        ("bucket_url", (), (None, "bucket_url")),
        ("client_id", ("filesystem",), (None, "filesystem.client_id")),
        ("unknown", ("filesystem",), (None, "filesystem.unknown")),
    ],
)
def test_the_last_section_counts(key, sections, answer):
    provider = ConnectionsProvider(
        {"client_id": lambda: "client-1", "filesystem.bucket_url": lambda: "/landing"}
    )
    assert provider.get_value(key, str, None, *sections) == answer


def test_the_provider_may_hold_secrets_in_sections():
    provider = ConnectionsProvider({})
    assert (provider.supports_secrets, provider.supports_sections) == (True, True)


def test_a_form_is_answered_with_a_text_that_is_no_secret():
    register({"client_id": lambda: "client-1"})
    with form_secrets():
        assert dlt.secrets["client_id"] == dlt.secrets["client_secret"] == FROM_CONNECTION
        assert dlt.secrets.get("client_secret", str) == FROM_CONNECTION
    assert dlt.secrets["client_id"] == "client-1"


def test_a_form_that_fails_leaves_no_answers_behind():
    with pytest.raises(ZeroDivisionError), form_secrets():
        raise ZeroDivisionError
    with pytest.raises(ConfigFieldMissingException):
        dlt.secrets["client_id"]


@pytest.mark.parametrize("field", ["login", "password"])
def test_what_stands_for_a_secret_is_never_sent(field):
    values = {"login": "client-1", "password": "secret-1"}
    with pytest.raises(ConfigError, match=f"The {field} of connection `directory_api` holds"):
        settings_from(**values | {field: FROM_CONNECTION})


@pytest.fixture
def environment(monkeypatch):
    """The environment without what is set here, as it was again afterwards."""
    names = ("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "RUNTIME__DLTHUB_TELEMETRY", "RUNTIME__LOG_LEVEL")
    for name in names:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return os.environ


@pytest.mark.parametrize("name", ["PROVIDERS__ENABLE_AIRFLOW_SECRETS", "RUNTIME__DLTHUB_TELEMETRY"])
def test_the_look_ups_in_variables_and_the_telemetry_are_off(environment, name):
    quiet_dlt()
    assert environment[name] == "false"


@pytest.mark.parametrize("name", ["PROVIDERS__ENABLE_AIRFLOW_SECRETS", "RUNTIME__DLTHUB_TELEMETRY"])
def test_a_switch_of_the_environment_stands(environment, monkeypatch, name):
    monkeypatch.setenv(name, "true")
    quiet_dlt()
    assert environment[name] == "true"
