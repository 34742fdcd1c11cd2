"""Decides when Airflow retries a task, and what a failed task adds to the run's note."""

from datetime import timedelta
from typing import Any

from directory_sync.airflow.compat import HAS_RETRY_POLICIES, RetryDecision, RetryPolicy
from directory_sync.errors import ApiUnavailableError, PermanentError, find_error

NOTE = "directory_note"
"""The XCom key of a task's line for the run's note, in Markdown."""
CAUSE = "directory_cause"
"""The XCom key of why a task failed, or is tried again: one sentence or more, as plain text."""
RETRY = "directory_retry"
"""The XCom key of a retry that is to come: `cause`, `try` (the one to come), `tries` (null: by time),
`next_at`, `until` (ISO 8601, UTC; `until` is null where tries are counted)."""
DECISION = "directory_decision"
"""The XCom key of a person's answer on held removals: `choice`, `by`, `at`, `reason`."""


class DirectoryRetryPolicy(RetryPolicy):
    """Retries transient errors, at the time that the API asks for; fails permanent errors at once.

    dlt wraps the errors of a resource, so the whole chain of the exception is searched. Airflow has policies
    since 3.3; below, `compat.guard_retries` stands for this one.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002  Airflow's signature
        max_tries: int,  # noqa: ARG002
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decides by the class of the first error of this package in the chain."""
        error = find_error(exception)
        if isinstance(error, PermanentError):
            return RetryDecision.fail(reason=f"{type(error).__name__}: a retry would fail as well")
        if isinstance(error, ApiUnavailableError) and error.retry_after_seconds:
            delay = timedelta(seconds=error.retry_after_seconds)
            return RetryDecision.retry(delay=delay, reason="the API's Retry-After")
        return RetryDecision.default()


def note_failure(context: Any) -> None:
    """Pushes a line for the run's note. Only our own messages are shown: others may quote content."""
    exception, ti = context.get("exception"), context["ti"]
    error = find_error(exception) if isinstance(exception, BaseException) else None
    said = f"{type(error).__name__}: {error}" if error else f"{type(exception).__name__}, see its log"
    ti.xcom_push(key=NOTE, value=f"**`{ti.task_id}` failed.** {said}")


OWNER = "directory-sync"

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    **({"retry_policy": DirectoryRetryPolicy()} if HAS_RETRY_POLICIES else {}),
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": note_failure,
}
"""The settings of every task: transient errors are retried, permanent errors fail at once."""
