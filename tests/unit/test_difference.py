"""What differs between two records, and how many removals are too many."""

from typing import Any

import pytest

from directory_sync.difference import Population, diff_fields
from directory_sync.errors import ConfigError
from directory_sync.settings import RemovalLimits


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 1}, {"b": 2, "a": 2}, ["a", "b"]),
        ({"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 1}}, ["a.b"]),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, ["a.b.c"]),
        ({"a": [1, {"b": 1}]}, {"a": [1, {"b": 2}]}, ["a"]),
        ({}, {"a": 1}, ["a"]),
        ({"a": None}, {}, ["a"]),
        ({}, {"a": {"b": 1, "c": {"d": 1}}}, ["a.b", "a.c.d"]),
        ({"a": {}}, {}, ["a"]),
        ({"a": {"b": 1}}, {"a": 1}, ["a"]),
        ({"a": {"b": 1}}, {"a": None}, ["a"]),
        ({"a": 1}, {"a": 1.0}, ["a"]),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": 0}, {"a": None}, ["a"]),
        ({"a": 2**70}, {"a": 2**70 + 1}, ["a"]),
    ],
)
def test_the_fields_that_differ_are_named(old: dict[str, Any], new: dict[str, Any], paths: list[str]) -> None:
    assert diff_fields(old, new) == paths


def test_lists_that_differ_only_in_the_type_of_a_number_differ() -> None:
    """Their hashes differ, so the change has to be explained by a field."""
    assert diff_fields({"a": [1]}, {"a": [1.0]}) == ["a"]
    assert diff_fields({"a": [{"b": 1}]}, {"a": [{"b": True}]}) == ["a"]


def population(*, known: int, entries: int, missing: int = 0) -> Population:
    return Population(known=known, entries=entries, changed=0, newly_missing=missing, unchanged=0, held=0)


@pytest.mark.parametrize(("known", "entries", "is_suspicious"), [(5, 0, True), (0, 0, False), (5, 1, False)])
def test_an_empty_snapshot_is_suspicious_where_entries_are_known(
    known: int, entries: int, is_suspicious: bool
) -> None:
    assert population(known=known, entries=entries).is_suspiciously_empty is is_suspicious


@pytest.mark.parametrize(
    ("missing", "known", "is_exceeded"),
    [
        (5, 100, False),
        (6, 100, True),
        (500, 10_000, False),
        (501, 10_000, True),
        (500, 9_999, True),
        (0, 0, False),
        (98, 99, False),
        (99, 99, True),
        (1, 1, True),
        (100, 100, True),
        (0, 100, False),
    ],
)
def test_exactly_at_a_limit_is_allowed_and_one_above_is_not(
    missing: int, known: int, is_exceeded: bool
) -> None:
    assert RemovalLimits().exceeded_by(missing=missing, population=known) is is_exceeded


def test_a_share_of_zero_holds_every_removal() -> None:
    limits = RemovalLimits(max_removed_share=0.0, min_population=0)
    assert limits.exceeded_by(missing=1, population=1_000)
    assert not limits.exceeded_by(missing=0, population=1_000)


def test_a_share_of_all_still_holds_the_loss_of_all() -> None:
    limits = RemovalLimits(max_removed_share=1.0, max_removed_count=10_000)
    assert not limits.exceeded_by(missing=999, population=1_000)
    assert limits.exceeded_by(missing=1_000, population=1_000)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_removed_share": 1.01},
        {"max_removed_share": -0.01},
        {"max_removed_count": -1},
        {"min_population": -1},
    ],
    ids=str,
)
def test_limits_outside_their_range_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RemovalLimits(**limits)
