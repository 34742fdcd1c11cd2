"""Everything is rebuilt from landed snapshots, without the API: tables, log, history and past decisions."""

from pathlib import Path

import pytest

from directory_sync.errors import ConfigError
from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.test_decisions import asked
from tests.integration.test_interruptions import audited, die_before_package


@pytest.fixture
def eventful(api: SandboxServer, published: Cycle) -> Cycle:
    """Nights of all kinds: edits, a hold, a rejection, an approval, returns, nothing at all."""
    api.directory.edit(5, 9, remove=3, seed=1)
    published.run("edits")
    gone = api.directory.edit(2, 2, remove=20, seed=2).removed
    published.run("held")
    published.run("nothing")
    api.directory.restore(gone[:4])
    published.run("some are back")
    published.remove("decided", asked(published, "decided"))
    api.directory.restore(gone[4:6])
    api.directory.edit(1, 7, remove=1, seed=3)
    published.run("after the decision")
    return published


def test_an_emptied_warehouse_is_rebuilt_without_the_api(api: SandboxServer, eventful: Cycle) -> None:
    before, pages = eventful.tables(), api.stats.pages
    eventful.lose_warehouse()
    replayed = eventful.with_(url="http://127.0.0.1:9").replay()
    assert (len(replayed.sync_ids), replayed.present, replayed.left_out) == (7, 0, 0)
    assert eventful.tables() == before
    assert api.stats.pages == pages


def test_a_replay_over_what_is_there_changes_nothing(eventful: Cycle) -> None:
    before = eventful.tables()
    assert eventful.replay().sync_ids == ()
    assert eventful.tables() == before


def test_a_restored_backup_is_brought_up_to_date(
    api: SandboxServer, published: Cycle, tmp_path: Path
) -> None:
    backup = published.copied_to(tmp_path / "backup")
    for night in range(3):
        api.directory.edit(3, 3, remove=3, seed=night)
        published.run(f"night {night}")
    before = published.tables()
    published.restore_warehouse(backup)
    replayed = published.replay()
    assert (len(replayed.sync_ids), replayed.present) == (3, 1)
    assert published.tables() == before


def test_a_replay_reaches_as_far_back_as_snapshots_do(api: SandboxServer, eventful: Cycle) -> None:
    entries = eventful.ids()
    eventful.landed("one").delete()
    eventful.landed("edits").delete()
    eventful.lose_warehouse()
    assert len(eventful.replay().sync_ids) == 5
    assert eventful.ids() == entries
    first = eventful.query(
        f"SELECT DISTINCT kind FROM {RESOURCE}_changes WHERE sync_id = "
        "(SELECT min(sync_id) FROM directory_syncs)"
    )
    assert first == [("added",)]


def test_a_replay_can_be_done_twice_from_nothing(eventful: Cycle) -> None:
    """What a comparison anew found is not landed over what was found then."""
    eventful.landed("one").delete()
    eventful.lose_warehouse()
    eventful.replay()
    before = eventful.tables()
    eventful.lose_warehouse()
    eventful.replay()
    assert eventful.tables() == before


def test_history_never_moves_backwards(api: SandboxServer, published: Cycle) -> None:
    api.directory.edit(3, 3, remove=3, seed=1)
    published.run("two")
    published.lose_warehouse()
    published.run("three")
    before = published.tables()
    replayed = published.replay()
    assert (replayed.sync_ids, replayed.left_out) == ((), 2)
    assert published.tables() == before


def test_what_was_never_published_is_not_replayed(api: SandboxServer, published: Cycle) -> None:
    """A refused schema, a dry run, a run that ended before its publication."""
    api.directory.edit(3, 3, remove=3, seed=1)
    published.extract("dry")
    published.audit("dry", mode="dry_run")
    published.extract("audited")
    published.audit("audited")
    refused = published.with_(resource={"processing_steps": [{"map": lambda row: {**row, "_row_hash": 1}}]})
    with pytest.raises(ConfigError):
        refused.run("refused")
    before = published.tables()
    published.lose_warehouse()
    assert len(published.replay().sync_ids) == 1
    assert published.tables() == before


def test_what_was_rolled_forward_is_replayed(api: SandboxServer, published: Cycle) -> None:
    """Its own run was killed before it could say that it had published."""
    die_before_package(audited(api, published), 3)
    assert len(published.roll_forward()) == 1
    before = published.tables()
    published.lose_warehouse()
    assert len(published.replay().sync_ids) == 2
    assert published.tables() == before


def test_a_run_that_was_cleared_is_replayed_as_often_as_it_was_published(
    api: SandboxServer, published: Cycle
) -> None:
    """Its second publication does not take the place of the first one, nor of the decision between them."""
    api.directory.edit(2, 2, remove=16, seed=1)
    published.run("two")
    published.remove("two", asked(published, "two"))
    api.directory.edit(1, 3, seed=2)
    published.run("two")
    before = published.tables()
    published.lose_warehouse()
    replayed = published.replay()
    assert (len(replayed.sync_ids), replayed.left_out) == (4, 0)
    assert published.tables() == before


def test_a_removal_whose_ground_is_gone_is_left_out_and_counted(api: SandboxServer, published: Cycle) -> None:
    api.directory.edit(remove=16, seed=1)
    published.run("two")
    published.remove("decided", asked(published, "decided"))
    for run in ("one", "two"):
        published.landed(run).delete()
    published.lose_warehouse()
    replayed = published.replay()
    assert (replayed.sync_ids, replayed.left_out, replayed.last) == ((), 1, None)
