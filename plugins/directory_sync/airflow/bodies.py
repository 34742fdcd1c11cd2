"""What each task does: calls one stage of `Sync`, and tells Airflow its outcome."""

from collections.abc import MutableMapping
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from directory_sync.airflow.retry import NOTE
from directory_sync.airflow.scope import TaskScope
from directory_sync.sync import Sync
from directory_sync.sync.outcome import Outcome, Summary


def audit(scope: TaskScope) -> Summary:
    """Seals, checks and compares the snapshot; in mode `decide`, asks about what is held."""
    return _told(scope, Sync(scope).audit())


def publish(scope: TaskScope, event: MutableMapping[str, Any]) -> Summary:
    """Publishes the difference; where nobody is to be asked, the tasks after it are skipped.

    Args:
        scope: the task's.
        event: the extra of its asset event.
    """
    return _told(scope, Sync(scope).publish(), event)


def remove(scope: TaskScope, event: MutableMapping[str, Any]) -> Summary:
    """Carries out an approved removal.

    Args:
        scope: the task's.
        event: the extra of its asset event.
    """
    return _told(scope, Sync(scope).remove(), event)


def _told(scope: TaskScope, outcome: Outcome, event: MutableMapping[str, Any] | None = None) -> Summary:
    """Tells Airflow what a stage came to; returns what the task returns.

    Raises:
        AirflowSkipException: the stage did nothing.
        DownstreamTasksSkipped: the tasks after this one have nothing to do: no process starts for them.
            Airflow counts this task as a success, but sees no return value.
    """
    push = scope.context["ti"].xcom_push
    if outcome.note:
        # The plugin puts the run's note together.
        push(key=NOTE, value=outcome.note)
    if outcome.skipped:
        raise AirflowSkipException(outcome.skipped)
    if event is not None:
        event.update(outcome.event)
    summary = dict(outcome.summary)
    if outcome.is_last:
        push(key="return_value", value=summary)
        below = list(scope.context["task"].downstream_task_ids)
        raise DownstreamTasksSkipped(tasks=below)  # type: ignore[no-untyped-call]
    return summary
