"""Writes the run's note in the UI: the outcome in one line, and the further lines of its tasks.

This module is a listener, registered by the plugin. It runs in the scheduler's own transaction. So it needs
no credentials, must be quick and must not fail.
"""

import logging
from typing import Any

from airflow.listeners import hookimpl

from directory_sync.airflow.failure import once
from directory_sync.airflow.retry import NOTE

logger = logging.getLogger(__name__)

MAX_LENGTH = 1000
"""The longest note that Airflow's database can hold, in characters."""

CUT = " … (see the tasks' logs)"
SUCCESS, FAILURE, REASON = "✔ ", "✖ ", "✎ "
"""The beginnings of our lines; when a cleared run ends again, such lines are replaced."""


@hookimpl
def on_dag_run_success(dag_run: Any) -> None:
    """Puts the note on a run that succeeded."""
    _annotate(dag_run, SUCCESS)


@hookimpl
def on_dag_run_failed(dag_run: Any) -> None:
    """Puts the note on a run that failed."""
    _annotate(dag_run, FAILURE)


def _annotate(dag_run: Any, mark: str) -> None:
    try:
        said = _said(dag_run)
        if said:
            dag_run.note = compose(
                said,
                mark=mark,
                reason=(dag_run.conf or {}).get("reason"),
                seconds=_seconds(dag_run),
                before=dag_run.note,
            )
    except Exception:
        # A fault in a note must not stop the scheduler.
        logger.exception("The note of run %s was not written", dag_run.run_id)


def compose(said: list[str], *, mark: str, reason: object, seconds: float | None, before: str | None) -> str:
    """Returns the note's Markdown.

    Args:
        said: the lines of the tasks, in the order in which they ended.
        mark: the sign for how the run ended.
        reason: why the run was started; None: no reason was given.
        seconds: how long the run took; None: unknown.
        before: the present note; lines of others stay in front.
    """
    said = once(said)
    kept = [line for line in (before or "").splitlines() if not line.startswith((SUCCESS, FAILURE, REASON))]
    took = f"; {seconds:,.0f} s" if seconds is not None else ""
    lines = [*kept, f"{mark}{said[0]}{took}", *(f"{mark}{line}" for line in said[1:])]
    if reason:
        lines.append(f"{REASON}{' '.join(str(reason).split())}")
    note = "\n\n".join(dict.fromkeys(line for line in lines if line))
    # A longer note would fail in the scheduler's own transaction.
    return note if len(note) <= MAX_LENGTH else note[: MAX_LENGTH - len(CUT)] + CUT


def _said(dag_run: Any) -> list[str]:
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return []
    rows = session.scalars(
        select(XComModel)
        .where(XComModel.dag_run_id == dag_run.id, XComModel.key == NOTE)
        .order_by(XComModel.timestamp)
    )
    return [str(XComModel.deserialize_value(row)) for row in rows]


def _seconds(dag_run: Any) -> float | None:
    if dag_run.start_date is None or dag_run.end_date is None:
        return None
    seconds: float = (dag_run.end_date - dag_run.start_date).total_seconds()
    return seconds
