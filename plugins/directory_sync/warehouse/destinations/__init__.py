"""Where the warehouse is: how each connection type is opened, and how one process holds it.

    duckdb                   a file; its own lock
    postgres                 a database; an advisory lock on the dataset, held by a connection of its own
    snowflake                mapped only; a lock file in the settings' home
    google_cloud_platform    BigQuery, the same

Another one is a class of some ten lines, see docs/warehouses.md.

Whoever holds a warehouse reads, checks and writes it alone; others of ours wait for so long as
`WAREHOUSE_WAIT_SECONDS`. None but DuckDB's lock holds up a reader.
"""

from pathlib import Path
from typing import TypeVar

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError
from directory_sync.warehouse.destinations.bigquery import BigQuery
from directory_sync.warehouse.destinations.destination import Destination
from directory_sync.warehouse.destinations.duckdb_file import DuckDBFile
from directory_sync.warehouse.destinations.mapped import MappedWarehouse
from directory_sync.warehouse.destinations.postgresql import PostgreSQL
from directory_sync.warehouse.destinations.snowflake import Snowflake

__all__ = [
    "BigQuery", "Destination", "DuckDBFile", "MappedWarehouse", "PostgreSQL", "Snowflake", "destination_of",
    "register",
]  # fmt: skip

DESTINATIONS: dict[str, type[Destination]] = {}
Kind = TypeVar("Kind", bound=type[Destination])


def register(kind: Kind) -> Kind:
    """Opens connections of a type with this class from now on; a decorator."""
    DESTINATIONS[kind.conn_type] = kind
    return kind


for _kind in (DuckDBFile, PostgreSQL, Snowflake, BigQuery):
    register(_kind)


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
