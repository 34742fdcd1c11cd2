"""The alert when a run of the Dag has not ended in time.

The scheduler marks the run in the UI. An executor calls `run_is_late` in a process of its own; below Airflow
3.3 the triggerer calls it.
"""

import logging
from collections.abc import Mapping
from typing import Any

from directory_sync.airflow import compat
from directory_sync.config.settings import SyncSettings

logger = logging.getLogger(__name__)

NAME = "directory sync"


def run_is_late(*, context: Mapping[str, Any], minutes: float) -> None:
    """Logs as an error which run is late, and what to do.

    Args:
        context: the run and its deadline, as Airflow gives them.
        minutes: the time that the run had, in minutes.
    """
    run = context["dag_run"]
    logger.error(
        "Run %s of %s has not ended %g minutes after it was queued; it is %s. It goes on: nothing was "
        "cancelled. Open it to see what it waits for; see docs/runbook.md#the-nights-sync-is-late.",
        run["dag_run_id"],
        run["dag_id"],
        minutes,
        run["state"],
    )


async def run_is_late_async(*, context: Mapping[str, Any], minutes: float) -> None:
    """Does the same in the triggerer, where Airflow 3.1 and 3.2 call it."""
    run_is_late(context=context, minutes=minutes)


def alerts(settings: SyncSettings, callback: Any = None) -> dict[str, Any]:
    """Returns the Dag's argument `deadline`; empty where the deployment sets none, or Airflow has none.

    Args:
        settings: the deployment's switches.
        callback: called instead of `run_is_late`, for example a `SyncCallback` of a notifier.
    """
    return compat.deadline(
        settings.deadline,
        name=NAME,
        late=run_is_late,
        callback=callback,
        minutes=settings.deadline_minutes,
    )
