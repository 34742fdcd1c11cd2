"""Until when a question about removals waits: it delays no scheduled run, not after an outage either."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine

from directory_sync.airflow.approval import ANSWER_FIELDS, RemovalApproval
from directory_sync.airflow.retry import DECISION
from directory_sync.airflow.telling import Telling
from directory_sync.dag import Directory
from directory_sync.publish.question import Decision
from tests.dag_file import directory as the_form
from tests.unit.publish.test_question import question as a_question

BEGAN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def approval(**settings):
    directory = Directory(form=the_form, settings=settings)
    return RemovalApproval(
        task_id="approve_removals",
        params=ANSWER_FIELDS,
        directory=directory,
        telling=Telling(directory),
        resource_name="directory_resource",
        response_timeout=directory.switches.response_timeout,
    )


@pytest.mark.parametrize(
    ("asked_after_hours", "settings", "hours"),
    [
        (0.1, {}, 19.9),
        (8, {}, 12),
        (19, {}, 5),
        (8, {"response_timeout_hours": 2}, 2),
        (0.4, {"schedule": "0 * * * *"}, 26 / 60),
    ],
    ids=["a usual night", "after an outage", "a quarter at least", "a short time", "each hour"],
)
def test_a_question_ends_before_the_next_scheduled_run_is_due(asked_after_hours, settings, hours):
    task = approval(**settings)
    with time_machine.travel(BEGAN + timedelta(hours=asked_after_hours), tick=False):
        until = task._wait_until({"dag_run": SimpleNamespace(start_date=BEGAN)})
        assert until - datetime.now(UTC) == pytest.approx(timedelta(hours=hours), abs=timedelta(seconds=1))
        assert task.response_timeout == until - datetime.now(UTC)


def test_an_answer_is_told_with_who_when_and_why():
    told = {}
    context = {"ti": SimpleNamespace(xcom_push=lambda key, value: told.update({key: value}))}
    decision = Decision(
        digest="d", choice="rejected", reason="a lost right", by="vera", at="2026-03-01T08:15:00+00:00"
    )
    approval()._tell(context, a_question(("1", "")), decision)
    assert told[DECISION] == {
        "choice": "rejected",
        "by": "vera",
        "at": "2026-03-01T08:15:00+00:00",
        "reason": "a lost right",
    }
