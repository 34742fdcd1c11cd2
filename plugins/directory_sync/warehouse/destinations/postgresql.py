"""PostgreSQL: the warehouse is a database, held by an advisory lock."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import quote

import dlt

from directory_sync.config.connections import refuse_unknown
from directory_sync.errors import ConfigError, WarehouseError, raise_alone
from directory_sync.warehouse.destinations.destination import Destination

APPLICATION = "directory_sync"
LIBPQ_PARAMETERS = frozenset(
    {
        "application_name", "channel_binding", "connect_timeout", "gssencmode", "hostaddr", "keepalives",
        "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname", "options", "passfile",
        "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert", "target_session_attrs",
        "tcp_user_timeout",
    }
)  # fmt: skip
"""What the extra of a connection may hold: libpq's own parameters, but for those Airflow has fields for."""


class PostgreSQL(Destination):
    """A PostgreSQL database: host, port, schema (the database), login and password of the connection.

    The host may be the folder of the server's Unix socket, such as `/var/run/postgresql`.
    An extra holds libpq's parameters, such as `sslmode`.
    """

    conn_type = "postgres"
    # CSV would be quicker, but dlt's COPY reads each empty string as NULL; Parquet needs an ADBC driver.
    file_format = "insert_values"
    has_indexes = True
    # https://www.postgresql.org/docs/current/limits.html: a row must fit into a page.
    max_columns, max_row_bytes, takes_nul = 1_600, 8_160, False

    @contextmanager
    def hold(self) -> Iterator[Any]:
        """Takes the advisory lock of the dataset with a connection of its own, open until the end."""
        from dlt.destinations.impl.postgres.configuration import PostgresCredentials

        parameters = self._parameters
        lock = self._connect(parameters)
        try:
            # The lock's connection is idle while dlt loads.
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
            yield dlt.destinations.postgres(credentials)
        finally:
            lock.close()

    def is_held(self) -> bool:
        """Asks the server whether the lock's connection still has it."""
        own = f"SELECT 1 {self._OF_LOCK} AND pid = pg_backend_pid()"
        try:
            return bool(self._ask(self._lock, own, self._key))
        except WarehouseError:
            return False

    def clocks(self, client: Any) -> list[datetime]:
        """Asks the server for its time."""
        return [row[0].astimezone(UTC) for row in client.execute_sql("SELECT clock_timestamp()") or ()]

    def fence(self, client: Any, tables: Sequence[str]) -> None:
        """Takes a lock that ends with the transaction, as the session's does not; locks staging tables."""
        client.execute_sql("SELECT pg_advisory_xact_lock(%s)", _key(f"{self._settings.dataset}:writes"))
        if tables:
            client.execute_sql(f"LOCK TABLE {', '.join(tables)} IN SHARE MODE")

    def storable(self, row: dict[str, Any]) -> dict[str, Any]:
        """Leaves out U+0000, which no text and no JSON of PostgreSQL can hold; the change log keeps it."""
        stored: dict[str, Any] = _without_nul(row)
        return stored

    _names: ClassVar[Iterator[int]] = itertools.count()

    def batches(self, client: Any, sql: str, values: Sequence[Any], rows: int) -> Iterator[Any]:
        """Yields tuples from a cursor that the server keeps: the client holds no more than one batch.

        The cursor outlives its transaction, so none stays open and locks what dlt loads meanwhile.
        """
        cursor = f"directory_sync_{next(self._names)}"
        client.execute_sql(f"DECLARE {cursor} NO SCROLL CURSOR WITH HOLD FOR {sql}", *values)
        try:
            while batch := client.execute_sql(f"FETCH FORWARD {int(rows)} FROM {cursor}"):
                yield batch
        finally:
            # Who reads only a part may let go of it when the connection, and the cursor with it, is gone.
            if client.native_connection:
                client.execute_sql(f"CLOSE {cursor}")

    @property
    def _name(self) -> str:
        assert self._connection is not None
        address = f"{self._connection.host}:{self._connection.port or 5432}"
        return f"{address}/{self._connection.schema}.{self._settings.dataset}"

    @property
    def _key(self) -> int:
        """The advisory lock's of the hold."""
        return _key(self._settings.dataset)

    @property
    def _parameters(self) -> dict[str, Any]:
        """What libpq is given."""
        connection = self._connection
        assert connection is not None
        fields = {"host": connection.host, "schema": connection.schema, "login": connection.login}
        if empty := [name for name, value in fields.items() if not value]:
            raise ConfigError(
                f"The {empty[0]} of the connection `{connection.conn_id}` is empty; a connection of the type "
                "postgres needs a host, a schema (the database), a login and mostly a password. Nothing was "
                "published."
            )
        # Even what says nothing: libpq would be given it.
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

        # libpq's own message names host, database and role, never the password.
        failed_with = ""
        try:
            opened = psycopg2.connect(**parameters)
            opened.autocommit = True
            return opened
        except psycopg2.Error as e:
            failed_with = " ".join(str(e).split()) or type(e).__name__
        raise_alone(
            WarehouseError(
                f"The warehouse {self._name} cannot be reached ({failed_with}). Nothing was published. Check "
                "the connection; Airflow tries again."
            )
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
        # Where another role has it, the server keeps the rest to itself.
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
    """Encodes the folder of a Unix socket, which would end the host of the URL that dlt makes."""
    return quote(host, safe="") if host.startswith(("/", "@")) else host


def _key(name: str) -> int:
    """63 bits of a digest; the database is part of every advisory lock."""
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
