"""The base of all other warehouses that dlt loads: each class maps its connection, the rest is here."""

import os
import socket
from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, ClassVar

from directory_sync.config.connections import refuse_unknown
from directory_sync.errors import ConfigError, WarehouseError
from directory_sync.warehouse.destinations.destination import Destination

_OUTCOME = "Nothing was published. See docs/warehouses.md."


class MappedWarehouse(Destination):
    """A warehouse that offers no lock: a file in the settings' `home` is locked instead.

    The operating system releases the lock when the process ends. Only processes that use the same file see
    the lock, so workers on several machines must share that folder.
    """

    client_module: ClassVar[str]
    """The module that dlt imports to reach the warehouse."""
    extra_of_dlt: ClassVar[str]
    """The extra of dlt's package that installs this module."""

    @abstractmethod
    def destination(self) -> Any:
        """Returns dlt's destination, without importing `client_module`.

        Raises:
            ConfigError: the connection is incomplete, or has something that is not supported.
        """

    @contextmanager
    def hold(self) -> Iterator[Any]:
        """Locks the file; waits while another process has locked it."""
        self._refuse_without_client()
        destination = self.destination()
        path = self._settings.home / f"{self.conn_type}-{self._settings.dataset}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The file is not deleted afterwards: processes that wait have it open.
            file = path.open("a+")
        except OSError as e:
            raise WarehouseError(
                f"The lock {path} of the warehouse cannot be opened ({type(e).__name__}). Nothing was "
                "published. Airflow tries again."
            ) from None
        with file:
            self._wait_for(lambda: _take(file), name=f"of {path}", remedy="End that process or wait for it")
            yield destination

    def batches(self, client: Any, sql: str, values: Sequence[Any], rows: int) -> Iterator[Any]:
        """Yields the rows of a query as tuples: the types of Arrow tables differ from driver to driver."""
        with client.execute_query(sql, *values) as cursor:
            while batch := cursor.fetchmany(rows):
                yield [tuple(row) for row in batch]

    def field(self, name: str) -> str:
        """Returns a field of the connection that must not be empty.

        Args:
            name: the field: `host`, `schema`, `login` or `password`.

        Raises:
            ConfigError: the field is empty.
        """
        if value := getattr(self._connection, name):
            return str(value)
        raise self._refusal(f"The {name} of {self._where} is empty")

    def known_extra(self, known: Collection[str]) -> dict[str, Any]:
        """Returns the extra under its short names, with empty values dropped.

        Args:
            known: the supported keys.

        Raises:
            ConfigError: the extra has another key, which would be ignored.
        """
        assert self._connection is not None
        refuse_unknown(self._connection, known, outcome=_OUTCOME)
        return self._connection.said

    @property
    def _where(self) -> str:
        assert self._connection is not None
        return f"the connection `{self._connection.conn_id}`"

    def _refusal(self, finding: str) -> ConfigError:
        return ConfigError(f"{finding}. {_OUTCOME}")

    def _refuse_without_client(self) -> None:
        top = self.client_module.partition(".")[0]
        # The look-up of a submodule fails if there is no top-level module.
        if not (find_spec(top) and find_spec(self.client_module)):
            raise ConfigError(
                f"A warehouse of the type {self.conn_type!r} needs a package that is not installed. "
                f'Nothing was published. On all workers: pip install "dlt[{self.extra_of_dlt}]"; see '
                "docs/warehouses.md."
            )


def _take(file: Any) -> str | None:
    """Locks a file; returns the holder's name if another process has locked it, None if it succeeds."""
    # Here, because Windows has no such module, and Airflow does not run there either.
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        return file.read() or "another process"
    except OSError as e:
        raise WarehouseError(
            f"The folder of {file.name} does not support locks ({type(e).__name__}). Nothing was published. "
            "Put AIRFLOW_HOME on a file system that supports them."
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return None
