"""Starts the servers."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.two_nights import wait_for


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts a server in a folder of the test, and waits until it answers; ends it after the test."""
    children: list[subprocess.Popen[Any]] = []

    def start_one(command: Sequence[str | Path], *, answers_at: str, **environment: str) -> None:
        with (tmp_path / "server.log").open("w") as log:
            child = subprocess.Popen(
                [str(word) for word in command],
                cwd=tmp_path,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        children.append(child)
        wait_for(answers_at, child)

    yield start_one
    for child in children:
        child.terminate()
        child.wait(20)
