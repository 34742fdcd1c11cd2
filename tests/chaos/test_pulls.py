"""Nothing that lasted through a pull is missing; the long form is `make chaos`."""

import sys

import pytest

from tests.chaos.figures import Compared, Figures, by_churn, objections

PULLS = 150


@pytest.fixture(scope="module")
def figures() -> dict[float, Figures]:
    with pytest.MonkeyPatch.context() as patch:
        # DuckDB looks for pandas, in vain, with every value it binds: half of the time these pulls take.
        patch.setitem(sys.modules, "pandas", None)
        return by_churn(map(Compared.of_seed, range(PULLS)))


def test_no_entry_that_lasted_is_missing(figures: dict[float, Figures]) -> None:
    assert {churn: of_churn.short for churn, of_churn in figures.items() if of_churn.missing} == {}
    assert sum(of_churn.lasted for of_churn in figures.values()) > 100 * PULLS


def test_fewer_than_one_pull_in_a_hundred_fails_at_one_edit_a_request(figures: dict[float, Figures]) -> None:
    assert not list(objections(figures))


def test_a_plain_offset_paginator_misses_entries_on_the_same_seeds(figures: dict[float, Figures]) -> None:
    assert all(of_churn.plain_missing for of_churn in figures.values())
    assert all(of_churn.uncapped_short for churn, of_churn in figures.items() if churn >= 1)


def test_a_missing_entry_is_objected_to(figures: dict[float, Figures]) -> None:
    [first, *_] = figures
    assert not any("missing" in line for line in objections(figures))
    bad = Figures(pulls=1, missing=1, short=[7])
    assert list(objections({first: bad})) == [f"churn {first:g}: 1 entries missing, seeds [7]"]


def test_too_many_errors_at_one_edit_a_request_are_objected_to() -> None:
    bad = Figures(pulls=50, failed=[3])
    assert list(objections({1.0: bad}))
    assert not list(objections({2.0: bad}))
