"""Imports what a task needs in the process that tasks are forked from, so that no task has to.

`DIRECTORY_SYNC_PRELOAD` switches it on. Airflow's LocalExecutor forks its workers from the scheduler, and
Celery its pool from the worker's main process; each task is then forked from one of these. They inherit what
is imported, and share its memory. Where processes are spawned or are pods of their own, it only takes memory.
"""

import importlib
import logging
import sys
from collections.abc import Sequence
from functools import cache

from directory_sync.errors import ConfigError

logger = logging.getLogger(__name__)

FORKING = (("scheduler",), ("celery", "worker"))
"""The commands of Airflow whose process tasks are forked from. `airflow standalone` starts the first one."""
MODULES = (
    "directory_sync.dag",
    "directory_sync.airflow.bodies",
    "directory_sync.api.client",
    "directory_sync.audit.stage",
    "directory_sync.extract.stage",
    "directory_sync.extract.windows",
    "directory_sync.publish.ownership",
    "directory_sync.publish.removals",
    "directory_sync.publish.retention",
    "directory_sync.publish.stage",
    "directory_sync.sync",
    "directory_sync.warehouse.warehouse",
    "directory_sync.warehouse.written",
    # What dlt imports where it runs.
    "dlt.common.libs.pyarrow",
    "dlt.common.libs.sql_alchemy_compat",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.sources.helpers.requests",
    "fsspec.implementations.chained",
    "pyarrow.parquet",
    "pytz",
)
"""They bring along what the three stages of a run import: our own packages, dlt, DuckDB, pyarrow."""


@cache
def preload() -> None:
    """Imports MODULES where this process is one that forks tasks and the switch is on, once in a process.

    A failure is logged by its class alone and costs nothing else: a task imports for itself, and says more.
    """
    if not is_forking(sys.argv):
        return
    try:
        if not _is_on():
            return
        for name in MODULES:
            importlib.import_module(name)
        _end_threads()
    except Exception as error:  # noqa: BLE001  must not keep Airflow from its start
        logger.warning("Not preloaded: %s. Each task imports for itself.", type(error).__name__)


def is_forking(arguments: Sequence[str]) -> bool:
    """Returns whether a command of Airflow forks tasks.

    Args:
        arguments: the program and its arguments, like `sys.argv`.
    """
    return any(tuple(arguments[1 : 1 + len(command)]) == command for command in FORKING)


def _is_on() -> bool:
    from directory_sync.config.settings import SyncSettings

    try:
        return SyncSettings.from_environment().preload
    except ConfigError:
        # Each Dag says which switch is wrong.
        return False


def _end_threads() -> None:
    # The import of DuckDB opens a database in memory. A fork would have it without the threads that work in
    # it. Who asks for it later gets a new one.
    import duckdb

    duckdb.default_connection().close()
