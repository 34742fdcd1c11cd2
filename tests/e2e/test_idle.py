"""Small directories under the real scheduler: the shards that they do not need start no process."""

import json
from collections.abc import Iterator

import pytest

from demo.local_airflow import DAG_ID, LocalAirflow, connection_to
from demo.warehouse import differences, read_api
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.e2e.conftest import Stack

SHARDS = [f"extract.directory_shard_{number}-2" for number in range(4)]
TABLE = "directory.directory_resource"


@pytest.fixture(scope="module")
def small(tmp_path_factory, migrated) -> Iterator[Stack]:
    """A directory of 900 entries that was published once."""
    home, temporary = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("temporary")
    with SandboxServer(Settings(entries=900)) as sandbox:
        environment = {
            "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(sandbox)),
            "TMPDIR": str(temporary),
        }
        with LocalAirflow(home, environment=environment, migrated=migrated) as airflow:
            stack = Stack(sandbox=sandbox, airflow=airflow, temporary=temporary)
            assert states(stack, stack.run()) == ["success"] * 4
            yield stack


def states(stack, run):
    tasks = stack.tasks(run)
    return [tasks[task_id].state for task_id in SHARDS]


def is_whole(stack):
    """The table holds exactly the entries of the API."""
    rows = stack.query(
        f"SELECT id, name, strftime(updated_at, '%Y-%m-%dT%H:%M:%SZ') FROM {TABLE} WHERE _removed_at IS NULL"
    )
    api = read_api(stack.sandbox.url, stack.sandbox.settings)
    return differences({id_: (name, at) for id_, name, at in rows}, api) == []


def test_the_second_night_of_a_small_directory_starts_one_shard(small):
    small.sandbox.directory.edit(3, 5, remove=2, seed=1)
    run = small.run()
    assert run.state == "success"
    assert states(small, run) == ["success", "skipped", "skipped", "skipped"]
    assert set(small.tries(run)) == {SHARDS[0], "audit", "publish"}
    assert "Shard 1 of 1: " in small.log(run, SHARDS[0])
    assert small.changes(run) == {"added": 3, "changed": 5, "removed": 2}
    assert is_whole(small)


def test_a_skipped_shard_that_a_person_clears_reads_its_part_and_the_proof_holds(small):
    run = small.run()
    small.airflow.api.clear(DAG_ID, run.run_id, SHARDS[2])
    run = small.airflow.api.wait(DAG_ID, run.run_id, seconds=150)
    assert run.state == "success"
    assert states(small, run) == ["success", "skipped", "success", "skipped"]
    assert "Shard 3 of 3: " in small.log(run, SHARDS[2])
    assert is_whole(small)


def test_a_directory_that_has_grown_is_read_whole_by_the_few_and_the_next_night_by_more(small):
    small.sandbox.directory.edit(9_000, seed=2)
    run = small.run()
    assert states(small, run) == ["success", "skipped", "skipped", "skipped"]
    assert small.changes(run) == {"added": 9_000}
    assert is_whole(small)
    run = small.run()
    assert states(small, run) == ["success", "success", "skipped", "skipped"]
    assert is_whole(small)


def test_a_whole_run_that_is_cleared_reads_with_all_shards(small):
    run = small.run()
    small.airflow.api.clear(DAG_ID, run.run_id, *SHARDS)
    run = small.airflow.api.wait(DAG_ID, run.run_id, seconds=150)
    assert (run.state, states(small, run)) == ("success", ["success"] * 4)
    assert is_whole(small)
