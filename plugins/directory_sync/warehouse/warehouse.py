"""The warehouse while one process holds it: what is loaded into it, and under which conditions.

All SQL to its tables stands in this package. `sql` runs statements; `syncs`, `entries` and `views` say what
is read from which table. Here stands what is checked before a load, and taken out after an interrupted one.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema.utils import get_first_column_name_with_prop, get_nested_tables
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.form import Resource
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import WarehouseError
from directory_sync.warehouse.destinations import Destination, destination_of
from directory_sync.warehouse.destinations.one_transaction import in_one_transaction
from directory_sync.warehouse.entries import Entries
from directory_sync.warehouse.room import Room
from directory_sync.warehouse.sql import without_values
from directory_sync.warehouse.syncs import SYNCS
from directory_sync.warehouse.views import Views

if TYPE_CHECKING:
    from dlt.common.destination import TLoaderFileFormat
    from dlt.common.schema.typing import TLoaderMergeStrategy

logger = logging.getLogger(__name__)

PIPELINE_NAME = "directory_sync"


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


class Warehouse(Entries, Views):
    """An open warehouse, held by this process.

    Args:
        pipeline: dlt's pipeline to it; its schema is what the warehouse holds.
        client: dlt's SQL client of the pipeline's dataset, open.
        destination: what it is, and how it is held.
    """

    def __init__(self, pipeline: dlt.Pipeline, client: Any, destination: Destination) -> None:
        """Asks nothing yet."""
        super().__init__(pipeline, client, destination)
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
        with without_values(), self.pipeline.destination_client() as client:
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

    def now(self) -> datetime:
        """The present time: the earlier one of this machine's clock and that of the warehouse's server."""
        return min([datetime.now(UTC), *self._destination.clocks(self._client)])

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
        with without_values(), self._client.begin_transaction():
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
        with without_values():
            pipeline.sync_destination()
        with pipeline.sql_client() as client:
            warehouse = Warehouse(pipeline, client, destination)
            yield warehouse
