"""The decision on held removals where Airflow cannot ask a person: a run brings the answer.

Airflow 3.0 has no *Required Actions*. A run that holds removals says so in its note, with the digest of
exactly these entries. A run in mode `decide` with the parameters `answer` and `held_digest` decides on them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.sdk import BaseOperator

from directory_sync.airflow.compat import AirflowSkipException
from directory_sync.airflow.retry import DECISION, NOTE
from directory_sync.airflow.scope import TaskScope
from directory_sync.airflow.telling import Telling
from directory_sync.config.directory import Directory
from directory_sync.config.older_python import UTC
from directory_sync.errors import ConfigError, RemovalsHeld

SHOWN_DIGITS = 16
"""How many characters of the digest a person is shown, and gives back."""


class RemovalDecision(BaseOperator):
    """Takes the run's answer on the held entries; without one it says what waits, and how to answer.

    Args:
        directory: the directory.
        resource_name: the resource whose removals are held.
        approvers: ids of the users who may answer; empty: every user who may trigger the Dag.
        telling: tells people that the question waits, and what was answered.
    """

    template_fields = ()

    def __init__(
        self,
        *,
        directory: Directory,
        resource_name: str,
        telling: Telling,
        approvers: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        """Decides nothing yet."""
        super().__init__(**kwargs)
        self.directory, self.resource_name, self.approvers = directory, resource_name, approvers
        self.telling = telling

    def execute(self, context: Any) -> None:
        """Lands the answer; skips the removal where it is not approved.

        Args:
            context: Airflow's context of the task.

        Raises:
            AirflowSkipException: the run has no question, or no approval.
            RemovalsHeld: the answer is about other entries than those that are held now.
            ConfigError: the answer is incomplete, or its user may not give it.
        """
        from directory_sync.publish.question import Decision, land_decision, landed_question

        scope = TaskScope(self.directory, self.resource_name)
        question = landed_question(scope.landed)
        if question is None:
            raise AirflowSkipException("No removal waits for a decision.")
        params, digest = context["params"], question.digest[:SHOWN_DIGITS]
        answer, given = params.get("answer"), str(params.get("held_digest") or "").strip()
        # Not the question's body: it shows text of entries, which no log may hold.
        self.log.info("%s They are in the warehouse: %s", question.subject(), question.query())
        waits = f"{question.held:,} entries wait for a decision, digest `{digest}`"
        if not answer:
            self._tell(
                context,
                f"{question.resource}: {waits}. To decide, trigger mode `decide` with an answer and this "
                "digest",
            )
            self.telling.waits(scope, question, None)
            raise AirflowSkipException("The run brought no answer. Nothing was removed.")
        if len(given) < SHOWN_DIGITS or not question.digest.startswith(given):
            if len(scope.resource_names) > 1:
                # The answer may be for another resource of the directory.
                self._tell(context, f"{question.resource}: {waits}; the answer was not for these")
                raise AirflowSkipException("The answer was not for these entries. Nothing was removed.")
            raise RemovalsHeld(
                f"The answer `{answer}` is for the digest `{given}`, but the {question.held:,} entries that "
                f"are held now have `{digest}`. Nothing was removed. Look at these, then answer with it."
            )
        decision = Decision(
            digest=question.digest,
            sync_id=question.sync_id,
            choice="approved" if answer == "approve" else "rejected",
            reason=str(params.get("reason") or ""),
            by=self._user(context),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        land_decision(scope.landed, decision)
        context["ti"].xcom_push(key=DECISION, value=decision.told())
        self.telling.answered(scope, question, decision)
        if decision.choice != "approved":
            self._tell(context, f"{question.resource}: {decision.note(question.held)}")
            raise AirflowSkipException("The removal was rejected.")

    def _user(self, context: Any) -> str:
        """Returns who triggered the run; "" where this Airflow does not record it.

        Raises:
            ConfigError: the deployment names who may answer, and this user is not known to be one of them.
        """
        user = str(getattr(context["dag_run"], "triggering_user_name", None) or "")
        if self.approvers and user not in self.approvers:
            who = f"`{user}` is not one of them" if user else "this Airflow does not record who triggers"
            raise ConfigError(
                f"DIRECTORY_SYNC_APPROVERS names who may decide on removals, but {who}. Nothing was removed. "
                "Unset it to let everybody decide who may trigger the Dag."
            )
        return user

    def _tell(self, context: Any, line: str) -> None:
        context["ti"].xcom_push(key=NOTE, value=line)
