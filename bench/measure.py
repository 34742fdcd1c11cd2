"""A process, and what it took."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.processes import inherited_environment

CHECKOUT = Path(__file__).resolve().parent.parent
_TIMEOUT_SECONDS = 3600.0


class WorkFailedError(Exception):
    """A process of a contender ended with an error; the message holds the end of its output."""


@dataclass(frozen=True, kw_only=True)
class Used:
    """What one process took.

    Attributes:
        seconds: from its start to its end.
        work_seconds: of these after its imports.
        cpu_seconds: of it and the processes it started, user and system.
        peak_mb: the largest resident size.
    """

    name: str
    seconds: float
    work_seconds: float
    cpu_seconds: float
    peak_mb: float


def run_together(
    names: Sequence[str], arguments: Mapping[str, Any], *, environment: Mapping[str, str]
) -> list[Used]:
    """Runs processes of `bench.work` side by side.

    Raises:
        WorkFailedError: one of them failed.
    """
    path = os.pathsep.join([str(CHECKOUT / "plugins"), str(CHECKOUT)])
    environment = {"PYTHONPATH": path, **environment}

    def run(name: str) -> Used:
        command = [sys.executable, "-m", "bench.work", name]
        return run_program(name, command, arguments, environment=environment)

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(run, names))


def run_program(
    name: str,
    command: Sequence[str | Path],
    arguments: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
) -> Used:
    """Runs a process that gets its arguments as JSON and tells `work_seconds` and `peak_mb` in its last line.

    Raises:
        WorkFailedError: it failed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(
            [*command, json.dumps(arguments)],
            env={**inherited_environment(), **environment},
            stdout=output,
            stderr=errors,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise WorkFailedError(f"{name}: {errors.read().decode()[-3000:]}")
        told = json.loads(output.read().splitlines()[-1])
    return Used(name=name, seconds=seconds, cpu_seconds=used.ru_utime + used.ru_stime, **told)
