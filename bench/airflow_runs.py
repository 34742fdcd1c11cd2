"""The contenders under one real Airflow as a user starts it: LocalExecutor, four tasks at once.

API server, scheduler and Dag processor have Airflow's own settings. A run counts from its trigger to its end,
with the waits in which the scheduler has not seen yet that something may go on.
"""

import contextlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from typing_extensions import Self

from bench.contenders import NIGHTS, PRELOADED, Case, Result
from bench.contenders import is_right as is_right_in_file
from bench.measure import CHECKOUT, Used, WorkFailedError
from bench.server import CLIENT_ID, CLIENT_SECRET, Server
from bench.waits import stage_of, timing
from demo.airflow_api import AirflowApi, DagRun, TaskRun
from demo.local_airflow import DAG_ID, LocalAirflow, PlainAirflow

DAGS = {"defaults": "seed_defaults", "tuned": "seed_tuned", "ranges": "seed_ranges"}
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 60.0
_TASK_TITLE = "airflow worker -- "
_RUN_SECONDS = 7200.0


@dataclass
class Seen:
    """What was last seen of a process."""

    title: str = ""
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


@dataclass
class Watch:
    """Looks at the processes of an Airflow while a run is on; a process's peak only grows."""

    airflow: LocalAirflow
    seen: dict[int, Seen] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._look()
        self._before = {pid: seen.cpu_seconds for pid, seen in self.seen.items()}
        self._thread = threading.Thread(target=self._keep_looking, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A task has ended a while before its process has: whoever comes next would share the machine with it.
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline and any(
            _is_task(seen.title) and psutil.pid_exists(pid) for pid, seen in self.seen.items()
        ):
            time.sleep(_LOOK_SECONDS)
        self._ended.set()
        self._thread.join()
        self._look()

    def of_task(self, task: TaskRun) -> Seen:
        """The process of a task, and those it started."""
        return next((s for s in self.seen.values() if s.title == _TASK_TITLE + task.instance_id), Seen())

    @property
    def services_cpu_seconds(self) -> float:
        """What Airflow itself took."""
        return sum(
            seen.cpu_seconds - self._before.get(pid, 0.0)
            for pid, seen in self.seen.items()
            if not _is_task(seen.title)
        )

    def _keep_looking(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        services = json.loads((self.airflow.home / "processes.json").read_text())
        for pid, _ in services:
            with contextlib.suppress(psutil.Error, OSError):
                service = psutil.Process(pid)
                for process in (service, *service.children(recursive=True)):
                    self._note(process)

    def _note(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error, OSError, StopIteration):
            seen = self.seen.setdefault(process.pid, Seen())
            if not _is_task(seen.title):
                seen.title = " ".join(process.cmdline()).strip()
            cpu = process.cpu_times()
            # Of its children too, once they have ended; a service's children are seen for themselves.
            own = cpu.user + cpu.system
            seen.cpu_seconds = own + (
                cpu.children_user + cpu.children_system if _is_task(seen.title) else 0.0
            )
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak = next(line for line in lines if line.startswith("VmHWM"))
            seen.peak_mb = int(peak.split()[1]) / 1024


def _is_task(title: str) -> bool:
    return title.startswith(_TASK_TITLE) and "LocalExecutor" not in title


class Contest:
    """One Airflow and the API, for all contenders.

    Args:
        airflow: serves.
        server: the API.
        home: holds the tables of whoever's turn it is.
        is_right: compares a table of ours in another warehouse with the API.
    """

    def __init__(
        self,
        airflow: LocalAirflow,
        server: Server,
        home: Path,
        *,
        is_right: Callable[..., bool] | None = None,
    ) -> None:
        self._airflow, self._server, self._home = airflow, server, home
        self._is_right = is_right or partial(is_right_in_file, home / "warehouse.duckdb")

    @classmethod
    @contextmanager
    def running(
        cls,
        server: Server,
        *,
        environment: Mapping[str, str] | None = None,
        is_right: Callable[..., bool] | None = None,
    ) -> Iterator[Self]:
        """Starts Airflow, has each Dag run once to warm up, and ends Airflow with the block."""
        folder = Path(tempfile.mkdtemp(prefix="bench_airflow_"))
        home = folder / "tables"
        home.mkdir()
        connection = {
            "conn_type": "directory_api",
            "host": server.url,
            "login": CLIENT_ID,
            "password": CLIENT_SECRET,
        }
        bundle = "airflow.dag_processing.bundles.local.LocalDagBundle"
        bundles = [
            {"name": name, "classpath": bundle, "kwargs": {"path": str(CHECKOUT / path)}}
            for name, path in (("ours", "dags"), ("seed", "bench/dags"))
        ]
        try:
            with PlainAirflow(
                folder / "airflow",
                environment={
                    "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection),
                    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
                    "BENCH_URL": server.url,
                    "BENCH_HOME": str(home),
                    "DIRECTORY_SYNC_HOME": str(home),
                    # Not while the bench runs.
                    "DIRECTORY_SYNC_SCHEDULE": "0 0 29 2 *",
                    "RUNTIME__DLTHUB_TELEMETRY": "false",
                    "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "plugins")]),
                    "TMPDIR": str(folder),
                    **(environment or {}),
                },
            ) as airflow:
                contest = cls(airflow, server, home, is_right=is_right)
                contest.warm_up()
                yield contest
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _api(self) -> AirflowApi:
        return self._airflow.api

    def warm_up(self) -> None:
        """The last missed tick of ours, with a directory of one page."""
        Case(entries=100, latency_ms=0).put(self._server)
        self._wait(self._airflow.begin_run(), DAG_ID)

    def run(self, contender: str, case: Case) -> Iterator[Result]:
        """Runs a contender from an empty folder; ours three times: first, unchanged, changed."""
        for path in self._home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self._home / "entries").write_text(str(case.entries))
        if contender in ("ours", PRELOADED):
            # A first load follows no publication: that of a smaller list would leave it fewer shards.
            self._api.delete_results(DAG_ID, "publish")
            for name in NIGHTS:
                yield self._measure(name if contender == "ours" else f"{name}_{PRELOADED}", DAG_ID, case)
        else:
            yield self._measure(contender, DAGS[contender], case)

    def _measure(self, name: str, dag_id: str, case: Case) -> Result:
        cpu_before = case.put(self._server, changed=name.startswith("changed"))
        with Watch(self._airflow) as watch:
            run = self._wait(self._api.trigger(dag_id), dag_id)
        told = self._server.told()
        tasks = [t for t in self._api.task_runs(dag_id, run.run_id) if t.seconds and t.state == "success"]
        stages = [[_used(task, watch) for task in stage] for stage in _stages(tasks)]
        every = [used for stage in stages for used in stage]
        took = timing(run, tasks)
        return Result(
            contender=name,
            entries=case.entries,
            latency_ms=case.latency_ms,
            airflow=True,
            seconds=took.seconds,
            work_seconds=took.work_seconds,
            waits=dict(took.waits),
            cpu_seconds=sum(used.cpu_seconds for used in every),
            peak_mb=max(used.peak_mb for used in every),
            requests=told["pages"] + told["refused"] + told["tokens"],
            refused=told["refused"],
            server_cpu_seconds=told["cpu_seconds"] - cpu_before,
            airflow_cpu_seconds=watch.services_cpu_seconds,
            is_right=self._is_right(entries=told["entries"], edited=told["edited"]),
            stages=stages,
        )

    def _wait(self, run: DagRun, dag_id: str) -> DagRun:
        ended = self._api.wait(dag_id, run.run_id, seconds=_RUN_SECONDS)
        if ended.state != "success":
            failed = [task for task in self._api.task_runs(dag_id, run.run_id) if task.state == "failed"]
            lines = [line.text for task in failed for line in self._api.log(dag_id, run.run_id, task.task_id)]
            raise WorkFailedError("\n".join([f"A run of {dag_id} failed.", *lines[-20:]]))
        return ended


def _stages(tasks: list[TaskRun]) -> list[list[TaskRun]]:
    """Tasks by their group; those of one group run side by side."""
    stages: dict[str, list[TaskRun]] = {}
    for task in tasks:
        if task.runs_code:
            stages.setdefault(stage_of(task), []).append(task)
    return list(stages.values())


def _used(task: TaskRun, watch: Watch) -> Used:
    seen, seconds = watch.of_task(task), task.seconds or 0.0
    return Used(
        name=task.task_id,
        seconds=seconds,
        work_seconds=seconds,
        cpu_seconds=seen.cpu_seconds,
        peak_mb=seen.peak_mb,
    )
