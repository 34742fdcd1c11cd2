"""What differs between two records, and which snapshot is suspiciously empty."""

from typing import Any

import pytest

from directory_sync.audit.difference import Population
from directory_sync.audit.record_diff import differing


def fields_of(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return sorted({path for path, _ in differing(old, new)})


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
    assert fields_of(old, new) == paths


def test_lists_that_differ_only_in_the_type_of_a_number_differ() -> None:
    """Their hashes differ, so the change has to be explained by a field."""
    assert fields_of({"a": [1]}, {"a": [1.0]}) == ["a"]
    assert fields_of({"a": [{"b": 1}]}, {"a": [{"b": True}]}) == ["a"]


def population(*, known: int, entries: int, missing: int = 0) -> Population:
    return Population(known=known, entries=entries, changed=0, newly_missing=missing, unchanged=0, held=0)


@pytest.mark.parametrize(("known", "entries", "is_suspicious"), [(5, 0, True), (0, 0, False), (5, 1, False)])
def test_an_empty_snapshot_is_suspicious_where_entries_are_known(
    known: int, entries: int, is_suspicious: bool
) -> None:
    assert population(known=known, entries=entries).is_suspiciously_empty is is_suspicious
