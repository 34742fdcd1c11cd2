"""A small directory, a real Airflow whose tasks can be disturbed, and a deployment that nobody disturbs."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from demo.airflow_api import DagRun, TaskRun
from demo.local_airflow import DAG_ID, LocalAirflow, connection_to
from demo.processes import Service
from demo.warehouse import reading
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.chaos import stack
from tests.integration.cycle import Cycle

ENTRIES = 8_000
SHARDS = 2
"""So many entries need both, also when a fifth of them has gone."""
RUN_SECONDS = 240.0
MOMENT_SECONDS = 120.0
POLL_SECONDS = 0.1
SYNC_COLUMNS = ("run_id", "resource", "mode", "entries", "added", "changed", "removed", "held")

PATIENCE = {
    # Who was killed with his scheduler is missed after seconds, not after minutes.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
}


class MortalAirflow(LocalAirflow):
    """An Airflow whose scheduler dies with all its workers and tasks, as in a killed container."""

    def kill_scheduler(self) -> int:
        """Kills it and all it started; returns how many processes."""
        scheduler = self._services[-1]
        assert scheduler.log.name == "scheduler.log"
        return self.kill(scheduler)

    def kill(self, service: Service) -> int:
        """Kills a service and all it started; returns how many processes."""
        family = [psutil.Process(service.pid)]
        family += family[0].children(recursive=True)
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        service.wait(10.0)
        psutil.wait_procs(family[1:], timeout=10.0)
        self._services.remove(service)
        return len(family)

    def start_scheduler(self) -> None:
        self._serve("scheduler", "--skip-serve-logs")

    def _stop(self) -> None:
        services = list(self._services)
        super()._stop()
        for service in services:
            service.wait(10.0)


@dataclass(kw_only=True)
class Deployment:
    """A sandbox, an Airflow, and the folders of its temporary files and of the armed faults."""

    sandbox: SandboxServer
    airflow: MortalAirflow
    temporary: Path
    points: Path

    @property
    def home(self) -> Path:
        """What the package keeps: the landing zone and the warehouse."""
        return self.airflow.home / "directory_sync"

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    # ---- faults

    def arm(self, moment: str, action: str = "kill") -> None:
        assert moment in stack.moments()
        written = self.points / f"{moment}.new"
        written.write_text(action)
        written.rename(self.points / moment)

    def was_struck(self, moment: str) -> bool:
        return (self.points / f"{moment}.struck").exists()

    def struck(self) -> set[str]:
        return {path.stem for path in self.points.glob("*.struck")}

    def release(self, moment: str) -> None:
        (self.points / f"{moment}.go").touch()

    def give(self, **environment: str) -> None:
        """Variables for the tasks from now on."""
        (self.points / stack.ENVIRONMENT).write_text(json.dumps(environment))

    def disarm(self) -> None:
        for path in self.points.iterdir():
            path.unlink()

    # ---- runs

    def run(self, **conf: object) -> DagRun:
        return self.wait(self.airflow.begin_run(conf))

    def wait(self, run: DagRun) -> DagRun:
        return self.airflow.api.wait(DAG_ID, run.run_id, seconds=RUN_SECONDS)

    def backfill(self, day: str, *, mode: str = "rewrite") -> DagRun:
        """The run of a backfill over one day; an earlier one is in the way for half a minute more.

        Without a mode of its own a backfill reads nothing here: the directory serves its present state alone.
        """
        known = {run.run_id for run in self.airflow.api.runs(DAG_ID)}
        begin, end = f"{day}T00:00:00Z", f"{day}T23:59:59Z"

        def is_created() -> bool:
            try:
                self.airflow.api.backfill(DAG_ID, begin, end, {"mode": mode})
            except requests.HTTPError as e:
                if e.response.status_code == requests.codes.conflict:
                    return False
                raise
            return True

        until(is_created)
        return until(lambda: next((r for r in self.airflow.api.runs(DAG_ID) if r.run_id not in known), None))

    def answer(self, run: DagRun, option: str) -> None:
        """Decides on held removals."""
        self.airflow.api.answer(DAG_ID, run.run_id, "approve_removals", option, reason=None)

    def clear(self, run: DagRun) -> None:
        """Clears the failed tasks of a run."""
        self.request(
            "POST",
            f"dags/{DAG_ID}/clearTaskInstances",
            dag_run_id=run.run_id,
            dry_run=False,
            only_failed=True,
        )

    def request(self, method: str, path: str, **content: object) -> Any:
        return self.airflow.api._request(method, path, json=content)

    def tasks(self, run: DagRun) -> dict[str, TaskRun]:
        return {task.task_id: task for task in self.airflow.api.task_runs(DAG_ID, run.run_id)}

    def tries(self, run: DagRun) -> dict[str, int]:
        """How often the tasks of a stage were tried, those of all shards together."""
        found: dict[str, int] = {}
        for task in self.tasks(run).values():
            if task.runs_code and task.try_number:
                stage = task.task_id.partition(".")[0]
                found[stage] = found.get(stage, 0) + task.try_number
        return found

    def log(self, run: DagRun, task_id: str, *, try_number: int | None = None) -> str:
        number = try_number or self.tasks(run)[task_id].try_number
        lines = self.airflow.api.log(DAG_ID, run.run_id, task_id, try_number=number)
        return "\n".join(line.text for line in lines)

    # ---- what is there

    def query(self, sql: str) -> list[tuple]:
        with reading(self.warehouse) as database:
            return database.execute(sql).fetchall()

    def left_in_temporary(self) -> set[str]:
        return {path.name for path in self.temporary.iterdir()}


@contextmanager
def deployed(
    folder: Path, sandbox: SandboxServer, environment: Mapping[str, str], *, migrated: Path | None = None
) -> Iterator[Deployment]:
    """A deployment below a folder, with further variables for all its processes."""
    home, temporary, points = folder / "airflow", folder / "temporary", folder / "points"
    for path in (home / "config", temporary, points):
        path.mkdir(parents=True)
    (home / "config" / "airflow_local_settings.py").write_text(stack.LOCAL_SETTINGS)
    variables = {
        "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(sandbox)),
        "TMPDIR": str(temporary),
        stack.FOLDER_VARIABLE: str(points),
        "DIRECTORY_SYNC_SHARDS": str(SHARDS),
        "DIRECTORY_SYNC_REQUESTS_IN_FLIGHT": "2",
        **PATIENCE,
        **environment,
    }
    with MortalAirflow(home, environment=variables, migrated=migrated) as airflow:
        yield Deployment(sandbox=sandbox, airflow=airflow, temporary=temporary, points=points)


@pytest.fixture(scope="session")
def small_api() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(entries=ENTRIES, latency_ms=20)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def session_deployment(small_api, tmp_path_factory, migrated) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("chaos"), small_api, {}, migrated=migrated) as deployment:
        yield deployment


@pytest.fixture
def deployment(session_deployment) -> Iterator[Deployment]:
    """The deployment, without a fault of an earlier test."""
    session_deployment.disarm()
    yield session_deployment
    for moment in session_deployment.struck():
        session_deployment.release(moment)
    session_deployment.airflow.api.end_unfinished_runs(DAG_ID)


@dataclass(kw_only=True)
class Twin:
    """A deployment of the same directory that nobody disturbs: the stages without Airflow."""

    deployment: Deployment
    cycle: Cycle
    synced: list[str] = field(default_factory=list)

    def begin_again(self) -> None:
        """Both begin with an empty warehouse and an empty landing zone."""
        for home in (self.deployment.home, self.cycle.home):
            shutil.rmtree(home, ignore_errors=True)
        self.synced.clear()

    def follow(self, run: DagRun) -> None:
        """Does the same night, undisturbed."""
        self.cycle.run(run.run_id, mode="rewrite" if run.run_type == "backfill" else "sync")
        self.synced.append(run.run_id)

    def approve(self, run: DagRun) -> None:
        """Carries out an approval of the same night's removals."""
        question = self.cycle.ask(run.run_id)
        assert question is not None
        self.cycle.remove(run.run_id, question)
        self.synced.append(run.run_id)

    def differences(self) -> dict[str, object]:
        """How the disturbed tables differ from the undisturbed ones; nothing where they do not."""
        ours, theirs = tables(self.deployment.warehouse), tables(self.cycle.home / "warehouse.duckdb")
        return {
            name: (
                [row for row in ours.get(name, []) if row not in set(theirs.get(name, []))][:3],
                [row for row in theirs.get(name, []) if row not in set(ours.get(name, []))][:3],
                len(ours.get(name, [])),
                len(theirs.get(name, [])),
            )
            for name in ours.keys() | theirs.keys()
            if ours.get(name) != theirs.get(name)
        }


@pytest.fixture(scope="session")
def twin(session_deployment, tmp_path_factory) -> Twin:
    home = tmp_path_factory.mktemp("twin") / "home"
    return Twin(
        deployment=session_deployment,
        cycle=Cycle(url=session_deployment.sandbox.url, home=home),
    )


def tables(path: Path) -> dict[str, list[str]]:
    """All tables and views of the dataset, the moments and names of syncs replaced by their numbers.

    dlt's own columns are left out; rows of child tables are told apart by their entry's id instead.
    """
    with reading(path) as database:
        syncs = database.execute(
            "SELECT sync_id, snapshot_at FROM directory.directory_syncs ORDER BY snapshot_at, sync_id"
        ).fetchall()
        numbers = {value: f"sync {number}" for number, row in enumerate(syncs) for value in row}
        columns: dict[str, list[str]] = {}
        for name, column in database.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'directory' "
            "AND NOT starts_with(table_name, '_dlt') AND column_name <> 'sync' ORDER BY ALL"
        ).fetchall():
            columns.setdefault(name, []).append(column)
        found = {}
        for name, all_columns in columns.items():
            kept = [f't."{column}"' for column in all_columns if not column.startswith("_dlt")]
            source = f'directory."{name}" AS t'
            if name == "directory_syncs":
                kept = [f't."{column}"' for column in SYNC_COLUMNS]
            elif "_dlt_parent_id" in all_columns:
                kept += ["parent.id", "t._dlt_list_idx"]
                source += " JOIN directory.directory_resource AS parent ON parent._dlt_id = t._dlt_parent_id"
            rows = database.execute(f"SELECT {', '.join(kept)} FROM {source}").fetchall()
            found[name] = sorted(
                repr(
                    [
                        numbers.get(value, value) if isinstance(value, (str, datetime)) else value
                        for value in row
                    ]
                )
                for row in rows
            )
        return found


def until(look: Callable[[], Any], *, seconds: float = MOMENT_SECONDS) -> Any:
    """What a look finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(POLL_SECONDS)
