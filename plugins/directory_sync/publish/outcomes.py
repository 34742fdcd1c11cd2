"""An entry that the warehouse cannot hold: its field and the reason are named, never its value."""

from dataclasses import dataclass

from directory_sync.api.answer import EntryId


class Unstorable(Exception):  # noqa: N818  an outcome
    """A record that cannot be stored.

    Attributes:
        field: where; reason: why, without a value.
        is_shared: it is the names of fields that collide.
    """

    def __init__(self, field: str, reason: str, *, is_shared: bool = False) -> None:
        """Keeps what is said of it."""
        super().__init__(field, reason)
        self.field, self.reason, self.is_shared = field, reason, is_shared


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """An entry that the warehouse cannot hold.

    Attributes:
        kind: of its change.
        record: the API's JSON.
        is_shared: fields of it would share a column.
    """

    id: EntryId
    kind: str
    field: str
    reason: str
    record: str
    is_shared: bool = False

    @property
    def finding(self) -> str:
        """What is wrong with it, in words."""
        return f"the field `{self.field}` {self.reason}" if self.field else f"it {self.reason}"


class KeyedByData(Exception):  # noqa: N818  an outcome
    """An object whose keys are data: it would bring a column for each entry.

    Attributes:
        field: where.
    """

    def __init__(self, field: str) -> None:
        """Keeps the field."""
        super().__init__(field)
        self.field = field
