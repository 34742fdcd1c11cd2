"""The warehouse: the only module that speaks SQL to its tables.

One process holds it while it reads, checks and writes (see `destinations`). Every statement goes through
`_query`, `_arrow` or `_execute`, in SQL that all of dlt's warehouses take; identifiers are quoted by dlt's
SQL client for its destination, values are bound.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema import utils
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.destinations import Destination, destination_of
from directory_sync.envelope import EntryId
from directory_sync.errors import WarehouseError, raise_alone
from directory_sync.form import Resource
from directory_sync.settings import ConnectionFields, SyncSettings
from directory_sync.storable import Room

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.common.destination import TLoaderFileFormat
    from dlt.common.schema.typing import TLoaderMergeStrategy

logger = logging.getLogger(__name__)

PIPELINE_NAME = "directory_sync"
SYNCS = "directory_syncs"
IDS_PER_QUERY = 1_000
ROWS_PER_BATCH = 20_000
TIMES = ("snapshot_at", "first_seen_at", "changed_at", "missing_since", "removed_at")
"""The columns of the change rows that hold times."""


@dataclass(frozen=True, kw_only=True)
class SyncRow:
    """One publication: a row of `directory_syncs`."""

    sync_id: str
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


_SYNC_COLUMNS = tuple(SyncRow.__dataclass_fields__)
_LOGGED = ("id", "record", "row_hash", "first_seen_at", "changed_at")


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
            chains = [
                table["name"] for name in gone for table in utils.get_nested_tables(schema.tables, name)
            ]
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

    def assert_held(self) -> None:
        """Raises WarehouseError if another process may hold the warehouse by now."""
        if not self._destination.is_held():
            raise WarehouseError(
                "The connection that held the warehouse's lock was cut. Nothing was published. Airflow tries "
                "again; see docs/runbook.md#warehouseerror."
            )

    def last_sync(self, resource: str) -> SyncRow | None:
        """Returns the last publication of any kind, None before the first: what a difference is based on.

        Each publication names the one before it, so the last is the one that no other names. Its snapshot
        need not be the latest one: interval runs are published beside others.
        """
        base, sync_id = self._name("base_sync_id"), self._name("sync_id")
        named = f"SELECT {base} FROM {self._table(SYNCS)} WHERE {base} IS NOT NULL"
        tips = self._syncs(resource, f"AND {sync_id} NOT IN ({named})", at_most=1)
        return tips[0] if tips else None

    def last_snapshot(self, resource: str) -> SyncRow | None:
        """Returns the last published full snapshot, None before the first: the fence."""
        return next(iter(self.recent_syncs(resource, at_most=1)), None)

    def recent_syncs(self, resource: str, *, at_most: int, of_all_kinds: bool = False) -> list[SyncRow]:
        """Returns the last publications, those of the latest snapshots first.

        Args:
            resource: whose.
            at_most: how many.
            of_all_kinds: those of interval runs and of decisions as well, which are no full snapshots.
        """
        full = f"AND {self._name('mode')} NOT IN ('interval', 'decide')"
        return self._syncs(resource, "" if of_all_kinds else full, at_most=at_most)

    def _syncs(self, resource: str, condition: str, *, at_most: int) -> list[SyncRow]:
        columns = self._names(_SYNC_COLUMNS)
        rows = self._query(
            f"SELECT {columns} FROM {self._table(SYNCS)} WHERE {self._name('resource')} = %s {condition} "
            f"ORDER BY {self._name('snapshot_at')} DESC, {self._name('sync_id')} DESC LIMIT {int(at_most)}",
            resource,
        )
        return [_sync_row(row) for row in rows]

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

    def sync(self, sync_id: str) -> SyncRow | None:
        """Returns one publication, None where it was not published."""
        columns = self._names(_SYNC_COLUMNS)
        rows = self._query(
            f"SELECT {columns} FROM {self._table(SYNCS)} WHERE {self._name('sync_id')} = %s",
            sync_id,
        )
        return _sync_row(rows[0]) if rows else None

    def changed_after(self, resource: Resource, moment: datetime) -> "Iterator[pa.Table]":
        """Yields the ids of entries that syncs of later snapshots changed."""
        yield from self._arrow(
            ("id",),
            f"SELECT DISTINCT {self._name('id')} FROM {self._table(resource.changes_table)} "
            f"WHERE {self._name('snapshot_at')} > %s",
            moment,
        )

    def states(self, resource: Resource) -> "Iterator[pa.Table]":
        """Yields (id, row_hash, missing_since, removed_at) of all entries, in batches."""
        columns = ("id", "_row_hash", "_missing_since", "_removed_at")
        names = tuple(column.removeprefix("_") for column in columns)
        yield from self._arrow(names, f"SELECT {self._names(columns)} FROM {self._table(resource.name)}")

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
        """Returns the syncs whose change rows stand without their row in `directory_syncs`."""
        sync_id = self._name("sync_id")
        has_syncs = bool(self._query(f"SELECT 1 FROM {self._table(SYNCS)} LIMIT 1"))
        known = f"WHERE {sync_id} NOT IN (SELECT {sync_id} FROM {self._table(SYNCS)})"
        rows = self._query(
            f"SELECT {sync_id} FROM {self._table(resource.changes_table)} {known if has_syncs else ''} "
            f"GROUP BY {sync_id} ORDER BY min({self._name('snapshot_at')})"
        )
        return [row[0] for row in rows]

    def changes(self, resource: Resource, sync_id: str, columns: Sequence[str]) -> "Iterator[pa.Table]":
        """Yields the change rows of one sync, in batches."""
        yield from self._arrow(
            columns,
            f"SELECT {self._names(columns)} FROM {self._table(resource.changes_table)} "
            f"WHERE {self._name('sync_id')} = %s",
            sync_id,
        )

    def create_history_view(self, resource: Resource) -> None:
        """Creates the view of all versions: one row an entry and period, from the change rows.

        A version begins with an added, changed, reshaped or returned entry and ends with the next change
        of it, a removal included. The record is the API's JSON, so a new column changes nothing here.
        """
        name, view = self._name, self._table(resource.history_view)
        period = f"PARTITION BY {name('id')} ORDER BY {name('snapshot_at')}, {name('sync_id')}"
        body = (
            f"SELECT {name('id')}, {name('kind')}, {name('snapshot_at')} AS {name('valid_from')}, "
            f"lead({name('snapshot_at')}) OVER ({period}) AS {name('valid_to')}, "
            f"{name('record')}, {name('changed_fields')}, {name('sync_id')} "
            f"FROM {self._table(resource.changes_table)} WHERE {name('kind')} <> 'missing'"
        )
        self._execute(
            f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM ({body}) AS versions "
            f"WHERE {name('kind')} <> 'removed'"
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
                for batch in self._destination.batches(self._client, sql, values, ROWS_PER_BATCH):
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
        type_ = pa.timestamp("us", tz="UTC") if name in TIMES else None if name == "id" else pa.string()
        arrays[name] = pa.array(values, type_)
    return pa.table(arrays)


@contextmanager
def _without_values() -> Iterator[None]:
    """Names a database's error by its class: its message may quote values of entries."""
    failed_with = ""
    try:
        yield
    except (DatabaseException, PipelineStepFailed) as e:
        failed_with = innermost(e)
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
    with destination.hold() as dlt_destination:
        pipeline = dlt.pipeline(
            PIPELINE_NAME,
            destination=dlt_destination,
            dataset_name=settings.dataset,
            pipelines_dir=str(folder / "pipelines"),
        )
        # The extract stage turns this off for its own pipelines. Here the warehouse's schema must be known:
        # without it every table would be new to dlt, and no schema contract would hold.
        pipeline.config.restore_from_destination = True
        with _without_values():
            pipeline.sync_destination()
        with pipeline.sql_client() as client:
            yield Warehouse(pipeline, client, destination)
