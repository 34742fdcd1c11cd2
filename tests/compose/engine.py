"""A Docker engine to test with: the machine's own, or the one the lab makes."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BASE_IMAGES = ("apache/airflow:3.3.2-python3.12", "postgres:16", "redis:7.2-bookworm")
_PID_FILE = Path("/var/run/docker.pid")
_STOP_SECONDS = 30


@contextmanager
def engine(lab: Path) -> Iterator[None]:
    """An engine with the base images, reached by this process's environment.

    Args:
        lab: a folder whose `up` makes an engine and stands in for the base images, on a machine that
            reaches no registry. Asked only where one or the other is missing; an engine it started is
            stopped at the end.
    """
    ran_before = _answers()
    if not (ran_before and _has_compose() and _has_images()):
        if (lab / "up").exists():
            _make(lab)
        elif not (ran_before and _has_compose()):
            raise SystemExit(
                f"Docker with Compose does not answer, and there is no lab in {lab} (COMPOSE_LAB). "
                "Nothing was tested."
            )
    try:
        yield
    finally:
        if not ran_before:
            _stop()


def _make(lab: Path) -> None:
    print(f"Making an engine and the base images by {lab / 'up'}", flush=True)
    done = subprocess.run([lab / "up"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The lab failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    os.environ["DOCKER_CONFIG"] = re.findall(r"^export DOCKER_CONFIG=(.+)$", done.stdout, re.MULTILINE)[-1]


def _stop() -> None:
    if _PID_FILE.exists():
        pid = int(_PID_FILE.read_text())
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while _PID_FILE.exists() and time.monotonic() < deadline:
            time.sleep(0.2)


def _answers() -> bool:
    return shutil.which("docker") is not None and _succeeds("info")


def _has_compose() -> bool:
    return _succeeds("compose", "version")


def _has_images() -> bool:
    return _succeeds("image", "inspect", *BASE_IMAGES)


def _succeeds(*words: str) -> bool:
    return subprocess.run(["docker", *words], capture_output=True, check=False).returncode == 0
