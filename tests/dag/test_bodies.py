"""What a task does beside its stage: whose the tables are, and what goes from the landing zone."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import set_current_context

from directory_sync.airflow import bodies
from directory_sync.airflow.scope import TaskScope
from directory_sync.dag import Directory
from directory_sync.errors import ConfigError
from directory_sync.publish.ownership import OWNER
from directory_sync.publish.question import QUESTION, Choice, Decision, land_decision
from directory_sync.sync import Sync
from tests.dag_file import directory as the_form
from tests.unit.publish.test_question import question as a_question

RESOURCE = "directory_resource"
NOW = datetime.now(UTC)
API = {"conn_type": "directory_api", "host": "http://127.0.0.1:9", "login": "a", "password": "not-a-secret"}

Running = Callable[..., TaskScope]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    """Begins a task of a run, as far as a stage sees it: its context and its connections."""
    monkeypatch.setenv("DIRECTORY_SYNC_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_DIRECTORY_API", json.dumps(API))
    opened = []

    def begin(mode: str = "sync", *, dag_id: str = "directory_sync", **directory: Any) -> TaskScope:
        params = {"mode": mode, "interval_start": None, "interval_end": None}
        context = {
            "params": params | {"max_removed_share": None, "max_removed_count": None},
            "dag": SimpleNamespace(dag_id=dag_id),
            "dag_run": SimpleNamespace(run_type="manual", start_date=NOW),
            "run_id": "now",
            "ti": SimpleNamespace(xcom_push=lambda **_: None),
        }
        opened.append(set_current_context(context))
        opened[-1].__enter__()
        return TaskScope(Directory(form=the_form, **directory), RESOURCE)

    yield begin
    for one in reversed(opened):
        one.__exit__(None, None, None)


def aged(home: Path, run_id: str, days: float) -> Path:
    folder = home / "landing" / RESOURCE / run_id
    (folder / "landed").mkdir(parents=True)
    (folder / "landed" / "init").write_text("{}")
    moment = (NOW - timedelta(days=days)).timestamp()
    os.utime(folder / "landed" / "init", (moment, moment))
    return folder


@pytest.mark.parametrize(
    ("stage", "mode", "ends_with"),
    [
        (lambda scope: bodies.publish(scope, {}), "sync", ConfigError),
        (lambda scope: bodies.publish(scope, {}), "dry_run", AirflowSkipException),
        (lambda scope: bodies.publish(scope, {}), "decide", AirflowSkipException),
        (bodies.audit, "sync", ConfigError),
    ],
    ids=["a publication that fails", "a dry run", "a decision", "an audit without a connection"],
)
def test_what_is_old_goes_however_a_run_ends(
    running: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: Callable[[TaskScope], Any],
    mode: str,
    ends_with: type[Exception],
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_DIRECTORY_API")
    old, young = aged(tmp_path, "old", 31), aged(tmp_path, "young", 29)
    with pytest.raises(ends_with):
        stage(running(mode))
    assert (old.exists(), young.exists()) == (False, True)


def test_a_clock_that_is_ahead_deletes_nothing_young(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler's clock stands beside the worker's."""
    import time_machine

    young = aged(tmp_path, "young", 29)
    scope = running("dry_run")
    with time_machine.travel(NOW + timedelta(days=365)), pytest.raises(AirflowSkipException):
        bodies.publish(scope, {})
    assert young.exists()


def test_a_dag_of_another_directory_lands_nothing_in_a_folder_that_has_an_owner(
    running: Running, tmp_path: Path
) -> None:
    Sync(running()).prepare_landing()
    owner = tmp_path / "landing" / RESOURCE / OWNER
    assert json.loads(owner.read_text()) == {"directory": "directory_api/directory_sync"}
    with pytest.raises(ConfigError, match="belongs to the directory `directory_api/directory_sync`"):
        Sync(running(dag_id="others_sync")).prepare_landing()
    Sync(running(dag_id="others_sync", formerly=["directory_api/directory_sync"])).prepare_landing()
    assert json.loads(owner.read_text()) == {"directory": "directory_api/others_sync"}


@pytest.mark.parametrize("choice", [None, "rejected", "unanswered"])
def test_a_question_that_somebody_marks_as_a_success_removes_nothing(
    running: Running, choice: Choice | None
) -> None:
    """Who may change a task's state cannot approve by it: `remove` looks for the answer."""
    scope = running()
    question = asdict(a_question(("1", "")))
    scope.landed.write_json(QUESTION, question)
    if choice:
        land_decision(
            scope.landed,
            Decision(digest=question["digest"], sync_id=question["sync_id"], choice=choice),
        )
    with pytest.raises(AirflowSkipException, match="No removal was approved in this run"):
        bodies.remove(scope, {})


def test_a_run_without_an_audit_publishes_nothing(running: Running) -> None:
    """Also one whose `audit` somebody marked as a success."""
    with pytest.raises(ConfigError, match="no report of this run: the audit has not run"):
        bodies.publish(running(), {})
