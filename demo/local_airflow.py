"""Airflow on this machine, for real: SQLite, LocalExecutor, and as few processes as serve.

Two services run: the API server, which is also the interface, and the scheduler with its workers. The Dag is
parsed once, before they start, so no Dag processor is needed; an edited Dag file counts from the next start.
The scheduler looks more often than Airflow's default has it. In a `PlainAirflow` both are as a user has them.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from typing_extensions import Self

from demo.airflow_api import AirflowApi, DagRun
from demo.processes import (
    CommandFailedError,
    ProcessRecord,
    Service,
    inherited_environment,
    run_command,
    uninterrupted,
)
from sandbox.server import SandboxServer

CHECKOUT = Path(__file__).resolve().parent.parent
DAG_ID = "directory_sync"
USERNAME = "admin"
PARALLELISM = 4
_START_SECONDS = 300.0
_POLL_SECONDS = 0.2


class LocalAirflow:
    """An Airflow that serves inside a `with` block.

    Args:
        home: its AIRFLOW_HOME; what is there is continued.
        environment: further variables: connections, switches, a TMPDIR.
        port: of the interface; 0 for a free one.
        migrated: the AIRFLOW_HOME of another one, after its `migrate`; a new home begins with a copy of its
            database, which takes no time. None: the database is migrated here.
        python: of the environment it runs in; None for the one that runs this.
        on_step: called with a word on what happens while it starts.
        before_runs: called when the interface answers and no run can begin yet, such as to write connections.

    Attributes:
        api: its REST interface, logged in as the user `admin`.
        url: the address of its interface.
    """

    _is_plain: ClassVar = False

    def __init__(
        self,
        home: Path,
        *,
        environment: Mapping[str, str] | None = None,
        port: int = 0,
        migrated: Path | None = None,
        python: Path | None = None,
        on_step: Callable[[str], object] = str,
        before_runs: Callable[[AirflowApi], object] | None = None,
    ) -> None:
        """Starts nothing yet."""
        self.home = home.resolve()
        self._migrated = migrated.resolve() if migrated else None
        # Not resolved: the program of an environment is a link out of it.
        self._python = python.absolute() if python else Path(sys.executable)
        port = port or free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = self._airflow_environment(port) | dict(environment or {})
        self._on_step, self._before_runs = on_step, before_runs
        self._record = ProcessRecord(self.home / "processes.json")
        self._services: list[Service] = []
        self._is_run_due = False

    @property
    def logs(self) -> Path:
        """The folder of the tasks' logs."""
        return self.home / "logs"

    @property
    def passwords_file(self) -> Path:
        """The file that holds the password of `admin`, readable by its owner alone."""
        return self.home / "passwords.json"

    def __enter__(self) -> Self:
        """Starts it; returns when the interface answers and the scheduler runs.

        Raises:
            CommandFailedError: a part of it does not start; the message names its log.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self._record.end_leftovers()
        self.api = AirflowApi(self.url, username=USERNAME, password=self._password())
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends all its processes."""
        self._stop()

    def migrate(self) -> None:
        """Makes its database, or brings that of an older Airflow up to date; starts nothing."""
        self._run("db", "migrate")

    def begin_run(self, conf: Mapping[str, object] | None = None) -> DagRun:
        """Returns a run that has just begun: exactly one, whichever way.

        A Dag that is not paused runs its last missed tick as soon as there is a scheduler. That run is
        the one where it is due; else one is triggered.

        Args:
            conf: values for the parameters of a triggered run.
        """
        if not self._is_run_due or conf:
            return self.api.trigger(DAG_ID, conf)
        self._is_run_due = False
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            for run in self.api.runs(DAG_ID):
                if run.run_id not in self._known_runs and run.run_type == "scheduled":
                    return run
            self._check_services()
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"The scheduler started no run within {_START_SECONDS:.0f} s.")

    def questions(self, run: DagRun) -> list[dict[str, Any]]:
        """Returns what a run asks a person, once the scheduler has seen the end of the asking process.

        On a busy machine that takes seconds. An answer before it can fail the task: Airflow 3.3.2 takes it
        for killed. Only the scheduler's log tells when the end was seen.
        """
        log = self._log("scheduler").read_text(errors="replace")
        return [
            question
            for question in self.api.questions(DAG_ID, run.run_id)
            if f"executor event with state success for task instance TaskInstanceKey(dag_id='{DAG_ID}', "
            f"task_id='{question['task_instance']['task_id']}', run_id='{run.run_id}', "
            f"try_number={question['task_instance']['try_number']}," in log
        ]

    def wait_for_questions(self, run: DagRun, *, seconds: float) -> list[dict[str, Any]]:
        """Returns what a run asks a person, as soon as it may be answered.

        Args:
            run: whose questions.
            seconds: how long to wait.

        Raises:
            RuntimeError: the run ended, and nobody was asked.
            TimeoutError: nobody was asked by then.
        """
        deadline = time.monotonic() + seconds
        while not (found := self.questions(run)):
            now = self.api.run(DAG_ID, run.run_id)
            if now.has_ended:
                raise RuntimeError(f"Nobody was asked; the run is {now.state}: {now.note}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"Nobody was asked within {seconds:.0f} s.")
            time.sleep(_POLL_SECONDS)
        return found

    def _start(self) -> None:
        self._on_step("its database")
        if self._migrated is None or (self.home / "airflow.db").exists():
            self.migrate()
        else:
            shutil.copy(self._migrated / "airflow.db", self.home)
            # The paths in it are of the other home.
            configuration = (self._migrated / "airflow.cfg").read_text()
            (self.home / "airflow.cfg").write_text(configuration.replace(str(self._migrated), str(self.home)))
        self._on_step("the interface, and the Dag")
        self._serve("api-server")
        # While the API server starts; both need seconds, mostly for imports.
        self._run("dags", "reserialize")
        deadline = time.monotonic() + _START_SECONDS
        while not self.api.is_ready():
            self._check_services()
            if time.monotonic() > deadline:
                raise CommandFailedError(f"The API server does not answer; see {self._log('api-server')}.")
            time.sleep(_POLL_SECONDS)
        if not self.api.dag_exists(DAG_ID):
            raise CommandFailedError(f"The Dag {DAG_ID} cannot be imported; see {self._log('dags')}.")
        # Nobody works on them; the scheduler would wait minutes for a sign of life.
        self.api.end_unfinished_runs(DAG_ID)
        # Asked before there is a scheduler: no run can begin unseen.
        self._is_run_due = self.api.is_run_due(DAG_ID)
        self._known_runs = {run.run_id for run in self.api.runs(DAG_ID)}
        if self._before_runs:
            self._before_runs(self.api)
        self._on_step("the scheduler")
        self._serve("scheduler", "--skip-serve-logs")
        if self._is_plain:
            self._serve("dag-processor")
        if self._needs_triggerer():
            self._serve("triggerer", "--skip-serve-logs")

    def _needs_triggerer(self) -> bool:
        """Tells whether a question to a person is waited for there, as before Airflow 3.3."""
        ask = "from importlib.metadata import version; print(version('apache-airflow-core'))"
        said = subprocess.run([self._python, "-c", ask], check=True, capture_output=True, text=True).stdout
        major, minor, *_ = said.split(".")
        return (int(major), int(minor)) < (3, 3)

    def _run(self, *words: str) -> None:
        run_command(
            [str(self._python), "-m", "airflow", *words],
            environment=self._environment,
            log=self._log(words[0]),
        )

    def _serve(self, *words: str) -> None:
        command = [str(self._python), "-m", "airflow", *words]
        service = Service(command, environment=self._environment, log=self._log(words[0]))
        self._services.append(service)
        service.start()
        self._record.write(self._services)

    def _check_services(self) -> None:
        for service in self._services:
            if service.has_ended:
                raise CommandFailedError(f"`airflow {service.name}` ended; its output is in {service.log}.")

    def _stop(self) -> None:
        # The scheduler first: its tasks still report to the API server.
        with uninterrupted():
            for service in reversed(self._services):
                service.stop()
            self._services.clear()
            self._record.clear()

    def _log(self, name: str) -> Path:
        return self.home / "output" / f"{name}.log"

    def _password(self) -> str:
        if not self.passwords_file.exists():
            descriptor = os.open(self.passwords_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump({USERNAME: secrets.token_urlsafe(12)}, file)
        password: str = json.loads(self.passwords_file.read_text())[USERNAME]
        return password

    def _airflow_environment(self, port: int) -> dict[str, str]:
        options = {
            "core.dags_folder": str(CHECKOUT / "dags"),
            "core.plugins_folder": str(CHECKOUT / "plugins"),
            "core.dag_ignore_file_syntax": "regexp",
            "core.load_examples": "False",
            "core.executor": "LocalExecutor",
            "core.parallelism": str(PARALLELISM),
            "core.dags_are_paused_at_creation": "False",
            "core.test_connection": "Enabled",
            "core.simple_auth_manager_users": f"{USERNAME}:admin",
            "core.simple_auth_manager_passwords_file": str(self.passwords_file),
            "core.execution_api_server_url": f"{self.url}/execution/",
            "database.sql_alchemy_conn": f"sqlite:///{self.home / 'airflow.db'}",
            "logging.base_log_folder": str(self.logs),
            "api.host": "127.0.0.1",
            "api.port": str(port),
            # Before Airflow 3.3 there were four, and one that a busy machine kept waiting was killed.
            "api.workers": "1",
            "api.base_url": self.url,
            "usage_data_collection.enabled": "False",
        }
        if not self._is_plain:
            # Airflow's default is a second, before each step of a run.
            options["scheduler.scheduler_idle_sleep_time"] = "0.3"
        variables = {f"AIRFLOW__{key.replace('.', '__').upper()}": text for key, text in options.items()}
        binaries = self._python.parent
        path = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
        return inherited_environment() | variables | {"AIRFLOW_HOME": str(self.home), "PATH": path}


class PlainAirflow(LocalAirflow):
    """As a user starts it, for measurements: a Dag processor, and Airflow's own pace of the scheduler."""

    _is_plain = True


def connection_to(sandbox: SandboxServer) -> dict[str, str]:
    """Returns the fields of an Airflow connection to a sandbox."""
    return {
        "conn_type": "directory_api",
        "host": sandbox.url,
        "login": sandbox.settings.client_id,
        "password": sandbox.settings.client_secret,
    }


def free_port(preferred: int = 0) -> int:
    """Returns a port of 127.0.0.1 nobody listens on: the preferred one if it is free."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # As the server does: a port whose last connections are fading out is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("No port of 127.0.0.1 is free.")
