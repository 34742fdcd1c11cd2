"""Which field of the API's record each column of a table comes from.

dlt names a column after its field, but the name does not lead back: `user_id` may be `userId` or `user_id`.
The views of the history need the way back. It is kept with the table in dlt's schema, which dlt stores in the
warehouse.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from directory_sync.config.older_python import Self

if TYPE_CHECKING:
    from dlt.common.schema import Schema

HINT = "x-directory-fields"

Path = tuple[str, ...]
"""The keys that lead to a value; empty: the value itself."""
Paths = Mapping[str, tuple[Path, ...]]
"""For each column, the paths whose values it holds: several where an API spells a key in several ways."""


@dataclass(frozen=True, kw_only=True)
class RecordList:
    """A list in a record, whose items are the rows of a child table.

    Attributes:
        path: the keys that lead to the list.
        columns: the paths within an item, by column of the child table.
    """

    path: Path
    columns: Paths = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RecordFields:
    """The fields of a record.

    Attributes:
        columns: the paths within a record, by column of the resource's table.
        lists: the lists of a record, by child table. Lists within lists are left out.
    """

    columns: Paths = field(default_factory=dict)
    lists: Mapping[str, RecordList] = field(default_factory=dict)

    def and_(self, other: Self) -> Self:
        """Returns these fields, and those of another record."""
        lists = dict(self.lists)
        for name, one in other.lists.items():
            known = lists.get(name, one)
            lists[name] = RecordList(path=known.path, columns=_joined(known.columns, one.columns))
        return type(self)(columns=_joined(self.columns, other.columns), lists=lists)

    def as_hint(self) -> dict[str, Any]:
        """Returns the fields as JSON values, sorted, so that equal fields are equal hints."""
        return {
            "columns": _as_json(self.columns),
            "lists": {
                name: {"path": list(one.path), "columns": _as_json(one.columns)}
                for name, one in sorted(self.lists.items())
            },
        }

    @classmethod
    def stored(cls, schema: "Schema", table: str) -> Self | None:
        """Returns the fields that are kept with a table; None: there are none.

        Args:
            schema: dlt's schema of the warehouse.
            table: the resource's table.
        """
        known: Any = schema.tables.get(table, {})
        hint = known.get(HINT)
        if not hint:
            return None
        lists = {
            name: RecordList(path=tuple(one["path"]), columns=_from_json(one["columns"]))
            for name, one in hint["lists"].items()
        }
        return cls(columns=_from_json(hint["columns"]), lists=lists)


def _joined(some: Paths, more: Paths) -> Paths:
    names = dict.fromkeys((*some, *more))
    return {name: tuple(dict.fromkeys((*some.get(name, ()), *more.get(name, ())))) for name in names}


def _as_json(paths: Paths) -> dict[str, list[list[str]]]:
    return {name: [list(path) for path in sorted(found)] for name, found in sorted(paths.items())}


def _from_json(paths: Mapping[str, list[list[str]]]) -> Paths:
    return {name: tuple(tuple(path) for path in found) for name, found in paths.items()}
