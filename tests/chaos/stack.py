"""Faults inside the tasks of a real Airflow, each at a named moment and once for each time it was armed.

A file in the folder `$CHAOS_POINTS` arms a moment; its name is the moment's, its text what happens there:

    kill    the process ends as by the OOM killer
    raise   an exception
    hold    it waits for a file `<moment>.go`

Of all processes that reach the moment one takes the file away, and with it the fault. `environment.json` in
the same folder holds variables for the tasks which begin from then on.

This module is executed inside the tasks, by the deployment's `airflow_local_settings.py`: it imports little.
"""

import functools
import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "CHAOS_POINTS"
ENVIRONMENT, KEEPS_TEMPORARY, TALKS = "environment.json", "keeps_temporary", "talks"
KEPT = "kept"
HOLD_SECONDS = 120.0
FAULT = "a fault of the tests"

LOCAL_SETTINGS = f"""\
import importlib.util
from datetime import timedelta

spec = importlib.util.spec_from_file_location("chaos_stack", {str(Path(__file__).resolve())!r})
stack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stack)


def task_policy(task):
    # A deployment's own hook: it is called in each task's process, when the Dag is parsed there.
    task.retry_delay = timedelta(seconds=1)
    task.retry_exponential_backoff = 0
    stack.install()
"""


class FaultError(Exception):
    """What an armed moment raises."""


Strike = Callable[[], None]
Moment = Callable[[Strike], None]
_MOMENTS: dict[str, Moment] = {}


def moments() -> tuple[str, ...]:
    """The names of all moments."""
    return tuple(_MOMENTS)


def moment(function: Moment) -> Moment:
    """Names a moment by the function that finds it."""
    _MOMENTS[function.__name__] = function
    return function


@functools.cache
def install() -> None:
    """Prepares the armed moments in this process."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    variables = folder / ENVIRONMENT
    if variables.exists():
        os.environ.update(json.loads(variables.read_text()))
    if (folder / KEEPS_TEMPORARY).exists():
        _keep_temporary_files()
    if (folder / TALKS).exists():
        _talk()
    for name, prepare in _MOMENTS.items():
        if (folder / name).exists():
            prepare(functools.partial(strike, folder, name))


def strike(folder: Path, name: str) -> None:
    """Does what the moment's file says, unless another process or an earlier call did."""
    armed, struck = folder / name, folder / f"{name}.struck"
    try:
        action, _, times = armed.read_text().partition(" ")
        armed.rename(struck)
    except FileNotFoundError:
        return
    if int(times or 1) > 1:
        armed.write_text(f"{action} {int(times) - 1}")
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "raise":
        raise FaultError(FAULT)
    deadline = time.monotonic() + HOLD_SECONDS
    while not (folder / f"{name}.go").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def wrap(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replaces a function by one made of it."""
    setattr(owner, name, make(getattr(owner, name)))


def before(owner: Any, name: str, act: Strike, *, call: int = 1) -> None:
    """Acts before one call of a function, the first or a later one."""
    calls = count(1)

    def make(usual: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == call:
                act()
            return usual(*args, **kwargs)

        return called

    wrap(owner, name, make)


# ---- extract


@moment
def pages_are_read(act: Strike) -> None:
    from directory_sync.api.client import DirectoryClient

    before(DirectoryClient, "page", act, call=6)


@moment
def a_landed_file_is_half_written(act: Strike) -> None:
    from dlt.destinations.impl.filesystem.filesystem import FilesystemLoadJob

    def make(usual: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: Any) -> None:
            path = Path(self.make_remote_path())
            if path.parent.name == "entries":
                path.parent.mkdir(parents=True, exist_ok=True)
                content = Path(self._file_path).read_bytes()
                path.write_bytes(content[: len(content) // 2])
                act()
            usual(self)

        return run

    wrap(FilesystemLoadJob, "run", make)


@moment
def the_load_is_not_marked_complete(act: Strike) -> None:
    from dlt.destinations.impl.filesystem.filesystem import FilesystemClient

    before(FilesystemClient, "complete_load", act)


# ---- audit


@moment
def the_warehouse_is_not_open_yet(act: Strike) -> None:
    from directory_sync.warehouse import warehouse

    before(warehouse, "open_warehouse", act)


@moment
def the_difference_is_half_written(act: Strike) -> None:
    import pyarrow.parquet as pq

    from directory_sync.landing.files import DIFFERENCE

    def make(usual: Callable[..., Any]) -> Callable[..., Any]:
        def write_table(self: Any, table: Any, *args: Any, **kwargs: Any) -> None:
            name = str(getattr(self.where, "path", ""))
            if name.endswith(f"{DIFFERENCE}.part"):
                usual(self, table.slice(0, table.num_rows // 2), *args, **kwargs)
                self.where.flush()
                act()
                table = table.slice(table.num_rows // 2)
            usual(self, table, *args, **kwargs)

        return write_table

    wrap(pq.ParquetWriter, "write_table", make)


@moment
def the_manifest_is_half_written(act: Strike) -> None:
    from fsspec.implementations.local import LocalFileSystem

    def make(usual: Callable[..., Any]) -> Callable[..., Any]:
        def pipe_file(self: Any, path: str, value: bytes, *args: Any, **kwargs: Any) -> None:
            if path.endswith("manifest.json.part"):
                usual(self, path, value[: len(value) // 2], *args, **kwargs)
                act()
            usual(self, path, value, *args, **kwargs)

        return pipe_file

    wrap(LocalFileSystem, "pipe_file", make)


@moment
def the_manifest_is_written(act: Strike) -> None:
    from directory_sync.landing.files import MANIFEST
    from directory_sync.landing.snapshot import LandedSnapshot

    def make(usual: Callable[..., Any]) -> Callable[..., Any]:
        def write_json(self: Any, name: str, content: Any) -> None:
            usual(self, name, content)
            if name == MANIFEST:
                act()

        return write_json

    wrap(LandedSnapshot, "write_json", make)


# ---- publish


@moment
def the_change_rows_are_normalised(act: Strike) -> None:
    import dlt

    before(dlt.Pipeline, "load", act)


@moment
def the_change_rows_are_loaded(act: Strike) -> None:
    _in_the_merge(act, lambda statements: 0)


@moment
def the_table_is_half_merged(act: Strike) -> None:
    _in_the_merge(act, lambda statements: statements // 2)


def _in_the_merge(act: Strike, after: Callable[[int], int]) -> None:
    """Within the transaction, after so many of its statements."""
    from dlt.destinations.sql_client import SqlClientBase

    def make(usual: Callable[..., Any]) -> Callable[..., Any]:
        def execute_many(self: Any, statements: Any, *args: Any, **kwargs: Any) -> Any:
            listed = list(statements)
            is_merge = any("INSERT INTO" in s and '"directory_resource__codes"' in s for s in listed)
            if is_merge:
                done = after(len(listed))
                usual(self, listed[:done], *args, **kwargs)
                act()
                listed = listed[done:]
            return usual(self, listed, *args, **kwargs)

        return execute_many

    wrap(SqlClientBase, "execute_many", make)


@moment
def the_table_is_loaded(act: Strike) -> None:
    from dlt.load.load import Load

    before(Load, "complete_package", act)


@moment
def the_syncs_row_is_loaded(act: Strike) -> None:
    from directory_sync.warehouse.warehouse import Warehouse

    before(Warehouse, "create_views", act)


@moment
def the_publication_is_complete(act: Strike) -> None:
    from directory_sync.sync import Sync

    before(Sync, "retire_landing", act)


# ---- what shows more than a deployment would


def _keep_temporary_files() -> None:
    """What a task deletes in the temporary directory is copied before, to be read."""
    import tempfile

    temporary = tempfile.gettempdir()

    def make(usual: Callable[..., Any]) -> Callable[..., Any]:
        def rmtree(path: Any, *args: Any, **kwargs: Any) -> None:
            if str(path).startswith(temporary) and Path(path).is_dir():
                shutil.copytree(path, Path(temporary) / KEPT / uuid.uuid4().hex / Path(path).name)
            usual(path, *args, **kwargs)

        return rmtree

    wrap(shutil, "rmtree", make)


def _talk() -> None:
    """Every library says all it can: HTTP headers and bodies included."""
    import http.client
    import logging

    http.client.HTTPConnection.debuglevel = 1
    for name in ("urllib3", "requests", "dlt", "directory_sync", "http.client"):
        logging.getLogger(name).setLevel(logging.DEBUG)
