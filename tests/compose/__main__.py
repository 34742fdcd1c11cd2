"""`python -m tests.compose`: the stack as a person meets it, with each executor; last, what was seen."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from demo.airflow_api import AirflowApi, DagRun
from demo.local_airflow import CHECKOUT, DAG_ID
from tests.compose.engine import engine
from tests.compose.stack import MemoryWatch, Stack

WORKERS = 2
_DAG_SECONDS = 120
_POLL_SECONDS = 1.0


def main() -> int:
    """Returns the exit status: 0 if the stack did all that is claimed here."""
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=__doc__)
    parser.add_argument("--lab", type=Path, default=CHECKOUT / "../shared/compose-lab")
    arguments = parser.parse_args()
    with engine(arguments.lab.resolve()), tempfile.TemporaryDirectory(prefix="compose_") as folder:
        stack = Stack(Path(folder))
        try:
            seen = [*_with_local_executor(stack), *_with_workers(stack)]
        except (AssertionError, OSError) as error:
            print(stack.state(), file=sys.stderr)
            print(f"Failed: {stack.without_secrets(str(error))}", file=sys.stderr, flush=True)
            return 1
        finally:
            stack.remove()
    print(f"Seen: {'; '.join(seen)}.")
    return 0


def _with_local_executor(stack: Stack) -> list[str]:
    refused = stack.make("down")
    _claim(refused.returncode != 0 and "no .env" in refused.stderr, "`make down` without a stack says so")
    _claim(
        "run `make up`" in stack.why_refused(), "without .env Compose refuses the file and says what to do"
    )
    _up(stack)
    _claim(not stack.why_refused(), "with it Compose takes the file")
    _claim(stack.env_file.stat().st_mode & 0o777 == 0o600, "nobody else can read .env")
    count, _ = _run_and_compare(stack)
    _claim(stack.ports() == {"127.0.0.1"}, f"all ports are bound to this machine: {stack.ports()}")
    _claim("0" not in stack.users(), f"no container runs as root: {stack.users()}")
    _no_secret_is_logged(stack)
    before = stack.env_file.read_text()

    _say("`make down`; `make up` with another .env; `make up` with the right one")
    volumes = stack.volumes()
    _make(stack, "down")
    _claim(stack.volumes() == volumes, "`make down` keeps the volumes")
    stack.env_file.unlink()
    refused = stack.make("up")
    _claim(
        refused.returncode != 0 and "made with another one" in refused.stderr, "another password: in words"
    )
    _make(stack, "down")
    stack.env_file.write_text(before)
    _up(stack)
    _claim(stack.env_file.read_text() == before, "`make up` leaves .env as it is")
    _claim(len(stack.warehouse_entries()) == count, "the rows are still there")
    syncs = int(stack.sql("SELECT count(*) FROM directory.directory_syncs"))
    _run(stack)
    added = int(stack.sql("SELECT count(*) FROM directory.directory_syncs")) - syncs
    _claim(added == 1, f"the next run publishes once: {added}")
    _remove(stack)
    return [
        f"LocalExecutor: {count:,} rows in PostgreSQL as in the API, kept by `make down`, gone by VOLUMES=1"
    ]


def _with_workers(stack: Stack) -> list[str]:
    text = stack.env_file.read_text()
    stack.env_file.write_text(
        text.replace("AIRFLOW_EXECUTOR=LocalExecutor", "AIRFLOW_EXECUTOR=CeleryExecutor")
    )
    _up(stack)
    workers = [name for name in stack.containers() if "-worker-" in name]
    _claim(len(workers) == WORKERS, f"there are {WORKERS} workers: {workers}")
    count, hosts = _run_and_compare(stack)
    _claim(len(hosts) == WORKERS, f"each worker had tasks: {hosts}")
    _claim("0" not in stack.users(), f"no container runs as root: {stack.users()}")
    _no_secret_is_logged(stack)
    _remove(stack)
    return [f"CeleryExecutor: {count:,} rows by {len(hosts)} workers; no secret in any log"]


def _up(stack: Stack) -> None:
    begun = time.monotonic()
    _make(stack, "up")
    unhealthy = [name for name, ps in stack.containers().items() if ps["Health"] != "healthy"]
    _claim(not unhealthy, f"all are healthy: {unhealthy}")
    _say(f"`make up`: all healthy after {time.monotonic() - begun:.0f} s")


def _make(stack: Stack, *words: str) -> None:
    done = stack.make(*words)
    _claim(
        done.returncode == 0,
        f"`make {' '.join(words)}` succeeds:\n{done.stdout[-1500:]}{done.stderr[-1500:]}",
    )


def _remove(stack: Stack) -> None:
    _make(stack, "down", "VOLUMES=1")
    _claim(not stack.left(), f"nothing is left: {stack.left()}")


def _run_and_compare(stack: Stack) -> tuple[int, set[str]]:
    """Runs the Dag; returns how many entries there are, and where the tasks worked."""
    with MemoryWatch() as watch:
        hosts = _run(stack)
    peaks = ", ".join(f"{name} {mebibytes:.0f}" for name, mebibytes in sorted(watch.peaks.items()))
    _say(f"the most memory while it ran, in MiB: {peaks}")
    served, stored = stack.sandbox_entries(), stack.warehouse_entries()
    _claim(len(served) > 1000, "the sandbox serves entries")
    _claim(stored == served, f"the table has the API's entries: {len(stored)} and {len(served)}")
    return len(stored), hosts


def _run(stack: Stack) -> set[str]:
    """Triggers the Dag over the REST interface and waits for it, and for the tick that unpausing begins."""
    api = stack.api()
    _wait_for_the_dag(api)
    begun = time.monotonic()
    run = api.trigger(DAG_ID)
    api.unpause(DAG_ID)
    api.wait(DAG_ID, run.run_id, seconds=300)
    ended = [api.wait(DAG_ID, each.run_id, seconds=300) for each in api.runs(DAG_ID)]
    failed = [each.run_id for each in ended if each.state != "success"]
    _claim(not failed, f"the runs succeed: {failed}\n{_errors(api, ended)}")
    _say(f"{len(ended)} runs so far, all successful; this one took {time.monotonic() - begun:.0f} s")
    _claim(_is_log_shown(api, run), "the interface shows what a task logged")
    return api.hosts(DAG_ID, run.run_id)


def _wait_for_the_dag(api: AirflowApi) -> None:
    deadline = time.monotonic() + _DAG_SECONDS
    while not api.dag_exists(DAG_ID):
        _claim(time.monotonic() < deadline, "the Dag is parsed without an error")
        time.sleep(_POLL_SECONDS)


def _is_log_shown(api: AirflowApi, run: DagRun) -> bool:
    audit = next(task for task in api.task_runs(DAG_ID, run.run_id) if task.task_id.endswith("audit"))
    log = api.log(DAG_ID, run.run_id, audit.task_id, try_number=audit.try_number)
    return any("chain: windows that overlap" in line.text for line in log)


def _errors(api: AirflowApi, runs: list[DagRun]) -> str:
    lines = [
        f"{task.task_id}: {line.text}"
        for run in runs
        for task in api.task_runs(DAG_ID, run.run_id)
        if task.state == "failed"
        for line in api.log(DAG_ID, run.run_id, task.task_id, try_number=task.try_number)
        if line.level in ("error", "critical")
    ]
    return "\n".join(lines[-5:])


def _no_secret_is_logged(stack: Stack) -> None:
    logs = stack.logs()
    _claim("directory_sync" in logs, "the logs are there")
    found = [name for name, secret in stack.secrets().items() if secret in logs]
    _claim(not found, f"no secret stands in a log: {found}")


def _claim(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"it does not hold that {what}")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
