"""What Airflow does about each error, wrapped as it arrives from a task."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dlt
import pytest
import time_machine
from airflow.sdk.definitions.retry_policy import RetryAction
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync import errors
from directory_sync.airflow import failure
from directory_sync.airflow.retry import (
    HISTORY,
    RETRIES,
    DirectoryRetryPolicy,
    LostProcessError,
    plan_of,
    tries_within,
)
from directory_sync.config.settings import SyncSettings

EXPECTED = {
    errors.ConfigError: RetryAction.FAIL,
    errors.AuthError: RetryAction.FAIL,
    errors.ApiError: RetryAction.FAIL,
    errors.EnvelopeError: RetryAction.FAIL,
    errors.DataError: RetryAction.FAIL,
    errors.RemovalsHeld: RetryAction.FAIL,
    errors.ApiUnavailableError: RetryAction.RETRY,
    errors.SnapshotError: RetryAction.RETRY,
    errors.WarehouseError: RetryAction.RETRY,
}
CLASSES = sorted(EXPECTED, key=lambda kind: kind.__name__)


@pytest.fixture(scope="module")
def policy(dag):
    return dag.get_task("audit").retry_policy


@pytest.fixture
def wrapped(tmp_path):
    """Answers with the exception that dlt raises where a resource raises the given one."""

    def wrap(error):
        def failing():
            raise error
            yield

        pipeline = dlt.pipeline("wrap", destination="dummy", pipelines_dir=str(tmp_path))
        with pytest.raises(PipelineStepFailed) as caught:
            pipeline.extract(dlt.resource(failing, name="failing"))
        assert caught.value is not error
        return caught.value

    return wrap


def leaves(kind):
    below = kind.__subclasses__()
    return {leaf for child in below for leaf in leaves(child)} if below else {kind}


def test_the_decision_for_every_error_class_stands_here():
    ours = {kind for kind in leaves(errors.DirectorySyncError) if kind.__module__ == errors.__name__}
    assert ours == set(EXPECTED)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_plain_error_is_decided_by_its_class(policy, kind):
    decision = policy.evaluate(kind("what happened"), 1, 3)
    assert decision.action == EXPECTED[kind]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_that_dlt_wrapped_is_decided_by_its_class(policy, wrapped, kind):
    decision = policy.evaluate(wrapped(kind("what happened")), 1, 3)
    assert decision.action == EXPECTED[kind]


def test_a_long_retry_after_is_the_delay(policy, wrapped):
    error = errors.ApiUnavailableError("later", retry_after_seconds=90.0)
    decision = policy.evaluate(wrapped(error), 1, 3)
    assert decision.action == RetryAction.RETRY
    assert decision.retry_delay == timedelta(seconds=90)


def test_an_error_of_others_is_retried(policy, wrapped):
    assert policy.evaluate(wrapped(ValueError("a bug")), 1, 3).action == RetryAction.RETRY


# ---- how long

BEGIN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
AWAY = "GET https://api.example.com/v1/directory: status 503. Airflow tries again; check whether it is up."


class Task:
    """A task that fails again and again, as Airflow counts its tries, and what it keeps over them."""

    def __init__(self, policy, *, kept=True):
        self.policy, self.kept, self.told = policy, {}, {}
        retries = tries_within(policy.outage)
        settings = {"retry_delay": timedelta(seconds=30), "max_retry_delay": timedelta(minutes=10)}
        self.ti = SimpleNamespace(
            task_id="extract.directory_shard_1-2",
            try_number=1,
            max_tries=retries,
            task=SimpleNamespace(retries=retries, retry_exponential_backoff=True, **settings),
            xcom_push=lambda key, value: self.told.update({key: value}),
        )
        store = SimpleNamespace(get=self.kept.get, set=self.kept.__setitem__)
        self.context = {"ti": self.ti} | ({"task_state_store": store} if kept else {})

    def fail(self, error):
        """Fails once; returns the wait until the next try, None where there is none."""
        self.error = error
        decision = self.policy.evaluate(error, self.ti.try_number, self.ti.max_tries, self.context)
        self.ti.try_number += 1
        return decision.retry_delay if decision.action == RetryAction.RETRY else None

    def clear(self):
        self.ti.max_tries = self.ti.try_number - 1 + self.ti.task.retries


def until_it_fails(task, error, clock):
    """Each wait of a task that fails at once in each try."""
    waits = []
    while (wait := task.fail(error())) is not None:
        waits.append(wait)
        clock.shift(wait)
    return waits


@pytest.fixture
def clock():
    with time_machine.travel(BEGIN, tick=False) as moved:
        yield moved


def away():
    return errors.ApiUnavailableError(AWAY)


@pytest.mark.parametrize("kept", [True, False], ids=["with a memory", "by numbers"])
def test_an_outage_of_an_hour_is_waited_for_with_growing_waits(clock, kept):
    task = Task(DirectoryRetryPolicy(timedelta(hours=8)), kept=kept)
    waits = []
    while datetime.now(UTC) < BEGIN + timedelta(hours=1):
        waits.append(task.fail(away()))
        assert waits[-1] is not None
        clock.shift(waits[-1])
    shortest = [30, 60, 120, 240, 480, 600, 600, 600, 600, 600, 600][: len(waits)]
    assert all(least <= w.total_seconds() <= least * 1.25 for least, w in zip(shortest, waits, strict=True))
    assert len(waits) <= 10


@pytest.mark.parametrize("kept", [True, False], ids=["with a memory", "by numbers"])
@pytest.mark.parametrize("hours", [0.5, 8])
def test_an_outage_is_waited_for_no_longer_than_the_setting_says(clock, hours, kept):
    task = Task(DirectoryRetryPolicy(timedelta(hours=hours)), kept=kept)
    waited = sum(until_it_fails(task, away, clock), timedelta(0))
    # Without a memory the waits are counted at their shortest.
    assert (
        timedelta(hours=hours) - timedelta(minutes=12.5)
        < waited
        <= timedelta(hours=hours) * (1 if kept else 1.25)
    )
    assert task.ti.try_number <= task.ti.max_tries + 1


def test_every_try_that_takes_long_counts_for_the_time_of_an_outage(clock):
    task = Task(DirectoryRetryPolicy(timedelta(hours=2)))
    began, tries = datetime.now(UTC), 0
    while (wait := task.fail(away())) is not None:
        clock.shift(wait + timedelta(minutes=30))
        tries += 1
    assert tries == 4
    assert datetime.now(UTC) - began < timedelta(hours=2.5)


@pytest.mark.parametrize("kept", [True, False], ids=["with a memory", "by numbers"])
@pytest.mark.parametrize("error", [errors.SnapshotError("a gap"), ValueError("a bug")], ids=["ours", "a bug"])
def test_any_other_error_is_retried_three_times(clock, error, kept):
    task = Task(DirectoryRetryPolicy(), kept=kept)
    assert len(until_it_fails(task, lambda: type(error)("again"), clock)) == RETRIES


def test_other_errors_after_an_outage_have_their_own_three_retries(clock):
    task = Task(DirectoryRetryPolicy())
    for _ in range(10):
        task.fail(away())
    assert len(until_it_fails(task, lambda: ValueError("a bug"), clock)) == RETRIES


def test_an_outage_has_at_least_three_retries_however_short_it_may_be(clock):
    assert len(until_it_fails(Task(DirectoryRetryPolicy(timedelta(0))), away, clock)) == RETRIES


def test_a_task_that_was_cleared_begins_anew(clock):
    task = Task(DirectoryRetryPolicy(timedelta(minutes=30)))
    first = until_it_fails(task, away, clock)
    task.clear()
    assert len(until_it_fails(task, away, clock)) == pytest.approx(len(first), abs=1)


def test_a_process_that_is_lost_again_and_again_is_not_waited_for_as_for_an_outage(clock):
    task = Task(DirectoryRetryPolicy())
    task.fail(away())
    for _ in range(RETRIES + 1):
        task.policy.refuse_lost(task.context)
        task.ti.try_number += 1
    with pytest.raises(LostProcessError, match=r"was lost 4 times\. Nothing was done in this try"):
        task.policy.refuse_lost(task.context)


def test_tries_that_failed_for_an_outage_are_no_lost_processes(clock):
    task = Task(DirectoryRetryPolicy())
    for _ in range(20):
        task.fail(away())
        task.policy.refuse_lost(task.context)
    assert task.kept[HISTORY]["planned"] == 20


@pytest.mark.parametrize(
    ("schedule", "given", "hours"),
    [
        ("0 3 * * *", {}, 8),
        ("0 * * * *", {}, 0.5),
        ("0 */6 * * *", {}, 3),
        ("0 3 * * *", {"outage_hours": 2}, 2),
    ],
)
def test_an_outage_takes_half_the_schedule_s_interval_at_most(tmp_path, schedule, given, hours):
    settings = SyncSettings(home=tmp_path, schedule=schedule, **given)
    assert settings.outage == timedelta(hours=hours)
    assert settings.outage < settings.shortest_interval


# ---- where Airflow's server does not keep what a task keeps over its tries


def refused(*_, **__):
    raise ConnectionError("a text that quotes the server's token")


@pytest.mark.parametrize("part", ["get", "set"])
def test_a_task_ends_in_its_own_error_where_the_server_keeps_nothing_over_its_tries(
    clock, wrapped, caplog, part
):
    task = Task(DirectoryRetryPolicy())
    setattr(task.context["task_state_store"], part, refused)
    raised = fails_in(task, wrapped, errors.AuthError("The API refuses the client."))
    assert type(raised) is errors.AuthError
    assert plan_of(raised).delay is None
    assert "kept" in caplog.text or "read" in caplog.text
    assert "ConnectionError" in caplog.text
    assert "token" not in caplog.text


@pytest.mark.parametrize("part", ["get", "set"])
def test_without_the_server_s_memory_an_error_is_retried_three_times_where_its_number_is_known(clock, part):
    task = Task(DirectoryRetryPolicy())
    for _ in range(RETRIES):
        assert task.fail(ValueError("a bug")) is not None
    setattr(task.context["task_state_store"], part, refused)
    assert task.fail(ValueError("a bug")) is None


def test_a_memory_that_could_not_be_read_once_is_not_written_over(clock):
    task = Task(DirectoryRetryPolicy())
    for _ in range(10):
        task.fail(away())
    before = dict(task.kept[HISTORY])
    store = task.context["task_state_store"]
    get, store.get = store.get, refused
    assert task.fail(away()) is not None
    store.get = get
    assert task.kept[HISTORY] == before
    assert len(until_it_fails(task, lambda: ValueError("a bug"), clock)) == RETRIES


def test_a_lost_process_is_not_claimed_where_the_memory_cannot_be_read(clock):
    task = Task(DirectoryRetryPolicy())
    task.ti.try_number = 20
    task.context["task_state_store"].get = refused
    task.policy.refuse_lost(task.context)


# ---- what is told


def test_a_retry_by_time_tells_why_when_and_until_when(clock):
    task = Task(DirectoryRetryPolicy(timedelta(hours=1)))
    wait = task.fail(away())
    cause = f"ApiUnavailableError: {AWAY}"
    assert task.told["directory_cause"] == cause
    assert task.told["directory_retry"] == {
        "cause": cause,
        "try": 2,
        "tries": None,
        "next_at": (BEGIN + wait).isoformat(timespec="seconds"),
        "until": "2026-03-01T04:00:00+00:00",
    }


def test_what_cannot_be_told_does_not_cost_the_retry(clock):
    task = Task(DirectoryRetryPolicy())
    task.ti.xcom_push = refused
    assert task.fail(away()) is not None


def test_a_retry_that_is_counted_tells_which_of_how_many(clock, caplog):
    task = Task(DirectoryRetryPolicy())
    task.fail(ValueError("first"))
    wait = task.fail(ValueError("a bug that quotes a record"))
    failure.tell_retry({**task.context, "exception": task.error})
    told = task.told["directory_retry"]
    assert (told["try"], told["tries"], told["until"]) == (3, 4, None)
    assert caplog.messages[-1] == f"ValueError, see its log. Next: try 3 of 4 at {BEGIN + wait:%H:%M} UTC."


@contextmanager
def running(task):
    from airflow.sdk.execution_time.context import set_current_context

    with set_current_context(task.context):
        yield


def fails_in(task, wrapped, error):
    def function():
        raise wrapped(error)

    with running(task), pytest.raises(errors.DirectorySyncError) as caught:
        failure.telling(function, task.policy)()
    return caught.value


def test_a_task_raises_our_error_alone_and_not_as_dlt_quotes_it(clock, wrapped):
    task = Task(DirectoryRetryPolicy())
    raised = fails_in(task, wrapped, errors.AuthError("The API refuses the client."))
    assert type(raised) is errors.AuthError
    assert (raised.__cause__, raised.__context__) == (None, None)
    assert task.policy.evaluate(raised, 1, 3).action == RetryAction.FAIL


def test_a_message_promises_a_further_try_only_where_there_is_one(clock, wrapped):
    task = Task(DirectoryRetryPolicy(timedelta(0)))
    said = []
    for _ in range(1 + RETRIES):
        said.append(str(fails_in(task, wrapped, away())))
        task.ti.try_number += 1
    assert said[:-1] == [AWAY] * RETRIES
    assert said[-1] == "GET https://api.example.com/v1/directory: status 503. Check whether it is up."


def test_the_last_try_that_airflow_grants_promises_none(clock):
    task = Task(DirectoryRetryPolicy())
    task.ti.max_tries = task.ti.task.retries = 0
    assert task.fail(away()) is None
    assert plan_of(task.error).delay is None


def test_a_failure_ends_the_log_with_its_cause_and_tells_it_once(clock, caplog):
    task = Task(DirectoryRetryPolicy())
    task.fail(errors.ConfigError("The form names no resource. Nothing was read."))
    failure.note_failure({**task.context, "exception": task.error})
    cause = "ConfigError: The form names no resource. Nothing was read."
    assert (caplog.records[-1].levelname, caplog.messages[-1]) == ("ERROR", cause)
    assert task.told == {
        "directory_note": f"**`extract.directory_shard_1-2` failed.** {cause}",
        "directory_cause": cause,
    }
