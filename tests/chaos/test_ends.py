"""Servers whose pages end where they like hide nothing that lasts; the long form is `make chaos`."""

import sys

import pytest

from tests.chaos.ends import EndFigures, by_server, end_objections, pull_of_seed

PULLS = 120


@pytest.fixture(scope="module")
def figures() -> dict[str, EndFigures]:
    with pytest.MonkeyPatch.context() as patch:
        # DuckDB looks for pandas, in vain, with every value it binds: half of the time these pulls take.
        patch.setitem(sys.modules, "pandas", None)
        return by_server(map(pull_of_seed, range(PULLS)))


def test_no_entry_that_lasted_is_missing_whatever_ends_a_page(figures: dict[str, EndFigures]) -> None:
    assert not list(end_objections(figures))
    assert sum(one.lasted for one in figures.values()) > 50 * PULLS


def test_lists_whose_pages_end_by_count_are_read_up_to_one_edit_a_request(
    figures: dict[str, EndFigures],
) -> None:
    counted = [figures["count"], figures["moving count"]]
    assert sum(one.calm_failed for one in counted) <= 0.02 * sum(one.calm for one in counted)


def test_a_missing_entry_is_objected_to() -> None:
    bad = EndFigures(pulls=1, missing=2, short=[7])
    assert list(end_objections({"bytes": bad})) == ["bytes: 2 entries missing, seeds [7]"]
