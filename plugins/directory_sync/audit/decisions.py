"""Decides the kind of change of an entry from its finding, by a table that is read from the top."""

from collections.abc import Iterator
from itertools import product
from typing import Literal

from directory_sync.config.kinds import Kind

EntryFinding = Literal[
    "added", "returned", "changed", "unchanged", "newly_missing", "still_missing", "held", "gone", "left",
    "with_parent", "carried",
]  # fmt: skip
"""How an entry of the snapshot compares with the table, see `Difference`."""

Detail = Literal["no_path", "unasked", "there", "gone"]
"""What is known of an absent entry besides. `there`: `detail_path` or another answer of the list shows it;
`gone`: `detail_path` says so; `unasked`: there is a path, but no reliable answer."""

Order = Literal["proven", "assumed", "unproven", "overtaken"]
"""Whether the list's order proves an absence. `unproven`: a walk along links, about which the form says
nothing; `overtaken`: an interval run has read the API later."""

_FINDINGS: tuple[EntryFinding, ...] = EntryFinding.__args__  # type: ignore[attr-defined]
DETAILS: tuple[Detail, ...] = Detail.__args__  # type: ignore[attr-defined]

Rule = tuple[EntryFinding, Detail | None, Order | None, bool | None, Kind | None]

RULES: tuple[Rule, ...] = (
    # (finding, detail, order, held, kind of change). None matches everything; a kind of None is no change.
    ("added", None, None, None, Kind.ADDED),
    ("returned", None, None, None, Kind.RETURNED),
    ("changed", None, None, None, Kind.CHANGED),
    ("newly_missing", None, None, True, Kind.MISSING),
    ("newly_missing", "gone", None, None, Kind.REMOVED),
    ("newly_missing", "there", None, None, Kind.MISSING),
    ("newly_missing", "unasked", None, None, Kind.MISSING),
    ("newly_missing", "no_path", "proven", None, Kind.REMOVED),
    ("newly_missing", "no_path", None, None, Kind.MISSING),
    ("still_missing", None, None, True, None),
    ("still_missing", "gone", None, None, Kind.REMOVED),
    ("still_missing", "there", None, None, None),
    ("still_missing", "unasked", None, None, None),
    ("still_missing", "no_path", "unproven", None, None),
    ("still_missing", "no_path", "overtaken", None, None),
    ("still_missing", "no_path", None, None, Kind.REMOVED),
    ("unchanged", None, None, None, None),
    ("held", None, None, None, None),
    ("gone", None, None, None, None),
    ("left", None, None, None, None),
    ("with_parent", None, None, None, Kind.REMOVED),
    ("carried", None, None, None, None),
)
"""The first rule that matches decides. docs/completeness.md shows the same table."""


def kind_of(finding: EntryFinding, detail: Detail, order: Order, *, is_held: bool) -> Kind | None:
    """Returns the kind of change of one entry; None: the entry does not change.

    Args:
        finding: the finding of the entry.
        detail: what `detail_path` says about it.
        order: the order of the snapshot.
        is_held: absences of this snapshot wait for a decision, so none of them is a removal.
    """
    found = (finding, detail, order, is_held)
    for *conditions, kind in RULES:
        if all(wanted in (None, had) for wanted, had in zip(conditions, found, strict=True)):
            return kind
    raise KeyError(found)


def decisions(order: Order, *, is_held: bool, rewrites: bool) -> Iterator[tuple[EntryFinding, Detail, Kind]]:
    """Yields (finding, detail, kind) for each combination that is a change, in one snapshot.

    Args:
        order: the order of the snapshot.
        is_held: see `kind_of`.
        rewrites: unchanged entries are written to the table again.
    """
    for finding, detail in product(_FINDINGS, DETAILS):
        kind = kind_of(finding, detail, order, is_held=is_held)
        if finding == "unchanged" and rewrites:
            kind = Kind.REWRITTEN
        if kind is not None:
            yield finding, detail, kind
