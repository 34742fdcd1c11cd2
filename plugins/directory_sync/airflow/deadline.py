"""The alert when a run of the Dag has not ended in time.

The scheduler marks the run in the UI. An executor calls `run_is_late` in a process of its own; below Airflow
3.3 the triggerer calls it.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from directory_sync.airflow import compat
from directory_sync.airflow.notify import Receiver, announce, link_to, never_fails, unpacked
from directory_sync.config.events import render
from directory_sync.config.settings import SyncSettings

logger = logging.getLogger(__name__)

NAME = "directory sync"


def run_is_late(
    *, context: Mapping[str, Any], minutes: float, told: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Logs as an error which run is late, and what to do; tells those who are to be told.

    Args:
        context: the run and its deadline, as Airflow gives them.
        minutes: the time that the run had, in minutes.
        told: who is told, each as `Receiver.packed` made it: this process has no Dag file.
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
    dag_id, run_id = str(run["dag_id"]), str(run["dag_run_id"])
    facts = {"minutes": f"{minutes:g}", "state": str(run["state"]), "link": link_to(dag_id, run_id)}
    message = render("late", {"dag": dag_id, "run": run_id, **facts})
    for one in told:
        with never_fails("A notifier cannot be made"):
            announce([unpacked(one, (message.event,))], message, context)


async def run_is_late_async(
    *, context: Mapping[str, Any], minutes: float, told: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Does the same in the triggerer, where Airflow 3.1 and 3.2 call it."""
    await asyncio.to_thread(run_is_late, context=context, minutes=minutes, told=told)


def alerts(settings: SyncSettings, callback: Any = None, *, told: Sequence[Receiver] = ()) -> dict[str, Any]:
    """Returns the Dag's argument `deadline`; empty where the deployment sets none, or Airflow has none.

    Args:
        settings: the deployment's switches.
        callback: called instead of `run_is_late`, for example a `SyncCallback` of a notifier.
        told: who is told of the events of the directory.
    """
    wanting = [one for one in told if settings.deadline and not callback and "late" in one.events]
    packed = [one.packed() for one in wanting]
    for name in (one.name for one, values in zip(wanting, packed, strict=True) if values is None):
        logger.warning(
            "%s is not told of late runs: its arguments cannot be stored in the Dag, or may hold a secret by "
            "their names. Give it a connection id instead, or leave `late` out of its events.",
            name,
        )
    return compat.deadline(
        settings.deadline,
        name=NAME,
        late=run_is_late,
        callback=callback,
        minutes=settings.deadline_minutes,
        **({"told": [values for values in packed if values is not None]} if packed else {}),
    )
