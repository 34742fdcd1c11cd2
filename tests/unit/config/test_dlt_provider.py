"""Our pipelines have a configuration of dlt's of their own; the process keeps its own beside it."""

import os
from typing import Annotated

import dlt
import pytest
from dlt.common import logger
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.configuration.providers import environ
from dlt.common.configuration.providers.environ import EnvironProvider
from dlt.common.configuration.specs.config_providers_context import ConfigProvidersContainer
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime import telemetry
from dlt.common.typing import TSecretStrValue

from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.dlt_provider import (
    PROVIDER_NAME,
    ConnectionsProvider,
    form_secrets,
    own_dlt,
)
from directory_sync.config.sign_in import FROM_CONNECTION
from directory_sync.errors import ConfigError

DLT_VARIABLES = ("PROVIDERS__", "RUNTIME__", "LOAD__", "DESTINATION__", "DLT_")


@pytest.fixture(autouse=True)
def _a_process_that_has_not_used_dlt(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.startswith((*DLT_VARIABLES, "CLIENT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setattr(telemetry, "_TELEMETRY_STARTED", False)
    container = Container()
    if PluggableRunContext in container:
        del container[PluggableRunContext]
    yield
    if PluggableRunContext in container:
        del container[PluggableRunContext]


@pytest.fixture
def theirs():
    """The configuration that the process has already; here it asks no Airflow for Variables."""
    theirs = PluggableRunContext()
    theirs.extras_added = True
    Container()[PluggableRunContext] = theirs
    return theirs


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
    with own_dlt({"client_id": lambda: fetched.append("id") or "client-1"}):
        assert fetched == []
        assert dlt.secrets["client_id"] == "client-1"
    assert fetched == ["id"]


def test_a_key_without_an_answer_stays_missing():
    with own_dlt({"client_id": lambda: "client-1"}), pytest.raises(ConfigFieldMissingException):
        dlt.secrets["another_key"]


def test_a_block_within_a_block_has_its_own_answers():
    with own_dlt({"client_id": lambda: "first"}):
        with own_dlt({"client_id": lambda: "second"}):
            assert dlt.secrets["client_id"] == "second"
        with own_dlt(), pytest.raises(ConfigFieldMissingException):
            dlt.secrets["client_id"]
        assert dlt.secrets["client_id"] == "first"


def test_a_bucket_of_another_dag_in_the_environment_is_not_ours(monkeypatch):
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "s3://neighbour")
    destination = dlt.destinations.filesystem()
    with own_dlt({"filesystem.bucket_url": lambda: "/landing"}):
        spec = destination.configuration(destination.spec()._bind_dataset_name("landed"))
    assert spec.bucket_url == "file:///landing"


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


def test_a_form_is_answered_with_a_text_that_is_no_secret(theirs, monkeypatch):
    monkeypatch.setenv("CLIENT_ID", "client-1")
    with form_secrets():
        assert dlt.secrets["client_id"] == dlt.secrets["client_secret"] == FROM_CONNECTION
        assert dlt.secrets.get("client_secret", str) == FROM_CONNECTION
    assert dlt.secrets["client_id"] == "client-1"


def test_a_form_that_fails_leaves_no_answers_behind(theirs):
    with pytest.raises(ZeroDivisionError), form_secrets():
        raise ZeroDivisionError
    with pytest.raises(ConfigFieldMissingException):
        dlt.secrets["client_id"]


@pytest.mark.parametrize("field", ["login", "password"])
def test_what_stands_for_a_secret_is_never_sent(field):
    values = {"login": "client-1", "password": "secret-1"}
    with pytest.raises(ConfigError, match=f"The {field} of connection `directory_api` holds"):
        settings_from(**values | {field: FROM_CONNECTION})


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("providers.enable_airflow_secrets", False),
        ("providers.enable_google_secrets", False),
        ("runtime.dlthub_telemetry", False),
        ("runtime.log_level", "CRITICAL"),
        ("data_writer.disable_compression", True),
        ("load.run_sleep", 0),
    ],
)
def test_what_we_switch_is_switched_in_our_blocks_alone(key, ours, theirs, monkeypatch):
    monkeypatch.delenv("RUNTIME__DLTHUB_TELEMETRY")
    assert dlt.config.get(key) is None
    with own_dlt():
        assert dlt.config.get(key) == ours
    assert dlt.config.get(key) is None


@pytest.mark.parametrize(("key", "text"), [("runtime.log_level", "ERROR"), ("load.run_sleep", "0.5")])
def test_a_setting_of_the_environment_stands(monkeypatch, key, text):
    monkeypatch.setenv(key.upper().replace(".", "__"), text)
    with own_dlt():
        assert dlt.config.get(key) == text


@pytest.mark.parametrize("hint", [str, int | None, TSecretStrValue])
@pytest.mark.parametrize("pipeline", [None, "", "ours"])
@pytest.mark.parametrize("sections", [(), ("load",), ("destination", "", "duckdb")])
def test_the_environment_is_asked_for_the_names_that_dlt_asks_for(monkeypatch, hint, pipeline, sections):
    plain = EnvironProvider()
    with own_dlt():
        ours = Container()[PluggableRunContext].providers[plain.name]
        name = plain.get_value("key", hint, pipeline, *sections)[1]
        assert ours.get_value("key", hint, pipeline, *sections) == (None, name)
        monkeypatch.setenv(name, "7")
        assert ours.get_value("key", hint, pipeline, *sections) == ("7", name)


def test_a_secret_may_be_in_a_file_that_the_cluster_mounts(monkeypatch, tmp_path):
    (tmp_path / "client-id").write_text("client-1")
    monkeypatch.setattr(environ, "SECRET_STORAGE_PATH", f"{tmp_path}/%s")
    monkeypatch.setenv("CLIENT_ID", "another")
    with own_dlt():
        assert dlt.secrets["client_id"] == "client-1"
        assert dlt.config["client_id"] == "client-1"


def test_the_files_of_another_dlt_project_are_not_read(theirs, monkeypatch, tmp_path):
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("[load]\nrun_sleep = 7\nworkers = 3\n")
    theirs.providers = ConfigProvidersContainer(theirs.context.initial_providers())
    with own_dlt():
        assert (dlt.config.get("load.run_sleep"), dlt.config.get("load.workers")) == (0, None)
    assert (dlt.config.get("load.run_sleep"), dlt.config.get("load.workers")) == (7, 3)


def test_no_variable_of_airflow_is_asked_where_the_environment_asks_for_it(monkeypatch):
    monkeypatch.setenv("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "true")
    with own_dlt({"client_id": lambda: "client-1"}):
        # As dlt's Airflow helper does.
        Container()[PluggableRunContext].reload_providers()
        names = [one.name for one in Container()[PluggableRunContext].providers.providers]
        assert names == [PROVIDER_NAME, "Environment Variables", "Directory sync"]
        assert dlt.secrets["client_id"] == "client-1"


def test_a_block_leaves_no_configuration_in_a_process_that_had_none():
    with own_dlt({"client_id": lambda: "client-1"}):
        dlt.pipeline("ours", destination="dummy", pipelines_dir="pipelines").activate()
    assert PluggableRunContext not in Container()
    assert not telemetry.is_telemetry_started()


def test_a_block_gives_the_process_its_configuration_back(theirs, monkeypatch):
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "INFO")
    dlt.config["theirs"] = "value"
    with own_dlt():
        assert Container()[PluggableRunContext] is not theirs
    assert Container()[PluggableRunContext] is theirs
    assert (dlt.config["theirs"], logger.log_level()) == ("value", "INFO")
    assert PROVIDER_NAME not in [one.name for one in theirs.providers.providers]


def test_a_block_gives_the_process_its_active_pipeline_back(theirs, tmp_path):
    pipeline = dlt.pipeline("theirs", destination="duckdb", pipelines_dir=str(tmp_path))
    pipeline.activate()
    capabilities = Container()[DestinationCapabilitiesContext]
    with own_dlt():
        assert not Container()[PipelineContext].is_active()
        dlt.pipeline("ours", destination="dummy", pipelines_dir=str(tmp_path)).activate()
    assert dlt.pipeline() is pipeline
    assert Container()[DestinationCapabilitiesContext] is capabilities


def test_a_block_gives_the_variables_of_dlts_helper_back(monkeypatch):
    monkeypatch.setenv("DLT_DATA_DIR", "theirs")
    with own_dlt():
        os.environ |= {"DLT_DATA_DIR": "ours", "DLT_PROJECT_DIR": "ours"}
    assert (os.environ["DLT_DATA_DIR"], os.environ.get("DLT_PROJECT_DIR")) == ("theirs", None)


def test_a_hint_that_cannot_be_hashed_is_looked_up_too(monkeypatch):
    monkeypatch.setenv("THING", "[1]")
    hints = Annotated[list[int], ["a list"]], Annotated[TSecretStrValue, ["a list"]]
    with own_dlt():
        providers = Container()[PluggableRunContext].providers.providers
        [provider] = [one for one in providers if isinstance(one, EnvironProvider)]
        assert [provider.get_value("thing", hint, None) for hint in hints] == [("[1]", "THING")] * 2
