"""The switches in Airflow's own configuration."""

import pytest
from airflow.configuration import conf

from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError


@pytest.fixture
def section():
    """The section of airflow.cfg; it is gone after the test."""
    conf.add_section("directory_sync")
    yield lambda name, value: conf.set("directory_sync", name, value)
    conf.remove_section("directory_sync")


@pytest.fixture(autouse=True)
def _options_are_read():
    from directory_sync import dag

    assert dag.directory_dag


def test_a_switch_may_stand_in_airflows_configuration(section):
    section("shards", "2")
    section("schedule", "0 4 * * *")
    section("runs_may_raise_limits", "True")
    settings = SyncSettings.from_environment()
    assert (settings.shards, settings.schedule, settings.runs_may_raise_limits) == (2, "0 4 * * *", True)


def test_a_switch_may_stand_in_airflows_variable(monkeypatch):
    monkeypatch.setenv("AIRFLOW__DIRECTORY_SYNC__MAX_REMOVED_SHARE", "0.01")
    assert SyncSettings.from_environment().max_removed_share == 0.01


def test_a_dag_has_what_airflows_configuration_says(parse):
    dag = parse(AIRFLOW__DIRECTORY_SYNC__SHARDS="2")
    shards = {task for task in dag.task_ids if task.endswith("-2")}
    assert shards == {"extract.directory_shard_0-2", "extract.directory_shard_1-2"}


@pytest.mark.parametrize("way", ["section", "variable"])
def test_an_unknown_option_is_refused(monkeypatch, section, way):
    if way == "section":
        section("shard", "2")
    else:
        monkeypatch.setenv("AIRFLOW__DIRECTORY_SYNC__SHARD", "2")
    with pytest.raises(ConfigError, match=r"`shard` in \[directory_sync\] .* Did you mean SHARDS"):
        SyncSettings.from_environment()


def test_two_values_for_one_switch_are_refused(monkeypatch, section):
    monkeypatch.setenv("DIRECTORY_SYNC_SHARDS", "8")
    section("shards", "8")
    assert SyncSettings.from_environment().shards == 8
    section("shards", "2")
    with pytest.raises(
        ConfigError, match=r"DIRECTORY_SYNC_SHARDS is '8', and `shards` in \[directory_sync\]"
    ):
        SyncSettings.from_environment()


def test_a_value_out_of_range_names_its_place(section):
    section("shards", "many")
    with pytest.raises(ConfigError, match=r"`shards` in \[directory_sync\] .* must be a number; got 'many'"):
        SyncSettings.from_environment()
