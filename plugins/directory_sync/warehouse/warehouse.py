"""The warehouse while one process holds it: the load, its preconditions, and the roll back.

All SQL to the warehouse's tables is in this package. `sql` runs statements; `syncs` and `entries` read the
tables; `views` creates the views. This module checks what a load relies on, and removes the rows of an
interrupted publication.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema.utils import get_first_column_name_with_prop, get_nested_tables
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.dlt_provider import own_dlt
from directory_sync.config.form import Resource
from directory_sync.config.older_python import UTC
from directory_sync.config.settings import SyncSettings
from directory_sync.config.tables import SYNCS
from directory_sync.errors import WarehouseError
from directory_sync.warehouse.destinations import Destination, destination_of
from directory_sync.warehouse.destinations.one_transaction import in_one_transaction
from directory_sync.warehouse.entries import Entries
from directory_sync.warehouse.room import Room
from directory_sync.warehouse.sql import without_values
from directory_sync.warehouse.views import Views

if TYPE_CHECKING:
    from dlt.common.destination import TLoaderFileFormat
    from dlt.common.schema.typing import TLoaderMergeStrategy

logger = logging.getLogger(__name__)

PIPELINE_NAME = "directory_sync"


@dataclass(frozen=True, kw_only=True)
class Loading:
    """A load that is about to begin, and the state that the warehouse must have for it.

    Attributes:
        resource: the resource whose tables are loaded.
        sync_id: the publication.
        base_sync_id: the publication that must be the last one; None: there must be none.
        staged: for each table that is merged, how many rows its staging table must hold then; also 0.
        load_id: dlt's load id of the rows of the table and of `directory_syncs`.
        bytes_a_row: the average size of a record, in bytes.
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
        pipeline: dlt's pipeline to the warehouse; its schema describes the tables there.
        client: dlt's open SQL client of the pipeline's dataset.
        destination: the kind of warehouse, and the hold on it.
    """

    def __init__(self, pipeline: dlt.Pipeline, client: Any, destination: Destination) -> None:
        """Runs no statement yet."""
        super().__init__(pipeline, client, destination)
        self._loading: Sequence[Loading] = ()

    @property
    def file_format(self) -> "TLoaderFileFormat":
        """The format of the files that dlt loads into this warehouse."""
        return self._destination.file_format

    @property
    def bulk_format(self) -> "TLoaderFileFormat":
        """The format of rows that are Arrow tables already."""
        return self._destination.bulk_format or self._destination.file_format

    @property
    def merge_strategy(self) -> "TLoaderMergeStrategy":
        """How dlt replaces entries in a table that has child tables."""
        return self._destination.merge_strategy

    def storable(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns a row without the characters that the warehouse cannot hold."""
        return self._destination.storable(row)

    @property
    def settings(self) -> SyncSettings:
        """The deployment's switches."""
        return self._destination.settings

    @property
    def address(self) -> tuple[str, str]:
        """What lineage calls the warehouse, see `Destination.address`."""
        return self._destination.address

    def room(self, *, adds_variants: bool) -> Room:
        """Returns the limits of the warehouse.

        Args:
            adds_variants: whether the schema contract allows new columns for values of another type.
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
        """Removes tables that a person has dropped from dlt's schema, so that dlt creates them again.

        dlt compares the hash of its schema with the last stored one, not with the existing tables. The child
        tables and the staging table of a dropped table are dropped too.
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
            logger.warning("These tables were dropped; dlt creates them again: %s", ", ".join(gone))
            with client.with_staging_dataset():
                if client.is_storage_initialized():
                    client.drop_tables(*names)
            client.drop_tables(*names)
            schema.drop_tables(names)
            self._drops += 1
            self.pipeline.schemas.save_schema(schema)

    def _exists(self, table: str) -> bool:
        try:
            self._client.execute_sql(f"SELECT 1 FROM {self._table(table)} WHERE 1 = 0")
        except DatabaseUndefinedRelation:
            return False
        return True

    @property
    def is_transactional(self) -> bool:
        """Whether all tables of one load package are written in one transaction."""
        return self._destination.is_transactional

    def load(self, *loadings: Loading) -> None:
        """Loads the normalised package if the preconditions hold, see `assert_expected`.

        Args:
            loadings: the load and its preconditions, for each resource that it publishes.

        Raises:
            WarehouseError: a precondition does not hold. Nothing was written.
        """
        self._loading = loadings
        staged = loadings[0].staged
        try:
            if not self.is_transactional:
                self.assert_expected(self._client)
            self._assert_held()
            tables = self.pipeline.default_schema.tables
            self._destination.make_room(
                columns=sum(len(tables[name]["columns"]) for name, count in staged.items() if count),
                rows=max(staged.values(), default=0),
                bytes_a_row=max(loading.bytes_a_row for loading in loadings),
            )
            self.pipeline.load(raise_on_failed_jobs=True)
        finally:
            self._loading = ()

    def assert_expected(self, client: Any) -> bool:
        """Checks the preconditions of the load, and keeps them true until the client's transaction ends.

        A process can lose its hold on the warehouse without notice and continue beside another process. So
        the transaction that writes checks again, after everything that was committed before it.

        Args:
            client: dlt's SQL client, in the transaction that writes.

        Returns:
            Whether the load is in the warehouse already: a commit succeeded whose answer was lost, and dlt
            tries again.

        Raises:
            WarehouseError: another process may hold the warehouse, has published, or writes into the staging
                tables.
        """
        assert self._loading
        within = Warehouse(self.pipeline, client, self._destination)
        tables: dict[str, str] = {}
        if self.is_transactional:
            with client.with_alternative_dataset_name(client.staging_dataset_name):
                tables = {name: within._table(name) for name in self._loading[0].staged}
            self._destination.fence(client, sorted(tables.values()))
        self._assert_held()
        # While dlt merges tables, its client qualifies names with the staging dataset.
        with client.with_alternative_dataset_name(self._client.dataset_name):
            last = [within.last_sync(loading.resource.name) for loading in self._loading]
        found = [one.sync_id if one else None for one in last]
        # Before the staging tables are looked at: the lost commit has emptied them.
        if found == [loading.sync_id for loading in self._loading]:
            logger.info("%s is in the warehouse already: the answer to its commit was lost", found[0])
            return True
        for loading, sync_id in zip(self._loading, found, strict=True):
            if sync_id != loading.base_sync_id:
                raise WarehouseError(
                    f"Another process has published `{loading.resource.name}` meanwhile: the last sync is "
                    f"{sync_id or 'none'}, but {loading.sync_id} is based on "
                    f"{loading.base_sync_id or 'none'}. Nothing was published. Airflow tries again."
                )
        rows = self._loading[0].staged
        # A table without rows in this load has no file, so its staging table itself is read.
        staged = {
            name: self._destination.staged(table) if rows[name] else table for name, table in tables.items()
        }
        within._assert_staged(self._loading, staged)
        return False

    def _assert_held(self) -> None:
        if not self._destination.is_held():
            raise WarehouseError(
                f"{self._destination.lost}. Nothing was published. Airflow tries again; see "
                "docs/runbook.md#warehouseerror."
            )

    def _assert_staged(self, loadings: Sequence[Loading], tables: Mapping[str, str]) -> None:
        """Checks that the staging tables hold only the rows of this load: all processes share them."""
        first = loadings[0]
        marks = {SYNCS: ("_dlt_load_id", first.load_id)}
        for loading in loadings:
            marks[loading.resource.name] = ("_dlt_load_id", loading.load_id)
            marks[loading.resource.changes_table] = ("sync_id", loading.sync_id)
        for name, table in tables.items():
            column, value = marks.get(name, ("", ""))
            condition = f"WHERE {self._name(column)} = %s" if column else ""
            found = self._query(f"SELECT count(*) FROM {table} {condition}", *([value] if column else []))
            everything = self._query(f"SELECT count(*) FROM {table}")
            if not found == everything == [(first.staged[name],)]:
                raise WarehouseError(
                    f"The rows in the staging table of `{name}` are not those of {first.sync_id}: another "
                    "process loads at the same time, or the server has crashed. Nothing was published. "
                    "Airflow tries again."
                )

    def now(self) -> datetime:
        """Returns the present time by the clock of this machine or of the warehouse's server: the earlier."""
        return min([datetime.now(UTC), *self._destination.clocks(self._client)])

    def roll_back(self, resource: Resource, sync_id: str) -> None:
        """Deletes the change rows of a publication that cannot be finished, in one transaction.

        Its rows may already be in the table. Their hash is emptied, so that the next difference writes them
        again; entries that no other publication has logged are deleted.

        Args:
            resource: the resource.
            sync_id: the publication.

        Raises:
            WarehouseError: a statement was refused, or the hold on the warehouse was lost.
        """
        entry, name = self._entry_name(resource), self._name
        table, log = self._table(resource.name), self._table(resource.changes_table)
        ids = f"SELECT {name('id')} FROM {log} WHERE {name('sync_id')} = %s"
        logged = f"SELECT {name('id')} FROM {log} WHERE {name('sync_id')} <> %s"
        entries = f"{entry} IN ({ids}) AND {entry} NOT IN ({logged})"
        roots = f"SELECT {name('_dlt_id')} FROM {table} WHERE {entries}"
        with self._transaction():
            if self._query(f"SELECT 1 FROM {table} LIMIT 1"):
                self._execute(
                    f"UPDATE {table} SET {name('_row_hash')} = '' WHERE {entry} IN ({ids})", sync_id
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
        """Yields each child table, the innermost first, with its column that holds the root's `_dlt_id`."""
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
        connection: the connection `directory_warehouse`; None: the embedded DuckDB file.
        settings: the deployment's switches: dataset, memory limit, how long to wait.
        folder: the task's own folder, in which dlt works and into which DuckDB spills.

    Raises:
        ConfigError: the type of the connection is not supported, or the connection is incomplete.
        WarehouseError: the warehouse cannot be reached, or another process holds it for too long.
    """
    destination = destination_of(connection, settings, folder=folder)
    if not destination.is_transactional:
        logger.info(
            "This warehouse writes tables one by one: readers may see a table before its child tables"
        )

    def guard(client: Any) -> bool:
        return warehouse.assert_expected(client)

    with own_dlt(), destination.hold() as plain:
        pipeline = dlt.pipeline(
            PIPELINE_NAME,
            destination=(
                in_one_transaction(plain, guard, reads_files=destination.reads_files)
                if destination.is_transactional
                else plain
            ),
            dataset_name=settings.dataset,
            pipelines_dir=str(folder / "pipelines"),
        )
        # The extract stage turns this off for its own pipelines. Here dlt must know the warehouse's schema:
        # otherwise every table would be new to it, and no schema contract would apply.
        pipeline.config.restore_from_destination = True
        with without_values():
            pipeline.sync_destination()
        with pipeline.sql_client() as client:
            warehouse = Warehouse(pipeline, client, destination)
            yield warehouse
