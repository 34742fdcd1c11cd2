"""The interface of all kinds of warehouse."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import WarehouseError
from directory_sync.warehouse.destinations.read_files import view_of
from directory_sync.warehouse.dialect import Dialect

if TYPE_CHECKING:
    from dlt.common.destination import TLoaderFileFormat
    from dlt.common.schema.typing import TLoaderMergeStrategy

logger = logging.getLogger(__name__)

WAIT_SECONDS = 1.0


class Destination(ABC):
    """One warehouse; there is one class for each connection type.

    Args:
        connection: the connection `directory_warehouse`; None: the embedded DuckDB file.
        settings: the deployment's switches: dataset, memory limit, how long to wait.
        folder: the task's own folder.
    """

    conn_type: ClassVar[str]
    """The type of the Airflow connection."""
    file_format: ClassVar["TLoaderFileFormat"]
    """The format of the files that dlt loads."""
    bulk_format: ClassVar["TLoaderFileFormat | None"] = None
    """The format of rows that are Arrow tables already, most of a large load; None: the same."""
    merge_strategy: ClassVar["TLoaderMergeStrategy"] = "delete-insert"
    """How dlt replaces entries in a table that has child tables."""
    dialect: ClassVar[Dialect | None] = None
    """Its SQL for the views with typed columns; None: views that every warehouse understands are made."""
    has_indexes: ClassVar[bool] = False
    """Whether a few rows of a large table need an index to be found; column stores need none."""
    is_transactional: ClassVar[bool] = True
    """Whether all tables of a publication are written in one transaction."""
    reads_files: ClassVar[bool] = False
    """Whether a transaction merges the Parquet files of a package where they are, see `read_files.py`."""
    lost: ClassVar[str] = "The connection that held the warehouse's lock was cut"
    """The first sentence of the message if the hold on the warehouse is lost."""
    max_columns: ClassVar[int | None] = None
    """The largest number of columns of a table; None: no limit that matters."""
    max_row_bytes: ClassVar[int | None] = None
    """The largest size of a row in bytes, without long texts stored elsewhere; None: no limit."""
    takes_nul: ClassVar[bool] = True
    """Whether texts may contain U+0000."""

    def __init__(self, connection: ConnectionFields | None, settings: SyncSettings, folder: Path) -> None:
        """Opens nothing yet."""
        self._connection, self._settings, self._folder = connection, settings, folder

    @property
    def settings(self) -> SyncSettings:
        """The deployment's switches."""
        return self._settings

    @property
    def address(self) -> tuple[str, str]:
        """What lineage calls it: a namespace of OpenLineage's naming, and the database; empty: it has none.

        Neither holds a user, a password or a query. https://openlineage.io/docs/spec/naming
        """
        return self.conn_type, ""

    @abstractmethod
    def hold(self) -> AbstractContextManager[Any]:
        """Opens the warehouse and holds it until the block ends; yields dlt's destination.

        Raises:
            ConfigError: the connection is incomplete.
            WarehouseError: the warehouse cannot be opened, or another process holds it for too long.
        """

    def is_held(self) -> bool:
        """Tells whether this process still holds the warehouse; a server can cut the connection."""
        return True

    def clocks(self, client: Any) -> list[datetime]:  # noqa: ARG002  only a server's class needs the client
        """Returns the time of the server's clock; an empty list if the warehouse is a local file."""
        return []

    def fence(self, client: Any, tables: Sequence[str]) -> None:  # noqa: B027  a lock file needs none
        """Prevents other processes of this package from writing until the transaction ends.

        It is effective also if this process has lost its hold without notice.

        Args:
            client: dlt's SQL client, in the transaction that writes.
            tables: the staging tables that must not change until then, as quoted names.
        """

    def staged(self, table: str) -> str:
        """Returns what holds the rows that are merged into a table.

        Args:
            table: its staging table, as a qualified and quoted name.
        """
        return view_of(table) if self.reads_files else table

    def make_room(self, *, columns: int, rows: int, bytes_a_row: float) -> None:  # noqa: B027  a server has its own
        """Provides memory for a load.

        Args:
            columns: the number of columns of all tables.
            rows: the number of rows of the largest table.
            bytes_a_row: the average size of a row, in bytes.
        """

    @abstractmethod
    def batches(self, client: Any, sql: str, values: Sequence[Any], rows: int) -> Iterator[Any]:
        """Yields the rows of a query in batches, as Arrow tables or as lists of tuples.

        Args:
            client: dlt's SQL client.
            sql: the query, with `%s` for each value.
            values: the values.
            rows: the number of rows of a batch.
        """

    def storable(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns a row without the characters that the destination cannot hold."""
        return row

    def _wait_for(self, take: Callable[[], str | None], *, name: str, remedy: str) -> None:
        """Takes the lock; waits while another process holds it.

        Args:
            take: tries to take the lock; returns the holder's name if that fails, None if it succeeds.
            name: the warehouse, for messages.
            remedy: what a person can do, for the message.

        Raises:
            WarehouseError: another process held it for `WAREHOUSE_WAIT_SECONDS`.
        """
        wait = self._settings.warehouse_wait_seconds
        deadline = time.monotonic() + wait
        while holder := take():
            if time.monotonic() > deadline:
                raise WarehouseError(
                    f"The warehouse {name} cannot be opened for writing: {holder} holds it (waited "
                    f"{wait:.0f} s). Nothing was published. {remedy}; Airflow tries again."
                )
            logger.info("Waiting for %s, held by %s", name, holder)
            time.sleep(WAIT_SECONDS)
