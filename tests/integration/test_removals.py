"""Nothing is removed that was not proven absent, and no more at once than the limits allow."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine

from directory_sync.audit.report import AuditReport
from sandbox.server import SandboxServer
from tests.integration.cycle import Cycle

BY_NAME = {"params": {"sort": "name"}}


def test_removals_over_the_limit_are_held_and_all_else_is_published(
    api: SandboxServer, published: Cycle
) -> None:
    edits = api.directory.edit(3, 2, remove=16, seed=1)
    report = published.run("two")
    assert (report.holds.newly_held, report.holds.held) == (16, 16)
    assert [report.changes[k] for k in ("added", "changed", "missing", "removed")] == [3, 2, 16, 0]
    assert published.ids("_removed_at IS NOT NULL") == set()
    assert published.ids("_missing_since IS NOT NULL") == set(edits.removed)
    assert set(edits.added) <= published.ids()


def test_removals_at_the_limit_are_published(api: SandboxServer, published: Cycle) -> None:
    api.directory.edit(remove=15, seed=1)
    report = published.run("two")
    assert (report.holds.held, report.changes["removed"]) == (0, 15)


def test_what_is_held_stays_held_and_is_not_newly_held(api: SandboxServer, published: Cycle) -> None:
    edits = api.directory.edit(remove=16, seed=1)
    first = published.run("two")
    second = published.run("three")
    assert (second.holds.newly_held, second.holds.held) == (0, 16)
    assert second.holds.held_digest == first.holds.held_digest
    assert second.changes_nothing
    assert published.ids("_removed_at IS NULL AND _missing_since IS NOT NULL") == set(edits.removed)


def test_a_few_removals_beside_a_held_set_are_published(api: SandboxServer, published: Cycle) -> None:
    api.directory.edit(remove=16, seed=1)
    published.run("two")
    more = api.directory.edit(remove=2, seed=2).removed
    report = published.run("three")
    assert (report.holds.held, report.changes["removed"]) == (16, 2)
    assert published.ids("_removed_at IS NOT NULL") == set(more)


def test_a_held_entry_that_returns_is_no_longer_held(api: SandboxServer, published: Cycle) -> None:
    gone = api.directory.edit(remove=16, seed=1).removed
    published.run("two")
    api.directory.restore(gone[:3])
    report = published.run("three")
    assert (report.holds.held, report.changes["returned"]) == (13, 3)
    assert published.ids("_missing_since IS NOT NULL") == set(gone[3:])


def test_an_assumed_order_needs_two_absences_for_a_removal(api: SandboxServer, published: Cycle) -> None:
    by_name = published.with_(endpoint=BY_NAME)
    gone = api.directory.edit(remove=2, seed=1).removed
    first = by_name.run("two")
    assert first.completeness.order == "assumed"
    assert (first.changes["missing"], first.changes["removed"]) == (2, 0)
    second = by_name.run("three")
    assert (second.changes["missing"], second.changes["removed"]) == (0, 2)
    marks = by_name.query(
        "SELECT id, _missing_since, _removed_at FROM directory_resource "
        "WHERE _removed_at IS NOT NULL ORDER BY id"
    )
    assert marks == [(i, first.snapshot_at, second.snapshot_at) for i in gone]


def test_a_declared_order_removes_at_the_first_absence(api: SandboxServer, published: Cycle) -> None:
    declared = published.with_(endpoint=BY_NAME, resource={"order": "stable"})
    api.directory.edit(remove=2, seed=1)
    report = declared.run("two")
    assert (report.completeness.order, report.changes["removed"]) == ("declared", 2)


def test_an_entry_that_leaves_and_returns_twice_has_each_spell_in_the_history(
    api: SandboxServer, published: Cycle
) -> None:
    [gone] = api.directory.edit(remove=1, seed=1).removed
    kinds = [published.run("two").changes["removed"]]
    api.directory.restore([gone])
    kinds.append(published.run("three").changes["returned"])
    api.directory.edit(remove=1, seed=1)
    kinds.append(published.run("four").changes["removed"])
    api.directory.restore([gone])
    kinds.append(published.run("five").changes["returned"])
    assert kinds == [1, 1, 1, 1]
    spells = published.query(
        "SELECT valid_from, valid_to FROM directory_resource_history WHERE id = ? ORDER BY 1", gone
    )
    assert [end is None for _, end in spells] == [False, False, True]
    assert all(end < start for (_, end), (start, _) in pairwise(spells))
    assert published.query("SELECT * FROM directory_resource WHERE _missing_since IS NOT NULL") == []


def test_a_lost_permission_for_a_tenth_is_held_and_undone_when_it_is_back(
    api: SandboxServer, published: Cycle
) -> None:
    api.configure(hidden_share=0.1)
    report = published.run("two")
    assert report.holds.held > 20
    assert (report.holds.newly_held, report.changes["removed"], report.holds.asks) == (
        report.holds.held,
        0,
        True,
    )
    assert len(published.ids()) == 300
    api.configure(hidden_share=0.0)
    assert published.run("three").changes["returned"] == report.holds.held
    assert published.ids("_missing_since IS NOT NULL") == set()


def test_an_empty_directory_is_held(api: SandboxServer, published: Cycle) -> None:
    api.configure(entries=0)
    report = published.run("two")
    assert (report.entries, report.holds.newly_held, report.changes["removed"]) == (0, 300, 0)
    assert len(published.ids()) == 300


def test_an_empty_directory_removes_nothing_that_was_missing_before(
    api: SandboxServer, published: Cycle
) -> None:
    """The second absence of an entry counts only in a snapshot whose removals are trusted."""
    by_name = published.with_(endpoint=BY_NAME)
    api.directory.edit(remove=2, seed=1)
    by_name.run("two")
    api.configure(entries=0)
    report = by_name.run("three")
    assert report.changes["removed"] == 0
    assert by_name.ids("_removed_at IS NOT NULL") == set()


@pytest.mark.parametrize(
    ("entries", "gone", "removed"), [(99, 97, 0), (20, 18, 0), (20, 5, 0), (20, 4, 4), (10, 1, 1)]
)
def test_a_small_directory_that_loses_more_than_a_few_is_held(
    api: SandboxServer, cycle: Cycle, entries: int, gone: int, removed: int
) -> None:
    api.configure(entries=entries)
    cycle.run("one")
    api.directory.edit(remove=gone, seed=1)
    report = cycle.run("two")
    assert (report.changes["removed"], report.holds.held) == (removed, gone - removed)


def test_what_is_left_beside_a_large_held_set_has_limits_too(api: SandboxServer, published: Cycle) -> None:
    """270 of 300 wait for a person; the 30 that are left do not go without one."""
    api.directory.edit(remove=270, seed=1)
    assert published.run("two").holds.newly_held == 270
    api.directory.edit(remove=27, seed=2)
    report = published.run("three")
    assert (report.holds.newly_held, report.holds.held, report.holds.population) == (27, 297, 300)
    assert published.ids("_removed_at IS NOT NULL") == set()
    assert report.holds.asks


# ---- over time


@contextmanager
def days_later(days: float) -> Iterator[None]:
    with time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True):
        yield


def night(cycle: Cycle, day: float) -> AuditReport:
    with days_later(day):
        return cycle.run(f"day {day}")


def rules(report: AuditReport) -> list[str]:
    return [finding.rule for finding in report.findings if finding.level == "hold"]


def test_a_directory_that_melts_below_the_limit_of_one_run_is_held(
    api: SandboxServer, published: Cycle
) -> None:
    """13 of 300 a night are 4.3 %: within a week no more than 30 go without a person."""
    removed, held = [], []
    for day in (1, 2, 3, 4):
        api.directory.edit(remove=13, seed=day)
        report = night(published, day)
        removed.append(report.changes["removed"])
        held.append(rules(report))
    assert (removed, held) == ([13, 13, 0, 0], [[], [], ["removals_7_days"], ["removals_7_days"]])
    assert len(published.ids("_missing_since IS NULL")) == 300 - 4 * 13
    assert len(published.ids()) == 300 - 2 * 13


def test_a_week_later_others_may_leave_and_a_month_has_a_limit_too(
    api: SandboxServer, published: Cycle
) -> None:
    removed, held = [], []
    for seed, day in enumerate((1, 2, 9, 10, 17, 18, 33)):
        api.directory.edit(remove=11 if day == 33 else 12, seed=seed)
        report = night(published, day)
        removed.append(report.changes["removed"])
        held += rules(report)
    # 60 of 300 within 30 days; on day 33 those of days 1 and 2 are over.
    assert (removed, held) == ([12, 12, 12, 12, 12, 0, 11], ["removals_30_days"])


def test_an_entry_that_is_missing_first_and_removed_later_counts_once(
    api: SandboxServer, published: Cycle
) -> None:
    by_name = published.with_(endpoint=BY_NAME)
    for day in (1, 2):
        api.directory.edit(remove=14, seed=day)
        assert rules(night(by_name, day)) == []
    assert night(by_name, 3).changes["removed"] == 14
    api.directory.edit(remove=2, seed=3)
    assert rules(night(by_name, 4)) == []
    api.directory.edit(remove=1, seed=4)
    assert rules(night(by_name, 5)) == ["removals_7_days"]


def test_an_entry_that_came_back_does_not_count(api: SandboxServer, published: Cycle) -> None:
    gone = [*api.directory.edit(remove=13, seed=1).removed]
    night(published, 1)
    gone += api.directory.edit(remove=13, seed=2).removed
    night(published, 2)
    api.directory.restore(gone)
    api.directory.edit(remove=13, seed=3)
    report = night(published, 3)
    assert (report.changes["returned"], report.changes["removed"], rules(report)) == (26, 13, [])


def test_what_a_person_approved_counts_neither_as_gone_nor_as_there(
    api: SandboxServer, published: Cycle
) -> None:
    api.directory.edit(remove=100, seed=1)
    night(published, 1)
    with days_later(1.1):
        question = published.ask("day 1")
        assert question is not None
        published.remove("day 1", question)
    held = []
    for day in (2, 3, 4):
        api.directory.edit(remove=8, seed=day)
        held.append(rules(night(published, day)))
    # 20 of the 200 that are left.
    assert held == [[], [], ["removals_7_days"]]


def test_a_directory_that_has_grown_is_measured_as_it_is_now(api: SandboxServer, cycle: Cycle) -> None:
    api.configure(entries=20)
    cycle.run("one")
    api.directory.edit(400, seed=1)
    night(cycle, 1)
    for day in (2, 3):
        api.directory.edit(remove=20, seed=day)
        assert rules(night(cycle, day)) == []
    api.directory.edit(remove=3, seed=5)
    assert rules(night(cycle, 4)) == ["removals_7_days"]


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("max_removed_count_7_days", 20, "removals_7_days"),
        ("max_removed_share_7_days", 0.06, "removals_7_days"),
        ("max_removed_count_30_days", 20, "removals_30_days"),
    ],
)
def test_each_limit_over_time_holds_by_itself(
    api: SandboxServer, published: Cycle, setting: str, value: float, rule: str
) -> None:
    cycle = published.with_(settings={"max_removed_count": 15, setting: value})
    for day, expected in ((1, []), (2, [rule])):
        api.directory.edit(remove=12, seed=day)
        assert rules(night(cycle, day)) == expected


def test_many_changes_at_once_hold_the_removals(api: SandboxServer, published: Cycle) -> None:
    api.directory.edit(0, 160, remove=2, seed=1)
    report = published.run("two")
    assert report.changes["changed"] == 160
    assert (report.holds.held, report.changes["removed"]) == (2, 0)


@pytest.mark.parametrize("mode", ["share", "count"])
def test_each_limit_holds_by_itself(api: SandboxServer, published: Cycle, mode: str) -> None:
    limits = {"share": {"max_removed_share": 0.01}, "count": {"max_removed_count": 3}}[mode]
    api.directory.edit(remove=4, seed=1)
    assert published.with_(settings=limits).run("two").holds.held == 4


def test_an_entry_that_gets_another_key_is_removed_and_added(api: SandboxServer, published: Cycle) -> None:
    """The key is who an entry is: the API says that one left and one came."""
    edits = api.directory.edit(1, remove=1, seed=9)
    report = published.run("two")
    assert {kind: n for kind, n in report.changes.items() if n} == {"added": 1, "removed": 1}
    assert published.ids("_removed_at IS NOT NULL") == set(edits.removed)


def test_a_run_that_lifts_the_limits_says_so_in_its_report(api: SandboxServer, published: Cycle) -> None:
    api.directory.edit(remove=60, seed=1)
    raised = published.with_(
        settings={"max_removed_share": 0.5}, raised_limits="max_removed_share 0.5, by vera"
    )
    report = raised.run("two")
    assert report.changes["removed"] == 60
    [finding] = report.findings
    assert (finding.rule, finding.level) == ("raised_limits", "warning")
    assert "raised for this run: max_removed_share 0.5, by vera." in finding.message
