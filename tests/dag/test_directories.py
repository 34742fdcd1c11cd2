"""Several directories beside each other: no name of one is a name of another."""

import functools

import dlt
import pytest

from directory_sync.config.sign_in import FROM_CONNECTION
from directory_sync.dag import Directory, directory_dag
from directory_sync.errors import ConfigError
from directory_sync.landing.place import landing_place
from directory_sync.landing.zone import Landing
from tests.dag_file import directory

PARTNERS = Directory(
    form=directory,
    connection="partners_api",
    settings={"dataset": "partners", "shards": 2, "schedule": "30 4 * * *", "max_removed_count": 5},
)


def two_resources():
    form = directory()
    [first] = form["resources"]
    second = {**first, "name": "sites", "endpoint": {**first["endpoint"], "path": "/v1/sites"}}
    return {**form, "resources": [first, second]}


@pytest.fixture(scope="module")
def dags():
    return directory_dag("directory_sync", Directory(form=directory)), directory_dag(
        "partners_sync", PARTNERS
    )


def test_a_second_directory_is_a_dag_of_its_own(dags):
    first, second = dags
    assert (second.dag_id, second.tags) == ("partners_sync", first.tags)
    assert second.timetable != first.timetable
    shards = {task for task in second.task_ids if task.endswith("-2")}
    assert shards == {"extract.directory_shard_0-2", "extract.directory_shard_1-2"}
    assert set(second.task_ids) >= {"audit", "publish", "approve_removals", "remove"}


def test_two_directories_share_no_asset(dags):
    outlets = [{(asset.name, asset.uri) for task in dag.tasks for asset in task.outlets} for dag in dags]
    assert outlets == [{("directory_resource",) * 2}, {("partners.directory_resource",) * 2}]


def test_two_directories_share_no_dataset_and_no_landing_folder():
    first, second = Directory(form=directory), PARTNERS
    assert (first.switches.dataset, second.switches.dataset) == ("directory", "partners")
    folders = [
        Landing(landing_place(None, one.switches), folder=one.landing_folder)
        .snapshot("directory_resource", "run")
        .path
        for one in (first, second)
    ]
    assert folders[0].endswith("landing/directory_resource/run")
    assert folders[1].endswith("landing/dataset=partners/directory_resource/run")


def test_a_directory_has_the_switches_of_the_environment_but_its_own(monkeypatch):
    monkeypatch.setenv("DIRECTORY_SYNC_MAX_REMOVED_COUNT", "7")
    monkeypatch.setenv("DIRECTORY_SYNC_RETENTION_DAYS", "9")
    assert (PARTNERS.switches.max_removed_count, PARTNERS.switches.retention_days) == (5, 9)


def test_a_second_connection_without_a_dataset_of_its_own_is_refused():
    with pytest.raises(ConfigError, match="`partners_api` needs a dataset of its own"):
        Directory(form=directory, connection="partners_api")


def test_a_switch_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="`retention`"):
        Directory(form=directory, settings={"retention": 3})


def test_two_dags_with_the_same_tables_are_refused_at_parse(dags):
    first, _ = dags
    with pytest.raises(
        ConfigError, match="`directory_sync` and `others_sync` both sync `directory_resource`"
    ):
        directory_dag("others_sync", Directory(form=directory))
    assert directory_dag(first.dag_id, Directory(form=directory)).dag_id == first.dag_id


def test_two_dags_with_resources_of_their_own_share_a_dataset(dags):
    def sites():
        form = two_resources()
        return {**form, "resources": form["resources"][1:]}

    assert directory_dag("sites_sync", Directory(form=sites)).dag_id == "sites_sync"


def test_a_former_name_that_is_no_list_is_refused():
    with pytest.raises(ConfigError, match=r"formerly=\['api/old'\]"):
        Directory(form=directory, formerly="api/old")


def test_a_further_resource_is_a_group_that_holds_the_same_names():
    dag = directory_dag("directory_sync", Directory(form=two_resources))
    stages = {"audit", "publish", "approve_removals", "remove"}
    assert stages | {f"sites.{stage}" for stage in stages} <= set(dag.task_ids)
    assert dag.get_task("sites.approve_removals").downstream_task_ids == {"sites.remove"}
    assert {asset.name for asset in dag.get_task("sites.publish").outlets} == {"sites"}


def a_form_with_a_fault():
    form = directory()
    form["resources"][0]["endpoint"]["method"] = "PUT"
    return form


@pytest.mark.parametrize("form", [a_form_with_a_fault, functools.partial(a_form_with_a_fault)])
def test_a_fault_of_the_form_names_the_file_it_stands_in(form):
    with pytest.raises(ConfigError, match=r"`method` 'PUT' .* Correct dag/test_directories\.py\.$"):
        Directory(form=form).declared_resources()


def test_each_resource_carries_the_name_of_its_forms_file():
    assert [one.form_file for one in Directory(form=directory).declared_resources()] == [
        "dags/directory_sync_dag.py"
    ]
    files = {one.form_file for one in Directory(form=two_resources).declared_resources()}
    assert files == {"dag/test_directories.py"}


def test_a_form_without_a_file_is_said_to_stand_in_the_dag_file():
    class Form:
        def __call__(self):
            return a_form_with_a_fault()

    with pytest.raises(ConfigError, match=r"Correct the Dag file\.$"):
        Directory(form=Form()).declared_resources()


def test_no_secret_of_the_environment_comes_into_the_form(monkeypatch):
    monkeypatch.setenv("CLIENT_ID", "another-client")
    monkeypatch.setenv("CLIENT_SECRET", "another-secret")
    read = Directory(form=directory).read_form()
    assert {read["client"]["auth"][key] for key in ("client_id", "client_secret")} == {FROM_CONNECTION}


def test_another_form_of_the_process_gets_its_own_secrets(monkeypatch):
    monkeypatch.setenv("CLIENT_ID", "another-client")
    Directory(form=directory).read_form()
    assert dlt.secrets["client_id"] == "another-client"
