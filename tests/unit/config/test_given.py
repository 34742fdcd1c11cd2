"""Each name that is given is a switch, and has one value."""

import pytest

from directory_sync.config.given import given_switches
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError

NAMES = ("shards", "schedule", "max_removed_share")


def test_an_unknown_name_is_refused_with_the_one_that_was_meant():
    with pytest.raises(ConfigError, match=r"DIRECTORY_SYNC_SHARD is unknown\. Did you mean SHARDS\?"):
        SyncSettings.from_environment({"DIRECTORY_SYNC_SHARD": "8"})


@pytest.mark.parametrize("text", ["1", ""])
def test_an_unknown_name_like_no_other_is_refused(text):
    with pytest.raises(ConfigError, match=r"DIRECTORY_SYNC_COLOUR is unknown\. See the README"):
        given_switches(NAMES, {"DIRECTORY_SYNC_COLOUR": text})


@pytest.mark.parametrize(
    "variable",
    [
        "DIRECTORY_SYNC_SERVICE_HOST",
        "DIRECTORY_SYNC_SERVICE_PORT_HTTP",
        "DIRECTORY_SYNC_PORT",
        "DIRECTORY_SYNC_PORT_8080_TCP_ADDR",
        "DIRECTORY_SYNC_API_SERVER_SERVICE_HOST",
        "DIRECTORY_SYNC_POSTGRESQL_PORT_5432_TCP_PROTO",
    ],
)
def test_what_kubernetes_adds_for_a_service_of_that_name_is_no_switch(variable):
    assert given_switches(NAMES, {variable: "tcp://10.0.0.1:8080"}) == {}


def test_no_switch_is_taken_for_one_of_kubernetes():
    for name in SyncSettings.__dataclass_fields__:
        assert name in given_switches([name], {f"DIRECTORY_SYNC_{name.upper()}": "1"})


def test_other_variables_are_not_looked_at():
    assert given_switches(NAMES, {"AIRFLOW_HOME": "/opt", "MY_DIRECTORY_SYNC_SHARD": "8"}) == {}
