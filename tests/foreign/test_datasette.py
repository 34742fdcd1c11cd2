"""datasette: a table of SQLite by keyset, along the link in each answer; no sign-in."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from demo.local_airflow import free_port
from tests.foreign.two_nights import NAME, Foreign, prove_two_nights, wait_for


class Datasette(Foreign):
    """A table of a SQLite file, whose key is a text."""

    key: ClassVar[str] = "code"
    connection: ClassVar[dict[str, Any]] = {"extra": {"auth_type": "none"}}

    def __init__(self, url: str, file: Path) -> None:
        """Serves a file that exists."""
        self.url, self._file = url, file

    def form(self) -> Mapping[str, Any]:
        return {
            "client": {},
            "resources": [
                {
                    "name": NAME,
                    "primary_key": self.key,
                    "endpoint": {
                        "path": "/plant/machines.json",
                        "params": {"_shape": "objects", "_size": 10},
                        "data_selector": "rows",
                        "paginator": {
                            "type": "json_link",
                            "next_url_path": "next_url",
                            "total_path": "filtered_table_rows_count",
                        },
                    },
                    "detail_path": "/plant/machines/{code}.json",
                }
            ],
        }

    def _execute(self, sql: str, *values: Any) -> None:
        with closing(sqlite3.connect(self._file)) as database, database:
            database.execute(sql, values)

    def add(self, name: str) -> str:
        key = name.lower().replace(" ", "-")
        self._execute("INSERT INTO machines VALUES (?, ?)", key, name)
        return key

    def change(self, key: str) -> None:
        self._execute("UPDATE machines SET name = 'Press, oiled' WHERE code = ?", key)

    def remove(self, key: str) -> None:
        self._execute("DELETE FROM machines WHERE code = ?", key)


@pytest.fixture
def datasette(tmp_path: Path) -> Iterator[Datasette]:
    """A server whose table has no rows."""
    file, port = tmp_path / "plant.db", free_port()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE machines (code TEXT PRIMARY KEY, name TEXT)")
    url = f"http://127.0.0.1:{port}"
    command = ["-W", "ignore", "-m", "datasette", "serve", str(file), "--port", str(port)]
    child = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(f"{url}/-/versions.json", child)
    yield Datasette(url, file)
    child.terminate()
    child.wait(10)


def test_a_table_by_keyset_is_synced_exactly_on_two_nights(datasette: Datasette, tmp_path: Path) -> None:
    prove_two_nights(datasette, tmp_path / "home")
