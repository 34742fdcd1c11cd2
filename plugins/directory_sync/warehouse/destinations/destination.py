"""What the warehouse asks of each kind of destination."""

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

if TYPE_CHECKING:
    from dlt.common.destination import TLoaderFileFormat
    from dlt.common.schema.typing import TLoaderMergeStrategy

logger = logging.getLogger(__name__)

WAIT_SECONDS = 1.0


class Destination(ABC):
    """One warehouse, as its connection names it.

    Args:
        connection: `directory_warehouse`; None for the embedded DuckDB file.
        settings: dataset, memory limit, how long to wait.
        folder: the task's own.
    """

    conn_type: ClassVar[str]
    file_format: ClassVar["TLoaderFileFormat"]
    """What dlt writes for it."""
    merge_strategy: ClassVar["TLoaderMergeStrategy"] = "delete-insert"
    """How dlt replaces entries in a table that has child tables."""
    has_indexes: ClassVar[bool] = False
    """Finds a few rows of a large table by an index; without one it reads columns, and needs none."""
    is_transactional: ClassVar[bool] = True
    """All tables of a publication are written in one transaction."""
    lost: ClassVar[str] = "The connection that held the warehouse's lock was cut"
    """Why a hold no longer stands."""
    max_columns: ClassVar[int | None] = None
    """Of a table; None: more than anyone brings."""
    max_row_bytes: ClassVar[int | None] = None
    """Of a row, without the long texts that are stored beside it; None: any."""
    takes_nul: ClassVar[bool] = True
    """Texts may hold U+0000."""

    def __init__(self, connection: ConnectionFields | None, settings: SyncSettings, folder: Path) -> None:
        """Opens nothing yet."""
        self._connection, self._settings, self._folder = connection, settings, folder

    @property
    def settings(self) -> SyncSettings:
        """The deployment's switches."""
        return self._settings

    @abstractmethod
    def hold(self) -> AbstractContextManager[Any]:
        """Opens the warehouse and holds it until the block ends; yields dlt's destination.

        Raises:
            ConfigError: the connection lacks something.
            WarehouseError: it cannot be opened, or another process holds it for too long.
        """

    def is_held(self) -> bool:
        """Tells whether the hold still stands; a server can cut it."""
        return True

    def clocks(self, client: Any) -> list[datetime]:  # noqa: ARG002  the client is for those that have a server
        """Returns what the clock of a server says; nothing where the warehouse is a file of this machine."""
        return []

    def fence(self, client: Any, tables: Sequence[str]) -> None:  # noqa: B027  a lock file needs none
        """Keeps other processes of ours from writing until the transaction ends, whoever has the hold.

        Args:
            client: dlt's SQL client, in the transaction that writes.
            tables: staging tables that nobody may change until then, quoted.
        """

    def make_room(self, *, columns: int, rows: int, bytes_a_row: float) -> None:  # noqa: B027  a server has its own
        """Has memory for a load.

        Args:
            columns: of all tables.
            rows: of the largest.
            bytes_a_row: on average.
        """

    @abstractmethod
    def batches(self, client: Any, sql: str, values: Sequence[Any], rows: int) -> Iterator[Any]:
        """Yields the rows of a query, so many at a time: Arrow tables, or lists of tuples."""

    def storable(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns a row without what the destination has no place for."""
        return row

    def _wait_for(self, take: Callable[[], str | None], *, name: str, remedy: str) -> None:
        """Takes the lock, or waits.

        Args:
            take: takes it; returns who holds it instead.
            name: of the warehouse.
            remedy: what a person can do.
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
