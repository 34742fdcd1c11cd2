"""A few seeded pulls of lists that change while they are read; `python -m tests.chaos` runs hundreds."""

import pytest

from tests.chaos.children import Outcome, children_objections, children_of_seed

SEEDS = range(12)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return [children_of_seed(seed) for seed in SEEDS]


def test_no_membership_that_lasts_is_missing_from_a_sealed_pull(outcomes: list[Outcome]) -> None:
    assert children_objections(outcomes) == []
    assert sum(one.is_sealed for one in outcomes) >= len(SEEDS) // 2


def test_lists_that_stand_still_are_always_sealed(outcomes: list[Outcome]) -> None:
    still = [one for one in outcomes if not one.churn and not one.stray]
    assert still
    assert all(one.is_sealed for one in still)
