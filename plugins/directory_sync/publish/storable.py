"""Fits records to the warehouse, and finds what it cannot hold before anything is written.

Each record is fitted before dlt normalises it. A value that its column cannot hold moves to a variant column
under dlt's own name (`score__v_text`), as dlt does with a text among numbers. dlt checks only whether Python
can convert a value, not whether the database can hold it. A value that no column can hold raises
`Unstorable`, which names the field and the reason, never the value.
"""

from collections.abc import Mapping
from typing import Any

from dlt.common.data_types.type_helpers import py_type_to_sc_type

from directory_sync.config.keys import EntryId
from directory_sync.publish.outcomes import KeyedByData, Unstorable
from directory_sync.publish.places import Column, Items, Level, Place, Places
from directory_sync.publish.values import EXACT, as_text, fits, misfit, writable
from directory_sync.warehouse.room import Room

MAX_LISTS = 20
"""How many lists may be nested; each is a table of its own."""
MAX_DEPTH = 150
"""How many objects and lists may be nested; JSON writers stop at 254."""
MAX_KEYED = 250
"""An object counts as keyed by data when more entries than this each add a new key."""
_WIDE = 400
"""Below this number of columns a row always fits, so its width is not checked."""
_ROW_HEADER = 24


class Fitting:
    """Fits records one after another, in the order in which dlt normalises them.

    Args:
        places: the columns of the record's values.
        room: the limits of the warehouse.

    Attributes:
        variants: the types of columns that dlt would infer differently.
        widened: new columns with integers and fractions that become doubles.
        split: fields with fractions and with integers that a double would round; see `Checked`.
    """

    def __init__(self, places: Places, room: Room) -> None:
        """Has fitted no record yet."""
        self._places, self._room = places, room
        self._counts: dict[str, int] = {}
        self._row = 0
        self.variants: dict[tuple[str, str], str] = {}
        self.widened: set[tuple[str, str]] = set()
        self.split: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._decided: list[Column] = []
        self._touched: list[Place] = []
        self._is_contested = False

    def fit(self, record: dict[str, Any], key: Mapping[str, EntryId]) -> dict[str, Any]:
        """Returns a record as the warehouse can hold it; the same object where nothing changes.

        Args:
            record: the record.
            key: the values of its key, by field.

        Raises:
            Unstorable: no column can hold one of its values.
            KeyedByData: one of its objects is keyed by data.
        """
        self._row += 1
        self._begin()
        try:
            self._check_key(key)
            fitted = self._object(self._places.root, record)
            if self._is_contested:
                # A later key of this record uses the column of an earlier one: look at all keys again.
                self._touched.clear()
                self._object(self._places.root, record)
            self._check_shared()
            self._check_required(record)
            self._check_width(record)
        except Unstorable:
            for column in self._decided:
                self._undo(column)
            raise
        return fitted

    def _undo(self, column: Column) -> None:
        column.become(None)
        self._counts[column.table] -= 1
        self.variants.pop((column.table, column.name), None)

    def is_wide(self, table: str) -> bool:
        """Tells whether a table has so many columns that the width of each row must be checked."""
        count = self._counts.get(table, self._places.count(table))
        return self._room.row_bytes is not None and count >= _WIDE

    # ---- a record's parts

    def _object(self, level: Level, value: dict[str, Any]) -> dict[str, Any]:
        fitted = value
        if level.depth > MAX_DEPTH:
            raise Unstorable(level.field, "is nested too deeply; see `max_table_nesting`")
        for key, item in value.items():
            place = level.members.get(key) or self._met(level, key, item)
            if place.rivals:
                self._touched.append(place)
            kind, column = type(item), place.column
            if kind is column.plain and (kind is not int or -EXACT <= item <= EXACT):
                continue
            if item is None:
                if column.is_required:
                    raise Unstorable(place.field, "is null, and its column is `nullable: False`")
                continue
            new_key, new = self._value(level, place, key, item)
            if new is not item or new_key != key:
                if new_key != key and value.get(new_key) is not None:
                    other = "another field" if _is_data(place) else f"`{new_key}`"
                    raise Unstorable(place.field, f"would share the column of {other}", is_shared=True)
                fitted = dict(value) if fitted is value else fitted
                if new_key != key:
                    del fitted[key]
                fitted[new_key] = new
        return fitted

    def _met(self, level: Level, key: str, item: Any) -> Place:
        """Places a key that is new on this level; counts rows that add new keys."""
        place = self._places.member(level, key)
        if place.rivals:
            self._is_contested = True
        is_new = not self._places.is_known(place.column) and not (
            isinstance(item, (dict, list)) and self._places.has_prefix(place.column)
        )
        if is_new and level.last_row != self._row:
            level.last_row, level.by_rows = self._row, level.by_rows + 1
            if level.by_rows > MAX_KEYED:
                raise KeyedByData(level.field or place.field)
        return place

    def _value(self, level: Level, place: Place, key: str, item: Any) -> tuple[str, Any]:
        if isinstance(item, dict) and place.inner is not None:
            return key, self._object(place.inner, item)
        if isinstance(item, list) and place.items is not None:
            if not place.items.is_claimed:
                self._places.claim_table(place)
                self._is_contested = self._is_contested or bool(place.rivals)
            # dlt accepts an empty key for a column, but fails on it for a table.
            return (place.key if not key.strip() else key), self._list(place.items, item)
        data_type, fitted = self._scalar(place, item)
        if data_type is None:
            return key, fitted
        beside = self._beside(level, place, data_type)
        return f"{place.key}__v_{data_type}", self._into(beside, fitted)

    def _list(self, items: Items, value: list[Any]) -> list[Any]:
        if items.record.field.count("[]") > MAX_LISTS:
            raise Unstorable(
                items.record.field.partition("[]")[0],
                f"holds lists within lists, more than {MAX_LISTS} deep; see `max_table_nesting`",
            )
        fitted: list[Any] | None = None
        for number, element in enumerate(value):
            new = self._element(items, element)
            if new is not element:
                fitted = list(value) if fitted is None else fitted
                fitted[number] = new
        return value if fitted is None else fitted

    def _element(self, items: Items, element: Any) -> Any:
        if isinstance(element, dict):
            return self._object(items.record, element)
        if isinstance(element, list):
            return self._object(items.lists, {"list": element}).get("list")
        if element is None:
            return None
        data_type, fitted = self._scalar(items.scalar, element)
        if data_type is None:
            return fitted
        beside = self._beside(items.record, items.scalar, data_type)
        return {f"value__v_{data_type}": self._into(beside, fitted)}

    # ---- values

    def _scalar(self, place: Place, value: Any) -> tuple[str | None, Any]:
        """Returns (None, value) for its own column, or (type, value) for a variant of that type."""
        column, value = place.column, writable(value)
        try:
            source = py_type_to_sc_type(type(value))
        except TypeError:
            kind = type(value).__name__
            raise Unstorable(place.field, f"is of the type {kind}, which no column takes") from None
        is_new = column.data_type is None
        data_type = column.data_type or self._places.infer(column, value)
        if source == "bigint" and not -EXACT <= value <= EXACT:
            column.has_large = True
        if fits(self._room, column, value, data_type=data_type, source=source):
            if is_new:
                self._decide(place, data_type)
            return None, value
        if (data_type, source) == ("bigint", "double") and not self._places.is_known(column):
            if column.has_large:
                self.split.add(place.field)
            else:
                self.widened.add((column.table, column.name))
        if source in ("text", data_type) or not fits(
            self._room, None, value, data_type=source, source=source
        ):
            if data_type == source == "text":
                raise Unstorable(place.field, misfit(column))
            return "text", as_text(value)
        return source, value

    def _beside(self, level: Level, place: Place, data_type: str) -> Place:
        if not self._room.adds_variants:
            raise Unstorable(
                place.field,
                f"does not fit its column ({place.column.data_type}), and `schema_contract` freezes it",
            )
        return self._places.variant(level, place, data_type)

    def _into(self, place: Place, value: Any) -> Any:
        """Puts a value into a variant."""
        column, source = place.column, py_type_to_sc_type(type(value))
        if column.data_type is None:
            self._decide(place, source)
            self.variants[column.table, column.name] = source
        elif not fits(self._room, column, value, data_type=column.data_type, source=source):
            raise Unstorable(place.field, misfit(column))
        return value

    def _decide(self, place: Place, data_type: str) -> None:
        """Gives a new column its type, if there is room for one more."""
        column = place.column
        count = self._counts.setdefault(column.table, self._places.count(column.table)) + 1
        if self._room.columns and count > self._room.columns:
            raise Unstorable(
                place.field,
                f"would bring its table to more than {self._room.columns:,} columns, the most that the "
                "warehouse takes; see `max_table_nesting`",
            )
        self._counts[column.table] = count
        column.become(data_type)
        self._decided.append(column)

    # ---- a whole record

    def _check_key(self, key: Mapping[str, EntryId]) -> None:
        for name, value in key.items():
            if not self._room.takes_nul and isinstance(value, str) and "\x00" in value:
                raise Unstorable(name, "holds U+0000, which the warehouse cannot store")

    def _check_shared(self) -> None:
        for place in self._touched:
            for rival in place.rivals:
                if isinstance(rival, str) or any(rival is other for other in self._touched):
                    other = rival if isinstance(rival, str) else f"the field `{rival.field}`"
                    column = "a column" if _is_data(place) else f"the column `{place.column.name}`"
                    raise Unstorable(
                        place.field,
                        f"and {other} would share {column}",
                        is_shared=True,
                    )

    def _check_required(self, record: dict[str, Any]) -> None:
        for column in self._places.required:
            if not any(_has(record, keys) for keys in self._places.paths(column)):
                raise Unstorable(column.name, "is missing, and its column is `nullable: False`")

    def _check_width(self, record: dict[str, Any]) -> None:
        limit, table = self._room.row_bytes, self._places.table
        if limit is None or not self.is_wide(table):
            return
        size = _ROW_HEADER + self._places.count(table) // 8 + sum(_sizes(self._places.root, record))
        if size > limit:
            raise Unstorable(
                "",
                f"fills a row of more than {limit:,} bytes, the most that the warehouse takes; see "
                "`max_table_nesting`",
            )


def _is_data(place: Place) -> bool:
    """Tells whether a key on the path is data, not a name, so that no message may show the column."""
    return "*" in place.field


def _has(record: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record is not None


def _sizes(level: Level, record: dict[str, Any]) -> Any:
    """Yields the least size in bytes of each value in a row; long texts are stored elsewhere."""
    for key, value in record.items():
        place = level.members.get(key)
        if value is None or place is None or (isinstance(value, list) and place.items):
            continue
        if isinstance(value, dict) and place.inner:
            yield from _sizes(place.inner, value)
        elif isinstance(value, bool):
            yield 1
        elif isinstance(value, str) and place.column.data_type == "text":
            yield min(len(value.encode()) + 1, 18)
        else:
            yield 8
