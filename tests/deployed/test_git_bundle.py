"""The bundle of docs/deploy/bundles.md under a real Airflow: a run keeps the commit that it began with."""

import ast
import json
import os
import subprocess
from pathlib import Path

import duckdb
import pytest

from demo.local_airflow import DAG_ID, LocalAirflow, connection_to
from sandbox.server import SandboxServer
from tests.deploy.pages import block
from tests.deploy.wheel import install, make_wheel
from tests.deployed.install import FOLDER

DAG_FILE = block("index", "dags/people_dag.py").text
LIST = block("bundles", "environment of the Dag processor, the scheduler and the workers").variables[
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
]


class Repository:
    """A git repository on the disk, with the page's Dag file made for the sandbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dags").mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    def commit(self, *resources: str) -> str:
        """Commits a form with these resources; returns the commit."""
        text = DAG_FILE.replace("/api/people/", "/v1/directory").replace('"results"', '"data"')
        listed = ", ".join(f'{{"name": "{name}", "endpoint": endpoint}}' for name in resources)
        text = text.replace('{"name": "people", "endpoint": endpoint}', listed)
        assert '"/v1/directory"' in text
        assert all(f'"{name}"' in text for name in resources)
        (self.folder / "dags/people_dag.py").write_text(
            text.replace('"total_path": "count"', '"total_path": "total"')
        )
        self._git("add", "--all")
        self._git(
            "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "Edit the form"
        )
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *words: str) -> str:
        command = ["git", "-C", str(self.folder), *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    return install(make_wheel(folder), folder / "site")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


@pytest.fixture
def airflow(tmp_path, repository, site):
    """An Airflow whose only Dags are the repository's, and whose package is the installed wheel."""
    (bundle,) = ast.literal_eval(LIST)
    bundle["kwargs"] |= {"repo_url": str(repository.folder), "refresh_interval": 1}
    none = tmp_path / "none"
    none.mkdir()
    with SandboxServer() as sandbox:
        environment = {
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(tmp_path / "checkouts"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(none),
            "AIRFLOW__CORE__DAGS_FOLDER": str(none),
            "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(sandbox)),
            "PYTHONPATH": os.pathsep.join(map(str, (site, FOLDER))),
        }
        yield LocalAirflow(tmp_path / "home", environment=environment)


def versions(airflow, run) -> set[str]:
    """The commits of a run's task instances."""
    path = f"dags/{DAG_ID}/dagRuns/{run.run_id}/taskInstances"
    found = airflow.api._get(path)["task_instances"]
    return {one["dag_version"]["bundle_version"] for one in found}


def test_a_commit_changes_the_form_of_the_next_run_and_of_no_earlier_one(airflow, repository) -> None:
    first = repository.commit("people")
    with airflow:
        run = airflow.api.wait(DAG_ID, airflow.begin_run().run_id, seconds=600)
        assert run.state == "success"
        second = repository.commit("people", "members")
        airflow._run("dags", "reserialize")
        later = airflow.api.wait(DAG_ID, airflow.api.trigger(DAG_ID).run_id, seconds=600)
        assert later.state == "success"
        # Cleared after the commit: the run keeps its own.
        airflow.api.clear(DAG_ID, run.run_id, "audit")
        assert airflow.api.wait(DAG_ID, run.run_id, seconds=600).state == "success"
        assert versions(airflow, run) == {first}
        assert versions(airflow, later) == {second}
    with duckdb.connect(airflow.home / "directory_sync/warehouse.duckdb", read_only=True) as warehouse:
        counts = [
            warehouse.execute(f"SELECT count(*) FROM directory.{name}").fetchone()
            for name in ("people", "members")
        ]
    assert counts == [(28_298,), (28_298,)]
