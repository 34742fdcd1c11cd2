"""The same three connections, found in whatever backend holds them: the same rows, the same settings.

Whatever is asked later holds another connection of the same name: the order is the one the operator's guide
names.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from demo.local_airflow import CHECKOUT, LocalAirflow, connection_to
from demo.processes import run_command
from demo.warehouse import reading
from sandbox.server import SandboxServer
from sandbox.settings import Settings

SECRET = "s3cret/+ %&é:@?#of the tests"
CONNECTIONS = ("directory_api", "directory_warehouse", "directory_landing")
FORMS = ("variable as JSON", "variable as URI", "metadata database", "local file")
EXTRA = {"timeout_seconds": 21, "requests_per_second": 500, "scope": "read&more", "token_url": "/oauth/token"}
DAG_OF_THE_TESTS = """\
import json
import os
from dataclasses import asdict
from pathlib import Path

from airflow.sdk import DAG, task

with DAG("settings_seen"):

    @task
    def seen():
        from directory_sync.landing.place import landing_place
        from directory_sync.warehouse.destinations import destination_of
        from directory_sync.airflow.scope import connection_fields
        from directory_sync.config.access import ApiSettings
        from directory_sync.config.settings import SyncSettings

        api, warehouse, landing = map(connection_fields, json.loads(os.environ["CONNECTIONS"]))
        settings = SyncSettings.from_environment()
        found = {
            "api": asdict(ApiSettings.from_connection(api)),
            "warehouse": str(destination_of(warehouse, settings, folder=Path("/")).path),
            "landing": landing_place(landing, settings).url,
        }
        Path(os.environ["SETTINGS_SEEN"]).write_text(json.dumps(found, default=sorted))

    seen()
"""
RUNS_BOTH = """\
import sys

from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
for dag_id in ("directory_sync", "settings_seen"):
    assert bag.dags[dag_id].test().state == "success"
"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a run with the connections in one place had and left."""

    settings: dict[str, Any]
    rows: list[tuple[Any, ...]]
    snapshots: list[str]


class Deployment:
    """One AIRFLOW_HOME, whose runs differ in where the connections are.

    Each run's files are moved away, for the next one has the same connections.
    """

    def __init__(self, home: Path, sandbox: SandboxServer) -> None:
        self.home, self.data = home, home / "data"
        api = connection_to(sandbox)
        self.connections: dict[str, dict[str, Any]] = {
            "directory_api": {**api, "extra": EXTRA},
            "directory_warehouse": {"conn_type": "duckdb", "host": str(self.data / "warehouse.duckdb")},
            "directory_landing": {"conn_type": "file", "extra": {"path": str(self.data / "landing")}},
        }
        address = sandbox.url.removeprefix("http://")
        login, password = (quote(api[name], safe="") for name in ("login", "password"))
        self.uris = {
            "directory_api": f"directory-api://{login}:{password}@{address}/http?{urlencode(EXTRA)}",
            "directory_warehouse": f"duckdb://{self.data}/warehouse.duckdb",
            "directory_landing": f"file:///?{urlencode({'path': self.data / 'landing'})}",
        }
        wrong = {"conn_type": "directory_api", "host": "http://127.0.0.1:9", "login": "a", "password": "b"}
        self.decoys = dict.fromkeys(CONNECTIONS, wrong)
        dags = shutil.copytree(CHECKOUT / "dags", home / "dags")
        (dags / "settings_seen_dag.py").write_text(DAG_OF_THE_TESTS)
        self._environment = LocalAirflow(home)._environment | {
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "CONNECTIONS": json.dumps(CONNECTIONS),
            "SETTINGS_SEEN": str(home / "seen.json"),
        }
        self.airflow("db", "migrate")

    def run(self, environment: Mapping[str, str]) -> Seen:
        """One run of the real Dag, each task through Airflow's own look-up of connections."""
        self.python("-c", RUNS_BOTH, str(self.home / "dags"), **environment)
        settings = json.loads((self.home / "seen.json").read_text())
        with reading(self.data / "warehouse.duckdb") as database:
            rows = database.execute(
                "SELECT id, name, location__city FROM directory.directory_resource ORDER BY id"
            ).fetchall()
        snapshots = [path.name for path in (self.data / "landing").iterdir()]
        shutil.rmtree(self.data)
        return Seen(settings=settings, rows=rows, snapshots=snapshots)

    def in_database(self, connections: Mapping[str, Any]) -> None:
        self.airflow("connections", "import", self.file(connections), "--overwrite")

    def file(self, connections: Mapping[str, Any]) -> str:
        path = self.home / "connections.json"
        path.write_text(json.dumps(connections))
        return str(path)

    def in_file(self, connections: Mapping[str, Any]) -> dict[str, str]:
        return {
            "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": self.file(connections)}),
        }

    def airflow(self, *words: str) -> None:
        self.python("-m", "airflow", *words)

    def python(self, *words: str, **environment: str) -> None:
        command = [sys.executable, *words]
        log = self.home / "output" / "commands.log"
        run_command(command, environment=self._environment | environment, log=log)


def in_variables(given: Mapping[str, Any], as_text: Callable[[Any], str] = json.dumps) -> dict[str, str]:
    return {f"AIRFLOW_CONN_{name.upper()}": as_text(value) for name, value in given.items()}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What each run had, by where its connections were."""
    settings = Settings(entries=300, client_secret=SECRET)
    with SandboxServer(settings) as sandbox:
        here = Deployment(tmp_path_factory.mktemp("airflow"), sandbox)
        here.in_database(here.decoys)
        runs = {
            "variable as JSON": here.run(in_variables(here.connections)),
            "variable as URI": here.run(in_variables(here.uris, str)),
            "local file": here.run(in_variables(here.decoys) | here.in_file(here.connections)),
        }
        here.in_database(here.connections)
        runs["metadata database"] = here.run({})
        return runs


@pytest.mark.parametrize("form", FORMS)
def test_every_row_is_published_wherever_the_connections_are(seen: dict[str, Seen], form: str) -> None:
    assert len(seen[form].rows) == 300
    assert seen[form].rows == seen["variable as JSON"].rows
    assert seen[form].snapshots == ["directory_resource"]


@pytest.mark.parametrize("form", FORMS)
def test_the_settings_are_the_same_wherever_the_connections_are(seen: dict[str, Seen], form: str) -> None:
    assert seen[form].settings == seen["variable as JSON"].settings


@pytest.mark.parametrize("form", FORMS)
def test_the_settings_are_what_the_connection_says(seen: dict[str, Seen], form: str) -> None:
    api = seen[form].settings["api"]
    assert {name: api[name] for name in EXTRA} == EXTRA
    assert api["client_secret"] == SECRET
