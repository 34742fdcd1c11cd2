"""When Airflow tries a task again, and what a task that has failed for good leaves behind."""

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from directory_sync.errors import ApiUnavailableError, PermanentError, find_error

NOTE = "directory_note"
"""The XCom key of what a task says for the run's note: one line of Markdown."""


class DirectoryRetryPolicy(RetryPolicy):
    """Retries what a retry can cure, at the time the API asks for; fails the rest at once.

    dlt wraps what a resource raises, so the whole chain of the exception is looked at.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002  Airflow's signature
        max_tries: int,  # noqa: ARG002
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decides by the class of the first error of ours."""
        error = find_error(exception)
        if isinstance(error, PermanentError):
            return RetryDecision.fail(reason=f"{type(error).__name__}: a retry would fail as well")
        if isinstance(error, ApiUnavailableError) and error.retry_after_seconds:
            delay = timedelta(seconds=error.retry_after_seconds)
            return RetryDecision.retry(delay=delay, reason="the API's Retry-After")
        return RetryDecision.default()


def note_failure(context: Any) -> None:
    """Leaves a line for the run's note. Messages of ours hold no content; of others the class is told."""
    exception, ti = context.get("exception"), context["ti"]
    error = find_error(exception) if isinstance(exception, BaseException) else None
    said = f"{type(error).__name__}: {error}" if error else f"{type(exception).__name__}, see its log"
    ti.xcom_push(key=NOTE, value=f"**`{ti.task_id}` failed.** {said}")


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "directory-sync",
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": DirectoryRetryPolicy(),
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": note_failure,
}
"""What holds for every task: transient errors are retried, permanent ones fail at once."""
