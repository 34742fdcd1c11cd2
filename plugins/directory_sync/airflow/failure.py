"""Says why a task failed: in the last line of its log, in its XComs, and in the run's note."""

import functools
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context

from directory_sync.airflow.compat import (
    HAS_RETRY_POLICIES,
    AirflowFailException,
    AirflowSkipException,
    DownstreamTasksSkipped,
)
from directory_sync.airflow.retry import (
    CAUSE,
    FIRST_WAIT,
    LONGEST_WAIT,
    NOTE,
    DirectoryRetryPolicy,
    Plan,
    cause_of,
    note_plan,
    plan_of,
    tell,
    tries_within,
)
from directory_sync.errors import find_error, raise_alone, without_promise

logger = logging.getLogger(__name__)

FAILED = re.compile(r"\*\*`(?P<task>[^`]+)` failed\.\*\* (?P<cause>.*)", re.DOTALL)
"""A line of `note_failure`."""


OWNER = "directory-sync"


def default_args(policy: DirectoryRetryPolicy) -> dict[str, Any]:
    """Returns the settings of every task.

    Args:
        policy: decides whether Airflow tries again; below 3.3 the task itself does, see `compat.guarded`.
    """
    return {
        "owner": OWNER,
        # Not more than the policy: it ends the tries long before.
        "retries": tries_within(policy.outage),
        "retry_delay": FIRST_WAIT,
        "retry_exponential_backoff": True,
        "max_retry_delay": LONGEST_WAIT,
        **({"retry_policy": policy} if HAS_RETRY_POLICIES else {}),
        "execution_timeout": timedelta(hours=2),
        "on_failure_callback": note_failure,
        "on_retry_callback": tell_retry,
    }


def tell_failures(dag: DAG, policy: DirectoryRetryPolicy) -> None:
    """Makes each task end in the error of this package alone, whatever dlt wrapped around it.

    Args:
        dag: the Dag with all its tasks.
        policy: decides whether Airflow tries again.
    """
    for task in dag.tasks:
        if function := getattr(task, "python_callable", None):
            vars(task)["python_callable"] = telling(function, policy)


def telling(function: Callable[..., Any], policy: DirectoryRetryPolicy) -> Callable[..., Any]:
    """Returns a task's function that raises the error of this package out of dlt's exceptions.

    On the last try its message does not say that Airflow tries again.

    Args:
        function: the function of the task; the returned one has its signature.
        policy: decides whether there is a further try.
    """

    @functools.wraps(function)
    def calling(*args: Any, **kwargs: Any) -> Any:
        context = _context()
        if context:
            policy.refuse_lost(context)
        try:
            return function(*args, **kwargs)
        except (AirflowFailException, AirflowSkipException, DownstreamTasksSkipped):
            raise
        except Exception as e:
            ti = context and context["ti"]
            plan = policy.plan(e, ti.try_number, ti.max_tries, context) if ti else None
            error = find_error(e)
            if error is None:
                raise
        if plan:
            note_plan(error, plan)
            if plan.delay is None:
                error.args = (without_promise(str(error)), *error.args[1:])
        raise_alone(error)

    return calling


def _context() -> Any:
    """Returns Airflow's context of the task; None outside of one."""
    try:
        context = get_current_context()
    except RuntimeError:
        return None
    return context if hasattr(context["ti"], "try_number") else None


def note_failure(context: Any) -> None:
    """Tells why a task failed: to the run's note, to XCom, and in the last line of the log."""
    ti, cause = context["ti"], cause_of(context.get("exception"))
    ti.xcom_push(key=NOTE, value=f"**`{ti.task_id}` failed.** {cause}")
    ti.xcom_push(key=CAUSE, value=cause)
    _log_last(logging.ERROR, "%s", cause)


def tell_retry(context: Any) -> None:
    """Says in the last line of the log why a task is tried again, and when; below Airflow 3.3 in XCom too."""
    ti, exception = context["ti"], context.get("exception")
    plan = plan_of(exception) if isinstance(exception, BaseException) else None
    plan, cause = plan or Plan(number=ti.try_number + 1), cause_of(exception)
    if not HAS_RETRY_POLICIES:
        tell(ti, plan, cause)
    _log_last(logging.WARNING, "%s. Next: %s.", cause.rstrip("."), plan.in_words())


def _log_last(level: int, message: str, *args: object) -> None:
    # Airflow's page folds the group "Post Execute", in which callbacks run.
    logger.info("::endgroup::")
    logger.log(level, message, *args)


def once(lines: list[str]) -> list[str]:
    """Returns the lines of a run's note with one line for all tasks that failed for the same cause.

    Causes are the same if they differ only in numbers, such as in the offset that a shard asked for.

    Args:
        lines: the lines of the tasks, in their order.
    """
    kept: dict[str, list[re.Match[str]]] = {}
    told: list[str] = []
    for line in lines:
        failed = FAILED.fullmatch(line)
        if failed is None:
            told.append(line)
            continue
        same = re.sub(r"\d+", "0", failed["cause"])
        if same not in kept:
            kept[same] = []
            told.append(same)
        kept[same].append(failed)
    return [_of_several(kept[line]) if line in kept else line for line in told]


def _of_several(failed: list[re.Match[str]]) -> str:
    if len(failed) == 1:
        return failed[0][0]
    groups = {one["task"].rpartition(".")[0] for one in failed}
    where = f" of `{groups.pop()}`" if len(groups) == 1 and groups != {""} else ""
    return f"**{len(failed)} tasks{where} failed.** {failed[0]['cause']}"
