"""Lists that count from 1, that are asked for by POST, or walked along cursors; long: `make chaos`."""

import sys

import pytest

from tests.chaos.lists import STYLES, ListFigures, by_style, list_objections, list_of_seed
from tests.chaos.walks import WalkFigures, by_kind, walk_objections, walk_of_seed

PULLS = 16
WALKS = {0: 2, 3: 3}
"""Seeds, and how many nights are run: two absences need three."""


@pytest.fixture(scope="module")
def figures() -> dict[str, ListFigures]:
    with pytest.MonkeyPatch.context() as patch:
        # DuckDB looks for pandas, in vain, with every value it binds: half of the time these pulls take.
        patch.setitem(sys.modules, "pandas", None)
        return by_style(map(list_of_seed, range(PULLS)))


def test_no_entry_that_lasted_is_missing_whatever_the_list_counts_from(
    figures: dict[str, ListFigures],
) -> None:
    assert {style: one.short for style, one in figures.items() if one.missing} == {}
    assert set(figures) == set(STYLES)
    assert all(one.lasted > 20 * one.pulls for one in figures.values())


def test_most_of_these_lists_are_sealed_in_spite_of_edits_and_faults(figures: dict[str, ListFigures]) -> None:
    assert sum(len(one.failed) for one in figures.values()) <= PULLS // 5


def test_walks_remove_who_left_and_nobody_else_and_ask_nobody() -> None:
    walks = [walk_of_seed(seed, nights=nights) for seed, nights in WALKS.items()]
    assert {walk.decided_by for walk, _ in walks} == {"detail_path", "confirmed"}
    assert not list(walk_objections(by_kind(walks)))
    assert all(outcome.removed for _, outcome in walks)


def test_what_must_not_be_is_objected_to() -> None:
    bad = ListFigures(pulls=1, missing=2, short=[7])
    assert list(list_objections({"from 1": bad})) == ["from 1: 2 entries missing, seeds [7]"]
    assert list(list_objections({"from 1": ListFigures(pulls=10, calm=10, calm_failed=4, failed=[3])}))
    assert list(walk_objections({"place": WalkFigures(walks=1, wrong=1, bad=[3])}))
