"""Reads `directory_syncs`: the publications, their order, held entries and questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.formats import TABLE_FORMAT, refuse_newer
from directory_sync.config.mode import Mode
from directory_sync.config.tables import PUBLICATIONS, SYNCS
from directory_sync.warehouse.sql import Sql

if TYPE_CHECKING:
    import dlt

    from directory_sync.warehouse.destinations import Destination

ORDER = columns.PUBLICATION_ORDER.name


@dataclass(frozen=True, kw_only=True)
class SyncRow:
    """One publication: a row of `directory_syncs`. See `columns.SYNCS` for the meaning of the columns.

    Attributes:
        publication_order: its number; None: it was published by the first release, which had no numbers.
        directory: the name of the directory that owns it, see `publish/ownership.py`; None: an earlier
            release published it and marked no owner.
    """

    sync_id: str
    base_sync_id: str | None
    publication_order: int | None
    directory: str | None
    resource: str
    run_id: str
    mode: str
    snapshot_at: datetime
    last_requested_at: datetime
    settings_fingerprint: str
    id_type: str | None
    entries: int
    held: int
    report: str
    format_version: int | None


@dataclass(frozen=True, kw_only=True)
class SyncPlace:
    """The place of a publication in the order of publications.

    Attributes:
        sync_id: the publication.
        base_sync_id: the publication before it; None: it was the first.
        run_id: the Dag run that published it.
        order: its number; None: the first release published it, without a number.
    """

    sync_id: str
    base_sync_id: str | None
    run_id: str
    order: int | None


_SYNC_COLUMNS = tuple(SyncRow.__dataclass_fields__)
_LATER_COLUMNS = frozenset(column.name for column in columns.SYNCS if column.is_later)
_FULL = ", ".join(f"'{mode}'" for mode in Mode if mode.is_full)
_PARTIAL = ", ".join(f"'{mode}'" for mode in Mode if mode.is_partial)


class Syncs(Sql):
    """Reads `directory_syncs`.

    Args:
        pipeline: dlt's pipeline to the warehouse; its schema describes the tables there.
        client: dlt's open SQL client of the pipeline's dataset.
        destination: the kind of warehouse, and the hold on it.
    """

    def __init__(self, pipeline: "dlt.Pipeline", client: Any, destination: "Destination") -> None:
        """Runs no statement yet."""
        super().__init__(pipeline, client, destination)
        self._columns_seen: frozenset[str] = frozenset()

    def last_sync(self, resource: str) -> SyncRow | None:
        """Returns the last publication of any mode, on which the next difference is based.

        It has the highest number. If there are no numbers yet, it is the publication that no other one names
        as its base. Its snapshot need not be the latest: interval runs are published in between.

        Returns:
            The publication; None: there is none.
        """
        newest = self._syncs(resource, "", at_most=1)
        if not newest or newest[0].publication_order is not None:
            return newest[0] if newest else None
        base, sync_id = self._name("base_sync_id"), self._name("sync_id")
        named = f"SELECT {base} FROM {self._table(SYNCS)} WHERE {base} IS NOT NULL"
        tips = self._syncs(resource, f"AND {sync_id} NOT IN ({named})", at_most=1)
        return tips[0] if tips else None

    def last_snapshot(self, resource: str) -> SyncRow | None:
        """Returns the last published full snapshot, which is the fence; None: there is none."""
        return next(iter(self.recent_syncs(resource, at_most=1)), None)

    def recent_syncs(self, resource: str, *, at_most: int, of_all_kinds: bool = False) -> list[SyncRow]:
        """Returns the last publications, the newest first.

        Args:
            resource: the name of the resource.
            at_most: how many publications are returned at most.
            of_all_kinds: also those of interval runs and of decisions, which are not full snapshots.
        """
        full = f"AND {self._name('mode')} IN ({_FULL})"
        return self._syncs(resource, "" if of_all_kinds else full, at_most=at_most)

    def sync(self, sync_id: str) -> SyncRow | None:
        """Returns one publication; None: it was not published."""
        rows = self._query(
            f"SELECT {self._sync_columns} FROM {self._table(SYNCS)} WHERE {self._name('sync_id')} = %s",
            sync_id,
        )
        return _sync_row(rows[0]) if rows else None

    def begun(self, sync_id: str) -> str | None:
        """Returns the row of a publication as written before it, as JSON; None: there is none."""
        rows = self._query(
            f"SELECT {self._name('content')} FROM {self._table(PUBLICATIONS)} "
            f"WHERE {self._name('sync_id')} = %s",
            sync_id,
        )
        return str(rows[0][0]) if rows else None

    def has_column(self, table: str, column: str) -> bool:
        """Tells whether a table of the warehouse has a column."""
        return column in self._columns_of(table)

    def _columns_of(self, table: str) -> frozenset[str]:
        """Returns the columns of a table. Each call makes dlt read its schema from its file."""
        name = self.pipeline.default_schema_name
        tables: Any = self.pipeline.schemas[name].tables if name else {}
        return frozenset(tables.get(table, {"columns": {}})["columns"])

    def places(self, resource: str, *, at_most: int | None = None) -> list[SyncPlace]:
        """Returns the places of the last publications in their order, the newest first.

        Args:
            resource: the name of the resource.
            at_most: how many are returned at most; None: all.
        """
        numbered = self._name(ORDER) if self._has_column(ORDER) else "NULL"
        rows = self._query(
            f"SELECT {self._names(('sync_id', 'base_sync_id', 'run_id'))}, {numbered} "
            f"FROM {self._table(SYNCS)} WHERE {self._name('resource')} = %s "
            f"ORDER BY {self._newest_publication}{'' if at_most is None else f' LIMIT {int(at_most)}'}",
            resource,
        )
        return [SyncPlace(sync_id=row[0], base_sync_id=row[1], run_id=row[2], order=row[3]) for row in rows]

    def ahead_of(self, resource: str, moment: datetime) -> SyncRow | None:
        """Returns the newest publication whose last request is after a moment; None: there is none."""
        ahead = self._query(
            f"SELECT {self._sync_columns} FROM {self._table(SYNCS)} WHERE {self._name('resource')} = %s "
            f"AND {self._name('last_requested_at')} > %s ORDER BY {self._newest_publication} LIMIT 1",
            resource,
            moment,
        )
        return _sync_row(ahead[0]) if ahead else None

    def has_interval_after(self, resource: str, moment: datetime) -> bool:
        """Tells whether an interval run was published whose last request is after a moment."""
        return bool(
            self._query(
                f"SELECT 1 FROM {self._table(SYNCS)} WHERE {self._name('resource')} = %s "
                f"AND {self._name('mode')} IN ({_PARTIAL}) "
                f"AND {self._name('last_requested_at')} > %s LIMIT 1",
                resource,
                moment,
            )
        )

    def entries_at(self, resource: str, moment: datetime) -> int:
        """Returns the number of entries of the full snapshot that was the last one at a moment.

        For a moment before the first snapshot it is that of the first one; without any snapshot it is 0.
        """
        at, full = self._name("snapshot_at"), f"{self._name('mode')} IN ({_FULL})"
        for condition, order in ((f"{at} <= %s", "DESC"), (f"{at} > %s", "ASC")):
            rows = self._query(
                f"SELECT {self._name('entries')} FROM {self._table(SYNCS)} "
                f"WHERE {self._name('resource')} = %s AND {full} AND {condition} "
                f"ORDER BY {at} {order} LIMIT 1",
                resource,
                moment,
            )
            if rows:
                return int(rows[0][0])
        return 0

    def held_moments(self, resource: Resource) -> list[datetime]:
        """Returns the times of the snapshots whose missing entries were held for a person's decision."""
        rows = self._query(
            f"SELECT {self._name('snapshot_at')} FROM {self._table(SYNCS)} "
            f"WHERE {self._name('resource')} = %s AND {self._name('newly_held')} > 0",
            resource.name,
        )
        return [row[0] for row in rows]

    def last_asked(self, resource: Resource) -> SyncRow | None:
        """Returns the last sync after which a person was to be asked about held entries.

        Returns:
            The sync; None: there is none, or a later sync had no held entries.
        """
        asked = self._syncs(resource.name, f"AND {self._name('asks')}", at_most=1)
        settled = self._syncs(resource.name, f"AND {self._name('held')} = 0", at_most=1)
        if asked and settled and settled[0].snapshot_at >= asked[0].snapshot_at:
            return None
        return asked[0] if asked else None

    def _syncs(self, resource: str, condition: str, *, at_most: int) -> list[SyncRow]:
        rows = self._query(
            f"SELECT {self._sync_columns} FROM {self._table(SYNCS)} WHERE {self._name('resource')} = %s "
            f"{condition} ORDER BY {self._newest_publication} LIMIT {int(at_most)}",
            resource,
        )
        return [_sync_row(row) for row in rows]

    @property
    def _sync_columns(self) -> str:
        """The columns of a SyncRow as a select list, with NULL for each column that the table lacks."""
        return ", ".join(
            self._name(column) if self._has_column(column) else "NULL" for column in _SYNC_COLUMNS
        )

    @property
    def _newest_publication(self) -> str:
        numbered = f"COALESCE({self._name(ORDER)}, 0) DESC, " if self._has_column(ORDER) else ""
        return f"{numbered}{self._name('snapshot_at')} DESC, {self._name('sync_id')} DESC"

    def _has_column(self, column: str) -> bool:
        """Tells whether the table has a column.

        A table of an older version gets new columns at a publication and loses none, so a column that was
        seen once is not looked up again.
        """
        if column not in _LATER_COLUMNS:
            return True
        if column not in self._columns_seen:
            self._columns_seen = self._columns_of(SYNCS)
        return column in self._columns_seen


def _sync_row(row: Sequence[Any]) -> SyncRow:
    """Returns the row of one publication.

    Raises:
        ConfigError: a later version of this package wrote it, in a format that this one does not know.
    """
    found = SyncRow(**dict(zip(_SYNC_COLUMNS, row, strict=True)))
    refuse_newer(found.format_version, known=TABLE_FORMAT, what=f"The table `{found.resource}`")
    return found
