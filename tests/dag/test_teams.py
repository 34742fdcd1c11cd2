"""Several teams in one Airflow: each directory has its own connections, pool, owner, tags and assets."""

import json
import re

import pytest

from directory_sync.airflow.scope import TaskScope
from directory_sync.dag import Directory, directory_dag
from directory_sync.errors import ConfigError
from tests.conftest import CHECKOUT
from tests.dag_file import directory

URI = "postgres://warehouse.example.org:5432/analytics/{dataset}/{resource}"


def of_team(**given):
    return Directory(form=directory, connection="hr_api", settings={"dataset": "hr"}, **given)


@pytest.fixture
def dag():
    return directory_dag("hr_sync", of_team(asset_uri=URI), owner="hr-data", pool="hr", tags=["hr"])


def test_every_task_has_the_owner_and_the_pool_of_the_team(dag):
    assert {(task.owner, task.pool) for task in dag.tasks} == {("hr-data", "hr")}


def test_a_dag_without_a_team_has_the_default_owner_and_pool(parse):
    tasks = parse().tasks
    assert {(task.owner, task.pool) for task in tasks} == {("directory-sync", "default_pool")}


def test_the_tags_of_the_team_come_after_ours(dag):
    assert set(dag.tags) == {"directory", "dlt", "hr"}


def test_the_owner_of_the_team_has_the_link(monkeypatch):
    monkeypatch.setenv("DIRECTORY_SYNC_OWNER_LINK", "mailto:hr@example.org")
    assert directory_dag("hr_sync", of_team(), owner="hr-data").owner_links == {
        "hr-data": "mailto:hr@example.org"
    }


def test_an_asset_has_the_uri_that_the_directory_gives(dag):
    uri = "postgres://warehouse.example.org:5432/analytics/hr/directory_resource"
    outlets = {(asset.name, asset.uri) for task in dag.tasks for asset in task.outlets}
    assert outlets == {("hr.directory_resource", uri)}


@pytest.mark.parametrize(
    "uri",
    ["warehouse/{resource}", "postgres://host/db/table", "airflow://host/{resource}", "s3://b/{resource}/{x}",
     "postgres://user:secret@host:5432/db/{resource}"],
)  # fmt: skip
def test_a_uri_that_cannot_be_an_assets_is_refused(uri):
    with pytest.raises(ConfigError, match="`asset_uri` of a directory must be a URI") as caught:
        of_team(asset_uri=uri)
    assert "secret" not in str(caught.value)


def test_a_directory_has_a_warehouse_and_a_landing_zone_of_its_own(monkeypatch, tmp_path):
    here = {"conn_type": "duckdb", "host": str(tmp_path / "hr.duckdb")}
    monkeypatch.setenv("AIRFLOW_CONN_HR_WAREHOUSE", json.dumps(here))
    monkeypatch.setenv("AIRFLOW_CONN_HR_LANDING", json.dumps({"conn_type": "fs", "host": str(tmp_path)}))
    scope = TaskScope(of_team(warehouse="hr_warehouse", landing="hr_landing"), "directory_resource")
    assert scope.warehouse.conn_id == "hr_warehouse"
    assert (scope.place.conn_id, scope.place.url) == ("hr_landing", str(tmp_path))


@pytest.mark.parametrize(("given", "part"), [("warehouse", "warehouse"), ("landing", "place")])
def test_a_connection_that_the_dag_file_names_must_exist(given, part):
    scope = TaskScope(of_team(**{given: "hr_missing"}), "directory_resource")
    with pytest.raises(ConfigError, match=f"`hr_missing`, .* in place of `directory_{given}`"):
        getattr(scope, part)


@pytest.mark.parametrize("part", ["warehouse", "place"])
def test_the_default_connections_may_be_absent(part):
    found = getattr(TaskScope(of_team(), "directory_resource"), part)
    assert found is None or found.conn_id == "directory_landing"


def test_the_dag_file_of_the_page_declares_what_the_page_says():
    page = (CHECKOUT / "docs" / "teams.md").read_text()
    [block] = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    found = {"__name__": "hr_sync_dag"}
    exec(compile(block, "hr_sync_dag.py", "exec"), found)
    dag = found["dag"]
    assert {(task.owner, task.pool) for task in dag.tasks} == {("hr-data", "hr")}
    assert {(asset.name, asset.uri.rpartition("/")[2]) for task in dag.tasks for asset in task.outlets} == {
        ("hr.staff", "staff")
    }
