"""Any other warehouse that dlt loads: its connection is mapped, the rest is the same for all of them."""

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
    """A warehouse without a lock we could take there: a file in the settings' home is locked instead.

    The lock ends with its process, whatever ends that. It reaches as far as the file: workers on several
    machines must share that folder.
    """

    client_module: ClassVar[str]
    """What dlt imports to reach it."""
    extra_of_dlt: ClassVar[str]
    """The extra of dlt's package that brings it."""

    @abstractmethod
    def destination(self) -> Any:
        """Returns dlt's destination; imports nothing that `client_module` brings.

        Raises:
            ConfigError: the connection lacks something, or says what cannot be honoured.
        """

    @contextmanager
    def hold(self) -> Iterator[Any]:
        """Waits for another process to let go of the file."""
        self._refuse_without_client()
        destination = self.destination()
        path = self._settings.home / f"{self.conn_type}-{self._settings.dataset}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Kept afterwards: whoever waits for it has it open.
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
        """Yields tuples as every driver gives them: the types of its Arrow tables are each driver's own."""
        with client.execute_query(sql, *values) as cursor:
            while batch := cursor.fetchmany(rows):
                yield [tuple(row) for row in batch]

    def field(self, name: str) -> str:
        """Returns a field of the connection that must not be empty."""
        if value := getattr(self._connection, name):
            return str(value)
        raise self._refusal(f"The {name} of {self._where} is empty")

    def known_extra(self, known: Collection[str]) -> dict[str, Any]:
        """Returns the extra: the values that say something, under their short names.

        Args:
            known: what can be honoured; anything else is refused, for it would be ignored.
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
        # Asking for a submodule fails where there is no top-level one.
        if not (find_spec(top) and find_spec(self.client_module)):
            raise ConfigError(
                f"A warehouse of the type {self.conn_type!r} needs a package that is not installed. "
                f'Nothing was published. On all workers: pip install "dlt[{self.extra_of_dlt}]"; see '
                "docs/warehouses.md."
            )


def _take(file: Any) -> str | None:
    """Locks a file, or returns who has it."""
    # Not on Windows, where Airflow does not run either.
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        return file.read() or "another process"
    except OSError as e:
        raise WarehouseError(
            f"The folder of {file.name} knows no locks ({type(e).__name__}). Nothing was published. Put "
            "AIRFLOW_HOME where files can be locked."
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return None
