"""The kinds of change and of proof, as the tables, the reports and the page *Directory* name them."""

from directory_sync.config.older_python import StrEnum


class Kind(StrEnum):
    """What happened to an entry: the `kind` of a change row."""

    ADDED = "added"
    CHANGED = "changed"
    RESHAPED = "reshaped"
    MISSING = "missing"
    REMOVED = "removed"
    RETURNED = "returned"
    REWRITTEN = "rewritten"
    """The entry is unchanged and is written to the table again. Only landed differences have this kind."""


KINDS = tuple(kind for kind in Kind if kind is not Kind.REWRITTEN)
"""The kinds of the change log, in the order in which reports show them."""


class Proof(StrEnum):
    """What shows that a snapshot is complete."""

    CHAIN = "chain"
    REREAD = "reread"
    WALK = "walk"
    """The API's own links were followed; this proves nothing."""
