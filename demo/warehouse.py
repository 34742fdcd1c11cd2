"""What a run left in the DuckDB file, and whether that is what the API holds.

The file is opened only when no run writes to it, read-only, and closed at once: an open reader makes the
writer fail.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import requests

from sandbox.settings import Settings

TABLE = "directory.directory_resource"
FIRST_ROWS = ("id", "name", "location__city", "location__country", "updated_at")
_PAGE = 1000
_TIMEOUT_SECONDS = 30.0

Entries = dict[int, tuple[str, str]]
"""Of each entry, by its id, the name and `updated_at` in ISO 8601; every edit changes the latter."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the warehouse holds after a run.

    Attributes:
        sync: the run's row of `directory_syncs`, None where nothing was published.
        tables: of each table, how many rows it has.
        changes: of the run, how many change rows of each kind.
        logged: of all runs, how many change rows of each kind.
        first_rows: of the table, the columns FIRST_ROWS.
        entries: those present.
    """

    sync: dict[str, Any] | None
    tables: dict[str, int]
    changes: dict[str, int]
    logged: dict[str, int]
    first_rows: list[tuple[Any, ...]]
    entries: Entries


def warehouse_path(airflow_home: Path) -> Path:
    """Returns where the warehouse is unless a connection says otherwise."""
    return airflow_home / "directory_sync" / "warehouse.duckdb"


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens the file for reading, in UTC, and closes it."""
    database = duckdb.connect(path, read_only=True)
    try:
        database.execute("SET TimeZone = 'UTC'")
        yield database
    finally:
        database.close()


def read_outcome(path: Path, run_id: str) -> Outcome:
    """Reads what a run published, and what the tables hold now."""
    with reading(path) as database:
        cursor = database.execute(
            "SELECT * FROM directory.directory_syncs WHERE run_id = ? ORDER BY snapshot_at DESC", [run_id]
        )
        names = [column[0] for column in cursor.description or ()]
        row = cursor.fetchone()
        sync = dict(zip(names, row, strict=True)) if row else None
        by_kind = "SELECT kind, count(*) FROM directory.directory_resource_changes"
        grouped = "GROUP BY kind ORDER BY kind"
        sync_id = sync["sync_id"] if sync else None
        first = ", ".join(FIRST_ROWS)
        return Outcome(
            sync=sync,
            tables=_table_counts(database),
            changes=dict(database.execute(f"{by_kind} WHERE sync_id = ? {grouped}", [sync_id]).fetchall()),
            logged=dict(database.execute(f"{by_kind} {grouped}").fetchall()),
            first_rows=database.execute(f"SELECT {first} FROM {TABLE} ORDER BY id LIMIT 5").fetchall(),
            entries=_present(database),
        )


def _table_counts(database: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = database.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'directory' "
        "AND table_type = 'BASE TABLE' AND NOT starts_with(table_name, '_dlt') ORDER BY 1"
    ).fetchall()
    counts: dict[str, int] = {}
    for (name,) in found:
        row = database.execute(f'SELECT count(*) FROM directory."{name}"').fetchone()
        counts[name] = row[0] if row else 0
    return counts


def _present(database: duckdb.DuckDBPyConnection) -> Entries:
    rows = database.execute(
        f"SELECT id, name, strftime(updated_at, '%Y-%m-%dT%H:%M:%SZ') FROM {TABLE} WHERE _removed_at IS NULL"
    ).fetchall()
    return {id_: (name, updated_at) for id_, name, updated_at in rows}


def read_api(url: str, settings: Settings) -> Entries:
    """Reads all entries from the API, page by page."""
    with requests.Session() as session:
        session.trust_env = False
        grant = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
        }
        answer = session.post(f"{url}/oauth/token", data=grant, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        entries: Entries = {}
        while True:
            page = session.get(
                f"{url}/v1/directory",
                params={"limit": _PAGE, "offset": len(entries)},
                timeout=_TIMEOUT_SECONDS,
            )
            page.raise_for_status()
            found = page.json()[settings.data_key]
            if not found:
                return entries
            entries |= {entry["id"]: (entry["name"], entry["updated_at"]) for entry in found}


def differences(table: Entries, api: Entries) -> list[str]:
    """Returns in words how the table differs from the API; nothing where they agree."""
    counts = {
        "in the API and not in the table": len(api.keys() - table.keys()),
        "in the table and not in the API": len(table.keys() - api.keys()),
        "with other values": sum(table[id_] != api[id_] for id_ in table.keys() & api.keys()),
    }
    return [f"{count:,} entries {what}" for what, count in counts.items() if count]
