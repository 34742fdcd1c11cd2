"""Turns records into rows of the table column by column, where their shape is already known.

dlt turns a record into rows one value at a time: it flattens objects, makes child tables of lists, and
decides for each value whether it goes into the column, a new column or a variant. In a large load a small
sample shows the answer for most rows: they have the same fields and the same types. pyarrow parses and
flattens such rows, and they join the package as Arrow tables (`Staged`). dlt normalises all others.

The placement comes from dlt's normaliser, which is given one record of marks. The types come from dlt's
schema after it has seen the sample. A row that does not fit exactly (another field, another type, a time that
Arrow does not read) is no error: dlt normalises it.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR
from typing import TYPE_CHECKING, Any

from directory_sync.config.keys import as_text
from directory_sync.config.older_python import Self
from directory_sync.publish.row_ids import RowIds
from directory_sync.publish.shapes import (
    List,
    Object,
    Shape,
    Value,
    is_unseen,
    marked,
    merged,
    of_one_row,
    values_of,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.common.schema import Schema

# A piece with a row that does not fit is halved, but not below this number of rows.
_SMALLEST = 200
_EXACT = 2.0**53
_MINUS_ZERO = re.compile(rb"-0\s*[,}\]]")

_FITS: Mapping[str, tuple[set[type], str]] = {
    "text": ({str}, "string"),
    "bigint": ({int}, "int64"),
    "double": ({float, int}, "double"),
    "bool": ({bool}, "bool"),
    "timestamp": ({str}, "string"),
}
"""By dlt's type: the Python types that go into such a column unchanged, and the type pyarrow reads."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one table, by its name in dlt's schema."""

    table: str
    rows: "pa.Table"


class Columnar:
    """Turns records of one resource into rows, as learnt from a sample that dlt has normalised."""

    @classmethod
    def learn(
        cls, schema: "Schema", table: str, records: Iterable[Mapping[str, Any]], *, key: Sequence[str]
    ) -> Self | None:
        """Learns from a sample; returns None where dlt must decide about a field value by value.

        Args:
            schema: dlt's schema after it has normalised the sample.
            table: the name of the resource's table in that schema.
            records: the sample, as the API gave it.
            key: the columns of the key.
        """
        shape: Shape = Object()
        for record in records:
            seen = merged(shape, record)
            if seen is None:
                return None
            shape = seen
        assert isinstance(shape, Object)
        learnt = cls(schema, table, shape, key)
        return learnt if learnt._places_all() else None

    def __init__(self, schema: "Schema", table: str, shape: Object, key: Sequence[str]) -> None:
        """Knows no columns yet."""
        self._schema, self._table, self._shape, self._key = schema, table, shape, tuple(key)
        # The normaliser knows the names of dlt's own columns in this naming convention.
        self._own: Any = schema.data_item_normalizer
        self._ids = RowIds()

    # ---- once

    def _places_all(self) -> bool:
        """Asks dlt for the column of each value; tells whether each has one, of a type that fits."""
        # In this record each value is the `Value` object of its own place.
        table_of: dict[int, str] = {}
        for (table, _, _), row in self._own.normalize_data_item(marked(self._shape), "load", self._table):
            for column, mark in row.items():
                if isinstance(mark, Value):
                    mark.column, table_of[id(mark)] = column, table
                elif isinstance(mark, (dict, list)):
                    # Kept as JSON.
                    return False
        values = list(values_of(self._shape))
        return (
            # Fewer marks than values: two values share a column.
            len(table_of) == len(values)
            and self._names_tables(self._shape, self._table, table_of)
            and all(self._takes(value, table_of[id(value)]) for value in values)
        )

    def _names_tables(self, shape: Shape, table: str, table_of: Mapping[int, str]) -> bool:
        """Notes the child tables; tells whether the schema has one table for each list."""
        for one in of_one_row(shape):
            if isinstance(one, Value):
                if table_of[id(one)] != table:
                    return False
            elif not is_unseen(one.element):
                found = {table_of[id(v)] for v in of_one_row(one.element) if isinstance(v, Value)}
                # Empty for rows without values of their own, such as those of lists within lists.
                if len(found) != 1:
                    return False
                one.table = found.pop()
                if self._schema.tables.get(one.table, {}).get("parent") != table:
                    return False
                if not self._names_tables(one.element, one.table, table_of):
                    return False
        return True

    def _takes(self, value: Value, table: str) -> bool:
        column = self._schema.tables[table]["columns"].get(value.column, {})
        if not value.kinds:
            value.column = ""
            return True
        value.data_type = str(column.get("data_type", ""))
        kinds, _ = _FITS.get(value.data_type, (set(), ""))
        is_plain = column.get("precision") is None and column.get("timezone") is not False
        return is_plain and value.kinds <= kinds

    # ---- for each batch

    def pieces(
        self, changes: "pa.Table", ours: Sequence[tuple[str, str]]
    ) -> "Iterator[list[Rows] | pa.Table]":
        """Yields rows of all tables for the pieces of a batch that fit; yields the other pieces unchanged.

        Args:
            changes: change rows, with the columns `id`, `record` and those named in `ours`.
            ours: our columns of the table and their sources: (column, column of `changes`).
        """
        rows = self._rows(changes, ours)
        if rows is not None:
            yield rows
        elif changes.num_rows <= _SMALLEST:
            yield changes
        else:
            half = changes.num_rows // 2
            yield from self.pieces(changes.slice(0, half), ours)
            yield from self.pieces(changes.slice(half), ours)

    def _rows(self, changes: "pa.Table", ours: Sequence[tuple[str, str]]) -> list[Rows] | None:
        import pyarrow as pa

        try:
            return self._fitting_rows(changes, ours)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            # The message of the exception quotes the value, so it is dropped.
            return None

    def _fitting_rows(self, changes: "pa.Table", ours: Sequence[tuple[str, str]]) -> list[Rows] | None:
        parsed = self._parse(changes.column("record"))
        if parsed.num_rows != changes.num_rows:
            return None
        arrays = {name: parsed.column(name).combine_chunks() for name in parsed.column_names}
        columns, lists = self._flatten(self._shape, arrays)
        if not self._has_keys(columns, changes.column("id")):
            return None
        ids = self._ids.new(changes.num_rows)
        columns |= {column: changes.column(source) for column, source in ours}
        columns[self._own.c_dlt_id] = ids
        found = [Rows(table=self._table, rows=self._as_table(self._table, columns))]
        for one, array in lists:
            found += self._children(one, array, ids=ids, root_ids=ids)
        return found

    def _has_keys(self, columns: Mapping[str, Any], entry_ids: Any) -> bool:
        """Tells whether the columns of the key hold the keys of the entries."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not columns.keys() >= set(self._key):
            return False
        found = [columns[name] for name in self._key]
        if len(found) > 1:
            rows = zip(*(column.to_pylist() for column in found), strict=True)
            found = [pa.array(map(as_text, rows), pa.string())]
        are_equal: Any = pc.all(pc.equal(found[0], entry_ids), skip_nulls=False)
        return bool(are_equal.as_py())

    def _parse(self, records: Any) -> "pa.Table":
        import pyarrow as pa
        from pyarrow import json

        text = "\n".join(records.to_pylist()).encode()
        # The reader takes a record of several lines for several records. Not every warehouse can store
        # U+0000, see `Destination.storable`.
        if text.count(b"\n") >= len(records) or b"\\u0000" in text:
            raise pa.ArrowInvalid
        # pyarrow reads the integer -0 as the double -0.0; Python's parser reads 0.
        if _MINUS_ZERO.search(text):
            raise pa.ArrowInvalid
        return json.read_json(
            io.BytesIO(text),
            read_options=json.ReadOptions(use_threads=False, block_size=len(text) + 1),
            parse_options=json.ParseOptions(
                explicit_schema=pa.schema(self._members(self._shape)),
                unexpected_field_behavior="error",
            ),
        )

    def _type(self, shape: Shape) -> "pa.DataType":
        import pyarrow as pa

        if isinstance(shape, Object):
            return pa.struct(self._members(shape))
        if isinstance(shape, List):
            return pa.list_(self._type(shape.element))
        named: Any = _FITS[shape.data_type][1] if shape.kinds else "null"
        read_as: pa.DataType = pa.type_for_alias(named)
        return read_as

    def _members(self, shape: Object) -> "list[tuple[str, pa.DataType]]":
        return [(name, self._type(member)) for name, member in shape.members.items()]

    def _flatten(
        self, shape: Shape, members: "Mapping[str, Any]"
    ) -> "tuple[dict[str, Any], list[tuple[List, Any]]]":
        """Returns the columns of a row, and its lists."""
        import pyarrow as pa
        import pyarrow.compute as pc

        columns: dict[str, Any] = {}
        lists: list[tuple[List, Any]] = []
        assert isinstance(shape, Object)
        for name, member in shape.members.items():
            array = members[name]
            if isinstance(member, Value):
                if member.column:
                    columns[member.column] = array
            elif isinstance(member, List):
                if member.table:
                    lists.append((member, array))
                elif pc.max(pc.list_value_length(array)).as_py():
                    # The sample had no element of this list, so its table is not known.
                    raise pa.ArrowInvalid
            elif member.members:
                inner = {key: pc.struct_field(array, [key]) for key in member.members}
                inner_columns, inner_lists = self._flatten(member, inner)
                columns |= inner_columns
                lists += inner_lists
        return columns, lists

    def _children(self, one: List, array: Any, *, ids: Any, root_ids: Any) -> list[Rows]:
        import pyarrow as pa
        import pyarrow.compute as pc

        elements, parents = pc.list_flatten(array), pc.list_parent_indices(array)
        if not len(elements):
            return []
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        starts = pc.subtract(pc.cumulative_sum(lengths), lengths)
        places = pc.subtract(pa.array(range(len(elements)), pa.int64()), pc.take(starts, parents))
        if isinstance(one.element, Object):
            inner = {name: pc.struct_field(elements, [name]) for name in one.element.members}
            columns, lists = self._flatten(one.element, inner)
        else:
            assert isinstance(one.element, Value)
            columns, lists = ({one.element.column: elements} if one.element.column else {}), []
        own, root_of = self._ids.new(len(elements)), pc.take(root_ids, parents)
        columns |= {
            self._own.c_dlt_id: own,
            self._own.c_dlt_parent_id: pc.take(ids, parents),
            self._own.c_dlt_list_idx: places,
        }
        if self._own.c_dlt_root_id in self._schema.tables[one.table]["columns"]:
            columns[self._own.c_dlt_root_id] = root_of
        found = [Rows(table=one.table, rows=self._as_table(one.table, columns))]
        for inner_list, inner_array in lists:
            found += self._children(inner_list, inner_array, ids=own, root_ids=root_of)
        return found

    def _as_table(self, table: str, columns: Mapping[str, Any]) -> "pa.Table":
        """Returns a table with the columns, types, order and nullability of dlt's schema."""
        import pyarrow as pa

        fields, arrays = [], []
        for name, column in self._schema.tables[table]["columns"].items():
            if name not in columns:
                if column.get("nullable") is False and not name.startswith("_dlt_"):
                    raise pa.ArrowInvalid
                continue
            array = columns[name]
            if column["data_type"] == "timestamp":
                array = _as_times(array)
            elif column["data_type"] == "double" and _is_rounded(array):
                raise pa.ArrowInvalid
            if array.null_count and column.get("nullable") is False:
                raise pa.ArrowInvalid
            fields.append(pa.field(name, array.type, nullable=column.get("nullable") is not False))
            arrays.append(array)
        return pa.table(arrays, schema=pa.schema(fields))


def _as_times(array: Any) -> Any:
    """Returns texts as times; raises where Python's datetime cannot hold one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times = array.cast(pa.timestamp("us", tz="UTC"))
    years: Any = pc.min_max(pc.year(times)).as_py()
    if len(times) > times.null_count and not MINYEAR <= years["min"] <= years["max"] <= MAXYEAR:
        raise pa.ArrowInvalid
    return times


def _is_rounded(array: Any) -> bool:
    """Tells whether some number may be an integer that a double rounds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    large: Any = pc.any(pc.greater_equal(pc.abs(array), pa.scalar(_EXACT)))
    return bool(large.as_py())
