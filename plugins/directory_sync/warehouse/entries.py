"""Reads the table of a resource, and its change log."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from directory_sync.api.answer import EntryId
from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.older_python import UTC
from directory_sync.config.tables import SYNCS
from directory_sync.warehouse.syncs import Syncs

if TYPE_CHECKING:
    import pyarrow as pa

IDS_PER_QUERY = 1_000
_LOGGED = columns.names(columns.LOGGED)


class Entries(Syncs):
    """Reads the present states of the entries, and their change rows."""

    def states(self, resource: Resource) -> "Iterator[pa.Table]":
        """Yields (id, row_hash, missing_since, removed_at) of all entries, in batches."""
        names = [column.taken_from for column in columns.STATES]
        selected = f"{self._entry_name(resource)}, {self._names(columns.names(columns.STATES[1:]))}"
        yield from self._arrow(names, f"SELECT {selected} FROM {self._table(resource.name)}")

    def present(self, resource: Resource) -> int:
        """Returns how many entries are not marked as removed."""
        rows = self._query(
            f"SELECT count(*) FROM {self._table(resource.name)} WHERE {self._name('_removed_at')} IS NULL"
        )
        return int(rows[0][0]) if rows else 0

    def held(self, resource: Resource) -> Iterator[tuple[EntryId, datetime]]:
        """Yields the entries that wait for a decision, as (id, missing since), ordered by id.

        They are sorted in Python, because warehouses sort texts differently.
        """
        moments = self.held_moments(resource)
        if not moments:
            return
        missing, marks = self._name("_missing_since"), ", ".join(["%s"] * len(moments))
        batches = self._arrow(
            ("id", "missing_since"),
            f"SELECT {self._entry_name(resource)}, {missing} FROM {self._table(resource.name)} "
            f"WHERE {self._name('_removed_at')} IS NULL AND {missing} IN ({marks})",
            *moments,
        )
        absences = (zip(*(column.to_pylist() for column in b.columns), strict=True) for b in batches)
        yield from sorted(absence for batch in absences for absence in batch)

    def changes(self, resource: Resource, sync_id: str, selected: Sequence[str]) -> "Iterator[pa.Table]":
        """Yields the change rows of one sync, in batches.

        Args:
            resource: the resource.
            sync_id: the sync.
            selected: the names of the columns.
        """
        yield from self._arrow(
            selected,
            f"SELECT {self._names(selected)} FROM {self._table(resource.changes_table)} "
            f"WHERE {self._name('sync_id')} = %s",
            sync_id,
        )

    def changed_after(self, resource: Resource, moment: datetime) -> "Iterator[pa.Table]":
        """Yields the ids of the entries that were changed by syncs of snapshots after a moment."""
        later = self._query(
            f"SELECT {self._name('sync_id')} FROM {self._table(SYNCS)} "
            f"WHERE {self._name('resource')} = %s AND {self._name('snapshot_at')} > %s",
            resource.name,
            moment,
        )
        if not later:
            return
        marks = ", ".join(["%s"] * len(later))
        yield from self._arrow(
            ("id",),
            f"SELECT DISTINCT {self._name('id')} FROM {self._table(resource.changes_table)} "
            f"WHERE {self._name('sync_id')} IN ({marks})",
            *(row[0] for row in later),
        )

    def last_changes(self, resource: Resource, ids: Sequence[EntryId] | None = None) -> "Iterator[pa.Table]":
        """Yields the columns `LOGGED` of the last change row of each entry, in batches.

        Args:
            resource: the resource.
            ids: the entries; None: all entries.
        """
        if ids is None:
            yield from self._arrow(_LOGGED, self._all_last_changes_sql(resource))
            return
        for start in range(0, len(ids), IDS_PER_QUERY):
            chunk = ids[start : start + IDS_PER_QUERY]
            marks = ", ".join(["%s"] * len(chunk))
            condition = f"WHERE {self._name('id')} IN ({marks})"
            yield from self._arrow(_LOGGED, self._last_changes_sql(resource, condition), *chunk)

    def logged_records(self, resource: Resource, *, at_most: int) -> list[str]:
        """Returns records of the change log, as JSON, in no order.

        Args:
            resource: the resource.
            at_most: how many are returned at most.
        """
        rows = self._query(
            f"SELECT {self._name('record')} FROM {self._table(resource.changes_table)} LIMIT {int(at_most)}"
        )
        return [str(row[0]) for row in rows]

    def _last_changes_sql(self, resource: Resource, condition: str) -> str:
        names = self._names(_LOGGED)
        return (
            f"SELECT {names} FROM (SELECT {names}, row_number() OVER ({self._newest_first()}) AS newest "
            f"FROM {self._table(resource.changes_table)} {condition}) AS ranked WHERE newest = 1"
        )

    def _all_last_changes_sql(self, resource: Resource) -> str:
        """Ranks the rows without their records, to save memory, and joins the records afterwards."""
        names = ", ".join(f"versions.{self._name(column)}" for column in _LOGGED)
        entry_id, sync_id = self._name("id"), self._name("sync_id")
        table = self._table(resource.changes_table)
        return (
            f"SELECT {names} FROM {table} AS versions JOIN "
            f"(SELECT {entry_id}, {sync_id}, row_number() OVER ({self._newest_first()}) AS newest "
            f"FROM {table}) AS ranked "
            f"ON versions.{entry_id} = ranked.{entry_id} "
            f"AND versions.{sync_id} = ranked.{sync_id} WHERE newest = 1"
        )

    def _newest_first(self) -> str:
        return (
            f"PARTITION BY {self._name('id')} "
            f"ORDER BY {self._name('snapshot_at')} DESC, {self._name('sync_id')} DESC"
        )

    def unfinished_syncs(self, resource: Resource) -> list[str]:
        """Returns the syncs that have change rows but no row in `directory_syncs`, the oldest first.

        A warehouse with transactions is searched from a day before the last published full snapshot on. It
        has such rows from a release without transactions, or where `directory_syncs` alone was restored from
        a backup. None is older than that snapshot, the fence: a publication that does not begin after the
        last request of the fence is refused; and every publication, removal and replay first finishes or
        rolls back those that were interrupted before. A sync id begins with the time of its snapshot, in
        UTC; that of a removal with the id of the publication that it follows. The time in the fence's row
        counts, not the one in its id: docs/runbook.md corrects the row after a wrong clock.
        """
        sync_id, table = self._name("sync_id"), self._table(resource.changes_table)
        fence = self.last_snapshot(resource.name)
        condition, since = f"{sync_id} IS NOT NULL", []
        if fence and self._destination.is_transactional:
            begin = fence.snapshot_at.astimezone(UTC) - timedelta(days=1)
            condition, since = f"{sync_id} >= %s", [f"{begin:%Y%m%dT%H%M%S}"]
        has_syncs = fence or self._query(f"SELECT 1 FROM {self._table(SYNCS)} LIMIT 1")
        if self._destination.has_indexes:
            self._create_indexes(resource)
            # Steps from sync to sync by the index: the cost grows with the syncs, not with their rows.
            logged = (
                f"WITH RECURSIVE logged AS (SELECT min({sync_id}) AS {sync_id} FROM {table} "
                f"WHERE {condition} UNION ALL "
                f"SELECT (SELECT min(later.{sync_id}) FROM {table} AS later "
                f"WHERE later.{sync_id} > logged.{sync_id}) FROM logged WHERE logged.{sync_id} IS NOT NULL) "
                f"SELECT {sync_id} FROM logged WHERE {sync_id} IS NOT NULL"
            )
        else:
            logged = f"SELECT DISTINCT {sync_id} FROM {table} WHERE {condition}"
        known = f" AND {sync_id} NOT IN (SELECT {sync_id} FROM {self._table(SYNCS)})" if has_syncs else ""
        return sorted(row[0] for row in self._query(logged + known, *since))

    def _create_indexes(self, resource: Resource) -> None:
        """Creates the indexes of the change log where they are missing: by sync, and by entry."""
        table = resource.changes_table
        for column in ("sync_id", "id"):
            name = f"{table[:30]}_{sha256(table.encode()).hexdigest()[:8]}_by_{column}"
            where = f"{self._table(table)} ({self._name(column)})"
            self._execute(f"CREATE INDEX IF NOT EXISTS {self._name(name)} ON {where}")
