"""The task that asks a person about held removals, under *Required Actions* in the UI."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from directory_sync.airflow.compat import (
    AirflowSkipException,
    ApprovalOperator,
    DownstreamTasksSkipped,
    asking,
    own_params,
)
from directory_sync.airflow.retry import DECISION, NOTE
from directory_sync.airflow.scope import TaskScope
from directory_sync.airflow.telling import Telling
from directory_sync.config.directory import Directory
from directory_sync.config.names import XComKey
from directory_sync.config.older_python import UTC
from directory_sync.errors import RemovalsHeld

if TYPE_CHECKING:
    from directory_sync.publish.question import Choice, Decision, Question

ASKED = "asked"
"""The XCom key of the identity of the question that was shown; the answer applies only to it."""

ANSWER_FIELDS = {
    "reason": Param(
        None, type=["null", "string"], title="Reason", description="For the run's note.", maxLength=500
    )
}
"""The form fields beside the answer."""


class RemovalApproval(ApprovalOperator):
    """Asks whether the held entries are to be removed; waits without holding a worker.

    After an approval the next task runs. Without one, or without an answer, the next task is skipped. A
    question that was answered is not asked again when the task is cleared.

    Args:
        directory: the directory.
        resource_name: the resource whose removals are held.
        response_timeout: how long to wait; no answer counts as a Reject.
        approvers: ids of the users who may answer; empty: every user whom Airflow lets answer.
        telling: tells people that the question waits, and what was answered.
    """

    # The question shows text of the API, which must not be rendered as a template.
    template_fields = ()

    def __init__(
        self,
        *,
        directory: Directory,
        resource_name: str,
        response_timeout: timedelta,
        telling: Telling,
        approvers: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        """Asks nothing yet."""
        super().__init__(
            subject=f"Remove entries from {resource_name}?",
            defaults=self.REJECT,
            assigned_users=[{"id": user, "name": user} for user in approvers] or None,
            **asking(response_timeout),
            **kwargs,
        )
        self.params = own_params(self.params, ANSWER_FIELDS)
        self.directory, self.resource_name = directory, resource_name
        self.telling = telling

    def execute(self, context: Any) -> None:
        """Asks the question that was landed with the run.

        Args:
            context: Airflow's context of the task.

        Raises:
            AirflowSkipException: the run has no question.
            DownstreamTasksSkipped: the question was answered before, and not approved.
        """
        from directory_sync.publish.question import landed_decision, landed_question

        scope = TaskScope(self.directory, self.resource_name)
        question = landed_question(scope.landed)
        if question is None:
            raise AirflowSkipException("No removal waits for a decision.")
        decision = landed_decision(scope.landed, question)
        if decision is None:
            until = self._wait_until(context)
            self.subject, self.body = question.subject(), question.body(until)
            context["ti"].xcom_push(key=ASKED, value=question.bound)
            again = datetime.now(UTC) + timedelta(days=self.directory.switches.ask_again_days)
            told = {**question.told(until), "asks_again_at": again.isoformat(timespec="seconds")}
            context["ti"].xcom_push(key=XComKey.QUESTION.value, value=told)
            self.notifiers = [self.telling.waiting(scope, question, until)]
            super().execute(context)
            return
        self.log.info("Decided already: %s. Mode `decide` asks again.", decision.note(question.held))
        self._tell(context, question, decision)
        if decision.choice != "approved":
            raise DownstreamTasksSkipped(tasks=list(self.downstream_task_ids))  # type: ignore[no-untyped-call]

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """Lands the answer; skips the removal where it was not approved.

        Args:
            context: Airflow's context of the task.
            event: the answer, as Airflow's trigger gives it.

        Raises:
            RemovalsHeld: the run's question is not the one that was answered.
        """
        from directory_sync.publish.question import Decision, land_decision, landed_question

        scope = TaskScope(self.directory, self.resource_name)
        question = landed_question(scope.landed)
        if question is not None and "error" not in event:
            if context["ti"].xcom_pull(task_ids=self.task_id, key=ASKED) != question.bound:
                raise RemovalsHeld(
                    "The question changed while it waited for this answer. Nothing was removed. Clear this "
                    "task to be asked about the present one."
                )
            self.validate_chosen_options(event["chosen_options"])
            self.validate_params_input(event["params_input"] or {})
            given = (event["params_input"] or {}).get("reason") or ""
            is_approved = event["chosen_options"] == [self.APPROVE]
            choice: Choice = (
                "approved" if is_approved else "unanswered" if event.get("timedout") else "rejected"
            )
            decision = Decision(
                digest=question.digest,
                sync_id=question.sync_id,
                choice=choice,
                reason=str(given),
                by=str((event.get("responded_by_user") or {}).get("name") or ""),
                at=_moment(event.get("responded_at")).isoformat(timespec="seconds"),
            )
            land_decision(scope.landed, decision)
            self._tell(context, question, decision)
            self.telling.answered(scope, question, decision)
        return super().execute_complete(context, dict(event))

    def _wait_until(self, context: Any) -> datetime:
        """Sets until when this question waits, and returns it: the next scheduled run is not delayed.

        A run that waited for the API itself has less time; a quarter of the time remains in any case.
        """
        now, settings = datetime.now(UTC), self.directory.switches
        ends = now + settings.response_timeout
        if began := context["dag_run"].start_date:
            latest = began + settings.shortest_interval * 5 / 6
            ends = max(min(ends, latest), now + settings.response_timeout / 4)
        vars(self).update(asking(ends - now))
        return ends

    def validate_params_input(self, params_input: Mapping[str, Any]) -> None:
        """Checks the form fields of an answer; one without any is complete, which Airflow 3.1.0 refuses."""
        if params_input:
            super().validate_params_input(params_input)

    def _tell(self, context: Any, question: "Question", decision: "Decision") -> None:
        """Pushes the answer, and its line for the run's note; that of an approval is left to `remove`."""
        context["ti"].xcom_push(key=DECISION, value=decision.told())
        if decision.choice != "approved":
            context["ti"].xcom_push(key=NOTE, value=f"{question.resource}: {decision.note(question.held)}")


def _moment(given: object) -> datetime:
    """Returns when the answer came, in UTC; now, where Airflow does not say it."""
    if isinstance(given, str):
        given = datetime.fromisoformat(given.replace("Z", "+00:00"))
    return given.astimezone(UTC) if isinstance(given, datetime) else datetime.now(UTC)
