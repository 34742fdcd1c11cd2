"""What OpenLineage's provider emits of a real run of the Dag, by its file transport."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.local_airflow import LocalAirflow, connection_to
from demo.processes import run_command
from sandbox.server import SandboxServer
from sandbox.settings import Settings

SECRET = "s3cret-of-the-sandbox"
RUN = """\
import sys

from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
assert bag.dags["directory_sync"].test().state == "success"
"""


@dataclass(frozen=True, kw_only=True)
class Emitted:
    """The events of a run, and where it read and wrote."""

    text: str
    api: str
    warehouse: Path

    def of(self, task: str) -> dict[str, Any]:
        """The event with which a task ended."""
        events = [json.loads(line) for line in self.text.splitlines()]
        [event] = [
            event
            for event in events
            if event["job"]["name"].endswith(f".{task}") and event["eventType"] == "COMPLETE"
        ]
        return event


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Emitted]:
    home = tmp_path_factory.mktemp("lineage")
    airflow = LocalAirflow(home)
    events = home / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    database = f"sqlite:///{home / 'airflow.db'}"
    (home / "airflow.db").write_bytes((migrated / "airflow.db").read_bytes())
    with SandboxServer(Settings(entries=300, client_secret=SECRET)) as sandbox:
        connection = {**connection_to(sandbox), "password": SECRET}
        run_command(
            [sys.executable, "-c", RUN, airflow._environment["AIRFLOW__CORE__DAGS_FOLDER"]],
            environment=airflow._environment
            | {
                "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
                "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
                "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
                "DIRECTORY_SYNC_SHARDS": "1",
            },
            log=home / "run.log",
        )
        yield Emitted(
            text=events.read_text(),
            api=sandbox.url,
            warehouse=home / "directory_sync" / "warehouse.duckdb",
        )


def test_a_publication_reads_the_api_and_writes_the_tables(emitted: Emitted) -> None:
    event = emitted.of("publish")
    assert [(one["namespace"], one["name"]) for one in event["inputs"]] == [(emitted.api, "/v1/directory")]
    tables = (
        "directory_resource",
        "directory_resource__codes",
        "directory_resource_changes",
        "directory_syncs",
    )
    assert {(one["namespace"], one["name"]) for one in event["outputs"]} == {
        (f"duckdb://{emitted.warehouse}", f"warehouse.directory.{table}") for table in tables
    }


def test_each_table_has_its_columns_with_their_types(emitted: Emitted) -> None:
    outputs = {one["name"].rpartition(".")[2]: one for one in emitted.of("publish")["outputs"]}
    columns = {
        field["name"]: field["type"] for field in outputs["directory_resource"]["facets"]["schema"]["fields"]
    }
    assert columns["id"] == "bigint"
    assert columns["location__city"] == "text"
    assert columns["_removed_at"] == "timestamp"
    assert all(one["facets"]["schema"]["fields"] for one in outputs.values())


def test_no_event_holds_a_secret_or_an_entry(emitted: Emitted) -> None:
    assert SECRET not in emitted.text
    assert "sandbox-client" not in emitted.text
    assert "Airport" not in emitted.text
