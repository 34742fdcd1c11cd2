"""Each check at its edge: error, hold, warning or nothing."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from directory_sync.audit.checks import (
    check_changed_share,
    check_fields,
    check_seal,
    check_size,
    drifted_columns,
    holds,
)
from directory_sync.audit.pages_seal import RereadSeal
from directory_sync.audit.proof import Seal
from directory_sync.audit.report import Finding
from directory_sync.audit.scratch import Counts
from directory_sync.config.form import Resource
from directory_sync.config.paging import OffsetPages
from directory_sync.config.settings import SyncSettings

SETTINGS = SyncSettings(home=Path("/nowhere"))
RESOURCE = Resource(name="people", path="/people", selector=("data",), pages=OffsetPages())
SEAL = Seal(
    windows=3,
    joints=2,
    bridged=0,
    requests=2,
    end=9,
    displaced=0,
    doubled=0,
    rejected=0,
    contradictions=0,
    order_is_observed=True,
)


def counts(*totals: int) -> Counts:
    return Counts(
        answers=3,
        entries=12,
        retries=0,
        refused=0,
        totals=totals,
        first_requested_at=None,
        last_requested_at=None,
    )


def found(seal: Seal = SEAL, *, totals: tuple[int, ...], resource: Resource = RESOURCE) -> list[Any]:
    findings = check_seal(seal, counts(*totals), entries=10, resource=resource)
    return [(finding.rule, finding.level) for finding in findings]


def test_a_total_that_agrees_is_not_told() -> None:
    assert found(totals=(10,)) == []


def test_no_total_is_not_told() -> None:
    assert found(totals=()) == []


@pytest.mark.parametrize("total", [9, 11])
def test_a_total_that_disagrees_while_nothing_moved_is_an_error(total: int) -> None:
    assert found(totals=(total,)) == [("reconciliation", "error")]


@pytest.mark.parametrize("totals", [(8, 9), (11, 12)])
def test_totals_that_moved_and_disagree_are_a_warning(totals: tuple[int, ...]) -> None:
    assert found(totals=totals) == [("reconciliation", "warning")]


@pytest.mark.parametrize("totals", [(10, 12), (8, 10), (9, 11)])
def test_totals_that_moved_around_the_count_are_not_told(totals: tuple[int, ...]) -> None:
    assert found(totals=totals) == []


def test_a_total_that_disagrees_while_the_list_moved_is_a_warning() -> None:
    assert found(replace(SEAL, displaced=1), totals=(11,)) == [("reconciliation", "warning")]


def test_an_approximate_total_is_a_warning() -> None:
    approximate = replace(RESOURCE, total_is_approximate=True)
    assert found(totals=(11,), resource=approximate) == [("reconciliation", "warning")]


def test_hidden_pages_are_a_warning() -> None:
    seal = RereadSeal(**{**asdict(SEAL), "hidden": 2})
    [finding] = check_seal(seal, counts(), entries=10, resource=RESOURCE)
    assert (finding.rule, finding.level) == ("hidden_pages", "warning")
    assert finding.message.startswith("2 pages were empty although pages behind them hold entries")


def test_doubled_ids_and_contradictions_are_warnings() -> None:
    seal = replace(SEAL, doubled=1, contradictions=1)
    assert found(seal, totals=()) == [("doubled_ids", "warning"), ("contradictions", "warning")]


BEFORE = {"name": {"string": 1.0}, "age": {"integer": 0.9, "null": 0.1}}


def told(now: dict[str, dict[str, float]], before: Any = BEFORE) -> list[str]:
    findings = list(check_fields(before, now))
    assert {finding.level for finding in findings} <= {"warning"}
    return [finding.message for finding in findings]


def test_fields_that_stayed_are_not_told() -> None:
    assert told(BEFORE) == []


def test_a_first_sync_tells_of_no_fields() -> None:
    assert told(BEFORE, before={}) == []


def test_an_empty_snapshot_tells_of_no_fields() -> None:
    assert told({}) == []


def test_a_field_that_appeared_is_told() -> None:
    assert told({**BEFORE, "phone": {"string": 1.0}}) == ["The field `phone` appeared."]


def test_a_field_that_vanished_is_told() -> None:
    assert told({"name": {"string": 1.0}}) == ["The field `age` vanished."]


def test_the_columns_of_drifted_fields_are_named_where_they_have_one() -> None:
    now = {
        "name": {"string": 1.0},
        "phones": {"array": 1.0},
        "home.homePort": {"string": 0.5, "null": 0.5},
        "fax": {"null": 1.0},
    }
    told = drifted_columns(BEFORE, now, column_of="__".join)
    assert told == {"new_columns": {"home.homePort": "home__homePort"}, "null_columns": {"age": "age"}}
    assert drifted_columns({}, now, column_of="__".join) == {}


def test_a_field_of_a_new_type_is_told() -> None:
    now = {**BEFORE, "name": {"string": 0.5, "integer": 0.5}}
    assert told(now) == ["The field `name` has a new type: integer."]


def test_a_field_that_was_only_null_has_no_new_type() -> None:
    assert told({"a": {"string": 1.0}}, before={"a": {"null": 1.0}}) == []


@pytest.mark.parametrize(("nulls", "is_told"), [(0.2, False), (0.21, True)])
def test_a_jump_in_nulls_is_told_above_a_tenth(nulls: float, is_told: bool) -> None:
    assert bool(told({**BEFORE, "age": {"integer": 1 - nulls, "null": nulls}})) is is_told


@pytest.mark.parametrize(
    ("entries", "recent", "is_told"),
    [
        (120, [100, 100, 100], False),
        (121, [100, 100, 100], True),
        (80, [100, 100, 100], False),
        (79, [100, 100, 100], True),
        (500, [100, 100], False),
        (100, [100, 5, 100], False),
        (5, [0, 0, 0], False),
    ],
)
def test_a_size_out_of_line_is_told(entries: int, recent: list[int], is_told: bool) -> None:
    findings = list(check_size(entries, recent, SETTINGS))
    assert bool(findings) is is_told
    assert {finding.level for finding in findings} <= {"warning"}


@pytest.mark.parametrize(
    ("changed", "population", "is_held"),
    [(50, 100, False), (51, 100, True), (99, 99, False), (100, 100, True), (0, 0, False)],
)
def test_too_many_changes_at_once_are_a_hold(changed: int, population: int, is_held: bool) -> None:
    assert holds(check_changed_share(changed, population, SETTINGS)) is is_held


@pytest.mark.parametrize(("level", "is_held"), [("warning", False), ("error", False), ("hold", True)])
def test_only_a_hold_makes_removals_wait(level: Any, is_held: bool) -> None:
    assert holds([Finding(rule="some", level=level, message="")]) is is_held
