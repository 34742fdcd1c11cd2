"""Describes entries that the warehouse cannot hold, by field and reason, never by value."""

from dataclasses import dataclass

from directory_sync.api.answer import EntryId


class Unstorable(Exception):  # noqa: N818  an outcome
    """A record that cannot be stored.

    Attributes:
        field: the path of the field.
        reason: why it cannot be stored, without the value.
        is_shared: the reason is that two fields would share a column.
    """

    def __init__(self, field: str, reason: str, *, is_shared: bool = False) -> None:
        """Keeps the field and the reason."""
        super().__init__(field, reason)
        self.field, self.reason, self.is_shared = field, reason, is_shared


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """An entry that the warehouse cannot hold.

    Attributes:
        id: the id of the entry.
        kind: the kind of its change.
        field: the path of the field that cannot be stored; empty: the row as a whole.
        reason: why it cannot be stored, without the value.
        record: the record as the API gave it, as JSON.
        is_shared: two of its fields would share a column.
    """

    id: EntryId
    kind: str
    field: str
    reason: str
    record: str
    is_shared: bool = False

    @property
    def finding(self) -> str:
        """The field and the reason, as the middle of a sentence."""
        return f"the field `{self.field}` {self.reason}" if self.field else f"it {self.reason}"


class KeyedByData(Exception):  # noqa: N818  an outcome
    """An object whose keys are data, so that each entry would add columns of its own.

    Attributes:
        field: the path of the object.
    """

    def __init__(self, field: str) -> None:
        """Keeps the field."""
        super().__init__(field)
        self.field = field
