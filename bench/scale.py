"""`make bench SCALE=1000000`: so many entries through the real Dag, into DuckDB and into PostgreSQL.

It shows what each task takes of memory and time, and how many times as long as into DuckDB each stage takes.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from bench.airflow_runs import Contest
from bench.contenders import Case, Result
from bench.figures import table
from bench.server import EDITED, Server
from tests.postgres import ADMIN, PostgresServer, running_server

LATENCY_MS = 50.0


def measure(entries: int, server: Server) -> Iterator[Result]:
    """Yields a first load into DuckDB, and one into PostgreSQL."""
    case = Case(entries=entries, latency_ms=LATENCY_MS)
    with Contest.running(server) as contest:
        first = next(contest.run("ours", case))
    yield first
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
    yield replace(first, warehouse="PostgreSQL")


def _is_right(postgres: PostgresServer, *, entries: int, edited: int) -> bool:
    sql = (
        "SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE name LIKE %s) "
        "FROM directory.directory_resource"
    )
    return postgres.rows(sql, f"%{EDITED}", database="bench") == [(entries, entries, edited)]


def lines(results: Sequence[Result]) -> list[str]:
    """A table of the tasks of each load, and one that compares the stages with those of the first."""
    shown = [line for result in results for line in _tasks(result)]
    first, *others = results
    for other in others:
        rows = [
            [name, f"{_stages(first)[name]:.1f}", f"{seconds:.1f}", f"{seconds / _stages(first)[name]:.1f}"]
            for name, seconds in _stages(other).items()
        ]
        shown += ["", f"{other.warehouse} beside {first.warehouse}", ""]
        shown += table(["stage", f"{first.warehouse} s", f"{other.warehouse} s", "times"], rows)
    return shown


def _stages(result: Result) -> dict[str, float]:
    """The seconds of the longest task of each stage, and those of the run."""
    longest = {
        stage[0].name.split(".")[0]: max(used.seconds for used in stage) for stage in result.stages if stage
    }
    return {**longest, "the run": result.seconds}


def _tasks(result: Result) -> list[str]:
    rows = [
        [used.name, f"{used.seconds:.1f}", f"{used.cpu_seconds:.1f}", f"{used.peak_mb:,.0f}"]
        for stage in result.stages
        for used in stage
    ]
    return [
        "",
        f"{result.entries:,} entries into {result.warehouse}, {result.seconds:.0f} s",
        "",
        *table(["task", "seconds", "CPU s", "peak MB"], rows),
        *([] if result.is_right else ["WRONG TABLE"]),
    ]
