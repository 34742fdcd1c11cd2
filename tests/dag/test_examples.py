"""The example Dags of the documentation, parsed as Airflow parses them."""

import json
from pathlib import Path

import duckdb
import pytest
from airflow.dag_processing.dagbag import DagBag

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def bag():
    bag = DagBag(str(EXAMPLES))
    assert not bag.import_errors
    return bag


def test_every_example_makes_the_dag_listed_here(bag):
    made = {Path(dag.fileloc).name: dag.dag_id for dag in bag.dags.values()}
    assert made == {
        "bamboohr_dag.py": "bamboohr_sync",
        "consume_changes_dag.py": "consume_directory_changes",
        "entra_dag.py": "entra_sync",
        "github_organisation_dag.py": "github_organisation_sync",
        "google_workspace_dag.py": "google_workspace_sync",
        "groups_dag.py": "groups_sync",
        "keycloak_dag.py": "keycloak_sync",
        "okta_dag.py": "okta_sync",
        "partners_dag.py": "partners_sync",
        "scim_dag.py": "scim_sync",
    }
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(made)


def test_the_consumer_runs_on_the_asset_that_the_sync_updates(bag, dag):
    condition = bag.dags["consume_directory_changes"].timetable.asset_condition
    waited_for = [(asset.name, asset.uri) for asset in condition.objects]
    assert waited_for == [(asset.name, asset.uri) for asset in dag.get_task("publish").outlets]


def test_the_consumer_reads_the_changes_of_its_syncs_from_the_connections_file(bag, monkeypatch, tmp_path):
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(file) as warehouse:
        warehouse.execute(
            """CREATE SCHEMA directory;
            CREATE TABLE directory.directory_resource_changes AS SELECT * FROM (VALUES
                ('first', 1, 'added', 1), ('second', 1, 'removed', 2), ('third', 2, 'added', 3)
            ) AS v(sync_id, id, kind, snapshot_at)"""
        )
    connection = {"conn_type": "duckdb", "host": str(file)}
    monkeypatch.setenv("AIRFLOW_CONN_DIRECTORY_WAREHOUSE", json.dumps(connection))
    hand_on = bag.dags["consume_directory_changes"].get_task("hand_on").python_callable
    assert hand_on.__globals__["read_changes"](["first", "second"]) == [(1, "added"), (1, "removed")]
