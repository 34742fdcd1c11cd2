"""The kinds of change and of proof, as they stand in the tables, in the reports and on the page."""

from enum import StrEnum


class Kind(StrEnum):
    """What became of an entry: the `kind` of a change row."""

    ADDED = "added"
    CHANGED = "changed"
    RESHAPED = "reshaped"
    MISSING = "missing"
    REMOVED = "removed"
    RETURNED = "returned"
    REWRITTEN = "rewritten"
    """Unchanged, and written to the table again. Only landed differences have it, not the change log."""


KINDS = tuple(kind for kind in Kind if kind is not Kind.REWRITTEN)
"""The kinds of the change log, in the order in which reports show them."""


class Proof(StrEnum):
    """What shows that a snapshot is complete."""

    CHAIN = "chain"
    REREAD = "reread"
    WALK = "walk"
    """Nothing: the API's own links were followed."""
