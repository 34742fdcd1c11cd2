"""One sandbox and one real Airflow for all end-to-end tests."""

import copy
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.responses import JSONResponse

from demo.airflow_api import DagRun, TaskRun
from demo.local_airflow import DAG_ID, LocalAirflow, connection_to
from demo.warehouse import reading, warehouse_path
from sandbox.server import SandboxServer

TASK_POLICY = """\
from datetime import timedelta


def task_policy(task):
    # A deployment's own hook: the tests wait 3 s for a retry instead of 30.
    task.retry_delay = timedelta(seconds=3)
    task.retry_exponential_backoff = 0
"""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs: the API and Airflow, and where Airflow's tasks put temporary files."""

    sandbox: SandboxServer
    airflow: LocalAirflow
    temporary: Path

    @property
    def warehouse(self) -> Path:
        return warehouse_path(self.airflow.home)

    def run(self, **conf: object) -> DagRun:
        """One run of the Dag, to its end."""
        run = self.airflow.begin_run(conf)
        return self.airflow.api.wait(DAG_ID, run.run_id, seconds=150)

    def run_until_asked(self, **conf: object) -> DagRun:
        """One run of the Dag, until it asks a person."""
        run = self.airflow.begin_run(conf)
        self.airflow.wait_for_questions(run, seconds=150)
        return run

    def backfill(self, first_day: str, last_day: str, **conf: object) -> list[DagRun]:
        """The runs of a backfill over some days, when they have ended."""
        known = {run.run_id for run in self.airflow.api.runs(DAG_ID)}
        self.airflow.api.backfill(DAG_ID, f"{first_day}T00:00:00Z", f"{last_day}T23:59:59Z", conf)
        new = [run for run in self.airflow.api.runs(DAG_ID) if run.run_id not in known]
        return [self.airflow.api.wait(DAG_ID, run.run_id, seconds=150) for run in new]

    def answer(self, run: DagRun, option: str, **fields: object) -> DagRun:
        """Answers what a run asks; returns it when it has ended."""
        self.airflow.api.answer(DAG_ID, run.run_id, "approve_removals", option, **{"reason": None, **fields})
        return self.airflow.api.wait(DAG_ID, run.run_id, seconds=150)

    def tasks(self, run: DagRun) -> dict[str, TaskRun]:
        return {task.task_id: task for task in self.airflow.api.task_runs(DAG_ID, run.run_id)}

    def tries(self, run: DagRun) -> dict[str, int]:
        """How often each task was tried that runs code and was not skipped by the scheduler."""
        return {t.task_id: t.try_number for t in self.tasks(run).values() if t.runs_code and t.try_number}

    def log(self, run: DagRun, task_id: str) -> str:
        """The log of a task's latest try."""
        tries = self.tasks(run)[task_id].try_number
        lines = self.airflow.api.log(DAG_ID, run.run_id, task_id, try_number=tries)
        return "\n".join(line.text for line in lines)

    def query(self, sql: str) -> list[tuple]:
        with reading(self.warehouse) as database:
            return database.execute(sql).fetchall()

    def value(self, sql: str) -> object:
        return self.query(sql)[0][0]

    def changes(self, run: DagRun) -> dict[str, int]:
        """The change rows of a run by kind."""
        return dict(
            self.query(
                "SELECT kind, count(*) FROM directory.directory_resource_changes "
                "JOIN directory.directory_syncs USING (sync_id) "
                f"WHERE run_id = '{run.run_id}' GROUP BY kind"
            )
        )

    def present(self) -> set[int]:
        """Ids of the entries that are in the table and not marked as removed."""
        sql = "SELECT id FROM directory.directory_resource WHERE _removed_at IS NULL"
        return {row[0] for row in self.query(sql)}

    def copy_of_warehouse(self, folder: Path) -> Path:
        return Path(shutil.copy(self.warehouse, folder / "before.duckdb"))

    @contextmanager
    def unavailable(self, offset: int, *, times: int) -> Iterator[None]:
        """Answers the window at an offset with 503 so many times, then as usual.

        It asks for a second's wait, so that a try of a shard does not take as long as the backoff.
        """
        router = self.sandbox._server.config.app.router
        route = next(r for r in router.routes if getattr(r, "path", "") == "/v1/directory")
        usual, left = route.app, [times]

        async def route_app(scope, receive, send):
            query = dict(p.split("=", 1) for p in scope["query_string"].decode().split("&"))
            if left[0] and offset <= int(query["offset"]) < offset + 99:
                left[0] -= 1
                answer = JSONResponse({"error": "unavailable"}, 503, headers={"Retry-After": "1"})
                await answer(scope, receive, send)
            else:
                await usual(scope, receive, send)

        route.app = route_app
        try:
            yield
        finally:
            route.app = usual
        assert left == [0], "the window was asked for less often than it was to fail"


@dataclass(frozen=True, kw_only=True)
class State:
    """What one state of a deployment is made of: its landing and warehouse, and the API's entries."""

    folder: Path
    entries: Mapping[str, Any]
    ids: list[int]


EDITED = ("_edited", "_edited_json", "_removed", "_revision", "_highest_id")
"""What a sandbox's directory holds beside the records of its start."""


@dataclass(frozen=True, kw_only=True)
class States:
    """Goes back to states that the deployment was in, so that no test sees what another one did."""

    stack: Stack
    folder: Path
    kept: dict[str, State] = field(default_factory=dict)

    @property
    def _home(self) -> Path:
        return self.stack.warehouse.parent

    def keep(self, name: str) -> None:
        """Keeps the present state."""
        directory = self.stack.sandbox.directory
        folder = shutil.copytree(self._home, self.folder / name)
        entries = {one: copy.copy(getattr(directory, one)) for one in EDITED}
        self.kept[name] = State(folder=folder, entries=entries, ids=directory.ids())

    def go_to(self, name: str) -> None:
        """Makes a state that was kept the present one."""
        state, directory = self.kept[name], self.stack.sandbox.directory
        shutil.rmtree(self._home)
        shutil.copytree(state.folder, self._home)
        with directory._lock:
            for one, value in state.entries.items():
                setattr(directory, one, copy.copy(value))
            directory._order.fill(state.ids)
            directory._note_total()


@pytest.fixture(scope="session")
def deployment(tmp_path_factory, migrated) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("airflow")
    temporary = tmp_path_factory.mktemp("temporary")
    (home / "config").mkdir()
    (home / "config" / "airflow_local_settings.py").write_text(TASK_POLICY)
    with SandboxServer() as sandbox:
        environment = {
            "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(sandbox)),
            "TMPDIR": str(temporary),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": os.environ.get("E2E_LOGGING_LEVEL", "INFO"),
        }
        with LocalAirflow(home, environment=environment, migrated=migrated) as airflow:
            yield Stack(sandbox=sandbox, airflow=airflow, temporary=temporary)


@pytest.fixture(scope="session")
def states(deployment, tmp_path_factory) -> States:
    return States(stack=deployment, folder=tmp_path_factory.mktemp("states"))


@pytest.fixture(scope="session")
def first_run(deployment, states) -> DagRun:
    """The first run, which is due as soon as there is a scheduler."""
    run = deployment.run()
    states.keep("first")
    return run


@pytest.fixture
def stack(deployment, states, first_run) -> Stack:
    """The deployment as its first run left it."""
    states.go_to("first")
    return deployment


@pytest.fixture(scope="session")
def quiet_run(deployment, states, first_run) -> DagRun:
    """A run that finds nothing changed, with a reason."""
    states.go_to("first")
    return deployment.run(reason="because a test wants it")


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A run that asked about removals, and what there was before and while it waited."""

    run: DagRun
    before: set[int]
    edits: Any
    questions: list[dict[str, Any]]
    changes: dict[str, int]


@pytest.fixture(scope="session")
def rejected_run(deployment, states, first_run) -> Rejected:
    states.go_to("first")
    before = deployment.present()
    edits = deployment.sandbox.directory.edit(7, 5, remove=3_000, seed=2)
    run = deployment.run_until_asked()
    questions = deployment.airflow.api.questions(DAG_ID, run.run_id)
    changes = deployment.changes(run)
    run = deployment.answer(run, "Reject", reason="a permission was lost")
    states.keep("rejected")
    return Rejected(run=run, before=before, edits=edits, questions=questions, changes=changes)


@pytest.fixture
def rejected(stack, states, rejected_run) -> Rejected:
    """The deployment after 3,000 removals were rejected."""
    states.go_to("rejected")
    return rejected_run


@dataclass(frozen=True, kw_only=True)
class Approved:
    """A run that asked again, what was held, and how many pages were served while it ran."""

    run: DagRun
    held: list[int]
    pages: int


@pytest.fixture(scope="session")
def approved_run(deployment, states, rejected_run) -> Approved:
    states.go_to("rejected")
    held, pages = rejected_run.edits.removed, deployment.sandbox.stats.pages
    run = deployment.answer(deployment.run_until_asked(mode="decide"), "Approve")
    states.keep("approved")
    return Approved(run=run, held=held, pages=deployment.sandbox.stats.pages - pages)


@pytest.fixture
def approved(stack, states, approved_run) -> Approved:
    """The deployment after the 3,000 removals were approved in a further run."""
    states.go_to("approved")
    return approved_run


def table_differences(before: Path, after: Path, *, but: tuple[str, ...] = ()) -> dict[str, tuple[int, int]]:
    """Of each table but dlt's own: how many rows vanished and how many are new, where any.

    Args:
        before: a warehouse.
        after: another.
        but: columns that do not count.
    """
    database = duckdb.connect()
    try:
        database.execute(f"ATTACH '{before}' AS old (READ_ONLY)")
        database.execute(f"ATTACH '{after}' AS new (READ_ONLY)")
        names = database.execute(
            "SELECT DISTINCT table_name FROM information_schema.tables WHERE "
            "table_schema = 'directory' AND NOT starts_with(table_name, '_dlt')"
        ).fetchall()
        found = {}
        for (name,) in names:
            kept = f"COLUMNS(c -> c NOT IN {but})" if but else "*"
            sides = [f'SELECT {kept} FROM {side}.directory."{name}"' for side in ("old", "new")]
            counts = [
                database.execute(f"SELECT count(*) FROM ({a} EXCEPT ALL {b})").fetchone()[0]
                for a, b in (sides, sides[::-1])
            ]
            if any(counts):
                found[name] = tuple(counts)
        return found
    finally:
        database.close()
