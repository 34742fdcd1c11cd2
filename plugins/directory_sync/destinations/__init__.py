"""Where the warehouse is: how each connection type is opened, and how one process holds it.

    duckdb      a file; its own lock
    postgres    a database; an advisory lock on the dataset, held by a connection of its own

Whoever holds a warehouse reads, checks and writes it alone; others of ours wait for so long as
`WAREHOUSE_WAIT_SECONDS`. PostgreSQL's lock holds up no reader.
"""

from pathlib import Path

from directory_sync.destinations.destination import Destination
from directory_sync.destinations.duckdb_file import DuckDBFile
from directory_sync.destinations.postgresql import PostgreSQL
from directory_sync.errors import ConfigError
from directory_sync.settings import ConnectionFields, SyncSettings

__all__ = ["Destination", "DuckDBFile", "PostgreSQL", "destination_of"]

DESTINATIONS: dict[str, type[Destination]] = {kind.conn_type: kind for kind in (DuckDBFile, PostgreSQL)}


def destination_of(
    connection: ConnectionFields | None, settings: SyncSettings, *, folder: Path
) -> Destination:
    """Returns the destination a connection names.

    Raises:
        ConfigError: a connection type without a mapping.
    """
    conn_type = connection.conn_type if connection else DuckDBFile.conn_type
    if conn_type not in DESTINATIONS:
        conn_id = connection.conn_id if connection else ""
        raise ConfigError(
            f"The connection `{conn_id}` is of the type {conn_type!r}; supported: {', '.join(DESTINATIONS)}. "
            "Nothing was published."
        )
    return DESTINATIONS[conn_type](connection, settings, folder)
