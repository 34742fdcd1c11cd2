"""Groups and their members under a real Airflow: two nights, a member who leaves and a group that leaves."""

import json
import shutil
from collections.abc import Iterator

import pytest

from demo.local_airflow import CHECKOUT, DAG_ID, LocalAirflow
from demo.warehouse import reading, warehouse_path
from tests.groups_api import GroupsApi

PRESENT = "SELECT _groups_id, id FROM access.members WHERE _removed_at IS NULL"


@pytest.fixture(scope="module")
def api() -> Iterator[GroupsApi]:
    with GroupsApi({group: list(range(100, 108)) for group in range(1, 31)}) as api:
        yield api


@pytest.fixture(scope="module")
def airflow(api: GroupsApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    shutil.copytree(CHECKOUT / "dags", dags)
    # Under the id of the Dag that such an Airflow waits for when it starts.
    example = (CHECKOUT / "docs" / "examples" / "groups_dag.py").read_text(encoding="utf-8")
    (dags / "directory_sync_dag.py").write_text(example.replace('"groups_sync"', f'"{DAG_ID}"'))
    connection = {
        "conn_type": "directory_api",
        "host": api.url,
        "login": "client",
        "password": "secret-not-a-real-one",
    }
    environment = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW_CONN_GROUPS_API": json.dumps(connection),
        "DIRECTORY_SYNC_SHARDS": "2",
    }
    with LocalAirflow(home, environment=environment) as airflow:
        yield airflow


def test_two_nights_of_groups_and_members(api: GroupsApi, airflow: LocalAirflow) -> None:
    first = airflow.begin_run().run_id
    assert airflow.api.wait(DAG_ID, first, seconds=300).state == "success"
    with reading(warehouse_path(airflow.home)) as database:
        assert set(database.execute(PRESENT).fetchall()) == api.memberships

    api.groups[1].remove(103)
    del api.groups[2]
    second = airflow.begin_run().run_id
    assert airflow.api.wait(DAG_ID, second, seconds=300).state == "success"
    with reading(warehouse_path(airflow.home)) as database:
        assert set(database.execute(PRESENT).fetchall()) == api.memberships
        removed = database.execute(
            "SELECT resource, removed FROM access.directory_syncs WHERE run_id = ? ORDER BY 1", [second]
        ).fetchall()
    assert removed == [("groups", 1), ("members", 9)]
    states = {one.task_id: one.state for one in airflow.api.task_runs(DAG_ID, second)}
    assert (states["publish"], states["members.publish"]) == ("success", "success")
    assert states["members.approve_removals"] == "skipped"
