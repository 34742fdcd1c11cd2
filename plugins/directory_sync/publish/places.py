"""Finds the column that dlt puts each value of a record into, by dlt's own naming and schema.

Each path of keys is placed once, with the functions that dlt's normaliser calls. After that its place is
looked up. A place knows its column. A column knows its type once the warehouse or a first value decides it.
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlt.common.normalizers.json import helpers
from dlt.common.schema import utils

from directory_sync.config.fields import field_name

if TYPE_CHECKING:
    from dlt.common.schema import Schema
    from dlt.common.schema.typing import TColumnSchema

PLAIN = {"text": str, "bigint": int, "double": float, "bool": bool}
"""By dlt's type: the Python type whose values all fit, where the column has no precision."""
_EMPTY = "_empty"
_OF_CHILDREN = 4
"""How many columns dlt adds to each table: `_dlt_id`, and `_dlt_load_id` or links to the parent."""


@dataclass(slots=True, eq=False)
class Column:
    """A column of a table.

    Attributes:
        table: its table, by its name in dlt's schema.
        name: its name in dlt's schema.
        known: the column as the warehouse or the form describes it; empty for a new column.
        data_type: dlt's type; None until a value decides it.
        plain: the Python type whose values need no check; None: each value is checked.
        is_required: the column is `nullable: False`.
        has_large: this load has integers for it that a double would round.
    """

    table: str
    name: str
    known: "TColumnSchema"
    data_type: str | None = None
    plain: type | None = None
    is_required: bool = False
    has_large: bool = False

    def become(self, data_type: str | None) -> None:
        """Sets the type; None takes it back."""
        self.data_type = data_type
        has_precision = any(self.known.get(hint) is not None for hint in ("precision", "scale"))
        self.plain = None if has_precision or data_type is None else PLAIN.get(data_type)


@dataclass(slots=True, eq=False)
class Level:
    """One object within a row, and its keys.

    Attributes:
        table: the table whose row it is part of.
        fragments: the parts of the table's name.
        path: the parts that the names of its columns begin with.
        nesting: how many more levels dlt flattens below this object.
        row_nesting: the same, at the row itself.
        field: the path of the object, for people; empty at the root.
        depth: how many objects and lists enclose it.
        members: the place of each key.
        by_rows: how many rows each added a key that the warehouse does not know.
        last_row: the last of these rows.
    """

    table: str
    fragments: tuple[str, ...]
    path: tuple[str, ...]
    nesting: int
    row_nesting: int
    field: str
    depth: int
    members: "dict[str, Place]" = dataclasses.field(default_factory=dict)
    by_rows: int = 0
    last_row: int = -1


@dataclass(slots=True, eq=False)
class Place:
    """Where the value of one key goes, or the values within it.

    Attributes:
        field: the path of the key, for people.
        key: the key as dlt normalises it.
        column: the column for a scalar, or for JSON.
        inner: the level for an object; None: dlt keeps an object here as JSON.
        items: the child table for a list; None: dlt keeps a list here as JSON.
        rivals: other places that fill the same column or table.
    """

    field: str
    key: str
    column: Column
    inner: Level | None
    items: "Items | None"
    rivals: "list[Place | str]" = dataclasses.field(default_factory=list)


@dataclass(slots=True, eq=False)
class Items:
    """The elements of a list, which become rows of a child table."""

    table: str
    record: Level
    lists: Level
    scalar: Place
    is_claimed: bool = False


class Places:
    """All places of one resource's records.

    Args:
        schema: dlt's schema, with the form's hints in it.
        table: the resource's table in that schema.
        ours: our columns, which each row has besides the record's.
        key: the columns of the key.
    """

    def __init__(self, schema: "Schema", table: str, *, ours: Iterable[str], key: Collection[str]) -> None:
        """Finds the required columns of the schema; places no key yet."""
        self.schema, self.table = schema, table
        self._columns: dict[tuple[str, str], Column] = {}
        self._owners: dict[tuple[str, str], list[Place | str]] = {}
        self._tables: dict[str, list[Place | str]] = {}
        self.parents: dict[str, str] = {}
        """The parent of each child table that this load fills."""
        for name in ours:
            self._owners[table, name] = ["a column we add"]
        for name in ("_dlt_id", "_dlt_load_id"):
            self._owners[table, name] = ["a column of dlt's"]
        nesting = helpers.get_table_nesting_level(schema, table, 1000)
        nesting = 1000 if nesting is None else nesting
        self.root = Level(table, (table,), (), nesting, nesting, "", 0)
        self.required = [
            self.column(table, name)
            for name, column in self._known_of(table).items()
            if column.get("nullable") is False and column.get("data_type") and name not in (*key, *ours)
            and not name.startswith("_dlt_")
        ]  # fmt: skip

    def column(self, table: str, name: str) -> Column:
        """Returns a column."""
        found = self._columns.get((table, name))
        if found is None:
            known: Any = self._known_of(table).get(name, {})
            found = self._columns[table, name] = Column(table, name, known)
            found.become(known.get("data_type"))
            found.is_required = known.get("nullable") is False and found.data_type is not None
        return found

    def columns(self) -> list[Column]:
        """Returns the columns that were met so far, by table and name."""
        return [self._columns[name] for name in sorted(self._columns)]

    def count(self, table: str) -> int:
        """Returns how many columns a table has; columns without a type do not count."""
        known = self._known_of(table)
        ours = len(self._owners) if table == self.table else _OF_CHILDREN
        return max(len(known), ours)

    def is_known(self, column: Column) -> bool:
        """Tells whether a column existed, or had a hint, before this load."""
        return bool(column.known.get("data_type"))

    def infer(self, column: Column, value: Any) -> str:
        """Returns the type that dlt gives a new column for its first value."""
        preferred = self.schema.get_preferred_type(column.name)
        kind = type(value)
        found = preferred or utils.autodetect_sc_type(self.schema._type_detections, kind, value)  # noqa: SLF001
        return found or str(self.schema.data_item_normalizer.py_type_to_sc_type(kind))

    def member(self, level: Level, key: str) -> Place:
        """Returns the place of a key; a new key is placed first."""
        found = level.members.get(key)
        if found is None:
            found = level.members[key] = self._place(level, key)
        return found

    def variant(self, level: Level, place: Place, data_type: str) -> Place:
        """Returns the place of the variant for values of another type, under dlt's name for it."""
        return self.member(level, f"{place.key}__v_{data_type}")

    def has_prefix(self, column: Column) -> bool:
        """Tells whether the warehouse has columns or tables within an object or a list of this name."""
        prefix = f"{column.name}__"
        return any(name.startswith(prefix) for name in self._known_of(column.table)) or any(
            name.startswith(f"{column.table}__{column.name}") for name in self.schema.tables
        )

    def _known_of(self, table: str) -> "dict[str, TColumnSchema]":
        found = self.schema.tables.get(table)
        return found["columns"] if found else {}

    def _place(self, level: Level, key: str) -> Place:
        naming = self.schema.naming
        is_empty = not key or key.isspace()
        name = _EMPTY if is_empty else helpers.normalize_identifier(self.schema, naming, key)
        column_name = naming.shorten_fragments(*level.path, name) if level.path else name
        column = self.column(level.table, column_name)
        label = field_name(f"{level.field}." if level.field else "", key)
        place = Place(label, name, column, None, None)
        if not helpers.is_nested_type(self.schema, level.table, column_name, level.nesting):
            place.inner = Level(
                level.table, level.fragments, (*level.path, name), level.nesting - 1, level.row_nesting,
                label, level.depth + 1,
            )  # fmt: skip
            table_key = _EMPTY if is_empty else helpers.normalize_table_identifier(self.schema, naming, key)
            place.items = self._items(level, (*level.path, table_key), label)
        self._claim(self._owners, (level.table, column_name), place)
        return place

    def _items(self, level: Level, path: tuple[str, ...], label: str) -> Items:
        fragments = (*level.fragments, *path)
        table = self.schema.naming.shorten_fragments(*fragments)
        nesting, depth, label = level.row_nesting - 1, level.depth + 1, f"{label}[]"
        record = Level(table, fragments, (), nesting, nesting, label, depth)
        lists = Level(table, fragments, (), nesting - 1, nesting - 1, label, depth)
        scalar = Place(label, "value", self.column(table, "value"), None, None)
        return Items(table, record, lists, scalar)

    def _claim(self, owners: Any, name: Any, place: Place) -> None:
        claimed = owners.setdefault(name, [])
        for other in claimed:
            place.rivals.append(other)
            if isinstance(other, Place):
                other.rivals.append(place)
        claimed.append(place)

    def claim_table(self, place: Place) -> None:
        """Notes that a place fills a child table."""
        assert place.items is not None
        place.items.is_claimed = True
        self.parents[place.items.table] = place.column.table
        self._claim(self._tables, place.items.table, place)

    def paths(self, column: Column) -> Iterator[tuple[str, ...]]:
        """Yields the keys that lead to a column of the resource's own table."""
        yield from _paths(self.root, column)


def _paths(level: Level, column: Column) -> Iterator[tuple[str, ...]]:
    for key, place in level.members.items():
        if place.column is column:
            yield (key,)
        if place.inner is not None:
            for rest in _paths(place.inner, column):
                yield (key, *rest)
