"""What becomes of an entry: each row of the table, each cell of it, and the table in the docs."""

from itertools import product
from pathlib import Path

import pytest

from directory_sync.audit.decisions import DETAILS, RULES, Rule, decisions, kind_of
from directory_sync.config.kinds import Kind

ORDERS = ("proven", "assumed", "unproven", "overtaken")
DOCS = Path(__file__).parents[3] / "docs" / "completeness.md"

# finding, detail, order, held: of which the rule in this place decides, and how.
CASES = [
    ("added", "no_path", "assumed", False, "added"),
    ("returned", "no_path", "assumed", False, "returned"),
    ("changed", "no_path", "assumed", False, "changed"),
    ("newly_missing", "gone", "proven", True, "missing"),
    ("newly_missing", "gone", "assumed", False, "removed"),
    ("newly_missing", "there", "proven", False, "missing"),
    ("newly_missing", "unasked", "proven", False, "missing"),
    ("newly_missing", "no_path", "proven", False, "removed"),
    ("newly_missing", "no_path", "overtaken", False, "missing"),
    ("still_missing", "gone", "proven", True, None),
    ("still_missing", "gone", "overtaken", False, "removed"),
    ("still_missing", "there", "proven", False, None),
    ("still_missing", "unasked", "proven", False, None),
    ("still_missing", "no_path", "unproven", False, None),
    ("still_missing", "no_path", "overtaken", False, None),
    ("still_missing", "no_path", "assumed", False, "removed"),
    ("unchanged", "no_path", "proven", False, None),
    ("held", "no_path", "proven", False, None),
    ("gone", "no_path", "proven", False, None),
    ("left", "no_path", "proven", False, None),
    ("with_parent", "no_path", "assumed", True, "removed"),
    ("carried", "no_path", "proven", False, None),
]


def first_rule(finding, detail, order, is_held) -> int:
    found = (finding, detail, order, is_held)
    return next(
        number
        for number, (*wanted, _) in enumerate(RULES)
        if all(one in (None, had) for one, had in zip(wanted, found, strict=True))
    )


@pytest.mark.parametrize(("row", "case"), [*enumerate(CASES)])
def test_each_row_of_the_table_decides_a_case(row: int, case) -> None:
    finding, detail, order, is_held, kind = case
    assert first_rule(finding, detail, order, is_held) == row
    assert kind_of(finding, detail, order, is_held=is_held) == kind


def test_no_row_of_the_table_is_without_a_case() -> None:
    assert len(CASES) == len(RULES)


def as_text(rule: Rule) -> str:
    *conditions, kind = rule
    words = {None: "any", True: "yes", False: "no"}
    cells = [words.get(one, one) for one in conditions]
    return f"| {' | '.join(cells)} | {kind or 'no change'} |"


def test_the_docs_show_the_table_as_it_is() -> None:
    written = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    table = [as_text(rule) for rule in RULES]
    assert table[0] in written
    start = written.index(table[0])
    assert written[start : start + len(table)] == table
    assert written[start - 2] == "| finding | detail | order | held | kind of change |"


# detail: by an order that is proven, assumed, unproven, overtaken
NEWLY_MISSING = {
    "no_path": ("removed", "missing", "missing", "missing"),
    "unasked": ("missing",) * 4,
    "there": ("missing",) * 4,
    "gone": ("removed",) * 4,
}
STILL_MISSING = {
    "no_path": ("removed", "removed", None, None),
    "unasked": (None,) * 4,
    "there": (None,) * 4,
    "gone": ("removed",) * 4,
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
    assert kinds == {True: {"unchanged": Kind.REWRITTEN}, False: {}}
