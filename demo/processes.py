"""Airflow's commands as processes, ended surely.

Each service runs in a session of its own, so that Ctrl-C in a terminal reaches the demo alone, which then
ends the services in order. SIGINT ends them cleanly; the scheduler sometimes waits for its idle workers for
ever, hence the stronger signals after it. Descendants are noted while they can still be found: a worker
whose parent is gone belongs to nobody.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

_PATIENCE = ((signal.SIGINT, 8.0), (signal.SIGTERM, 4.0), (signal.SIGKILL, 4.0))
"""Signals in the order they are sent, and how many seconds each gets."""
_REAP_SECONDS = 10.0
_POLL_SECONDS = 0.1


class CommandFailedError(Exception):
    """A command of Airflow ended with an error, or did not start to serve."""


def run_command(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path, seconds: float = 180.0
) -> None:
    """Runs a command to its end; its output goes to a file.

    Raises:
        CommandFailedError: another exit status than 0, or it takes too long.
    """
    service = Service(command, environment=environment, log=log)
    service.start()
    try:
        status = service.wait(seconds)
    finally:
        service.stop()
    if status != 0:
        outcome = f"did not end within {seconds:.0f} s" if status is None else f"ended with {status}"
        raise CommandFailedError(f"`{' '.join(command[-2:])}` {outcome}; its output is in {log}.")


class Service:
    """One command, with all processes it starts.

    Args:
        command: its arguments, the program first.
        environment: all of its environment.
        log: the file its output is appended to.
    """

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        """Starts nothing yet."""
        self._command, self._environment, self.log = list(command), dict(environment), log
        self._process: subprocess.Popen[bytes] | None = None
        self._family: set[psutil.Process] = set()

    @property
    def name(self) -> str:
        """The command's last word but options: `scheduler`."""
        return next(word for word in self._command[1:] if not word.startswith("-"))

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts it in a session of its own."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> int | None:
        """Returns the exit status; None if it still runs after so many seconds."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    @property
    def has_ended(self) -> bool:
        """It was started and is no longer there."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """Ends it and everything it started, however it reacts."""
        if self._process is None:
            return
        for number, seconds in _PATIENCE:
            self._note_family()
            if not self._is_anyone_left():
                break
            self._signal(number)
            deadline = time.monotonic() + seconds
            while self._is_anyone_left() and time.monotonic() < deadline:
                self._note_family()
                time.sleep(_POLL_SECONDS)
        # It may have ended between the last poll and the look at its family: then nobody has reaped it. A
        # busy machine takes its time.
        self.wait(_REAP_SECONDS)

    def _note_family(self) -> None:
        for process in [*self._family, *_found(self._process)]:
            with contextlib.suppress(psutil.Error):
                self._family |= {process, *process.children(recursive=True)}

    def _is_anyone_left(self) -> bool:
        assert self._process is not None
        self._process.poll()
        return any(_is_alive(process) for process in self._family)

    def _signal(self, number: signal.Signals) -> None:
        """The first signal is for the command alone, which ends its own; later ones are for all."""
        assert self._process is not None
        if number == signal.SIGINT and not self.has_ended:
            self._process.send_signal(number)
            return
        for process in self._family:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)


class ProcessRecord:
    """Who was started, in a file, so that the next start can end whom a killed one left behind.

    Args:
        path: the file; it holds process ids and the moments they began, which name a process for good.
    """

    def __init__(self, path: Path) -> None:
        """Reads nothing yet."""
        self._path = path

    def end_leftovers(self) -> int:
        """Ends what an earlier start left running; returns how many processes."""
        left: set[psutil.Process] = set()
        if self._path.exists():
            for pid, began in json.loads(self._path.read_text()):
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    if process.create_time() == began:
                        left |= {process, *process.children(recursive=True)}
            self._path.unlink()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=_PATIENCE[-1][1])
        return len(left)

    def write(self, services: Sequence[Service]) -> None:
        """Notes the running services."""
        pids = [service.pid for service in services if service.pid and not service.has_ended]
        began = []
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                began.append((pid, psutil.Process(pid).create_time()))
        self._path.write_text(json.dumps(began))

    def clear(self) -> None:
        """Notes that nothing runs."""
        self._path.unlink(missing_ok=True)


def _found(process: "subprocess.Popen[bytes] | None") -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [psutil.Process(process.pid)] if process and process.poll() is None else []
    return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets nothing but SIGKILL end this process meanwhile; for what has to be finished."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def inherited_environment() -> dict[str, str]:
    """Returns this process's environment less what would change Airflow's, dlt's or Python's behaviour."""
    ours = ("AIRFLOW_", "AIRFLOW__", "DLT_", "PYTHON", "DESTINATION__", "SOURCES__", "COV_CORE_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    local = "127.0.0.1,localhost"
    return {**kept, "NO_PROXY": local, "no_proxy": local}
