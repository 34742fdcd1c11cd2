"""The views of a resource, each as one query."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from directory_sync.config import columns, tables
from directory_sync.config.columns import Column
from directory_sync.config.kinds import Kind
from directory_sync.config.tables import Table
from directory_sync.warehouse.dialect import INDEX, Dialect, Read
from directory_sync.warehouse.record_fields import Path, Paths, RecordFields

Known = Mapping[str, Mapping[str, Any]]
"""The columns of a table in dlt's schema."""

_INFIX = "__v_"
_NUMBERS = {"bigint", "double"}
_VERSIONS = f"('{Kind.MISSING}', '{Kind.REMOVED}')"


@dataclass(frozen=True, kw_only=True)
class View:
    """A view to be made.

    Attributes:
        name: its name.
        table: what it is.
        query: its query.
        comments: what each column holds, beside those of ours.
    """

    name: str
    table: Table
    query: str
    comments: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A column of a view with the values of a field.

    Attributes:
        name: its name in the view.
        column: its name in the table.
        kind: the column as dlt describes it, with the type that it has in the view.
        parts: the columns of the table that hold its values: its own, and one for each other type.
    """

    name: str
    column: str
    kind: Mapping[str, Any]
    parts: tuple[str, ...]


def typed(known: Known, *, ours: Sequence[Column]) -> Iterator[Typed]:
    """Yields the fields of a table; the variants of a column are in the column.

    Integers and fractions become fractions; other types become texts.

    Args:
        known: the columns of the table.
        ours: the columns of ours that the view has. A field of the same name has the prefix `field_`.
    """
    taken = {*columns.names(ours)}
    for name, column in known.items():
        if name.lower().startswith("_dlt_") or not column.get("data_type") or is_variant(name, known):
            continue
        parts = (
            name,
            *(one for one in known if one.startswith(f"{name}{_INFIX}") and is_variant(one, known)),
        )
        types = {known[one].get("data_type") for one in parts}
        kind = column if len(types) == 1 else {"data_type": "double" if types <= _NUMBERS else "text"}
        shown = name
        while shown in taken:
            shown = f"field_{shown}"
        taken.add(shown)
        yield Typed(name=shown, column=name, kind=kind, parts=parts)


def is_variant(name: str, known: Known) -> bool:
    """Tells whether a column holds the values of another column that have another type."""
    return bool(known[name].get("variant")) and name.rpartition(_INFIX)[0] in known


class Definitions:
    """Writes the views of one resource.

    Args:
        resource: the name of the resource.
        table: returns a table's qualified name.
        quoted: returns a column's quoted name.
        dialect: the warehouse's SQL; None: only what all warehouses understand.
        fields: which fields of the record the columns come from.
        is_reshaped: a step of the form makes other rows of the records: each field of the record is shown.
    """

    def __init__(
        self,
        resource: str,
        *,
        table: Callable[[str], str],
        quoted: Callable[[str], str],
        dialect: Dialect | None,
        fields: RecordFields,
        is_reshaped: bool,
    ) -> None:
        """Writes nothing yet."""
        self._resource, self._table, self._quoted, self._dialect = resource, table, quoted, dialect
        self._fields, self._is_reshaped = fields, is_reshaped

    def current(self, known: Known) -> View:
        """Returns the view of the entries that are not removed.

        Args:
            known: the columns of the resource's table.
        """
        left_out = {one.name for one in (*columns.TABLE, columns.KEY)} - {one.name for one in columns.CURRENT}
        fields = [one for one in typed(known, ours=()) if one.column not in left_out]
        selected = self._selected(fields, known)
        table, removed = self._table(self._resource), self._quoted("_removed_at")
        query = f"SELECT {selected} FROM {table} WHERE {removed} IS NULL"
        ours = {one.name: one.purpose for one in columns.CURRENT}
        comments = {**_purposes(fields, self._named), **ours}
        return self._view(tables.CURRENT, query, comments)

    def list_current(self, child: str, known: Known, *, link: str, entry: str) -> View:
        """Returns the view of the items of a list now.

        Args:
            child: the child table.
            known: its columns.
            link: its column that holds the `_dlt_id` of the entry.
            entry: the column of the resource's table that holds the key.
        """
        fields = list(typed(known, ours=columns.LIST_CURRENT))
        quoted = self._quoted
        own = f"e.{quoted(entry)} AS {quoted('entry_id')}, c.{quoted('_dlt_list_idx')} AS "
        own += quoted("item_index")
        selected = ", ".join(filter(None, [own, self._selected(fields, known, of="c.")]))
        query = (
            f"SELECT {selected} FROM {self._table(child)} AS c JOIN {self._table(self._resource)} AS e "
            f"ON e.{quoted('_dlt_id')} = c.{quoted(link)} WHERE e.{quoted('_removed_at')} IS NULL"
        )
        listed = self._fields.lists.get(child)
        comments = _purposes(fields, listed.columns if listed else {})
        return self._view(tables.LIST_CURRENT, query, comments, child=child)

    def history(self, known: Known, *, entry: str) -> View:
        """Returns the view of all versions of all entries, SCD type 2.

        A version begins with a change row of the kind added, changed, reshaped or returned. It ends with the
        entry's next change row, which may be a removal.

        Args:
            known: the columns of the resource's table.
            entry: its column that holds the key.
        """
        dialect, log = self._dialect, self._log
        if dialect is None:
            return self._view(tables.HISTORY, self._plain_history(), {})
        added = {*columns.names((*columns.TABLE, columns.KEY)), *({"id"} if entry == "id" else ())}
        within = {name: paths for name, paths in self._fields.columns.items() if name not in added}
        found = self._within(known, within, ours=columns.HISTORY)
        names = [self._quoted(one.taken_from) for one in columns.HISTORY if one.name not in _PERIOD]
        paths = _flat(found)
        source, read = dialect.records(log, [*names, self._quoted("snapshot_at")], paths)
        selected = [self._of_version(one) for one in columns.HISTORY]
        selected += self._cast(found, paths, read)
        query = (
            f"SELECT {', '.join(selected)} FROM {source} JOIN {self._periods} "
            f"WHERE v.{self._quoted('kind')} NOT IN {_VERSIONS}"
        )
        return self._view(tables.HISTORY, query, _purposes([one for one, _ in found], within))

    def list_history(self, child: str, known: Known) -> View:
        """Returns the view of the items of a list in each version of an entry.

        Args:
            child: the child table.
            known: its columns; empty where there is no such table.
        """
        assert self._dialect is not None
        listed = self._fields.lists[child]
        found = self._within(known, listed.columns, ours=columns.LIST_HISTORY)
        names = [self._quoted(name) for name in ("id", "kind", "sync_id", "snapshot_at")]
        paths = _flat(found)
        source, read = self._dialect.items(self._log, names, path=listed.path, paths=paths)
        selected = [self._of_version(one) for one in columns.LIST_HISTORY] + self._cast(found, paths, read)
        query = (
            f"SELECT {', '.join(selected)} FROM {source} JOIN {self._periods} "
            f"WHERE v.{self._quoted('kind')} NOT IN {_VERSIONS}"
        )
        comments = _purposes([one for one, _ in found], listed.columns)
        return self._view(tables.LIST_HISTORY, query, comments, child=child)

    def field_changes(self) -> View:
        """Returns the view of the fields that changed, with their values before and after."""
        assert self._dialect is not None
        paths = [path for found in self._named.values() for path in found]
        paths += [one.path for one in self._fields.lists.values()]
        dotted = {".".join(path): path for path in paths if any("." in key for key in path)}
        return self._view(tables.FIELD_CHANGES, self._dialect.changes(self._log, dotted=dotted), {})

    # ---- parts

    @property
    def _named(self) -> Paths:
        return self._fields.columns

    @property
    def _log(self) -> str:
        return self._table(f"{self._resource}_changes")

    @property
    def _periods(self) -> str:
        """When each version ends; computed without the records, to save memory."""
        name = self._quoted
        order = f"PARTITION BY {name('id')} ORDER BY {name('snapshot_at')}, {name('sync_id')}"
        return (
            f"(SELECT {name('id')}, {name('sync_id')}, lead({name('snapshot_at')}) OVER ({order}) "
            f"AS {name('valid_to')} FROM {self._log} WHERE {name('kind')} <> '{Kind.MISSING}') AS e "
            f"ON e.{name('id')} = v.{name('id')} AND e.{name('sync_id')} = v.{name('sync_id')}"
        )

    def _of_version(self, column: Column) -> str:
        name = self._quoted(column.name)
        known = {
            "valid_to": f"e.{name}",
            "is_current": f"e.{self._quoted('valid_to')} IS NULL AS {name}",
            "entry_id": f"v.{self._quoted('id')} AS {name}",
            "item_index": f"v.{INDEX} AS {name}",
        }
        return known.get(column.name, f"v.{self._quoted(column.taken_from)} AS {name}")

    def _plain_history(self) -> str:
        name = self._quoted
        order = f"PARTITION BY {name('id')} ORDER BY {name('snapshot_at')}, {name('sync_id')}"
        end = f"lead({name('snapshot_at')}) OVER ({order})"
        selected = ", ".join(
            f"{end if one.name == 'valid_to' else name(one.taken_from)} AS {name(one.name)}"
            for one in columns.HISTORY
            if one is not columns.IS_CURRENT
        )
        inner = f"SELECT {selected} FROM {self._log} WHERE {name('kind')} <> '{Kind.MISSING}'"
        return f"SELECT * FROM ({inner}) AS versions WHERE {name('kind')} <> '{Kind.REMOVED}'"

    def _within(
        self, known: Known, paths: Paths, *, ours: Sequence[Column]
    ) -> list[tuple[Typed, Sequence[Path]]]:
        """Returns the columns of a view of records, each with its paths within the record."""
        if self._is_reshaped:
            known = {name: known.get(name) or {"data_type": "text"} for name in paths}
        return [(one, paths[one.column]) for one in typed(known, ours=ours) if one.column in paths]

    def _selected(self, fields: Sequence[Typed], known: Known, *, of: str = "") -> str:
        selected = []
        for one in fields:
            names = [f"{of}{self._quoted(part)}" for part in one.parts]
            value = names[0]
            if self._dialect is None:
                selected += [
                    f"{name} AS {self._quoted(part)}" for name, part in zip(names, one.parts, strict=True)
                ]
                continue
            if len(names) > 1 and one.kind["data_type"] == "double":
                value = f"COALESCE({', '.join(f'CAST({name} AS DOUBLE PRECISION)' for name in names)})"
            elif len(names) > 1:
                texts = map(self._dialect.as_text, names, (known[part] for part in one.parts))
                value = f"COALESCE({', '.join(texts)})"
            selected.append(f"{value} AS {self._quoted(one.name)}")
        return ", ".join(selected)

    def _cast(
        self, found: "Sequence[tuple[Typed, Sequence[Path]]]", paths: Sequence[Path], read: Read
    ) -> list[str]:
        assert self._dialect is not None
        cast = []
        for one, of_column in found:
            texts = [read(paths.index(path)) for path in of_column]
            text = texts[0] if len(texts) == 1 else f"COALESCE({', '.join(texts)})"
            cast.append(f"{self._dialect.cast(text, one.kind)} AS {self._quoted(one.name)}")
        return cast

    def _view(self, table: Table, query: str, comments: Mapping[str, str], *, child: str = "") -> View:
        item = child.removeprefix(f"{self._resource}__")
        name = table.name.replace("<resource>", self._resource).replace("<list>", item)
        return View(name=name, table=table, query=query, comments=comments)


_PERIOD = ("valid_to", "is_current")


def _flat(found: Sequence[tuple[Typed, Sequence[Path]]]) -> list[Path]:
    return list(dict.fromkeys(path for _, paths in found for path in paths))


def _purposes(fields: Sequence[Typed], paths: Paths) -> dict[str, str]:
    """Returns what each column holds: a field by its path in the record, where that is known."""
    found = {}
    for one in fields:
        known = paths.get(one.column) or ((one.column,),)
        path = ".".join(known[0])
        found[one.name] = f"the field `{path}`" if path else "the item itself"
        if len(one.parts) > 1:
            found[one.name] += f"; its values have several types, in the table: {', '.join(one.parts)}"
    return found
