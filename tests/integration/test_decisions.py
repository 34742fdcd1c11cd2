"""A person decides on held removals: on exactly what was shown, once, and nothing else is touched."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from directory_sync.errors import RemovalsHeld
from directory_sync.publish.question import (
    DECISION,
    Choice,
    Decision,
    Question,
    land_decision,
    landed_decision,
    landed_question,
)
from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle

DOUBLED = f"SELECT sync_id, id FROM {RESOURCE}_changes GROUP BY 1, 2 HAVING count(*) > 1"


def asked(cycle: Cycle, run_id: str) -> Question:
    question = cycle.ask(run_id)
    assert question is not None
    return question


def approval(question: Question, *, choice: Choice = "approved") -> Decision:
    return Decision(digest=question.digest, sync_id=question.sync_id, choice=choice)


@contextmanager
def days_later(days: int) -> Iterator[None]:
    with time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True):
        yield


@pytest.fixture
def held(api: SandboxServer, published: Cycle) -> Cycle:
    """16 of 300 entries are gone, which is over the limit; the run `two` held them."""
    api.directory.edit(remove=16, seed=1)
    assert published.run("two").holds.asks
    return published


def test_an_approval_removes_exactly_what_was_held(api: SandboxServer, held: Cycle) -> None:
    waiting = held.ids("_missing_since IS NOT NULL")
    report = held.remove("two", asked(held, "two"))
    assert (report.changes["removed"], report.holds.held, report.mode) == (16, 0, "decide")
    assert held.ids("_removed_at IS NOT NULL") == waiting
    assert held.ids() == set(api.directory.ids())
    marks = held.query(
        f"SELECT DISTINCT _missing_since, _removed_at FROM {RESOURCE} WHERE _removed_at IS NOT NULL"
    )
    assert marks == [(report.snapshot_at, report.snapshot_at)]


def test_an_approved_removal_is_a_sync_of_its_own_in_the_log(held: Cycle) -> None:
    report = held.remove("two", asked(held, "two"))
    of_it = "WHERE sync_id = ?"
    kinds = held.query(f"SELECT kind, count(*) FROM {RESOURCE}_changes {of_it} GROUP BY 1", report.sync_id)
    assert kinds == [("removed", 16)]
    row = held.query(f"SELECT removed, held, mode FROM directory_syncs {of_it}", report.sync_id)
    assert row == [(16, 0, "decide")]
    open_versions = held.query(f"SELECT count(*) FROM {RESOURCE}_history WHERE valid_to IS NULL")
    assert open_versions == [(284,)]


BY = {"by": "vera", "at": "2026-03-01T08:15:00+00:00", "reason": "a site was closed"}
DECIDED = "SELECT decided_by, decided_at, decision_reason FROM directory_syncs ORDER BY publication_order"


def test_who_decided_when_and_why_is_in_the_report_and_in_the_sync_s_row(held: Cycle) -> None:
    question = asked(held, "two")
    land_decision(held.landed("two"), replace(approval(question), **BY))
    outcome = held.sync("two").remove()
    assert outcome.report is not None
    assert outcome.report.as_json()["decision"] == outcome.event["decision"] == {"choice": "approved", **BY}
    assert "answered by `vera`" in str(outcome.note)
    row = "vera", datetime(2026, 3, 1, 8, 15, tzinfo=UTC), "a site was closed"
    assert held.query(DECIDED) == [(None, None, None)] * 2 + [row]
    held.lose_warehouse()
    assert len(held.replay().sync_ids) == 3
    assert held.query(DECIDED) == [(None, None, None)] * 2 + [row]


def test_a_removal_carried_out_twice_is_one(held: Cycle) -> None:
    question = asked(held, "two")
    held.remove("two", question)
    before = held.tables()
    held.remove("two", question)
    assert held.tables() == before
    assert held.query(DOUBLED) == []


def test_an_approval_is_refused_when_an_entry_has_come_back(api: SandboxServer, held: Cycle) -> None:
    question = asked(held, "two")
    api.directory.restore(sorted(held.ids("_missing_since IS NOT NULL"))[:1])
    held.run("three")
    before = held.tables()
    with pytest.raises(RemovalsHeld, match=r"stale: it was given for 16 .* with 15 held. Nothing was"):
        held.remove("two", question)
    assert held.tables() == before


def test_an_approval_is_refused_when_the_warehouse_has_moved_on(held: Cycle) -> None:
    question = asked(held, "two")
    held.run("three")
    with pytest.raises(RemovalsHeld, match="stale"):
        held.remove("two", question)


def test_an_absence_that_began_anew_is_another_one(api: SandboxServer, published: Cycle) -> None:
    api.configure(hidden_share=0.1)
    published.run("two")
    first = asked(published, "two")
    api.configure(hidden_share=0.0)
    published.run("three")
    api.configure(hidden_share=0.1)
    published.run("four")
    second = asked(published, "four")
    assert (first.held, first.sample) == (second.held, second.sample)
    assert first.digest != second.digest


def test_entries_removed_by_a_person_return_when_listed_again(api: SandboxServer, held: Cycle) -> None:
    gone = sorted(held.ids("_missing_since IS NOT NULL"))
    held.remove("two", asked(held, "two"))
    api.directory.restore(gone)
    report = held.run("three")
    assert report.changes["returned"] == 16
    assert held.ids() == set(api.directory.ids())


def test_the_nights_after_do_not_ask_for_the_same_set(held: Cycle) -> None:
    assert [held.run(run).holds.asks for run in ("three", "four")] == [False, False]


def test_a_person_is_asked_again_after_some_days(held: Cycle) -> None:
    asks = []
    for days in (6, 7, 8, 14):
        with days_later(days):
            asks.append(held.run(f"day {days}").holds.asks)
    assert asks == [False, True, False, True]


def test_a_set_that_grows_by_more_than_a_limit_is_asked_for_at_once(api: SandboxServer, held: Cycle) -> None:
    api.directory.edit(remove=2, seed=2)
    few = held.run("three")
    api.directory.edit(remove=16, seed=3)
    many = held.run("four")
    assert (few.holds.asks, few.changes["removed"], few.holds.held) == (False, 2, 16)
    assert (many.holds.asks, many.holds.newly_held, many.holds.held) == (True, 16, 32)
    assert asked(held, "four").held == 32


def test_a_set_that_was_settled_is_asked_for_anew(api: SandboxServer, held: Cycle) -> None:
    held.remove("two", asked(held, "two"))
    api.directory.edit(remove=16, seed=4)
    assert held.run("three").holds.asks


def test_everything_replaced_is_held_and_the_new_is_published(api: SandboxServer, published: Cycle) -> None:
    old = set(api.directory.ids())
    new = set(api.directory.edit(150, remove=300, seed=5).added)
    report = published.run("two")
    assert (report.holds.newly_held, report.changes["added"], report.changes["removed"]) == (300, 150, 0)
    assert published.ids() == old | new
    published.remove("two", asked(published, "two"))
    assert published.ids() == new


def test_a_question_shows_counts_and_ids_and_no_content(held: Cycle) -> None:
    question = asked(held, "two")
    body = question.body()
    assert question.subject() == f"Remove 16 of 300 entries from {RESOURCE}?"
    assert "**16 entries (5.3%) are absent**" in body
    assert "- The limits of one run are 500 entries and **5.0%**." in body
    assert " of 284" not in body
    names = {row[0] for row in held.query(f"SELECT name FROM {RESOURCE}")}
    waiting = held.ids("_missing_since IS NOT NULL")
    assert f"These: {', '.join(f'`{i}`' for i in sorted(waiting))}." in body
    assert not [name for name in names if name in body]


def test_a_question_names_what_the_absent_entries_have_in_common(
    api: SandboxServer, published: Cycle
) -> None:
    for _ in range(30):
        api.directory.delete_at(100)
    published.run("two")
    [pattern] = [said for said in asked(published, "two").patterns if "neighbours" in said]
    assert pattern.startswith("They are neighbours: 0 of the others stand between")
    assert f"- {pattern}" in asked(published, "two").body()


def test_a_field_that_names_an_entry_is_shown_where_the_form_says_so(held: Cycle) -> None:
    named = held.with_(resource={"label_field": "name"})
    shown = dict(asked(named, "two").sample)
    names = dict(held.query(f"SELECT id::VARCHAR, name FROM {RESOURCE} WHERE _missing_since IS NOT NULL"))
    assert shown == names


def test_a_landed_question_is_read_as_it_was_asked(held: Cycle) -> None:
    question = asked(held, "two")
    assert landed_question(held.landed("two")) == question


@pytest.mark.parametrize("choice", ["approved", "rejected"])
def test_a_decision_is_kept_for_exactly_its_question(held: Cycle, choice: str) -> None:
    question, landed = asked(held, "two"), held.landed("two")
    decision = Decision(
        digest=question.digest, sync_id=question.sync_id, choice=choice, reason="a test", by="vera"
    )
    land_decision(landed, decision)
    assert landed_decision(landed, question) == decision
    for other in ({"digest": "another"}, {"sync_id": "another"}):
        assert landed_decision(landed, Question(**{**vars(question), **other})) is None


def test_silence_decides_nothing(held: Cycle) -> None:
    question, landed = asked(held, "two"), held.landed("two")
    land_decision(landed, approval(question, choice="unanswered"))
    assert landed_decision(landed, question) is None


def test_an_approval_that_was_refused_is_not_carried_out_when_the_run_is_cleared(held: Cycle) -> None:
    """The set is the same one; what it stands on is not what the person saw."""
    question, landed = asked(held, "two"), held.landed("two")
    land_decision(landed, approval(question))
    held.run("three")
    with pytest.raises(RemovalsHeld, match="stale"):
        held.remove("two", question)
    # The audit, the publication and the question again, as a cleared run has them.
    held.audit("two")
    held.publish("two")
    anew = asked(held, "two")
    assert (anew.digest, anew.sync_id != question.sync_id) == (question.digest, True)
    assert landed_decision(landed, anew) is None
    assert held.ids("_removed_at IS NOT NULL") == set()


def test_an_approval_that_was_refused_holds_no_more_even_where_it_was_given(
    held: Cycle, tmp_path: Path
) -> None:
    backup = held.copied_to(tmp_path / "backup")
    question, landed = asked(held, "two"), held.landed("two")
    land_decision(landed, approval(question))
    held.run("three")
    with pytest.raises(RemovalsHeld, match="stale"):
        held.remove("two", question)
    held.restore_warehouse(backup)
    assert landed_decision(landed, asked(held, "two")) is None


def test_an_approval_of_an_earlier_release_is_asked_for_again(held: Cycle) -> None:
    question, landed = asked(held, "two"), held.landed("two")
    landed.write_json(DECISION, {"digest": question.digest, "choice": "approved", "reason": ""})
    assert landed_decision(landed, question) is None


def test_nothing_held_is_no_question(published: Cycle) -> None:
    assert published.ask("one") is None
