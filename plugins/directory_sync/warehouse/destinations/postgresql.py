"""PostgreSQL: the warehouse is a database, held by an advisory lock."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import quote

from directory_sync.config.connections import refuse_unknown
from directory_sync.config.older_python import UTC
from directory_sync.errors import ConfigError, WarehouseError, raise_alone
from directory_sync.warehouse.destinations.destination import Destination
from directory_sync.warehouse.dialect_postgres import Postgres
from directory_sync.warehouse.outage import was_away

APPLICATION = "directory_sync"
LIBPQ_PARAMETERS = frozenset(
    {
        "application_name", "channel_binding", "connect_timeout", "gssencmode", "hostaddr", "keepalives",
        "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname", "options", "passfile",
        "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert", "target_session_attrs",
        "tcp_user_timeout",
    }
)  # fmt: skip
"""The supported keys of the extra: libpq's parameters, except those for which a connection has fields."""


class PostgreSQL(Destination):
    """A PostgreSQL database, held by an advisory lock on the dataset.

    The connection has host, port, schema (the database), login and password. The host may be the folder of
    the server's Unix socket, such as `/var/run/postgresql`. The extra has libpq's parameters, such as
    `sslmode`.
    """

    conn_type = "postgres"
    file_format, bulk_format = "insert_values", "csv"
    dialect = Postgres()
    has_indexes = True
    # https://www.postgresql.org/docs/current/limits.html: a row must fit into a page.
    max_columns, max_row_bytes, takes_nul = 1_600, 8_160, False

    @contextmanager
    def hold(self) -> Iterator[Any]:
        """Takes the dataset's advisory lock on a connection of its own, which stays open until the end."""
        from dlt.destinations.impl.postgres.configuration import PostgresCredentials

        from directory_sync.warehouse.destinations.postgresql_copy import PostgresByCopy

        parameters = self._parameters
        lock = self._connect(parameters)
        try:
            # This connection is idle while dlt loads, so the server must not end idle sessions.
            self._ask(
                lock,
                "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'",
            )
            self._wait_for(
                lambda: self._take(lock), name=self._name, remedy="End that process or wait for it"
            )
            self._lock = lock
            credentials = PostgresCredentials(
                {
                    **{name: parameters.pop(name) for name in ("port", "password")},
                    "host": _within_url(parameters.pop("host")),
                    "database": parameters.pop("dbname"),
                    "username": parameters.pop("user"),
                    "connect_timeout": parameters.pop("connect_timeout"),
                    "session_timezone": "UTC",
                    "query": parameters,
                }
            )
            yield PostgresByCopy(credentials, destination_type="postgres")
        finally:
            lock.close()

    @property
    def address(self) -> tuple[str, str]:
        """Host and port, and the database."""
        connection = self._connection
        assert connection is not None
        return f"postgres://{connection.host}:{connection.port or 5432}", connection.schema

    def is_held(self) -> bool:
        """Asks the server whether the lock's connection still holds the lock."""
        own = f"SELECT 1 {self._OF_LOCK} AND pid = pg_backend_pid()"
        try:
            return bool(self._ask(self._lock, own, self._key))
        except WarehouseError:
            return False

    def clocks(self, client: Any) -> list[datetime]:
        """Returns the time of the server's clock."""
        return [row[0].astimezone(UTC) for row in client.execute_sql("SELECT clock_timestamp()") or ()]

    def fence(self, client: Any, tables: Sequence[str]) -> None:
        """Takes a second advisory lock, which ends with the transaction, and locks the staging tables."""
        client.execute_sql("SELECT pg_advisory_xact_lock(%s)", _key(f"{self._settings.dataset}:writes"))
        if tables:
            client.execute_sql(f"LOCK TABLE {', '.join(tables)} IN SHARE MODE")

    def storable(self, row: dict[str, Any]) -> dict[str, Any]:
        """Removes U+0000, which PostgreSQL cannot hold in texts and JSON.

        `record` in the change log keeps it, as an escape in the JSON text.
        """
        stored: dict[str, Any] = _without_nul(row)
        return stored

    _names: ClassVar[Iterator[int]] = itertools.count()

    def batches(self, client: Any, sql: str, values: Sequence[Any], rows: int) -> Iterator[Any]:
        """Yields the rows of a query as tuples, from a cursor on the server: the client holds one batch only.

        The cursor is declared WITH HOLD: no transaction stays open that would lock the tables dlt loads.
        """
        cursor = f"directory_sync_{next(self._names)}"
        client.execute_sql(f"DECLARE {cursor} NO SCROLL CURSOR WITH HOLD FOR {sql}", *values)
        try:
            while batch := client.execute_sql(f"FETCH FORWARD {int(rows)} FROM {cursor}"):
                yield batch
        finally:
            # If the caller stops early, the connection may be closed by now, and the cursor with it.
            if client.native_connection:
                client.execute_sql(f"CLOSE {cursor}")

    @property
    def _name(self) -> str:
        assert self._connection is not None
        address = f"{self._connection.host}:{self._connection.port or 5432}"
        return f"{address}/{self._connection.schema}.{self._settings.dataset}"

    @property
    def _key(self) -> int:
        """The key of the advisory lock."""
        return _key(self._settings.dataset)

    @property
    def _parameters(self) -> dict[str, Any]:
        """The parameters for libpq."""
        connection = self._connection
        assert connection is not None
        fields = {"host": connection.host, "schema": connection.schema, "login": connection.login}
        if empty := [name for name, value in fields.items() if not value]:
            raise ConfigError(
                f"The {empty[0]} of the connection `{connection.conn_id}` is empty; a connection of the type "
                "postgres needs a host, a schema (the database), a login and usually a password. Nothing was "
                "published."
            )
        # The whole extra is checked, including empty values: libpq gets it unchanged.
        refuse_unknown(connection, LIBPQ_PARAMETERS, outcome="Nothing was published.", given=connection.extra)
        patience = f"-clock_timeout={self._settings.warehouse_wait_seconds * 1000:.0f}"
        return {
            "connect_timeout": 15,
            "application_name": APPLICATION,
            **connection.extra,
            "host": connection.host,
            "port": connection.port or 5432,
            "dbname": connection.schema,
            "user": connection.login,
            "password": connection.password,
            "options": f"{patience} {connection.extra.get('options') or ''}".strip(),
        }

    def _connect(self, parameters: dict[str, Any]) -> Any:
        import psycopg2

        # libpq's message has host, database and role, never the password.
        failed_with, is_outage = "", False
        try:
            opened = psycopg2.connect(**parameters)
            opened.autocommit = True
            return opened
        except psycopg2.Error as e:
            failed_with, is_outage = " ".join(str(e).split()) or type(e).__name__, was_away(e)
        raise_alone(
            WarehouseError(
                f"The warehouse {self._name} cannot be reached ({failed_with}). Nothing was published. Check "
                "the connection; Airflow tries again."
            ).marked(is_outage=is_outage)
        )

    _OF_LOCK: ClassVar[str] = (
        "FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (classid::bigint << 32) + objid::bigint = %s"
    )

    def _take(self, lock: Any) -> str | None:
        if self._ask(lock, "SELECT pg_try_advisory_lock(%s)", self._key) == [(True,)]:
            return None
        holders = self._ask(
            lock,
            "SELECT pid, usename, client_addr, backend_start FROM pg_stat_activity "
            f"WHERE pid IN (SELECT pid {self._OF_LOCK})",
            self._key,
        )
        if not holders:
            return "a session that has just ended"
        pid, role, address, since = holders[0]
        # If the holder has another role, the server does not show its address and time.
        place = f", from {address}" if address else ""
        return f"the server's process {pid} (role {role}{place}{f', since {since:%F %T%z}' if since else ''})"

    def _ask(self, lock: Any, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        import psycopg2

        failed_with = ""
        try:
            with lock.cursor() as cursor:
                cursor.execute(sql, values or None)
                return list(cursor.fetchall())
        except psycopg2.Error as e:
            failed_with = type(e).__name__
        raise_alone(
            WarehouseError(
                f"The connection to the warehouse {self._name} was cut ({failed_with}) before it was held. "
                "Nothing was published. Airflow tries again."
            )
        )


def _within_url(host: str) -> str:
    """Encodes the folder of a Unix socket: its slashes would end the host in dlt's URL."""
    return quote(host, safe="") if host.startswith(("/", "@")) else host


def _key(name: str) -> int:
    """Returns the key of an advisory lock: 63 bits of a digest. Locks are per database."""
    digest = sha256(f"{APPLICATION}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value
