"""The bodies of the tasks: each calls one stage of `Sync` and reports its outcome to Airflow."""

from collections.abc import Callable, MutableMapping
from typing import Any

from directory_sync.airflow.compat import AirflowSkipException, DownstreamTasksSkipped
from directory_sync.airflow.lineage import report_lineage
from directory_sync.airflow.retry import NOTE
from directory_sync.airflow.scope import TaskScope
from directory_sync.config.names import Stage
from directory_sync.sync import Sync
from directory_sync.sync.outcome import Outcome, Summary

Tell = Callable[[TaskScope, Outcome], None]
"""Tells people of a publication; never raises."""

APPROVAL, REMOVAL = Stage.APPROVE_REMOVALS.value, Stage.REMOVE.value


def audit(scope: TaskScope) -> Summary:
    """Seals, checks and compares the snapshot; in mode `decide`, asks about the held removals.

    Args:
        scope: the scope of the task.
    """
    return _told(scope, Sync(scope).audit(skipped_shards=scope.skipped_shards))


def publish(scope: TaskScope, event: MutableMapping[str, Any], *, tell: Tell | None = None) -> Summary:
    """Publishes the difference; skips the tasks after it where no question is open.

    Args:
        scope: the scope of the task.
        event: the extra of its asset event; it is filled here.
        tell: tells people of the publication; None: nobody is told.
    """
    return _told(scope, Sync(scope).publish(), event, tell=tell, has_read=scope.run.mode.reads_api)


def remove(scope: TaskScope, event: MutableMapping[str, Any], *, tell: Tell | None = None) -> Summary:
    """Carries out an approved removal.

    Args:
        scope: the scope of the task.
        event: the extra of its asset event; it is filled here.
        tell: tells people of the publication; None: nobody is told.
    """
    return _told(scope, Sync(scope).remove(), event, tell=tell)


def _told(
    scope: TaskScope,
    outcome: Outcome,
    event: MutableMapping[str, Any] | None = None,
    *,
    tell: Tell | None = None,
    has_read: bool = False,
) -> Summary:
    """Reports the outcome of a stage to Airflow; returns the task's return value.

    Args:
        scope: the scope of the task.
        outcome: what the stage came to.
        event: the extra of its asset event; it is filled here.
        tell: tells people of a publication; None: nobody is told.
        has_read: whether what it wrote was read from the API in this run.

    Raises:
        AirflowSkipException: the stage did nothing.
        DownstreamTasksSkipped: the tasks after this one have nothing to do, so no process starts for them.
            Airflow counts this task as a success, but takes no return value from it.
    """
    push = scope.context["ti"].xcom_push
    if outcome.note:
        # The plugin's listener composes the run's note from these lines.
        push(key=NOTE, value=outcome.note)
    if outcome.skipped:
        raise AirflowSkipException(outcome.skipped)
    if event is not None:
        event.update(outcome.event)
    if outcome.written is not None:
        report_lineage(scope, outcome.written, has_read=has_read)
    if tell is not None:
        tell(scope, outcome)
    summary = dict(outcome.summary)
    if outcome.is_last:
        push(key="return_value", value=summary)
        # Not the publication of a child, which also stands below that of its parent.
        below = [one for one in scope.context["task"].downstream_task_ids if one.endswith(APPROVAL)]
        # The removal would be skipped a loop of the scheduler later, and the run would end after that.
        below += [one.removesuffix(APPROVAL) + REMOVAL for one in below]
        raise DownstreamTasksSkipped(tasks=below)  # type: ignore[no-untyped-call]
    return summary
