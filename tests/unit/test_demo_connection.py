"""The demo's connection: written once, followed to the sandbox's port, never over a person's edit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.connection import DemoConnection

FIELDS = {"conn_type": "directory_api", "host": "http://127.0.0.1:8090", "login": "id", "password": "secret"}
MOVED = {**FIELDS, "host": "http://127.0.0.1:40123"}
OWN = "https://someone:secret@directory.example.org/v1?key=secret"


class Database:
    """Airflow's connections, as its REST interface keeps and masks them."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def connection(self, conn_id: str) -> dict[str, Any] | None:
        found = self.kept.get(conn_id)
        return found and {**found, "password": "***"}

    def add_connection(self, conn_id: str, fields: Mapping[str, Any]) -> None:
        assert conn_id not in self.kept
        self.kept[conn_id] = {"connection_id": conn_id, **fields}

    def edit_connection(self, conn_id: str, **fields: Any) -> None:
        self.kept[conn_id] |= fields


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def placed(tmp_path: Path, database: Database) -> DemoConnection:
    """After the first start."""
    connection = DemoConnection(tmp_path / "sandbox.json")
    connection.place(database, FIELDS)
    return connection


def restarted(tmp_path: Path, database: Database, fields: Mapping[str, str]) -> DemoConnection:
    connection = DemoConnection(tmp_path / "sandbox.json")
    connection.place(database, fields)
    return connection


def test_the_first_start_writes_it(placed: DemoConnection, database: Database) -> None:
    assert database.kept["directory_api"] == {"connection_id": "directory_api", **FIELDS}
    assert (placed.is_sandbox, placed.host) == (True, FIELDS["host"])


def test_it_follows_the_sandbox_to_another_port_and_keeps_the_other_fields(
    placed: DemoConnection, database: Database, tmp_path: Path
) -> None:
    database.edit_connection("directory_api", password="another")
    assert restarted(tmp_path, database, MOVED).is_sandbox
    kept = database.kept["directory_api"]
    assert (kept["host"], kept["password"]) == (MOVED["host"], "another")
    assert restarted(tmp_path, database, FIELDS).is_sandbox
    assert database.kept["directory_api"]["host"] == FIELDS["host"]


def test_a_persons_own_api_survives_restarts(
    placed: DemoConnection, database: Database, tmp_path: Path
) -> None:
    database.edit_connection("directory_api", host=OWN)
    for fields in (FIELDS, MOVED, FIELDS):
        connection = restarted(tmp_path, database, fields)
        assert database.kept["directory_api"]["host"] == OWN
        assert not connection.is_sandbox
        assert connection.host == "https://directory.example.org/v1"


def test_a_connection_that_was_deleted_is_written_again(
    placed: DemoConnection, database: Database, tmp_path: Path
) -> None:
    database.kept.clear()
    assert restarted(tmp_path, database, MOVED).is_sandbox
    assert database.kept["directory_api"]["host"] == MOVED["host"]
