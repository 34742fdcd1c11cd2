"""Dags of other teams in the same Dags folder, which use dlt as its documentation says.

All run in one process, as in `airflow dags test` and in tests of a DagBag: they share dlt's configuration.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.local_airflow import connection_to
from demo.warehouse import reading
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.conftest import CHECKOUT
from tests.dag.child import output_of

ENTRIES = 120
NEIGHBOUR = """\
import json
import os
from pathlib import Path

import dlt
from airflow.sdk import DAG, task
from dlt.helpers.airflow_helper import PipelineTasksGroup


def read():
    bucket = dlt.config["destination.filesystem.bucket_url"]
    return [dlt.secrets["orders.api_key"], dlt.config["orders.page_size"], bucket]


with DAG(Path(__file__).stem) as dag, PipelineTasksGroup("load"):
    at_parse = read()

    @task
    def load():
        with Path(os.environ["SEEN"]).open("a") as seen:
            seen.write(json.dumps([dag.dag_id, at_parse, read()]) + "\\n")

    load()
"""
SETTINGS = """\
[orders]
page_size = 7
[destination.filesystem]
bucket_url = "{bucket}"
[load]
workers = 1
"""
RUNS_ALL = """\
import sys

from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
for dag_id in sys.argv[2:]:
    assert bag.dags[dag_id].test().state == "success"
"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the neighbours read, at parse and in their tasks, and where ours published and landed."""

    read: list[tuple[str, list[str], list[str]]]
    rows: int
    landed: list[str]
    bucket: Path


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Seen:
    """Airflow parses the folder in the order of the names; ours runs between the two."""
    home = tmp_path_factory.mktemp("neighbours")
    dags, bucket = home / "dags", home / "bucket_of_the_neighbours"
    shutil.copy(migrated / "airflow.db", home)
    shutil.copytree(CHECKOUT / "dags", dags, ignore=shutil.ignore_patterns(".*"))
    (dags / "a_neighbour.py").write_text(NEIGHBOUR)
    (dags / "z_neighbour.py").write_text(NEIGHBOUR)
    (dags / ".dlt").mkdir()
    (dags / ".dlt" / "config.toml").write_text(SETTINGS.format(bucket=bucket.as_uri()))
    with SandboxServer(Settings(entries=ENTRIES)) as sandbox:
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            # On a busy machine a first parse takes longer than Airflow's half a minute.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(sandbox)),
            "AIRFLOW_VAR_DLT_SECRETS_TOML": '[orders]\napi_key = "a key of theirs"\n',
            "DIRECTORY_SYNC_SHARDS": "1",
            "SEEN": str(home / "seen"),
        }
        runs = ["a_neighbour", "directory_sync", "a_neighbour", "z_neighbour"]
        output_of("-c", RUNS_ALL, str(dags), *runs, environment=environment, seconds=400)
    with reading(home / "directory_sync" / "warehouse.duckdb") as database:
        [(rows,)] = database.execute("SELECT count(*) FROM directory.directory_resource").fetchall()
    return Seen(
        read=[tuple(json.loads(line)) for line in (home / "seen").read_text().splitlines()],
        rows=rows,
        landed=[path.name for path in (home / "directory_sync" / "landing").iterdir()],
        bucket=bucket,
    )


def test_neighbours_read_their_secrets_and_settings_before_and_after_ours(seen: Seen) -> None:
    theirs = ["a key of theirs", 7, seen.bucket.as_uri()]
    assert seen.read == [
        ("a_neighbour", theirs, theirs),
        ("a_neighbour", theirs, theirs),
        ("z_neighbour", theirs, theirs),
    ]


def test_ours_publishes_beside_neighbours(seen: Seen) -> None:
    assert seen.rows == ENTRIES


def test_ours_lands_nothing_in_the_bucket_of_a_neighbour(seen: Seen) -> None:
    assert seen.landed == ["directory_resource"]
    assert not seen.bucket.exists()
