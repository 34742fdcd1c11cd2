"""`make bench SCALE=1000000`: so many entries through the real Dag, into DuckDB and into PostgreSQL.

Nothing is compared: it shows what each task takes of memory and time.
"""

import json
from collections.abc import Iterator
from functools import partial

from bench.airflow_runs import Contest
from bench.contenders import Case, Result
from bench.figures import table
from bench.server import EDITED, Server
from tests.postgres import ADMIN, PostgresServer, running_server

LATENCY_MS = 50.0


def measure(entries: int, server: Server) -> Iterator[tuple[str, Result]]:
    """Yields a first load into DuckDB, and one into PostgreSQL, each with the warehouse's name."""
    case = Case(entries=entries, latency_ms=LATENCY_MS)
    with Contest.running(server) as contest:
        first = next(contest.run("ours", case))
    yield "DuckDB", first
    with running_server() as postgres:
        postgres.create("bench")
        connection = {
            "conn_type": "postgres",
            "host": postgres.host,
            "port": postgres.port,
            "schema": "bench",
            "login": ADMIN,
            "password": postgres.password,
        }
        environment = {"AIRFLOW_CONN_DIRECTORY_WAREHOUSE": json.dumps(connection)}
        with Contest.running(
            server, environment=environment, is_right=partial(_is_right, postgres)
        ) as contest:
            # Of these, the entries of one page are there from when it warmed up.
            first = next(contest.run("ours", case))
    yield "PostgreSQL", first


def _is_right(postgres: PostgresServer, *, entries: int, edited: int) -> bool:
    sql = (
        "SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE name LIKE %s) "
        "FROM directory.directory_resource"
    )
    return postgres.rows(sql, f"%{EDITED}", database="bench") == [(entries, entries, edited)]


def lines(warehouse: str, result: Result) -> list[str]:
    """A table of a run's tasks."""
    rows = [
        [used.name, f"{used.seconds:.1f}", f"{used.cpu_seconds:.1f}", f"{used.peak_mb:,.0f}"]
        for stage in result.stages
        for used in stage
    ]
    return [
        "",
        f"{result.entries:,} entries into {warehouse}, {result.seconds:.0f} s",
        "",
        *table(["task", "seconds", "CPU s", "peak MB"], rows),
        *([] if result.is_right else ["WRONG TABLE"]),
    ]
