"""The kinds of warehouse: how each connection type is opened, and how one process holds the warehouse.

    duckdb                   a file; the lock is DuckDB's own
    postgres                 a database; an advisory lock on the dataset, with a connection of its own
    snowflake                mapped only; a lock file in the settings' `home`
    google_cloud_platform    BigQuery; as snowflake

A further kind is a class of about ten lines, see docs/warehouses.md.

One process at a time holds a warehouse: it reads, checks and writes. Other processes of this package wait for
up to `WAREHOUSE_WAIT_SECONDS`. Only DuckDB's lock also blocks readers.
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
    """Registers a class for the connection type `conn_type`; to be used as a decorator.

    Args:
        kind: the class. It replaces an earlier one of the same type.
    """
    DESTINATIONS[kind.conn_type] = kind
    return kind


for _kind in (DuckDBFile, PostgreSQL, Snowflake, BigQuery):
    register(_kind)


def destination_of(
    connection: ConnectionFields | None, settings: SyncSettings, *, folder: Path
) -> Destination:
    """Returns the destination for a connection.

    Args:
        connection: the connection `directory_warehouse`; None: the embedded DuckDB file.
        settings: the deployment's switches.
        folder: the task's own folder.

    Raises:
        ConfigError: the type of the connection is not supported.
    """
    conn_type = connection.conn_type if connection else DuckDBFile.conn_type
    if conn_type not in DESTINATIONS:
        conn_id = connection.conn_id if connection else ""
        raise ConfigError(
            f"The connection `{conn_id}` is of the type {conn_type!r}; supported: {', '.join(DESTINATIONS)}. "
            "Nothing was published."
        )
    return DESTINATIONS[conn_type](connection, settings, folder)
