"""The warehouse: the only module that speaks SQL to its tables.

One process holds it while it reads, checks and writes (see `destinations`). Every statement goes through
`_query`, `_arrow` or `_execute`, in SQL that all of dlt's warehouses take; identifiers are quoted by dlt's
SQL client for its destination, values are bound.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema.utils import get_first_column_name_with_prop, get_nested_tables
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.api.answer import EntryId
from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind
from directory_sync.config.memory import is_out_of_memory, out_of_memory
from directory_sync.config.settings import ConnectionFields, SyncSettings
from directory_sync.errors import WarehouseError, raise_alone
from directory_sync.warehouse.destinations import Destination, destination_of
from directory_sync.warehouse.destinations.one_transaction import in_one_transaction
from directory_sync.warehouse.room import Room

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.common.destination import TLoaderFileFormat
    from dlt.common.schema.typing import TLoaderMergeStrategy

logger = logging.getLogger(__name__)

PIPELINE_NAME = "directory_sync"
SYNCS = "directory_syncs"
IDS_PER_QUERY = 1_000
ROWS_PER_BATCH, RECORDS_PER_BATCH = 20_000, 2_000


@dataclass(frozen=True, kw_only=True)
class SyncRow:
    """One publication: a row of `directory_syncs`.

    Attributes:
        publication_order: its number; None: it is from before there were numbers.
        directory: whose it is, see `ownership`; None: nobody's mark.
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


@dataclass(frozen=True, kw_only=True)
class SyncPlace:
    """Where a publication stands in the order of publication."""

    sync_id: str
    base_sync_id: str | None
    run_id: str
    order: int | None


ORDER = columns.PUBLICATION_ORDER.name
_SYNC_COLUMNS = tuple(SyncRow.__dataclass_fields__)
_LATER_COLUMNS = frozenset(column.name for column in columns.SYNCS if column.is_later)
_LOGGED = columns.names(columns.LOGGED)
_LOG_COLUMNS = {column.name: column for column in (*columns.CHANGES, columns.SYNC_HEADER)}


@dataclass(frozen=True, kw_only=True)
class Loading:
    """What is about to be loaded, and what the warehouse must be for that.

    Attributes:
        resource: whose tables.
        sync_id: the publication.
        base_sync_id: the publication that must be the last one; None: there must be none.
        staged: rows that the staging tables must hold when they are merged.
        load_id: dlt's, of the rows of the table and of the sync's row.
        bytes_a_row: of a record, on average.
    """

    resource: Resource
    sync_id: str
    base_sync_id: str | None
    staged: Mapping[str, int]
    load_id: str
    bytes_a_row: float = 0


class Warehouse:
    """An open warehouse, held by this process.

    Args:
        pipeline: dlt's pipeline to it; its schema is what the warehouse holds.
        client: dlt's SQL client of the pipeline's dataset, open.
        destination: what it is, and how it is held.
    """

    def __init__(self, pipeline: dlt.Pipeline, client: Any, destination: Destination) -> None:
        """Asks nothing yet."""
        self.pipeline, self._client, self._destination = pipeline, client, destination
        self._loading: Loading | None = None

    @property
    def file_format(self) -> "TLoaderFileFormat":
        """What dlt writes for this warehouse."""
        return self._destination.file_format

    @property
    def merge_strategy(self) -> "TLoaderMergeStrategy":
        """How dlt replaces entries in a table that has child tables."""
        return self._destination.merge_strategy

    def storable(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns a row as the warehouse can hold it."""
        return self._destination.storable(row)

    @property
    def settings(self) -> SyncSettings:
        """The deployment's switches."""
        return self._destination.settings

    def room(self, *, adds_variants: bool) -> Room:
        """Returns what the warehouse has room for.

        Args:
            adds_variants: new columns are allowed for values of another type.
        """
        destination = self._destination
        return Room(
            capabilities=self.pipeline.destination.capabilities(),
            columns=destination.max_columns,
            row_bytes=destination.max_row_bytes,
            takes_nul=destination.takes_nul,
            adds_variants=adds_variants,
        )

    def forget_dropped_tables(self) -> None:
        """Has dlt forget the tables that it knows and somebody has dropped, so that it makes them anew.

        dlt compares a schema's hash with the last one stored, and not with the tables. A table's child tables
        and its staging table go with it.
        """
        if not self.pipeline.default_schema_name:
            return
        with _without_values(), self.pipeline.destination_client() as client:
            schema = self.pipeline.default_schema
            known = [table["name"] for table in schema.data_tables(seen_data_only=True)]
            found = client.get_storage_tables(known)
            gone = [name for name, columns in found if not columns and not self._exists(name)]
            if not gone:
                return
            chains = [table["name"] for name in gone for table in get_nested_tables(schema.tables, name)]
            names = list(dict.fromkeys(chains))
            logger.warning("Tables were dropped; dlt makes them anew: %s", ", ".join(gone))
            with client.with_staging_dataset():
                if client.is_storage_initialized():
                    client.drop_tables(*names)
            client.drop_tables(*names)
            schema.drop_tables(names)
            self.pipeline.schemas.save_schema(schema)

    def _exists(self, table: str) -> bool:
        try:
            self._client.execute_sql(f"SELECT 1 FROM {self._table(table)} WHERE 1 = 0")
        except DatabaseUndefinedRelation:
            return False
        return True

    @property
    def is_transactional(self) -> bool:
        """All tables of one load package are written in one transaction."""
        return self._destination.is_transactional

    def load(self, loading: Loading) -> None:
        """Loads what is normalised if the warehouse is what it must be, see `assert_expected`.

        Raises:
            WarehouseError: it is not. Nothing was written.
        """
        self._loading = loading
        try:
            if not self.is_transactional:
                self.assert_expected(self._client)
            self._assert_held()
            tables = self.pipeline.default_schema.tables
            self._destination.make_room(
                columns=sum(len(tables[name]["columns"]) for name in loading.staged),
                rows=max(loading.staged.values(), default=0),
                bytes_a_row=loading.bytes_a_row,
            )
            self.pipeline.load(raise_on_failed_jobs=True)
        finally:
            self._loading = None

    def assert_expected(self, client: Any) -> None:
        """Checks what a load relies on, and keeps it so until the client's transaction ends.

        A process can lose its hold and not know it, and go on beside another one that has it: the transaction
        that writes looks again, behind whatever has been committed until then.

        Raises:
            WarehouseError: another process may hold the warehouse, has published, or writes into the staging
                tables.
        """
        loading = self._loading
        assert loading is not None
        within = Warehouse(self.pipeline, client, self._destination)
        if self.is_transactional:
            with client.with_alternative_dataset_name(client.staging_dataset_name):
                tables = {name: within._table(name) for name in loading.staged}
            self._destination.fence(client, sorted(tables.values()))
            within._assert_staged(loading, tables)
        self._assert_held()
        # dlt runs the scripts of merged tables with the staging dataset as the one that names stand for.
        with client.with_alternative_dataset_name(self._client.dataset_name):
            last = within.last_sync(loading.resource.name)
        if (last.sync_id if last else None) != loading.base_sync_id:
            raise WarehouseError(
                f"Another process has published `{loading.resource.name}` meanwhile: the warehouse is at "
                f"{last.sync_id if last else 'no sync'}, {loading.sync_id} follows "
                f"{loading.base_sync_id or 'none'}. Nothing was published. Airflow tries again."
            )

    def _assert_held(self) -> None:
        if not self._destination.is_held():
            raise WarehouseError(
                f"{self._destination.lost}. Nothing was published. Airflow tries again; see "
                "docs/runbook.md#warehouseerror."
            )

    def _assert_staged(self, loading: Loading, tables: Mapping[str, str]) -> None:
        """All processes stage rows in the same tables."""
        marks = {
            loading.resource.name: ("_dlt_load_id", loading.load_id),
            SYNCS: ("_dlt_load_id", loading.load_id),
            loading.resource.changes_table: ("sync_id", loading.sync_id),
        }
        for name, table in tables.items():
            column, value = marks.get(name, ("", ""))
            condition = f"WHERE {self._name(column)} = %s" if column else ""
            found = self._query(f"SELECT count(*) FROM {table} {condition}", *([value] if column else []))
            everything = self._query(f"SELECT count(*) FROM {table}")
            if not found == everything == [(loading.staged[name],)]:
                raise WarehouseError(
                    f"Another process loads `{loading.resource.name}` at the same time: the staging table of "
                    f"`{name}` holds rows that are not of {loading.sync_id}. Nothing was published. Airflow "
                    "tries again."
                )

    def last_sync(self, resource: str) -> SyncRow | None:
        """Returns the last publication of any kind, None before the first: what a difference is based on.

        It has the highest number. Of those from before there were numbers it is the one that no other names
        as its base. Its snapshot need not be the latest one: interval runs are published beside others.
        """
        newest = self._syncs(resource, "", at_most=1)
        if not newest or newest[0].publication_order is not None:
            return newest[0] if newest else None
        base, sync_id = self._name("base_sync_id"), self._name("sync_id")
        named = f"SELECT {base} FROM {self._table(SYNCS)} WHERE {base} IS NOT NULL"
        tips = self._syncs(resource, f"AND {sync_id} NOT IN ({named})", at_most=1)
        return tips[0] if tips else None

    def last_snapshot(self, resource: str) -> SyncRow | None:
        """Returns the last published full snapshot, None before the first: the fence."""
        return next(iter(self.recent_syncs(resource, at_most=1)), None)

    def recent_syncs(self, resource: str, *, at_most: int, of_all_kinds: bool = False) -> list[SyncRow]:
        """Returns the last publications in their order, the last one first.

        Args:
            resource: whose.
            at_most: how many.
            of_all_kinds: those of interval runs and of decisions as well, which are no full snapshots.
        """
        full = f"AND {self._name('mode')} NOT IN ('interval', 'decide')"
        return self._syncs(resource, "" if of_all_kinds else full, at_most=at_most)

    def _syncs(self, resource: str, condition: str, *, at_most: int) -> list[SyncRow]:
        rows = self._query(
            f"SELECT {self._sync_columns} FROM {self._table(SYNCS)} WHERE {self._name('resource')} = %s "
            f"{condition} ORDER BY {self._newest_publication} LIMIT {int(at_most)}",
            resource,
        )
        return [_sync_row(row) for row in rows]

    @property
    def _sync_columns(self) -> str:
        """The columns of a SyncRow; null is one that the table has not got yet."""
        return ", ".join(
            self._name(column) if self._has_column(column) else "NULL" for column in _SYNC_COLUMNS
        )

    @property
    def _newest_publication(self) -> str:
        numbered = f"COALESCE({self._name(ORDER)}, 0) DESC, " if self._has_column(ORDER) else ""
        return f"{numbered}{self._name('snapshot_at')} DESC, {self._name('sync_id')} DESC"

    def _has_column(self, column: str) -> bool:
        """A table of `directory_syncs` that an older version made gets its new columns at a publication."""
        if column not in _LATER_COLUMNS:
            return True
        name = self.pipeline.default_schema_name
        tables = self.pipeline.schemas[name].tables if name else None
        return tables is not None and SYNCS in tables and column in tables[SYNCS]["columns"]

    def places(self, resource: str, *, at_most: int | None = None) -> list[SyncPlace]:
        """Returns where publications stand in the order of publication, the last one first.

        Args:
            resource: whose.
            at_most: how many; None: all.
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
        """Returns a publication whose requests are said to come after a moment; None where none is."""
        ahead = self._query(
            f"SELECT {self._sync_columns} FROM {self._table(SYNCS)} WHERE {self._name('resource')} = %s "
            f"AND {self._name('last_requested_at')} > %s ORDER BY {self._newest_publication} LIMIT 1",
            resource,
            moment,
        )
        return _sync_row(ahead[0]) if ahead else None

    def now(self) -> datetime:
        """The present time: the earlier one of this machine's clock and that of the warehouse's server."""
        return min([datetime.now(UTC), *self._destination.clocks(self._client)])

    def has_interval_after(self, resource: str, moment: datetime) -> bool:
        """Tells whether an interval run was published whose requests came later."""
        return bool(
            self._query(
                f"SELECT 1 FROM {self._table(SYNCS)} WHERE {self._name('resource')} = %s "
                f"AND {self._name('mode')} = 'interval' AND {self._name('last_requested_at')} > %s LIMIT 1",
                resource,
                moment,
            )
        )

    def entries_at(self, resource: str, moment: datetime) -> int:
        """Returns how many entries the full snapshot had that was the last one at a moment.

        Before the first one it is the first that counts; without any, 0.
        """
        at, full = self._name("snapshot_at"), f"{self._name('mode')} NOT IN ('interval', 'decide')"
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

    def sync(self, sync_id: str) -> SyncRow | None:
        """Returns one publication, None where it was not published."""
        rows = self._query(
            f"SELECT {self._sync_columns} FROM {self._table(SYNCS)} WHERE {self._name('sync_id')} = %s",
            sync_id,
        )
        return _sync_row(rows[0]) if rows else None

    def changed_after(self, resource: Resource, moment: datetime) -> "Iterator[pa.Table]":
        """Yields the ids of entries that syncs of later snapshots changed."""
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

    def states(self, resource: Resource) -> "Iterator[pa.Table]":
        """Yields (id, row_hash, missing_since, removed_at) of all entries, in batches."""
        names = [column.taken_from for column in columns.STATES]
        selected = self._names(columns.names(columns.STATES))
        yield from self._arrow(names, f"SELECT {selected} FROM {self._table(resource.name)}")

    def held_moments(self, resource: Resource) -> list[datetime]:
        """Returns the snapshots whose missing entries wait for a person's decision."""
        rows = self._query(
            f"SELECT {self._name('snapshot_at')} FROM {self._table(SYNCS)} "
            f"WHERE {self._name('resource')} = %s AND {self._name('newly_held')} > 0",
            resource.name,
        )
        return [row[0] for row in rows]

    def last_asked(self, resource: Resource) -> SyncRow | None:
        """Returns the last sync that was to ask a person about held entries; None where none were since."""
        asked = self._syncs(resource.name, f"AND {self._name('asks')}", at_most=1)
        settled = self._syncs(resource.name, f"AND {self._name('held')} = 0", at_most=1)
        if asked and settled and settled[0].snapshot_at >= asked[0].snapshot_at:
            return None
        return asked[0] if asked else None

    def held(self, resource: Resource) -> Iterator[tuple[EntryId, datetime]]:
        """Yields the entries that wait for a decision, each with its absence's begin, ordered by id.

        They are sorted here: of texts, each warehouse has an order of its own.
        """
        moments = self.held_moments(resource)
        if not moments:
            return
        missing, marks = self._name("_missing_since"), ", ".join(["%s"] * len(moments))
        batches = self._arrow(
            ("id", "missing_since"),
            f"SELECT {self._name('id')}, {missing} FROM {self._table(resource.name)} "
            f"WHERE {self._name('_removed_at')} IS NULL AND {missing} IN ({marks})",
            *moments,
        )
        absences = (zip(*(column.to_pylist() for column in b.columns), strict=True) for b in batches)
        yield from sorted(absence for batch in absences for absence in batch)

    def present(self, resource: Resource) -> int:
        """Returns how many entries are not marked as removed."""
        rows = self._query(
            f"SELECT count(*) FROM {self._table(resource.name)} WHERE {self._name('_removed_at')} IS NULL"
        )
        return int(rows[0][0]) if rows else 0

    def last_changes(self, resource: Resource, ids: Sequence[EntryId] | None = None) -> "Iterator[pa.Table]":
        """Yields the last change row of entries: id, record, row_hash, first_seen_at, changed_at.

        Args:
            resource: whose entries.
            ids: which ones; None: of all.
        """
        if ids is None:
            yield from self._arrow(_LOGGED, self._all_last_changes_sql(resource))
            return
        for start in range(0, len(ids), IDS_PER_QUERY):
            chunk = ids[start : start + IDS_PER_QUERY]
            marks = ", ".join(["%s"] * len(chunk))
            condition = f"WHERE {self._name('id')} IN ({marks})"
            yield from self._arrow(_LOGGED, self._last_changes_sql(resource, condition), *chunk)

    def _last_changes_sql(self, resource: Resource, condition: str) -> str:
        names = self._names(_LOGGED)
        return (
            f"SELECT {names} FROM (SELECT {names}, row_number() OVER ({self._newest_first()}) AS newest "
            f"FROM {self._table(resource.changes_table)} {condition}) AS ranked WHERE newest = 1"
        )

    def _all_last_changes_sql(self, resource: Resource) -> str:
        """Ranks without the records: the rank of all rows takes the memory of all that is ranked."""
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
        """Returns the syncs whose change rows stand without their row in `directory_syncs`, oldest first."""
        sync_id, table = self._name("sync_id"), self._table(resource.changes_table)
        has_syncs = bool(self._query(f"SELECT 1 FROM {self._table(SYNCS)} LIMIT 1"))
        if self._destination.has_indexes:
            self._create_indexes(resource)
            # From one sync to the next by the index: what it costs grows with the syncs, not with their rows.
            logged = (
                f"WITH RECURSIVE logged AS (SELECT min({sync_id}) AS {sync_id} FROM {table} UNION ALL "
                f"SELECT (SELECT min(later.{sync_id}) FROM {table} AS later "
                f"WHERE later.{sync_id} > logged.{sync_id}) FROM logged WHERE logged.{sync_id} IS NOT NULL) "
                f"SELECT {sync_id} FROM logged WHERE {sync_id} IS NOT NULL"
            )
        else:
            logged = f"SELECT DISTINCT {sync_id} FROM {table} WHERE {sync_id} IS NOT NULL"
        known = f" AND {sync_id} NOT IN (SELECT {sync_id} FROM {self._table(SYNCS)})" if has_syncs else ""
        # They begin with the time of their snapshot.
        return sorted(row[0] for row in self._query(logged + known))

    def _create_indexes(self, resource: Resource) -> None:
        """Creates the indexes of the change log where they are missing: by sync, and by entry."""
        table = resource.changes_table
        for column in ("sync_id", "id"):
            name = f"{table[:30]}_{sha256(table.encode()).hexdigest()[:8]}_by_{column}"
            where = f"{self._table(table)} ({self._name(column)})"
            self._execute(f"CREATE INDEX IF NOT EXISTS {self._name(name)} ON {where}")

    def changes(self, resource: Resource, sync_id: str, selected: Sequence[str]) -> "Iterator[pa.Table]":
        """Yields columns of the change rows of one sync, in batches."""
        yield from self._arrow(
            selected,
            f"SELECT {self._names(selected)} FROM {self._table(resource.changes_table)} "
            f"WHERE {self._name('sync_id')} = %s",
            sync_id,
        )

    def roll_back(self, resource: Resource, sync_id: str) -> None:
        """Takes out the change rows of a publication that cannot be finished, in one transaction.

        Its rows may stand in the table: those lose their hash, so that the next difference writes them anew;
        entries that no other publication has logged go.
        """
        name, table, log = self._name, self._table(resource.name), self._table(resource.changes_table)
        ids = f"SELECT {name('id')} FROM {log} WHERE {name('sync_id')} = %s"
        logged = f"SELECT {name('id')} FROM {log} WHERE {name('sync_id')} <> %s"
        entries = f"{name('id')} IN ({ids}) AND {name('id')} NOT IN ({logged})"
        roots = f"SELECT {name('_dlt_id')} FROM {table} WHERE {entries}"
        with self._transaction():
            if self._query(f"SELECT 1 FROM {table} LIMIT 1"):
                self._execute(
                    f"UPDATE {table} SET {name('_row_hash')} = '' WHERE {name('id')} IN ({ids})", sync_id
                )
                for child, key in self._child_tables(resource):
                    condition = f"{self._name(key)} IN ({roots})"
                    self._execute(f"DELETE FROM {self._table(child)} WHERE {condition}", sync_id, sync_id)
                self._execute(f"DELETE FROM {table} WHERE {entries}", sync_id, sync_id)
            self._execute(f"DELETE FROM {log} WHERE {name('sync_id')} = %s", sync_id)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if not self.is_transactional:
            yield
            return
        with _without_values(), self._client.begin_transaction():
            self._destination.fence(self._client, ())
            self._assert_held()
            yield

    def _child_tables(self, resource: Resource) -> Iterator[tuple[str, str]]:
        """Yields the child tables, the innermost first, and the column that holds the root's `_dlt_id`."""
        tables = self.pipeline.default_schema.tables
        for table in reversed(get_nested_tables(tables, resource.name, include_self=False)):
            key = get_first_column_name_with_prop(table, "root_key")
            if key is None and table.get("parent") == resource.name:
                key = get_first_column_name_with_prop(table, "parent_key")
            if key:
                yield str(table["name"]), key

    def create_history_view(self, resource: Resource) -> None:
        """Creates the view of all versions: one row an entry and period, from the change rows.

        A version begins with an added, changed, reshaped or returned entry and ends with the next change
        of it, a removal included. The record is the API's JSON, so a new column changes nothing here.
        """
        name, view = self._name, self._table(resource.history_view)
        period = f"PARTITION BY {name('id')} ORDER BY {name('snapshot_at')}, {name('sync_id')}"
        end = f"lead({name('snapshot_at')}) OVER ({period})"
        selected = ", ".join(
            f"{end if one.name == 'valid_to' else name(one.taken_from)} AS {name(one.name)}"
            for one in columns.HISTORY
        )
        body = (
            f"SELECT {selected} FROM {self._table(resource.changes_table)} "
            f"WHERE {name('kind')} <> '{Kind.MISSING}'"
        )
        self._execute(
            f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM ({body}) AS versions "
            f"WHERE {name('kind')} <> '{Kind.REMOVED}'"
        )

    def _table(self, name: str) -> str:
        return str(self._client.make_qualified_table_name(name))

    def _name(self, column: str) -> str:
        return str(self._client.escape_column_name(column))

    def _names(self, columns: Sequence[str]) -> str:
        return ", ".join(self._name(column) for column in columns)

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Returns all rows; none where the table is not there yet."""
        with _without_values():
            try:
                return [tuple(row) for row in self._client.execute_sql(sql, *values) or ()]
            except DatabaseUndefinedRelation:
                return []

    _execute = _query

    def _arrow(self, columns: Sequence[str], sql: str, *values: Any) -> "Iterator[pa.Table]":
        """Yields all rows in batches under our names; none where the table is not there yet."""
        with _without_values():
            try:
                rows = RECORDS_PER_BATCH if "record" in columns else ROWS_PER_BATCH
                for batch in self._destination.batches(self._client, sql, values, rows):
                    yield _as_arrow(batch, columns)
            except DatabaseUndefinedRelation:
                return


def _as_arrow(batch: Any, columns: Sequence[str]) -> "pa.Table":
    """A batch as Arrow, whatever the driver gave: a column that is null throughout has its type."""
    import pyarrow as pa

    if isinstance(batch, pa.Table):
        return batch.rename_columns(list(columns))
    arrays = {}
    for name, values in zip(columns, zip(*batch, strict=True), strict=True):
        arrays[name] = pa.array(values, _LOG_COLUMNS[name].arrow_type())
    return pa.table(arrays)


@contextmanager
def _without_values() -> Iterator[None]:
    """Names a database's error by its class: its message may quote values of entries."""
    failed_with, lacks_memory = "", False
    try:
        yield
    except (DatabaseException, PipelineStepFailed) as e:
        failed_with, lacks_memory = innermost(e), is_out_of_memory(e)
    if lacks_memory:
        raise_alone(out_of_memory("A table of the warehouse"))
    if failed_with:
        raise_alone(
            WarehouseError(
                f"The warehouse refused a statement ({failed_with}). Nothing was published. Airflow tries "
                "again; see docs/runbook.md#warehouseerror."
            )
        )


def innermost(exception: BaseException) -> str:
    """Returns the class of the first cause. Its message may quote values; a database's own class does not."""
    while cause := exception.__cause__ or exception.__context__:
        exception = cause
    return type(exception).__name__


def _sync_row(row: Sequence[Any]) -> SyncRow:
    return SyncRow(**dict(zip(_SYNC_COLUMNS, row, strict=True)))


@contextmanager
def open_warehouse(
    connection: ConnectionFields | None, settings: SyncSettings, *, folder: Path
) -> Iterator[Warehouse]:
    """Opens the warehouse and holds it until the block ends.

    Args:
        connection: `directory_warehouse`; None for the embedded DuckDB file.
        settings: dataset, memory limit, how long to wait.
        folder: the task's own; dlt works in it, DuckDB spills into it.

    Raises:
        ConfigError: a connection type without a mapping, or a connection that lacks something.
        WarehouseError: it cannot be reached, or another process holds it for too long.
    """
    destination = destination_of(connection, settings, folder=folder)
    if not destination.is_transactional:
        logger.info("Readers may see a table ahead of its child tables: this warehouse takes them one by one")

    def guard(client: Any) -> None:
        warehouse.assert_expected(client)

    with destination.hold() as plain:
        pipeline = dlt.pipeline(
            PIPELINE_NAME,
            destination=in_one_transaction(plain, guard) if destination.is_transactional else plain,
            dataset_name=settings.dataset,
            pipelines_dir=str(folder / "pipelines"),
        )
        # The extract stage turns this off for its own pipelines. Here the warehouse's schema must be known:
        # without it every table would be new to dlt, and no schema contract would hold.
        pipeline.config.restore_from_destination = True
        with _without_values():
            pipeline.sync_destination()
        with pipeline.sql_client() as client:
            warehouse = Warehouse(pipeline, client, destination)
            yield warehouse
