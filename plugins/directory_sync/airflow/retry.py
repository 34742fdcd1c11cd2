"""Decides whether, and when, Airflow tries a task again.

    permanent errors            never
    an outage                   with growing waits, for as long as `DIRECTORY_SYNC_OUTAGE_HOURS` allows
    every other error           three times

An outage is an error with `is_outage`: the API, the warehouse or the landing zone cannot be reached. Between
two tries the task is `up_for_retry`, and holds no worker.
"""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from directory_sync.airflow.compat import (
    HAS_RETRY_POLICIES,
    AirflowFailException,
    NoFurtherTryError,
    RetryDecision,
    RetryPolicy,
    kept_over_tries,
)
from directory_sync.config.names import XComKey
from directory_sync.config.older_python import UTC
from directory_sync.config.settings import LONGEST_OUTAGE
from directory_sync.errors import ApiUnavailableError, PermanentError, TransientError, find_error

logger = logging.getLogger(__name__)

NOTE = "directory_note"
"""The XCom key of a task's line for the run's note, in Markdown."""
CAUSE = XComKey.CAUSE.value
"""The XCom key of why a task failed, or is tried again: one sentence or more, as plain text."""
RETRY = XComKey.RETRY.value
"""The XCom key of a retry that is to come: `cause`, `try` (the one to come), `tries` (null: by time),
`next_at` (null: Airflow decides), `until` (null: tries are counted); moments in ISO 8601, UTC."""
DECISION = XComKey.DECISION.value
"""The XCom key of a person's answer on held removals: `choice`, `by`, `at`, `reason`."""

RETRIES = 3
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=10)
GROWTH = 2.0
JITTER_SHARE = 0.25
"""How much longer a wait is at random, so that the shards do not all come back at the same moment."""
HISTORY = "directory_failures"
"""What is kept over the tries of a task, where Airflow can: see `_History`."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What follows a failed try.

    Attributes:
        number: the number of the next try, from 1, since the task was started or cleared.
        tries: how many tries there are; None: they end by time.
        delay: the wait until then; None: there is no further try.
        next_at: when the next try is due; None: there is none.
        until: until when a try may begin; None: tries are counted.
        reason: why, for Airflow's log.
    """

    number: int
    tries: int | None = None
    delay: timedelta | None = None
    next_at: datetime | None = None
    until: datetime | None = None
    reason: str = ""

    def told(self, cause: str) -> dict[str, Any]:
        """Returns the value of the XCom `RETRY`."""
        # Below 3.3 Airflow itself chooses the moment.
        next_at = self.next_at if HAS_RETRY_POLICIES else None
        return {
            "cause": cause,
            "try": self.number,
            "tries": self.tries,
            "next_at": next_at and next_at.isoformat(timespec="seconds"),
            "until": self.until and self.until.isoformat(timespec="seconds"),
        }

    def in_words(self) -> str:
        """Says when the next try is, such as "try 2 of 4 at 18:12 UTC"."""
        of = f" of {self.tries}" if self.tries else ""
        at = f" at {self.next_at:%H:%M} UTC" if self.next_at and HAS_RETRY_POLICIES else ""
        until = f", until {self.until:%Y-%m-%d %H:%M} UTC at the latest" if self.until else ""
        return f"try {self.number}{of}{at}{until}"


class LostProcessError(AirflowFailException):
    """The process of a task was lost too often; its message is our own."""


class DirectoryRetryPolicy(RetryPolicy):
    """Retries an outage for hours, and other errors three times; fails permanent errors at once.

    dlt wraps the errors of a resource, so the whole chain of the exception is searched. Airflow has policies
    since 3.3; below, `compat.guard_retries` stands for this one.

    Args:
        outage: how long an outage is waited for.
    """

    def __init__(self, outage: timedelta = LONGEST_OUTAGE) -> None:
        """Decides nothing yet."""
        self.outage = outage

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
    ) -> RetryDecision:
        """Decides by the class of the first error of this package in the chain."""
        plan = plan_of(exception) or self.plan(exception, try_number, max_tries, context)
        if plan.delay is None:
            return RetryDecision.fail(reason=plan.reason)
        if context:
            # Not in a callback: Airflow shows the task as `up_for_retry` before it calls one.
            tell(context["ti"], plan, cause_of(exception))
        return RetryDecision.retry(delay=plan.delay, reason=plan.reason)

    def plan(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> Plan:
        """Decides what follows a failed try, and notes it with the exception, see `plan_of`.

        Args:
            exception: what the task raised.
            try_number: the number of the try, as Airflow counts.
            max_tries: after which one Airflow makes no further try.
            context: Airflow's context of the task; None: that of a task with our waits.
        """
        history = _History.of(context, try_number, max_tries)
        plan = self._plan(exception, history, context)
        if try_number > max_tries and plan.delay is not None:
            plan = Plan(number=plan.number, tries=plan.tries, reason="the last try")
        # First: what is kept over the tries may not be kept, and must not cost the plan.
        note_plan(exception, plan)
        history.keep(context)
        return plan

    def _plan(self, exception: BaseException, history: "_History", context: Any) -> Plan:
        error, now, number = find_error(exception), datetime.now(UTC), history.number + 1
        if isinstance(error, PermanentError):
            return Plan(number=number, reason=f"{type(error).__name__}: a retry would fail as well")
        asked = error.retry_after_seconds if isinstance(error, ApiUnavailableError) else None
        jitter = 1 + random.random() * JITTER_SHARE  # noqa: S311  jitter is no secret
        wait = timedelta(seconds=asked) if asked else wait_before(number, _task(context)) * jitter
        if not (isinstance(error, TransientError) and error.is_outage):
            history.others += 1
            tries, number = 1 + RETRIES, history.others + 1
            if number > tries:
                return Plan(number=number, tries=tries, reason=f"the last of {tries} tries")
            return Plan(number=number, tries=tries, delay=wait, next_at=now + wait, reason="another try")
        since = history.since = history.since or now
        until = since + self.outage
        # An outage at the end of a short time still has as many tries as any other error.
        if history.number > RETRIES and now + wait > until:
            return Plan(
                number=number, reason=f"an outage since {since:%H:%M} UTC is not waited for any longer"
            )
        until = max(until, now + wait)
        reason = "the API's Retry-After" if asked else "an outage is waited for"
        return Plan(number=number, delay=wait, next_at=now + wait, until=until, reason=reason)

    def refuse_lost(self, context: Any) -> None:
        """Ends a task whose process was lost again and again: killed, or without a heartbeat.

        No policy is asked about such a try, and a task may have many tries, for an outage.

        Raises:
            LostProcessError: the process was lost more than three times.
        """
        ti = context["ti"]
        if ti.try_number <= RETRIES + 1:
            return
        history = _History.of(context, ti.try_number, ti.max_tries)
        lost = history.number - 1 - history.planned
        if lost > RETRIES:
            raise LostProcessError(
                f"The process of this task was lost {lost} times. Nothing was done in this try. Look at the "
                "logs of the earlier tries, and at the memory of the worker."
            )


def tell(ti: Any, plan: Plan, cause: str) -> None:
    """Pushes why a task is tried again, and when.

    Args:
        ti: the task instance.
        plan: what follows.
        cause: why it failed.
    """
    try:
        ti.xcom_push(key=CAUSE, value=cause)
        ti.xcom_push(key=RETRY, value=plan.told(cause))
    except Exception:
        # What cannot be told must not cost the retry.
        logger.exception("The retry was not told")


def own_cause_of(exception: object) -> str | None:
    """Returns why a task failed in our own words; None: the error is not ours, and may quote content."""
    error = find_error(exception) if isinstance(exception, BaseException) else None
    if error is None and isinstance(exception, LostProcessError):
        return str(exception)
    return f"{type(error).__name__}: {error}" if error else None


def cause_of(exception: object) -> str:
    """Returns why a task failed, as its log, its note and the page say it."""
    return own_cause_of(exception) or f"{class_of(exception)}, see its log"


def class_of(exception: object) -> str:
    """Returns the name of the class of what a task raised, also where Airflow was told not to try again."""
    raised = exception.__cause__ if isinstance(exception, NoFurtherTryError) else exception
    return type(raised).__name__


_PLAN = "directory_plan"


def note_plan(exception: BaseException, plan: Plan) -> None:
    """Notes with an exception what follows it, so that all who are asked about it say the same."""
    vars(exception)[_PLAN] = plan


def plan_of(exception: BaseException) -> Plan | None:
    """Returns the plan that was noted with an exception, or with our error in its chain."""
    error = find_error(exception)
    found = vars(exception).get(_PLAN) or (error and vars(error).get(_PLAN))
    return found if isinstance(found, Plan) else None


def wait_before(number: int, task: Any = None) -> timedelta:
    """Returns the shortest wait before a try: 30 s, 60 s, ... up to 10 minutes.

    Args:
        number: the number of the try to come, from 2.
        task: the task, whose own waits go first: a deployment may set them; None: ours.
    """
    first = getattr(task, "retry_delay", None) or FIRST_WAIT
    growth = float(getattr(task, "retry_exponential_backoff", GROWTH))
    longest = getattr(task, "max_retry_delay", None) or LONGEST_WAIT
    # `True` stands for 2; 0 and `False` for none.
    growth = GROWTH if growth == 1.0 else growth or 1.0
    seconds = first.total_seconds() * growth ** min(number - 2, 30)
    return timedelta(seconds=min(seconds, longest.total_seconds()))


def tries_within(outage: timedelta) -> int:
    """Returns how many retries an outage needs at most.

    Args:
        outage: how long it is waited for.
    """
    waited, retries = timedelta(0), 0
    while waited < outage:
        retries += 1
        waited += wait_before(1 + retries)
    return max(retries, RETRIES) + RETRIES


@dataclass(kw_only=True)
class _History:
    """The failed tries of a task since it was started or cleared.

    Attributes:
        number: the number of this try, from 1.
        start: the round: Airflow's `max_tries`, which a clear raises.
        since: when the outage began; None: there was none.
        others: how many tries failed for another reason.
        planned: how many tries ended with a plan.
        is_guessed: whether what was kept could not be read, so that this must not take its place.
    """

    number: int
    start: int
    since: datetime | None = None
    others: int = 0
    planned: int = 0
    is_guessed: bool = False

    @classmethod
    def of(cls, context: Any, try_number: int, max_tries: int) -> "_History":
        retries = getattr(_task(context), "retries", None)
        before = max(0, max_tries - retries) if retries is not None else 0
        history = cls(number=max(1, try_number - before), start=max_tries)
        kept = kept_over_tries(context)
        if kept is not None:
            try:
                history._read(kept.get(HISTORY) or {})
            except Exception as error:  # noqa: BLE001  Airflow's server is asked for it
                logger.warning("What this task keeps over its tries was not read: %s", type(error).__name__)
                history.is_guessed = True
        if kept is None or history.is_guessed:
            # No try is known but by its number.
            history.others = history.planned = history.number - 1
            if history.number > 1:
                # They are taken to have failed at once, for the same outage.
                before_tries = (wait_before(n, _task(context)) for n in range(2, history.number + 1))
                history.since = datetime.now(UTC) - sum(before_tries, timedelta(0))
        return history

    def _read(self, found: Any) -> None:
        if found.get("start") == self.start:
            since = datetime.fromisoformat(found["since"]) if found["since"] else None
            self.others, self.planned, self.since = int(found["others"]), int(found["planned"]), since

    def keep(self, context: Any) -> None:
        kept = kept_over_tries(context)
        if kept is not None and not self.is_guessed:
            value = {
                "start": self.start,
                "since": self.since and self.since.isoformat(),
                "others": self.others,
                "planned": self.planned + 1,
            }
            try:
                kept.set(HISTORY, value)
            except Exception as error:  # noqa: BLE001  a task ends in its own error, not in this one
                logger.warning("What this task keeps over its tries was not kept: %s", type(error).__name__)


def _task(context: Any) -> Any:
    return context["ti"].task if context and hasattr(context["ti"], "task") else None
