"""dlt's destination PostgreSQL, with a COPY of CSV that keeps an empty text apart from NULL.

dlt's own job reads each quoted empty text as NULL (`FORCE_NULL`), because some writers of CSV quote NULL,
too. pyarrow's does not: by `quote_all`, which our configuration of dlt says, it quotes each value and writes
NULL as nothing. https://www.postgresql.org/docs/current/sql-copy.html says how PostgreSQL reads both.

Staging tables have neither a write-ahead log nor unique columns: both took more than half of a COPY's time,
for rows that live for seconds. A server that crashes empties an unlogged table. It also cuts the connection
that holds the lock, and the transaction that merges counts the rows first, see `Warehouse.assert_expected`.
Only merged tables are staged: a replacing load of dlt's could move such a table into the dataset itself.
"""

import csv
from typing import TYPE_CHECKING, Any

from dlt.common.destination.client import HasFollowupJobs, RunnableLoadJob
from dlt.common.storages.file_storage import FileStorage
from dlt.destinations import postgres
from dlt.destinations.impl.postgres.postgres import PostgresClient

if TYPE_CHECKING:
    from dlt.common.destination.client import LoadJob
    from dlt.common.destination.typing import PreparedTableSchema
    from dlt.common.schema.typing import TColumnSchema

PIECE_BYTES = 1 << 20
"""How much of a file is sent at once."""


class CopyJob(RunnableLoadJob, HasFollowupJobs):
    """Copies one file of CSV into its table."""

    def run(self) -> None:
        """Copies the file in a transaction."""
        client = self._job_client.sql_client  # type: ignore[attr-defined]
        # dlt may have compressed the file.
        with FileStorage.open_zipsafe_ro(self._file_path, "rb") as file:
            names = next(csv.reader([file.readline().decode()]))
            columns = ", ".join(client.escape_column_name(name) for name in names)
            with client.begin_transaction(), client.native_connection.cursor() as cursor:
                table = client.make_qualified_table_name(self.load_table_name)
                cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)", file, PIECE_BYTES)


class _Client(PostgresClient):
    def create_load_job(
        self, table: "PreparedTableSchema", file_path: str, *given: Any, **named: Any
    ) -> "LoadJob":
        if file_path.endswith((".csv", ".csv.gz")):
            return CopyJob(file_path)
        return super().create_load_job(table, file_path, *given, **named)

    def _make_create_table(self, qualified_name: str, table: "PreparedTableSchema") -> str:
        begin = super()._make_create_table(qualified_name, table)
        is_staging = self.sql_client.is_staging_dataset_active
        return begin.replace("CREATE TABLE", "CREATE UNLOGGED TABLE", 1) if is_staging else begin

    def _get_column_hints_sql(self, c: "TColumnSchema") -> str:
        return "" if self.sql_client.is_staging_dataset_active else super()._get_column_hints_sql(c)


class PostgresByCopy(postgres):
    """dlt's destination with our job."""

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client that makes the jobs."""
        return _Client
