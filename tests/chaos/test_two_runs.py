"""Two runs at once, another process in the warehouse: they wait for each other, the newest snapshot wins.

The Dag's `max_active_runs` does not hold for a backfill, so its run and a triggered one are active at once.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from demo.local_airflow import DAG_ID
from tests.chaos.conftest import until

HOLDS_THE_FILE = """
import sys, duckdb
database = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def synced(deployment, twin):
    """A deployment and its twin which have published something."""
    if not deployment.warehouse.exists():
        twin.begin_again()
        run = deployment.run()
        assert run.state == "success"
        twin.follow(run)
    return deployment


def day(number):
    """A day of the past, for a backfill."""
    return f"{datetime.now(UTC) - timedelta(days=number):%Y-%m-%d}"


def state(deployment, run, task_id):
    task = deployment.tasks(run).get(task_id)
    return task.state if task else None


def published(deployment):
    return [
        row[0]
        for row in deployment.query("SELECT run_id FROM directory.directory_syncs ORDER BY snapshot_at")
    ]


def test_a_snapshot_older_than_the_published_one_is_skipped_with_a_note(synced, twin):
    synced.sandbox.directory.edit(5, 20, remove=3, seed=21)
    synced.arm("the_warehouse_is_not_open_yet", "hold")
    older = synced.backfill(day(3))
    until(lambda: synced.was_struck("the_warehouse_is_not_open_yet"))
    synced.sandbox.directory.edit(5, 20, remove=3, seed=22)
    newer = synced.run()
    twin.follow(newer)
    assert synced.airflow.api.run(DAG_ID, older.run_id).state == "running"
    synced.release("the_warehouse_is_not_open_yet")
    assert {newer.state, synced.wait(older).state} == {"success"}
    assert state(synced, older, "publish") == "skipped"
    assert "skipped, its first request lies before" in synced.log(older, "publish")
    assert published(synced) == twin.synced
    assert twin.differences() == {}


def test_a_process_that_holds_the_warehouse_is_named_and_waited_for(synced, twin):
    synced.sandbox.directory.edit(5, 20, remove=3, seed=25)
    synced.give(DIRECTORY_SYNC_WAREHOUSE_WAIT_SECONDS="2")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_FILE, synced.warehouse],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        run = synced.airflow.begin_run()
        until(lambda: state(synced, run, "audit") == "up_for_retry")
        holder.communicate()
    message = synced.log(run, "audit", try_number=1)
    assert f"WarehouseError: The warehouse {synced.warehouse} cannot be opened for writing" in message
    assert f"process {holder.pid} holds it (waited 2 s)" in message
    assert synced.wait(run).state == "success"
    assert synced.tasks(run)["audit"].try_number >= 2
    twin.follow(run)
    assert published(synced) == twin.synced
    assert twin.differences() == {}


def test_a_run_waits_while_another_one_publishes(synced, twin):
    synced.sandbox.directory.edit(5, 20, remove=3, seed=23)
    synced.arm("the_table_is_half_merged", "hold")
    first = synced.airflow.begin_run()
    until(lambda: synced.was_struck("the_table_is_half_merged"))
    twin.follow(first)
    synced.sandbox.directory.edit(5, 20, remove=3, seed=24)
    second = synced.backfill(day(4))
    # It has read the directory beside the first one.
    until(
        lambda: state(synced, second, "audit") == "running" and "Waiting for" in synced.log(second, "audit")
    )
    assert state(synced, first, "publish") == "running"
    synced.release("the_table_is_half_merged")
    assert {synced.wait(run).state for run in (first, second)} == {"success"}
    assert synced.tries(first) == synced.tries(second)
    twin.follow(second)
    assert synced.tasks(first)["publish"].ended_at <= synced.tasks(second)["publish"].started_at
    assert published(synced) == twin.synced
    assert twin.differences() == {}
