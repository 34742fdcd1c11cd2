"""What a directory's tasks tell people: makes events of what happened.

All of it runs in the task's own process: `failed` in Airflow's callback of a failed task, the others in the
task's body. The landing zone keeps which failures were told (`landing/failures.py`); that works in every
Airflow.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow.sdk import BaseNotifier

from directory_sync.airflow.notify import Notify, Receiver, announce, link_to, never_fails, receivers
from directory_sync.airflow.retry import class_of, own_cause_of
from directory_sync.airflow.scope import TaskScope
from directory_sync.config.directory import Directory
from directory_sync.config.events import in_one_line, names_of, render
from directory_sync.config.kinds import Kind
from directory_sync.config.older_python import UTC

if TYPE_CHECKING:
    from directory_sync.audit.report import AuditReport
    from directory_sync.landing.failures import Failures
    from directory_sync.publish.question import Decision, Question
    from directory_sync.sync.outcome import Outcome

Tell = TypeVar("Tell", bound=Callable[..., None])

DRIFT = ("fields", "paths", "split_column")
"""The rules of the audit whose findings are schema drift."""


def _never_fails(tell: Tell) -> Tell:
    """Logs what goes wrong while a notification is put together: it must not fail a task."""

    @functools.wraps(tell)
    def telling(self: "Telling", *args: Any, **kwargs: Any) -> None:
        if not self.receivers:
            return
        with never_fails("A notification was not put together"):
            tell(self, *args, **kwargs)

    return cast("Tell", telling)


class Telling:
    """Tells people what happens to one directory; does nothing where nobody is to be told.

    Args:
        directory: the directory.
        notify: the notifiers of the Dag file.
    """

    def __init__(self, directory: Directory, notify: Sequence[BaseNotifier | Notify] = ()) -> None:
        """Reads no connection.

        Raises:
            ConfigError: see `receivers`.
        """
        self._directory = directory
        self.receivers: tuple[Receiver, ...] = receivers(directory.switches, notify)

    # ---- what happened

    @_never_fails
    def failed(self, context: Mapping[str, Any]) -> None:
        """Tells that a task failed, once a run and resource; Airflow calls it after the task's last try.

        Args:
            context: Airflow's context of the task, with the exception.
        """
        ti = context["ti"]
        resource = self._resource_of(ti.task_id)
        scope = TaskScope(self._directory, resource, context=context)
        # Where the landing zone is what failed, several shards may tell the same.
        is_first = True
        with never_fails("Whether this failure was told already is unknown"):
            is_first = self._failures(scope).tell(
                run_id=context["run_id"], began_at=_began(context), resource=resource
            )
        if is_first:
            cause = cause_of(context.get("exception"))
            self._send("failed", scope, resource, cause=cause, task=ti.task_id)

    @_never_fails
    def published(self, scope: TaskScope, outcome: "Outcome") -> None:
        """Tells what a publication changed, and whether it ends a series of failures.

        Args:
            scope: the scope of the task.
            outcome: what the stage came to.
        """
        if outcome.skipped or not outcome.sync_ids:
            return
        resource = scope.resource.name
        headline = outcome.report.headline() if outcome.report else outcome.note or ""
        with never_fails("Whether this ends a series of failures is unknown"):
            self._recovered(scope, resource, headline)
        if (report := outcome.report) is None:
            return
        if drift := _drift(report):
            self._send("drift", scope, resource, findings="\n".join(drift))
        name = "unchanged" if report.changes_nothing else "digest"
        self._send(name, scope, resource, headline=headline, **_digest(report, scope))

    def waiting(self, scope: TaskScope, question: "Question", until: datetime | None) -> "Waiting":
        """Returns the notifier that tells that a question waits.

        Args:
            scope: the scope of the task.
            question: the question.
            until: until when it waits; None: it does not wait, a later run brings the answer.
        """
        return Waiting(functools.partial(self.waits, scope, question, until))

    @_never_fails
    def waits(self, scope: TaskScope, question: "Question", until: datetime | None) -> None:
        """Tells that removals wait for a person, see `waiting`."""
        advice = (
            ""
            if until
            else "To decide, trigger mode `decide` with an answer and the digest that the run's note has."
        )
        self._send(
            "waits",
            scope,
            question.resource,
            held=f"{question.held:,}",
            question=question.subject(),
            reasons="\n".join((*question.reasons, *question.patterns)),
            until=_moment(until) if until else "",
            advice=advice,
            page=f"/tasks/{scope.context['ti'].task_id}/required_actions" if until else "",
        )

    @_never_fails
    def answered(self, scope: TaskScope, question: "Question", decision: "Decision") -> None:
        """Tells who answered, and why.

        Args:
            scope: the scope of the task.
            question: what was asked.
            decision: the answer.
        """
        outcome = {
            "approved": f"the removal of {question.held:,} entries was approved",
            "rejected": f"the removal of {question.held:,} entries was rejected; nothing was removed",
            "unanswered": f"nobody decided on {question.held:,} entries in time; nothing was removed",
        }
        self._send(
            "answered",
            scope,
            question.resource,
            outcome=outcome[decision.choice],
            by=in_one_line(decision.by),
            reason=in_one_line(decision.reason),
        )

    # ---- how

    def _recovered(self, scope: TaskScope, resource: str, headline: str) -> None:
        failures = self._failures(scope)
        if told := failures.of(resource):
            failures.settle(told)
            self._send(
                "recovered",
                scope,
                resource,
                headline=headline,
                failures=f"{len(told):,}",
                since=_moment(min(one.at for one in told)),
            )

    def _failures(self, scope: TaskScope) -> "Failures":
        from directory_sync.landing.failures import Failures

        return Failures(scope.landing.told(scope.context["dag"].dag_id))

    def _resource_of(self, task_id: str) -> str:
        """Returns the resource of a task: that of its group; the tasks of the first are in none."""
        names = [resource.name for resource in self._directory.declared_resources()]
        group = task_id.partition(".")[0]
        return group if group in names else names[0]

    def _send(self, event: str, scope: TaskScope, resource: str, *, page: str = "", **facts: str) -> None:
        context = scope.context
        dag, run = context["dag"].dag_id, context["run_id"]
        known = {**facts, "dag": dag, "run": run, "resource": resource, "link": link_to(dag, run, page)}
        announce(self.receivers, render(event, known), context)


class Waiting(BaseNotifier):
    """What `HITLOperator` calls when its question stands: tells that removals wait."""

    def __init__(self, tell: Callable[[], None]) -> None:
        """Tells nothing yet."""
        super().__init__()
        self._tell = tell

    def notify(self, context: Any) -> None:  # noqa: ARG002  Airflow's signature
        """Tells it."""
        self._tell()


def cause_of(exception: object) -> str:
    """Returns the cause of a failure, as a notification tells it."""
    if not isinstance(exception, BaseException):
        return "The task ended without an error of its own: it was killed, or somebody marked it as failed."
    return own_cause_of(exception) or f"{class_of(exception)}: see the task's log."


def _drift(report: "AuditReport") -> list[str]:
    """Returns what became of the fields: what the audit found, and what it means for the columns."""
    fields = report.fields
    return [
        *(finding.message for finding in report.findings if finding.rule in DRIFT),
        *(f"New column: `{column}`." for column in fields.new_columns.values()),
        *(f"The column `{column}` is NULL from now on." for column in fields.null_columns.values()),
    ]


def _digest(report: "AuditReport", scope: TaskScope) -> dict[str, str]:
    """Returns the facts of a digest: counts; names where the form has `label_field`."""
    count = report.changes.get
    numbers = {
        "joined": count(Kind.ADDED, 0) + count(Kind.RETURNED, 0),
        "left": count(Kind.REMOVED, 0),
        "changed": count(Kind.CHANGED, 0),
    }
    who = _who(report, scope) if scope.resource.label_field else {}
    named = {f"who_{name}": names_of(who.get(name, ()), number) for name, number in numbers.items()}
    return {**{name: f"{number:,}" for name, number in numbers.items()}, **named}


def _who(report: "AuditReport", scope: TaskScope) -> Mapping[str, Any]:
    """Returns who joined, left and changed, as the audit landed it with the sync; empty: it is unknown."""
    with never_fails("The names of a digest cannot be read"):
        return scope.landed.who(report.sync_id) or {}
    return {}


def _began(context: Mapping[str, Any]) -> datetime | None:
    began: datetime | None = getattr(context.get("dag_run"), "start_date", None)
    return began


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
