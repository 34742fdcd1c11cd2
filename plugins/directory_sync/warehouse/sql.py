"""Runs statements, in SQL that all of dlt's warehouses understand.

Identifiers are quoted by dlt's SQL client, values are bound. Of a database's error only the class is shown,
because its message may quote values of entries.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dlt
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.memory import is_out_of_memory, out_of_memory
from directory_sync.errors import WarehouseError, raise_alone
from directory_sync.warehouse.destinations import Destination
from directory_sync.warehouse.key_columns import column_of, entry_column
from directory_sync.warehouse.outage import was_away

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.common.schema import Schema

ROWS_PER_BATCH, RECORDS_PER_BATCH = 20_000, 2_000
_LOG_COLUMNS = {column.name: column for column in (*columns.CHANGES, columns.SYNC_HEADER)}


class Sql:
    """Runs statements in a dataset.

    Args:
        pipeline: dlt's pipeline to the warehouse; its schema describes the tables there.
        client: dlt's open SQL client of the pipeline's dataset.
        destination: the kind of warehouse, and the hold on it.
    """

    def __init__(self, pipeline: dlt.Pipeline, client: Any, destination: Destination) -> None:
        """Runs no statement yet."""
        self.pipeline, self._client, self._destination = pipeline, client, destination

    def _table(self, name: str) -> str:
        return str(self._client.make_qualified_table_name(name))

    def _name(self, column: str) -> str:
        return str(self._client.escape_column_name(column))

    @property
    def schema(self) -> "Schema":
        """The schema that dlt keeps of the warehouse, with its naming; before a first load without tables."""
        return self.pipeline._get_schema_or_create()  # noqa: SLF001  `default_schema` fails before one

    def _entry_column(self, resource: Resource) -> str:
        """Returns the column of a resource's table that holds the key."""
        return entry_column(self.schema, resource)

    def _entry_name(self, resource: Resource) -> str:
        """Returns the column of a resource's table that holds the key, quoted."""
        return self._name(self._entry_column(resource))

    def column_of(self, path: Sequence[str]) -> str:
        """Returns the column that a field of an entry has, or would have.

        Args:
            path: the keys that lead to the field.
        """
        return column_of(self.schema, path)

    def _names(self, columns: Sequence[str]) -> str:
        return ", ".join(self._name(column) for column in columns)

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Returns all rows; none if the table does not exist yet."""
        with without_values():
            try:
                return [tuple(row) for row in self._client.execute_sql(sql, *values) or ()]
            except DatabaseUndefinedRelation:
                return []

    _execute = _query

    def _arrow(self, columns: Sequence[str], sql: str, *values: Any) -> "Iterator[pa.Table]":
        """Yields all rows in batches with the given column names; none if the table does not exist yet."""
        with without_values():
            try:
                rows = RECORDS_PER_BATCH if "record" in columns else ROWS_PER_BATCH
                for batch in self._destination.batches(self._client, sql, values, rows):
                    yield _as_arrow(batch, columns)
            except DatabaseUndefinedRelation:
                return


def _as_arrow(batch: Any, columns: Sequence[str]) -> "pa.Table":
    """Returns a batch of a driver as an Arrow table; a column with only nulls has its own type too."""
    import pyarrow as pa

    if isinstance(batch, pa.Table):
        return batch.rename_columns(list(columns))
    arrays = {}
    for name, values in zip(columns, zip(*batch, strict=True), strict=True):
        arrays[name] = pa.array(values, _LOG_COLUMNS[name].arrow_type())
    return pa.table(arrays)


@contextmanager
def without_values() -> Iterator[None]:
    """Re-raises a database's error without its message, which may quote values of entries.

    Raises:
        WarehouseError: a statement was refused; the message has the class of the original error.
        ConfigError: the database ran out of memory.
    """
    failed_with, lacks_memory, is_outage = "", False, False
    try:
        yield
    except (DatabaseException, PipelineStepFailed) as e:
        failed_with, lacks_memory, is_outage = innermost(e), is_out_of_memory(e), was_away(e)
    if lacks_memory:
        raise_alone(out_of_memory("A table of the warehouse"))
    if failed_with:
        raise_alone(
            WarehouseError(
                f"The warehouse refused a statement ({failed_with}). Nothing was published. Airflow tries "
                "again; see docs/runbook.md#warehouseerror."
            ).marked(is_outage=is_outage)
        )


def innermost(exception: BaseException) -> str:
    """Returns the name of the class of the first cause in an exception's chain."""
    while cause := exception.__cause__ or exception.__context__:
        exception = cause
    return type(exception).__name__
