"""DuckDB: the warehouse is a file."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt

from directory_sync.config.memory import duckdb_limit_mb
from directory_sync.errors import ConfigError, WarehouseError
from directory_sync.warehouse.destinations.destination import Destination
from directory_sync.warehouse.dialect_duckdb import DuckDB

if TYPE_CHECKING:
    import duckdb


class DuckDBFile(Destination):
    """A DuckDB file: one process at a time may have it open for writing."""

    conn_type = "duckdb"
    file_format = "parquet"
    reads_files = True
    dialect = DuckDB()
    lost = "The warehouse's file was replaced or removed while it was open"
    # DuckDB has no limit, but it adds columns one by one, and each costs more than the one before.
    max_columns = 1_000

    @contextmanager
    def hold(self) -> Iterator[Any]:
        """Opens the file; waits while another process has it open for writing."""
        self._opened: duckdb.DuckDBPyConnection | None = None
        name, remedy = str(self.path), "Close what has the file open"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._wait_for(self._open, name=name, remedy=remedy)
        assert self._opened is not None
        try:
            yield dlt.destinations.duckdb(self._opened)
        finally:
            self._opened.close()

    @property
    def address(self) -> tuple[str, str]:
        """The file, and DuckDB's name for it, as OpenLineage's dbt wrapper has them."""
        return f"duckdb://{self.path}", self.path.stem

    def is_held(self) -> bool:
        """Tells whether the path still leads to the file that was opened and locked."""
        try:
            return os.path.samestat(self.path.stat(), self._file)
        except FileNotFoundError:
            return False

    def make_room(self, *, columns: int, rows: int, bytes_a_row: float) -> None:
        """Raises DuckDB's memory limit for wide rows, see `memory.py`."""
        setting = self._settings.memory_limit_mb
        limit = duckdb_limit_mb(setting, columns=columns, rows=rows, bytes_a_row=bytes_a_row)
        assert self._opened is not None
        self._opened.execute(f"SET memory_limit = '{limit}MB'")

    def batches(self, client: Any, sql: str, values: Sequence[Any], rows: int) -> Iterator[Any]:
        """Yields the rows of a query as Arrow tables of DuckDB, over a connection of its own.

        A further statement on a connection ends its open result: DuckDB 2 refuses it, older ones drop rows.
        """
        names = (client.dataset_name, client.staging_dataset_name)
        own = type(client)(*names, client.credentials, client.capabilities)
        with own, own.execute_query(sql, *values) as cursor:
            yield from cursor.iter_arrow(rows)

    @property
    def path(self) -> Path:
        """The path of the DuckDB file; by default `warehouse.duckdb` in the settings' `home`."""
        if self._connection is None:
            return self._settings.home / "warehouse.duckdb"
        path, conn_id = self._connection.path, self._connection.conn_id
        if not path:
            raise ConfigError(
                f"The connection `{conn_id}` names no file. Nothing was published. Put the path of the "
                "DuckDB file into its host."
            )
        if not Path(path).is_absolute():
            raise ConfigError(
                f"The connection `{conn_id}` names the file {path!r}: an absolute path is "
                "needed, because workers have different current folders. Nothing was published."
            )
        return Path(path)

    def _open(self) -> str | None:
        import duckdb

        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{duckdb_limit_mb(self._settings.memory_limit_mb)}MB",
            "temp_directory": str(self._folder / "spill"),
            "preserve_insertion_order": False,
            "threads": 2,
            # Otherwise DuckDB looks for a missing table among Python's variables, such as `cur` or `query`.
            "python_enable_replacements": False,
        }
        try:
            self._opened = duckdb.connect(self.path, config=config)
        except duckdb.IOException as e:
            if "lock" not in str(e).lower():
                raise WarehouseError(
                    f"The warehouse {self.path} cannot be opened for writing ({e}). Nothing was published. "
                    "Airflow tries again."
                ) from None
            holder = re.search(r"PID (\d+)", str(e))
            return f"process {holder[1]}" if holder else "another process"
        self._file = self.path.stat()
        return None
