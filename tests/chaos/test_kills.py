"""The Dag under a real scheduler, killed: Airflow's own retry, a clear or a restart finishes it.

The tables are held against those of a deployment that synced the same nights undisturbed.
"""

from collections import Counter

import pytest

from tests.chaos.conftest import SHARDS, until

UNDISTURBED = {"extract": SHARDS, "audit": 1, "publish": 1}
NIGHTS = {
    "one": ("pages_are_read", "the_difference_is_half_written", "the_syncs_row_is_loaded"),
    "two": ("a_landed_file_is_half_written", "the_manifest_is_half_written", "the_change_rows_are_loaded"),
    "three": ("the_load_is_not_marked_complete", "the_manifest_is_written", "the_table_is_half_merged"),
    "four": ("the_change_rows_are_normalised", "the_table_is_loaded", "the_publication_is_complete"),
}
"""Where each night's run is killed, once each."""
DOUBLED = (
    "SELECT sync_id, id FROM directory.directory_resource_changes GROUP BY ALL HAVING count(*) > 1 "
    "UNION ALL SELECT sync_id, count(*) FROM directory.directory_syncs GROUP BY ALL HAVING count(*) > 1 "
    "UNION ALL SELECT 'id', id FROM directory.directory_resource GROUP BY ALL HAVING count(*) > 1"
)


def edited(deployment, seed):
    """A night's edits: the seed makes them others."""
    deployment.sandbox.directory.edit(7, 30, remove=5, seed=seed)


def assert_same(deployment, twin):
    assert twin.differences() == {}
    assert deployment.query(DOUBLED) == []
    syncs = deployment.query("SELECT run_id FROM directory.directory_syncs ORDER BY snapshot_at, sync_id")
    assert [run_id for (run_id,) in syncs] == twin.synced
    present = deployment.query("SELECT id FROM directory.directory_resource WHERE _removed_at IS NULL")
    assert {id_ for (id_,) in present} == set(deployment.sandbox.directory.ids())


@pytest.mark.parametrize("night", NIGHTS)
def test_a_run_killed_three_times_ends_as_an_undisturbed_one(deployment, twin, night):
    edited(deployment, seed=sum(map(ord, night)))
    left = deployment.left_in_temporary()
    for moment in NIGHTS[night]:
        deployment.arm(moment)
    run = deployment.run()
    assert deployment.struck() == set(NIGHTS[night])
    assert run.state == "success"
    kills = Counter({"publish": 3} if night == "four" else ("extract", "audit", "publish"))
    assert deployment.tries(run) == Counter(UNDISTURBED) + kills
    twin.follow(run)
    assert_same(deployment, twin)
    # A killed process cannot clear up after itself: its two folders stay, and nothing else.
    added = Counter(name.split("_")[0] for name in deployment.left_in_temporary() - left)
    assert added.keys() <= {"dlt", "directory"}
    assert max(added.values()) <= 3


def test_an_approved_removal_killed_three_times_is_carried_out_once(deployment, twin):
    deployment.sandbox.directory.edit(remove=len(deployment.sandbox.directory) // 5, seed=21)
    run = deployment.airflow.begin_run()
    until(lambda: deployment.airflow.questions(run))
    moments = {"the_change_rows_are_loaded", "the_table_is_half_merged", "the_table_is_loaded"}
    for moment in moments:
        deployment.arm(moment)
    deployment.answer(run, "Approve")
    assert deployment.wait(run).state == "success"
    assert deployment.struck() == moments
    assert deployment.tasks(run)["remove"].try_number == 4
    twin.follow(run)
    twin.approve(run)
    assert_same(deployment, twin)


def test_a_first_publication_killed_at_each_try_ends_when_it_is_cleared(deployment, twin):
    twin.begin_again()
    deployment.arm("the_change_rows_are_loaded", "kill 4")
    run = deployment.run()
    assert run.state == "failed"
    assert deployment.tasks(run)["publish"].try_number == 4
    deployment.clear(run)
    assert deployment.wait(run).state == "success"
    twin.follow(run)
    assert_same(deployment, twin)


def test_a_scheduler_killed_twice_in_mid_run_and_started_again_finishes_it(deployment, twin):
    edited(deployment, seed=12)
    moments = ("pages_are_read", "the_table_is_half_merged")
    for moment in moments:
        deployment.arm(moment, "hold")
    run = deployment.airflow.begin_run()
    for moment in moments:
        until(lambda moment=moment: deployment.was_struck(moment))
        # Itself, its workers, their supervisors, and the task in the middle of what it did.
        assert deployment.airflow.kill_scheduler() > 3
        deployment.airflow.start_scheduler()
    assert deployment.wait(run).state == "success"
    twin.follow(run)
    assert_same(deployment, twin)
