"""What becomes of an entry: each cell of the table."""

from itertools import product

import pytest

from directory_sync.audit.decisions import DETAILS, REWRITTEN, decisions, kind_of

ORDERS = ("proven", "assumed", "overtaken")

# detail: by an order that is proven, assumed, overtaken
NEWLY_MISSING = {
    "no_path": ("removed", "missing", "missing"),
    "unasked": ("missing", "missing", "missing"),
    "there": ("missing", "missing", "missing"),
    "gone": ("removed", "removed", "removed"),
}
STILL_MISSING = {
    "no_path": ("removed", "removed", None),
    "unasked": (None, None, None),
    "there": (None, None, None),
    "gone": ("removed", "removed", "removed"),
}


@pytest.mark.parametrize(
    ("finding", "kinds"), [("newly_missing", NEWLY_MISSING), ("still_missing", STILL_MISSING)]
)
def test_an_absence_is_decided_by_the_detail_path_then_by_the_order(finding, kinds) -> None:
    found = {
        detail: tuple(kind_of(finding, detail, order, is_held=False) for order in ORDERS)
        for detail in DETAILS
    }
    assert found == kinds


def test_a_hold_goes_before_everything() -> None:
    for detail, order in product(DETAILS, ORDERS):
        assert kind_of("newly_missing", detail, order, is_held=True) == "missing"
        assert kind_of("still_missing", detail, order, is_held=True) is None


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize(
    ("finding", "kind"),
    [
        ("added", "added"),
        ("changed", "changed"),
        ("returned", "returned"),
        ("unchanged", None),
        ("held", None),
        ("gone", None),
        ("left", None),
    ],
)
def test_what_is_there_or_was_decided_depends_on_nothing_else(finding, kind, is_held: bool) -> None:
    found = {kind_of(finding, detail, order, is_held=is_held) for detail, order in product(DETAILS, ORDERS)}
    assert found == {kind}


def test_unchanged_entries_are_written_again_where_the_run_rewrites() -> None:
    kinds = {
        rewrites: {
            finding: kind
            for finding, _, kind in decisions("proven", is_held=False, rewrites=rewrites)
            if finding == "unchanged"
        }
        for rewrites in (True, False)
    }
    assert kinds == {True: {"unchanged": REWRITTEN}, False: {}}
