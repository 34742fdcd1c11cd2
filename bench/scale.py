"""`make bench SCALE=1000000`: so many entries through the real Dag, into DuckDB and into PostgreSQL.

Nothing is compared: it shows what each task takes of memory and time.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.airflow_runs import Contest
from bench.contenders import Case, Result
from bench.figures import table
from bench.server import EDITED, Server
from tests.postgres import ADMIN, PostgresServer, running_server

LATENCY_MS = 50.0


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A first load into one warehouse."""

    warehouse: str
    result: Result


def measure(entries: int, server: Server, say: Callable[[str], None]) -> list[Scaled]:
    """A first load into DuckDB, and one into PostgreSQL."""
    case = Case(entries=entries, latency_ms=LATENCY_MS)
    say(f"{entries:,} entries into DuckDB")
    with Contest.running(server) as contest:
        scaled = [Scaled(warehouse="DuckDB", result=next(contest.run("ours", case)))]
    say(f"{entries:,} entries into PostgreSQL")
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
            server, environment=environment, is_right=lambda **counts: _is_right(postgres, **counts)
        ) as contest:
            # What warmed up left tables, and the entries of one page in them: those are not new.
            result = next(contest.run("ours", case))
            scaled.append(Scaled(warehouse="PostgreSQL", result=result))
    return scaled


def _is_right(postgres: PostgresServer, *, entries: int, edited: int) -> bool:
    sql = (
        "SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE name LIKE %s) "
        "FROM directory.directory_resource"
    )
    return postgres.rows(sql, f"%{EDITED}", database="bench") == [(entries, entries, edited)]


def lines(scaled: Iterable[Scaled]) -> list[str]:
    """A table of each."""
    shown = []
    for one in scaled:
        result = one.result
        shown += ["", f"{result.entries:,} entries into {one.warehouse}, {result.seconds:.0f} s", ""]
        rows = [
            [used.name, f"{used.seconds:.1f}", f"{used.cpu_seconds:.1f}", f"{used.peak_mb:,.0f}"]
            for stage in result.stages
            for used in stage
        ]
        shown += table(["task", "seconds", "CPU s", "peak MB"], rows)
        shown += [] if result.is_right else ["WRONG TABLE"]
    return shown
