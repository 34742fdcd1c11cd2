"""What differs between the Airflows from 3.0 to 3.3, in this one place.

Each difference is found by what an Airflow has, not by its version. What an older one lacks is replaced by
the nearest that it has; `absent()` says in words what is not there.

    lacks                   has it from   in its place
    retry policies          3.3           `AirflowFailException`; the task itself waits for a `Retry-After`
    ... what a task keeps   3.3           the number of its try: an outage takes a number of tries, not a time
    approvals               3.1           a run in mode `decide` that brings the answer (`decision.py`)
    ... without triggerer   3.3           none: one must run
    pages of plugins        3.1           none: no page, no card, no link from a task to it
    deadlines               3.1           none; below 3.3 the triggerer runs the callback, then an executor
"""

import functools
import inspect
import logging
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import DAG
from airflow.sdk.definitions.param import ParamsDict

from directory_sync.errors import ApiUnavailableError, PermanentError, find_error

if TYPE_CHECKING:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
    from airflow.sdk import BaseHook, CronDataIntervalTimetable, RetryDecision, RetryPolicy
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSkipException,
        DownstreamTasksSkipped,
    )
else:
    try:
        from airflow.sdk import BaseHook
    except ImportError:  # 3.0
        from airflow.hooks.base import BaseHook
    try:
        from airflow.sdk import CronDataIntervalTimetable
    except ImportError:  # 3.0, 3.1
        from airflow.timetables.interval import CronDataIntervalTimetable
    try:
        from airflow.sdk.exceptions import (
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSkipException,
            DownstreamTasksSkipped,
        )
    except ImportError:  # 3.0, 3.1
        from airflow.exceptions import (
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSkipException,
            DownstreamTasksSkipped,
        )
    try:
        from airflow.sdk import RetryDecision, RetryPolicy
    except ImportError:  # below 3.3
        RetryDecision, RetryPolicy = None, object
    try:
        from airflow.providers.standard.operators.hitl import ApprovalOperator
    except Exception as error:
        # 3.0, or an older `apache-airflow-providers-standard`, which raises an error of its own.
        if not isinstance(error, ImportError) and type(error).__name__ != (
            "AirflowOptionalProviderFeatureException"
        ):
            raise
        ApprovalOperator = None

__all__ = [
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSkipException",
    "ApprovalOperator",
    "BaseHook",
    "CronDataIntervalTimetable",
    "DownstreamTasksSkipped",
    "RetryDecision",
    "RetryPolicy",
]

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 1800.0
"""How long a task sleeps for an API's `Retry-After` where Airflow cannot wait for it."""

HAS_RETRY_POLICIES: bool = RetryDecision is not None
"""The kind of an error decides whether Airflow tries again, and when."""
HAS_APPROVALS: bool = ApprovalOperator is not None
"""A person can be asked under *Required Actions*."""
ASKS_WITHOUT_TRIGGERER = HAS_APPROVALS and "TaskAwaitingInput" in vars(
    sys.modules[ApprovalOperator.__module__]
)
"""A question waits in the scheduler; below 3.3 it waits in the triggerer, so that one must run."""
HAS_PAGES = hasattr(AirflowPlugin, "react_apps")
"""A plugin may have pages: the page "Directory" is there."""
HAS_DEADLINES = "deadline" in inspect.signature(DAG).parameters
"""A Dag may have a deadline."""


def absent() -> tuple[str, ...]:
    """Returns what this Airflow does not have, and what stands in its place; empty where it has all."""
    return tuple(
        text
        for has, text in (
            (
                HAS_APPROVALS,
                "No Required Actions: held removals are decided by a run in mode `decide` with an answer.",
            ),
            (
                ASKS_WITHOUT_TRIGGERER or not HAS_APPROVALS,
                "A question under Required Actions waits in the triggerer: without one no answer is taken.",
            ),
            (
                HAS_RETRY_POLICIES,
                "No retry policies: a task waits for a `Retry-After` itself, for half an hour at most.",
            ),
            (HAS_PAGES, 'No page "Directory": the notes on the runs say what was published.'),
            (HAS_DEADLINES, "No deadlines: a late run raises no alert."),
        )
        if not has
    )


# ---- Dags


def deadline(
    interval: timedelta | None, *, name: str, late: Callable[..., Any], callback: Any = None, **values: Any
) -> dict[str, Any]:
    """Returns the argument `deadline` of a Dag; empty where there is none.

    Args:
        interval: the time that a run has from when it is queued; None: no deadline is set.
        name: the deadline's name, where it may have one.
        late: called with the keywords `context` and `values` when a run is late, in an executor. Its
            module has a coroutine `<name>_async`, for the triggerer of Airflow 3.1 and 3.2.
        callback: called instead; a callback object of Airflow.
        values: further keywords for `late`.
    """
    if interval is None or not HAS_DEADLINES:
        if interval is not None:
            logger.warning("This Airflow has no deadlines: DIRECTORY_SYNC_DEADLINE_MINUTES has no effect.")
        return {}
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

    named = {"name": name} if "name" in inspect.signature(DeadlineAlert).parameters else {}
    alert = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=callback or _callback(late, values),
        **named,
    )
    return {"deadline": [alert]}


def _callback(late: Callable[..., Any], values: dict[str, Any]) -> Any:
    # 3.1 refuses callbacks that run in an executor. 3.2's scheduler dies on SQLite when such a one has ended:
    # it looks for its row by a text ("'str' object has no attribute 'hex'").
    if HAS_RETRY_POLICIES:
        from airflow.sdk.definitions.callback import SyncCallback

        return SyncCallback(late, values)
    try:
        from airflow.sdk.definitions.callback import AsyncCallback
    except ImportError:  # 3.1
        from airflow.sdk.definitions import deadline as of_3_1

        AsyncCallback = of_3_1.AsyncCallback  # type: ignore[attr-defined,misc]  # noqa: N806
    return AsyncCallback(f"{late.__module__}.{late.__qualname__}_async", values)


# ---- tasks

RETURNED: dict[str, Any] = {} if HAS_DEADLINES else {"multiple_outputs": False}
"""How the dictionary that a task returns is kept: 3.0 cannot keep a None of it as an XCom of its own."""


def guard_retries(dag: DAG) -> None:
    """Makes permanent errors fail at once where this Airflow has no retry policies.

    dlt makes the shard tasks, and wraps the errors of a resource. So the function of each task is wrapped.

    Args:
        dag: the Dag with all its tasks.
    """
    if HAS_RETRY_POLICIES:
        return
    for task in dag.tasks:
        if function := getattr(task, "python_callable", None):
            vars(task)["python_callable"] = guarded(function)


def kept_over_tries(context: Any) -> Any:
    """Returns what a task keeps over its tries, with `get` and `set`; None where Airflow keeps nothing.

    Args:
        context: Airflow's context of the task; None: there is none.
    """
    return context.get("task_state_store") if context else None


class NoFurtherTryError(AirflowFailException):
    """Stands for the error that is its cause, so that Airflow makes no further try."""


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a task's function that turns permanent errors into Airflow's, which are not retried.

    A long `Retry-After` is waited for in the task, `LONGEST_WAIT_SECONDS` at most: only a retry policy can
    tell Airflow when to try again.

    Args:
        function: the function of the task; the returned one has its signature.
    """

    @functools.wraps(function)
    def calling(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            found = find_error(error)
            ended = found or error
            plan = vars(ended).get("directory_plan")
            if isinstance(found, PermanentError) or (plan is not None and plan.delay is None):
                # Airflow may have tries left: they are as many as the longest outage needs.
                name, reason = type(ended).__name__, plan.reason if plan else ""
                reason = reason.removeprefix(f"{name}: ") or "a retry would fail as well"
                raise NoFurtherTryError(f"{name}: {reason}") from error
            if isinstance(found, ApiUnavailableError) and found.retry_after_seconds:
                seconds = min(found.retry_after_seconds, LONGEST_WAIT_SECONDS)
                logger.warning("The API asks to wait; this task waits for %.0f seconds, then fails.", seconds)
                time.sleep(seconds)
            raise

    return calling


# ---- lineage


def hook_lineage_collector() -> Any:
    """Returns Airflow's collector of hook lineage; None: no plugin reads it, or its provider is absent.

    Airflow's own stand-in for a collector without readers would import what all providers know of URIs.
    """
    readers: Any
    try:
        from airflow.sdk.plugins_manager import get_hook_lineage_readers_plugins
    except ImportError:  # 3.0, 3.1
        from airflow import plugins_manager as of_3_1

        if initialize := getattr(of_3_1, "initialize_hook_lineage_readers_plugins", None):
            initialize()
        readers = getattr(of_3_1, "hook_lineage_reader_classes", None)
    else:
        readers = get_hook_lineage_readers_plugins()
    if not readers:
        return None
    try:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
    except ImportError:
        return None
    return get_hook_lineage_collector()  # type: ignore[no-untyped-call]


# ---- approvals


def asking(response_timeout: timedelta) -> dict[str, Any]:
    """Returns the argument of an approval for how long it waits; no answer counts as its default.

    Args:
        response_timeout: how long it waits.
    """
    from airflow.providers.standard.operators.hitl import HITLOperator

    known = "response_timeout" in inspect.signature(HITLOperator.__init__).parameters
    return {"response_timeout" if known else "execution_timeout": response_timeout}


def own_params(params: ParamsDict, own: Iterable[str]) -> ParamsDict:
    """Returns a task's parameters without those of its Dag, which Airflow 3.1.0 shows with the question.

    Args:
        params: the parameters of the task.
        own: the names of those that are its own.
    """
    return ParamsDict({name: params.get_param(name) for name in own})
