"""What of a run is work and what is waiting for the scheduler."""

from datetime import datetime, timedelta, timezone

import pytest

from bench.waits import END, timing
from demo.airflow_api import DagRun, TaskRun

TRIGGERED = datetime(2026, 11, 1, 3, 0, tzinfo=timezone.utc)


def at(seconds):
    return TRIGGERED + timedelta(seconds=seconds)


def task(task_id, started, ended, *, runs_code=True):
    return TaskRun(
        task_id=task_id,
        instance_id=task_id,
        state="success",
        try_number=1,
        runs_code=runs_code,
        started_at=at(started),
        ended_at=at(ended),
    )


def run(started, ended):
    return DagRun(
        run_id="manual",
        run_type="manual",
        state="success",
        queued_at=TRIGGERED,
        started_at=at(started),
        ended_at=at(ended),
    )


def test_a_run_counts_from_its_trigger_with_every_wait_by_its_name():
    took = timing(
        run(1, 20),
        [
            task("extract.shard_0", 3, 7),
            task("extract.shard_1", 4, 9),
            task("audit", 10.5, 12),
            task("publish", 12.5, 17),
        ],
    )
    assert took.seconds == 20
    assert took.waits == {"extract": 3, "audit": 1.5, "publish": 0.5, END: 3}
    assert took.work_seconds == 12


def test_a_marker_that_the_scheduler_ends_by_itself_is_a_wait():
    took = timing(run(1, 8), [task("extract.end", 4, 6, runs_code=False), task("audit", 6, 8)])
    assert took.waits == {"audit": 6, END: 0}


def test_a_task_within_another_adds_nothing_and_a_gap_between_two_is_a_wait():
    took = timing(run(0, 10), [task("extract.a", 1, 9), task("extract.b", 2, 3), task("extract.c", 9.5, 10)])
    assert took.waits == {"extract": 1.5, END: 0}
    assert took.work_seconds == pytest.approx(8.5)
