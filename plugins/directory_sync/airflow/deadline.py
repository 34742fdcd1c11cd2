"""The alert when a run of the Dag has not ended in time.

The scheduler marks the run in the UI. An executor calls `run_is_late` in a process of its own.
"""

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk.definitions.callback import Callback, SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

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


def alerts(settings: SyncSettings, callback: Callback | None = None) -> list[DeadlineAlert] | None:
    """Returns the Dag's deadline; None where the deployment sets none.

    Args:
        settings: the deployment's switches.
        callback: called instead of `run_is_late`, for example a `SyncCallback` of a notifier.
    """
    if settings.deadline is None:
        return None
    return [
        DeadlineAlert(
            name=NAME,
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=settings.deadline,
            callback=callback or SyncCallback(run_is_late, {"minutes": settings.deadline_minutes}),
        )
    ]
