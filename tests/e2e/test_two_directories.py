"""Two directories, each with its Dag and its API, side by side under one scheduler and in one warehouse.

The connection of one comes from the environment, that of the other from a secrets backend, a local file.
"""

import json
import shutil
from collections.abc import Iterator

import pytest

from demo.local_airflow import CHECKOUT, DAG_ID, LocalAirflow, connection_to
from demo.warehouse import reading, warehouse_path
from sandbox.server import SandboxServer
from sandbox.settings import Settings

PARTNERS = "partners_sync"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    shutil.copytree(CHECKOUT / "dags", dags)
    shutil.copy(CHECKOUT / "docs" / "examples" / "partners_dag.py", dags)
    with SandboxServer(Settings(entries=700)) as ours, SandboxServer(Settings(entries=300)) as partners:
        secrets = home / "secrets.json"
        secrets.write_text(json.dumps({"partners_api": connection_to(partners)}))
        environment = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(ours)),
            "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(secrets)}),
        }
        with LocalAirflow(home, environment=environment) as airflow:
            yield airflow


def test_both_are_complete_in_schemas_of_their_own(airflow: LocalAirflow) -> None:
    """Both run at once, for their last ticks are due: the warehouse is one file, so one waits."""
    runs = {
        DAG_ID: airflow.begin_run().run_id,
        PARTNERS: airflow.api.trigger(PARTNERS).run_id,
    }
    for dag_id, run_id in runs.items():
        assert airflow.api.wait(dag_id, run_id, seconds=240).state == "success"
    with reading(warehouse_path(airflow.home)) as database:
        counts = [
            database.execute(
                f"SELECT count(*), count(DISTINCT id) FROM {schema}.directory_resource"
            ).fetchone()
            for schema in ("directory", "partners")
        ]
    assert counts == [(700, 700), (300, 300)]


def test_each_has_an_asset_and_a_landing_folder_of_its_own(airflow: LocalAirflow) -> None:
    entries = {
        dag_id: [
            event["entries"] for event in airflow.api.asset_events(dag_id, airflow.api.runs(dag_id)[0].run_id)
        ]
        for dag_id in (DAG_ID, PARTNERS)
    }
    assert entries == {DAG_ID: [700], PARTNERS: [300]}
    landing = airflow.home / "directory_sync" / "landing"
    assert {path.name for path in landing.iterdir()} == {"directory_resource", "dataset=partners"}
