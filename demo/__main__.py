"""`python -m demo`: the sandbox, a real Airflow, one run of the Dag, and what it did."""

import argparse
import fcntl
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from demo import printout
from demo.airflow_api import AirflowApi, DagRun
from demo.connection import CONN_ID, DemoConnection
from demo.history import ADDED, CHANGED, REMOVED, History
from demo.local_airflow import CHECKOUT, DAG_ID, USERNAME, LocalAirflow, connection_to, free_port
from demo.processes import CommandFailedError
from demo.progress import Progress, short_name
from demo.warehouse import TABLE, Outcome, differences, read_api, read_outcome, warehouse_path
from sandbox.server import SandboxServer
from sandbox.settings import Settings

HOME = CHECKOUT / ".demo"
PORT = 8080
"""Of the interface, unless something else listens there."""
SANDBOX_PORT = 8090
"""Of the sandbox, unless something else listens there."""
_ERROR_LINES = 3
_POLL_SECONDS = 0.7


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The two servers of one demo, both running."""

    sandbox: SandboxServer
    airflow: LocalAirflow
    connection: DemoConnection

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return warehouse_path(self.airflow.home)


def main() -> int:
    """Runs the demo; returns the exit status: 0 if the table holds what the API holds."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the run; do not stay up")
    arguments = parser.parse_args()
    # A shell that starts this in the background has it ignore SIGINT; so would all it starts.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    HOME.mkdir(exist_ok=True)
    try:
        with _only_one(HOME / "lock"):
            settings = Settings.from_environment(os.environ)
            with SandboxServer(settings, port=free_port(SANDBOX_PORT)) as sandbox:
                return _demo(sandbox, stays=not arguments.once)
    except KeyboardInterrupt:
        say("\nStopped before the end.")
        return 128 + signal.SIGINT
    except (CommandFailedError, TimeoutError, BlockingIOError) as error:
        say(f"\nFailed: {error}")
        return 1


def say(text: str = "") -> None:
    """Prints a line at once."""
    print(text, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  Python's signature
    raise KeyboardInterrupt


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError("another demo of this checkout is running; stop it first.") from None
        yield


def _demo(sandbox: SandboxServer, *, stays: bool) -> int:
    """Starts Airflow, runs the Dag once and tells what came of it."""
    history_file = HOME / "history.json"
    history = History.read(history_file).edited()
    history.apply(sandbox.directory)
    history.write(history_file)
    say(f"Sandbox directory: {len(sandbox.directory):,} entries (airports) on {sandbox.url}")
    if history.is_waiting:
        say(f"Between the runs the sandbox changed {CHANGED}, removed {REMOVED} and added {ADDED} entries.")
    if history.churned:
        say("What it changed while the last run was reading is as it was before.")
    connection = DemoConnection(HOME / "sandbox.json")
    airflow = LocalAirflow(
        HOME / "airflow",
        port=free_port(PORT),
        on_step=lambda step: say(f"Starting Airflow: {step}"),
        before_runs=lambda api: connection.place(api, connection_to(sandbox)),
    )
    with airflow:
        demo = Demo(sandbox=sandbox, airflow=airflow, connection=connection)
        reason = _run(demo, history, history_file)
        if reason is None:
            _say_where_to_look(demo)
        else:
            say(f"\nFailed: {reason}")
            say(f"The logs of the tasks are in {airflow.logs}.")
        if stays:
            say(f"\nAirflow is up on {airflow.url} until Ctrl-C.")
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
        say("\nStopping Airflow and the sandbox.")
    return 0 if reason is None else 1


def _run(demo: Demo, history: History, history_file: Path) -> str | None:
    """Runs the Dag once; returns why it did not do what it should, None where it did."""
    api, sandbox = demo.airflow.api, demo.sandbox
    before = set(sandbox.directory.ids())
    runs = len(api.runs(DAG_ID))
    run = demo.airflow.begin_run()
    how = "the last missed tick" if run.run_type == "scheduled" else "triggered"
    say(f"\nRun {run.run_id} ({how}) of {DAG_ID}, watched live on {demo.airflow.url}")
    if not demo.connection.is_sandbox:
        say(f"The connection {CONN_ID} has been edited: it reads {demo.connection.host}, not the sandbox.")
        return _run_of_ones_own(api, run)
    run = api.wait(DAG_ID, run.run_id, on_poll=Progress(api, say).look)
    _say_part("Stages", printout.stages(run, api.task_runs(DAG_ID, run.run_id)))
    if run.state != "success":
        return _failure(api, run)
    if len(api.runs(DAG_ID)) != runs + 1:
        return f"{len(api.runs(DAG_ID)) - runs} runs began instead of one."
    outcome = read_outcome(demo.warehouse, run.run_id)
    _say_part("Published", printout.published(outcome))
    _say_part("Tables", printout.tables(outcome))
    _say_part(f"First rows of {TABLE}", printout.first_rows(outcome))
    churned = bool(sandbox.stats.churn_inserted or sandbox.stats.churn_deleted)
    reason = _compare(demo, outcome, before, churned=churned)
    if reason is None:
        history.succeeded(churned=churned).write(history_file)
    return reason


def _run_of_ones_own(api: AirflowApi, run: DagRun) -> str | None:
    """Follows a run that reads a person's own API, until it ends or asks; returns why it failed."""
    progress, is_asked = Progress(api, say), False
    while not run.has_ended and not is_asked:
        time.sleep(_POLL_SECONDS)
        run = api.run(DAG_ID, run.run_id)
        progress.look(run)
        is_asked = bool(api.questions(DAG_ID, run.run_id))
    _say_part("Stages", printout.stages(run, api.task_runs(DAG_ID, run.run_id)))
    if is_asked:
        say("\nRemovals wait for a decision: Required Actions, in the interface.")
        return None
    if run.state != "success":
        return _failure(api, run)
    _say_part("The run's note", [run.note])
    return None


def _compare(demo: Demo, outcome: Outcome, before: set[int], *, churned: bool) -> str | None:
    """Compares the table with the API; with churn, only what the API held before and after."""
    sandbox = demo.sandbox
    if churned:
        lasting = before & set(sandbox.directory.ids())
        lost = len(lasting - outcome.entries.keys())
        say(
            f"\nThe sandbox inserted {sandbox.stats.churn_inserted:,} and deleted "
            f"{sandbox.stats.churn_deleted:,} entries while it was read. Of the {len(lasting):,} entries "
            f"that were there all the time, the table lacks {lost:,}."
        )
        return f"{lost:,} lasting entries are not in the table." if lost else None
    found = differences(outcome.entries, read_api(sandbox.url, sandbox.settings))
    if found:
        return "The table is not what the API holds: " + ", ".join(found) + "."
    say(f"\nThe table holds exactly the {len(outcome.entries):,} entries which the API holds.")
    return None


def _failure(api: AirflowApi, run: DagRun) -> str:
    """Says which tasks failed, and the error in the log of each."""
    parts = [f"the run {run.run_id} failed."]
    for task in api.task_runs(DAG_ID, run.run_id):
        if task.state == "failed":
            log = api.log(DAG_ID, run.run_id, task.task_id, try_number=task.try_number)
            errors = [line.text for line in log if line.level in ("error", "critical")]
            last = "\n".join(errors[-1].splitlines()[:_ERROR_LINES]) if errors else "no error in its log"
            parts.append(f"{short_name(task.task_id)}: {last}")
    return "\n".join(parts)


def _say_part(title: str, lines: Sequence[str]) -> None:
    say(f"\n{title}")
    say(textwrap.indent("\n".join(lines), "  "))


def _say_where_to_look(demo: Demo) -> None:
    settings = demo.sandbox.settings
    query = (
        f"SELECT * FROM {TABLE} LIMIT 3" if demo.connection.is_sandbox else "FROM directory.directory_syncs"
    )
    shown = demo.warehouse.relative_to(CHECKOUT)
    command = (
        f".venv/bin/python -c \"import duckdb; duckdb.connect('{shown}', read_only=True)"
        f".sql('{query}').show()\""
    )
    rows = [
        ("Interface", f"{demo.airflow.url}/dags/{DAG_ID}"),
        ("Directory", f"{demo.airflow.url}/plugin/directory"),
        ("Log in as", f"{USERNAME}; the password is in {_shown(demo.airflow.passwords_file)}"),
        ("Connection", f"{CONN_ID}, in Airflow's database: {demo.airflow.url}/connections"),
        ("Sandbox", f"{demo.sandbox.url}, to practise the form of a connection on:"),
        ("", f"client id {settings.client_id}, client secret {settings.client_secret}"),
        ("", "(a secret of the sandbox alone, which opens nothing else)"),
        ("Logs", _shown(demo.airflow.logs)),
        ("Warehouse", f"{shown}; query it while no run is on:"),
        ("", command),
    ]
    _say_part("Where to look next", printout.table(rows))


def _shown(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


if __name__ == "__main__":
    sys.exit(main())
