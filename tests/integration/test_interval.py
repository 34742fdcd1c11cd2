"""Interval runs merge what changed within their interval, remove nothing, and overtake nobody."""

from datetime import UTC, datetime, timedelta

import pytest

from directory_sync.errors import ConfigError
from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle

INCREMENTAL = {
    "cursor_path": "updated_at",
    "start_param": "updated_since",
    "end_param": "updated_until",
    "initial_value": "2020-01-01T00:00:00Z",
}
EDITS = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))
"""When the sandbox dates its edits."""


@pytest.fixture
def interval(published: Cycle) -> Cycle:
    return published.with_(endpoint={"incremental": INCREMENTAL}, interval=EDITS)


def test_an_interval_run_merges_what_changed_and_removes_nothing(api: SandboxServer, interval: Cycle) -> None:
    edits = api.directory.edit(4, 6, remove=100, seed=1)
    pages = api.stats.entries_served
    report = interval.run("interval")
    assert api.stats.entries_served - pages < 90
    assert (report.mode, report.entries) == ("interval", 10)
    assert {kind: n for kind, n in report.changes.items() if n} == {"added": 4, "changed": 6}
    assert (report.holds.held, report.holds.asks, report.findings) == (0, False, ())
    assert interval.ids("_missing_since IS NULL") == set(api.directory.ids()) | set(edits.removed)


def test_an_interval_without_changes_publishes_its_row_alone(interval: Cycle) -> None:
    before = interval.tables()
    report = interval.run("interval")
    assert (report.entries, report.changes_nothing) == (0, True)
    after = interval.tables()
    syncs = [tables.pop("directory_syncs")[1] for tables in (before, after)]
    assert after == before
    assert len(syncs[1]) == len(syncs[0]) + 1


def test_the_next_full_sync_finds_who_left(api: SandboxServer, published: Cycle, interval: Cycle) -> None:
    removed = api.directory.edit(4, 6, remove=5, seed=1).removed
    interval.run("interval")
    report = published.run("full")
    assert {kind: n for kind, n in report.changes.items() if n} == {"removed": 5}
    assert published.ids("_removed_at IS NOT NULL") == set(removed)
    assert published.ids() == set(api.directory.ids())


def test_a_full_difference_leaves_alone_what_was_fetched_after_its_first_request(
    api: SandboxServer, published: Cycle, interval: Cycle
) -> None:
    """The snapshot is older than what the interval run has published meanwhile."""
    api.directory.edit(0, 3, remove=2, seed=1)
    published.extract("full")
    published.audit("full")
    changed = api.directory.edit(1, 5, seed=2)
    interval.run("interval")
    report = published.publish("full")
    assert report.skipped is None
    assert (report.changes["missing"], report.changes["removed"]) == (2, 0)
    names = dict(published.query(f"SELECT id, name FROM {RESOURCE} WHERE _removed_at IS NULL"))
    assert {i: n for i, n in names.items() if i in set(api.directory.ids())} == {
        id_: api.directory.get(id_)["name"] for id_ in api.directory.ids()
    }
    assert set(changed.added) <= names.keys()
    assert published.run("next").changes["removed"] == 2


def test_an_interval_run_does_not_move_the_fence(
    api: SandboxServer, published: Cycle, interval: Cycle
) -> None:
    published.extract("full")
    api.directory.edit(1, 1, seed=2)
    interval.run("interval")
    published.audit("full")
    assert published.publish("full").skipped is None


def test_an_interval_run_older_than_the_last_full_sync_is_skipped(
    api: SandboxServer, published: Cycle, interval: Cycle
) -> None:
    api.directory.edit(1, 1, seed=2)
    interval.extract("interval")
    interval.audit("interval")
    published.run("full")
    before = published.tables()
    assert "its first request lies before" in str(interval.publish("interval").skipped)
    assert published.tables() == before


def test_what_is_held_stays_held_over_an_interval_run(
    api: SandboxServer, published: Cycle, interval: Cycle
) -> None:
    api.directory.edit(remove=16, seed=1)
    full = published.run("two")
    report = interval.run("interval")
    assert (report.holds.held, report.holds.held_digest, report.holds.asks) == (
        16,
        full.holds.held_digest,
        False,
    )
    assert published.run("three").holds.asks is False


def test_an_api_that_ignores_the_parameters_is_found_out(api: SandboxServer, interval: Cycle) -> None:
    wrong = interval.with_(
        endpoint={"incremental": {**INCREMENTAL, "start_param": "since", "end_param": "to"}}
    )
    before = wrong.tables()
    with pytest.raises(ConfigError, match=r"300 of 300 entries .* does not honour `since`. Nothing was"):
        wrong.run("interval")
    assert wrong.tables() == before


def test_interval_runs_are_replayed_in_their_place(
    api: SandboxServer, published: Cycle, interval: Cycle
) -> None:
    api.directory.edit(4, 6, remove=5, seed=1)
    interval.run("interval")
    published.run("full")
    api.directory.edit(2, 2, seed=2)
    interval.run("another")
    before = published.tables()
    published.lose_warehouse()
    assert len(published.replay().sync_ids) == 4
    assert published.tables() == before


def test_an_interval_never_begins_before_the_first_change() -> None:
    incremental = Cycle(url="", home=None, endpoint={"incremental": INCREMENTAL}).of_form.incremental
    assert incremental.params(datetime(2019, 1, 1, tzinfo=UTC), EDITS[0] + timedelta(hours=1)) == {
        "updated_since": "2020-01-01T00:00:00Z",
        "updated_until": "2025-01-01T01:00:00Z",
    }


def test_of_two_fetches_the_later_one_stands_whichever_is_published_first(
    api: SandboxServer, published: Cycle, interval: Cycle
) -> None:
    """Backfill runs are beside each other: all three have begun before the first is published."""
    [entry_id] = api.directory.edit(2, 1, seed=1).changed
    for run in ("first", "second", "third"):
        interval.extract(run)
        api.directory.edit(1, 0, seed=3)
    interval.audit("third")
    interval.publish("third")
    interval.audit("first")
    interval.audit("second")
    interval.publish("second")
    interval.publish("first")
    doubled = interval.query(
        f"SELECT id FROM {RESOURCE}_changes WHERE kind = 'added' GROUP BY id HAVING count(*) > 1"
    )
    assert doubled == []
    names = dict(interval.query(f"SELECT id, name FROM {RESOURCE}"))
    assert names[entry_id] == api.directory.get(entry_id)["name"]
    before = interval.tables()
    published.lose_warehouse()
    published.replay()
    assert interval.tables() == before


def test_an_entry_that_an_interval_run_met_later_is_not_removed_by_an_older_snapshot(
    api: SandboxServer, published: Cycle, interval: Cycle
) -> None:
    [changed] = api.directory.edit(0, 1, seed=1).changed
    interval.run("it is known by")
    api.directory.delete_at(api.directory.ids().index(changed))
    published.extract("full")
    published.audit("full")
    api.directory.restore([changed])
    interval.run("meets it")
    report = published.publish("full")
    assert (report.changes["removed"], report.changes["missing"]) == (0, 1)
    assert changed in published.ids()
    assert published.run("next").changes["returned"] == 1


def test_a_decision_after_an_interval_run_is_no_full_snapshot(
    api: SandboxServer, published: Cycle, interval: Cycle
) -> None:
    api.directory.edit(remove=16, seed=1)
    full = published.run("held")
    api.directory.edit(0, 3, seed=2)
    interval.run("interval")
    question = published.ask("decide")
    published.remove("decide", question)
    with published.warehouse() as (warehouse, _):
        assert warehouse.last_snapshot(RESOURCE).sync_id == full.sync_id
    other = published.with_(resource={"ignored_fields": ["elevation"]})
    report = other.run("next")
    assert (report.changes["changed"], report.holds.held) == (0, 0)


@pytest.mark.parametrize("cursor", ["id", "name"])
def test_a_cursor_that_holds_no_time_is_refused(api: SandboxServer, interval: Cycle, cursor: str) -> None:
    api.directory.edit(0, 2, seed=1)
    wrong = interval.with_(endpoint={"incremental": {**INCREMENTAL, "cursor_path": cursor}})
    with pytest.raises(ConfigError, match="holds no time in ISO 8601"):
        wrong.run("interval")


def test_what_an_interval_run_sets_aside_counts_against_the_whole_directory(
    api: SandboxServer, interval: Cycle
) -> None:
    """All that changed within the interval cannot be stored: that is one of 300 entries."""
    api.directory.edit(change=1, seed=1)
    steps = [{"map": lambda row: row | {"odd": {1, 2}}}]
    odd = interval.with_(resource={"processing_steps": steps}, settings={"unstorable": "quarantine"})
    report = odd.run("interval")
    assert (report.entries, report.rejected, sum(report.changes.values())) == (1, 1, 0)
