"""`python -m bench --history 1000`: an unchanged night on day two, and after so many nights more.

Two deployments of one directory publish the same unchanged nights in turn. One is two nights old. The other
one was given a made history: for each night a row in `directory_syncs` and in dlt's `_dlt_loads`, and
`CHANGES` change rows in the log; and a marked run in the landing zone for each that the default retention
keeps. Audit and publication are measured in this process.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from bench.figures import table
from bench.ours import Deployment
from bench.server import Server
from directory_sync.config.settings import SyncSettings
from tests.postgres import PostgresServer, running_server

ENTRIES, CHANGES, ROUNDS = 10_000, 5_000, 5
STAGES = ("audit", "publish")
_RESOURCE = "directory_resource"
_LOG = f"directory.{_RESOURCE}_changes"
_SYNCS = "directory.directory_syncs"
_LOADS = "directory._dlt_loads"
_NIGHTS_PER_STATEMENT = 100


@dataclass(frozen=True, kw_only=True)
class Night:
    """One stage of an unchanged night.

    Attributes:
        warehouse: DuckDB or PostgreSQL.
        nights: how many nights of history its deployment had been given.
        seconds: from its begin to its end.
        cpu_seconds: of this process; a server's own are not in it.
    """

    warehouse: str
    nights: int
    stage: str
    seconds: float
    cpu_seconds: float


class Aged:
    """A deployment with its warehouse.

    Args:
        home: its folder.
        server: the API.
        postgres: the server with its database; None: a DuckDB file in `home`.
        database: the name of the database.
    """

    def __init__(self, home: Path, server: Server, postgres: PostgresServer | None, database: str) -> None:
        """Makes the database."""
        self._home, self._server, self._postgres, self._database = home, server, postgres, database
        self._count = 0
        home.mkdir()
        if postgres:
            postgres.create(database)

    def deployment(self, run_id: str) -> Deployment:
        """The parts of one run."""
        found = Deployment(self._server.url, self._home, run_id)
        if self._postgres:
            found.warehouse = self._postgres.connection_of(self._database)
        return found

    def night(self) -> Iterator[tuple[str, float, float]]:
        """Runs a night; yields each stage, its seconds and its processor seconds."""
        self._count += 1
        sync = self.deployment(f"manual__{self._count}").sync
        sync.extract()
        for stage in STAGES:
            began, cpu = time.perf_counter(), time.process_time()
            getattr(sync, stage)()
            yield stage, time.perf_counter() - began, time.process_time() - cpu

    def grow_old(self, nights: int) -> None:
        """Writes a history from before the first night into the warehouse and the landing zone."""
        with self._statements() as run:
            first = run(f"SELECT snapshot_at, sync_id FROM {_SYNCS} ORDER BY publication_order LIMIT 1")[0]
            made = [
                (f"{at:%Y%m%dT%H%M%S}-{number:08x}", number, at)
                for number in range(1, nights + 1)
                for at in [first[0] - timedelta(days=nights + 1 - number)]
            ]
            run(
                "CREATE TABLE directory.made_nights "
                "(sync_id text, base text, number bigint, moment timestamptz)"
            )
            bases = [None, *(sync_id for sync_id, _, _ in made)]
            for begin in range(0, nights, _NIGHTS_PER_STATEMENT):
                rows = ", ".join(
                    f"('{sync_id}', {f'{base!r}' if base else 'NULL'}, {number}, '{at.isoformat()}')"
                    for (sync_id, number, at), base in list(zip(made, bases, strict=False))[
                        begin : begin + _NIGHTS_PER_STATEMENT
                    ]
                )
                run(f"INSERT INTO directory.made_nights VALUES {rows}")
            _write_history(run, nights, first_sync=first[1])
            run("DROP TABLE directory.made_nights")
            # As autovacuum would have over the years; it would else work during the measured nights.
            run("VACUUM ANALYZE" if self._postgres else "CHECKPOINT")
        resource = self.deployment("any").landed.of_resource()
        for sync_id, number, _ in made[-SyncSettings(home=self._home).retention_days :]:
            folder = Path(resource.file(f"made__{number}"))
            folder.mkdir()
            base = {"base_sync_id": bases[number - 1], "base_order": number - 1 or None}
            mark = {"sync_id": sync_id, "order": number, **base}
            (folder / "published.json").write_text(
                json.dumps({"sync_ids": [sync_id], "marks": {sync_id: mark}}, indent=1)
            )

    def log_rows(self) -> int:
        """How many rows the change log has."""
        with self._statements() as run:
            return int(run(f"SELECT count(*) FROM {_LOG}")[0][0])

    @contextmanager
    def _statements(self) -> Iterator[Any]:
        if self._postgres:
            postgres = self._postgres
            yield lambda sql: postgres.rows(sql, database=self._database)
            return
        with duckdb.connect(self._home / "warehouse.duckdb") as database:
            database.execute("SET TimeZone = 'UTC'")
            yield lambda sql: database.execute(sql).fetchall()


def _write_history(run: Any, nights: int, *, first_sync: str) -> None:
    """Writes the rows, the oldest first, as the nights would have: the real ones come last again."""
    run(f"CREATE TABLE directory.made_log AS SELECT * FROM {_LOG}")
    run(
        "CREATE TABLE directory.made_entries AS SELECT *, row_number() OVER (ORDER BY id) AS place "
        f"FROM {_LOG} WHERE sync_id = '{first_sync}'"
    )
    run(f"DELETE FROM {_LOG}")
    changed = {
        "sync_id": "n.sync_id",
        "kind": "'changed'",
        "changed_fields": """'["name"]'""",
        "snapshot_at": "n.moment",
        "changed_at": "n.moment",
        "_dlt_id": "md5(n.sync_id || CAST(e.id AS text))",
        "_dlt_load_id": "CAST(extract(epoch FROM n.moment) AS text)",
    }
    for begin in range(0, nights, _NIGHTS_PER_STATEMENT):
        run(
            f"INSERT INTO {_LOG} SELECT {_select(run, _LOG, changed, of='e')} "
            f"FROM directory.made_nights AS n JOIN directory.made_entries AS e "
            f"ON (e.place + n.number * {CHANGES}) % (SELECT count(*) FROM directory.made_entries) "
            f"< {CHANGES} WHERE n.number > {begin} AND n.number <= {begin + _NIGHTS_PER_STATEMENT} "
            "ORDER BY n.number"
        )
    run(f"INSERT INTO {_LOG} SELECT * FROM directory.made_log")
    run("DROP TABLE directory.made_log")
    run("DROP TABLE directory.made_entries")
    run(f"CREATE TABLE directory.made_sync AS SELECT * FROM {_SYNCS} ORDER BY publication_order DESC LIMIT 1")
    synced = {
        "sync_id": "n.sync_id",
        "base_sync_id": "n.base",
        "publication_order": "n.number",
        "run_id": "'made__' || CAST(n.number AS text)",
        "changed": str(CHANGES),
        "snapshot_at": "n.moment",
        "last_requested_at": "n.moment",
        "_dlt_id": "md5(n.sync_id)",
        "_dlt_load_id": "CAST(extract(epoch FROM n.moment) AS text)",
    }
    run(f"UPDATE {_SYNCS} SET publication_order = publication_order + {nights}")
    run(
        f"UPDATE {_SYNCS} SET base_sync_id = (SELECT max(sync_id) FROM directory.made_nights) "
        "WHERE base_sync_id IS NULL"
    )
    run(
        f"INSERT INTO {_SYNCS} SELECT {_select(run, _SYNCS, synced, of='e')} "
        "FROM directory.made_nights AS n CROSS JOIN directory.made_sync AS e"
    )
    run("DROP TABLE directory.made_sync")
    loaded = {"load_id": synced["_dlt_load_id"], "inserted_at": "n.moment"}
    run(
        f"INSERT INTO {_LOADS} SELECT {_select(run, _LOADS, loaded, of='e')} FROM directory.made_nights AS n "
        f"CROSS JOIN (SELECT * FROM {_LOADS} ORDER BY inserted_at LIMIT 1) AS e"
    )


def _select(run: Any, name: str, given: dict[str, str], *, of: str) -> str:
    schema, _, plain = name.partition(".")
    columns = run(
        "SELECT column_name FROM information_schema.columns "
        f"WHERE table_schema = '{schema}' AND table_name = '{plain}' ORDER BY ordinal_position"
    )
    return ", ".join(given.get(column, f'{of}."{column}"') for (column,) in columns)


def measure(
    nights: int, server: Server, *, warehouses: Sequence[str] = ("DuckDB", "PostgreSQL")
) -> Iterator[Night]:
    """Measures unchanged nights of a young and of an old deployment, in turn; yields each stage as it ends.

    Args:
        nights: how many nights of history the old one is given.
        server: the API.
        warehouses: which kinds.
    """
    server.put(entries=ENTRIES)
    for warehouse in warehouses:
        with TemporaryDirectory(prefix="bench_") as name:
            if warehouse == "DuckDB":
                yield from _measure(nights, server, Path(name), None)
            else:
                with running_server() as postgres:
                    yield from _measure(nights, server, Path(name), postgres)


def _measure(nights: int, server: Server, folder: Path, postgres: PostgresServer | None) -> Iterator[Night]:
    deployments = {age: Aged(folder / f"{age}", server, postgres, f"bench_{age}") for age in (0, nights)}
    for _ in range(2):
        for deployment in deployments.values():
            list(deployment.night())
    deployments[nights].grow_old(nights)
    # The first night afterwards makes missing indexes, and fills the caches.
    for turn in range(ROUNDS + 1):
        for age, deployment in deployments.items():
            for stage, seconds, cpu in deployment.night():
                if turn:
                    yield Night(
                        warehouse="PostgreSQL" if postgres else "DuckDB",
                        nights=age,
                        stage=stage,
                        seconds=seconds,
                        cpu_seconds=cpu,
                    )


def lines(found: Sequence[Night]) -> list[str]:
    """A table of medians and their ratios."""
    rows = []
    for warehouse in dict.fromkeys(night.warehouse for night in found):
        for stage in STAGES:
            of = [night for night in found if (night.warehouse, night.stage) == (warehouse, stage)]
            ages = sorted({night.nights for night in of})
            cpu, wall = (
                [median(getattr(night, what) for night in of if night.nights == age) for age in ages]
                for what in ("cpu_seconds", "seconds")
            )
            rows.append(
                [
                    warehouse,
                    stage,
                    *(f"{value:.2f}" for value in cpu),
                    f"{cpu[-1] / cpu[0]:.2f}",
                    *(f"{value:.2f}" for value in wall),
                    f"{wall[-1] / wall[0]:.2f}",
                ]
            )
    nights = max(night.nights for night in found)
    later = f"after {nights:,}"
    titles = ["warehouse", "stage", "CPU s day two", later, "ratio", "seconds day two", later, "ratio"]
    return [
        "",
        f"An unchanged night after {nights:,} nights of {CHANGES:,} changes",
        "",
        *table(titles, rows),
    ]
