"""What `who.json` says of a publication is what the edits of the directory were."""

import json
import subprocess
from pathlib import Path

import duckdb
import pytest

from directory_sync.audit.report import AuditReport
from sandbox.server import SandboxServer
from tests.conftest import CHECKOUT
from tests.integration.cycle import RESOURCE, Cycle
from tests.programs import Machine, node

STATIC = CHECKOUT / "plugins" / "directory_sync" / "ui" / "static"
QUERIES = f"""
import {{ publications }} from "{STATIC.as_uri()}/shape.js";
import {{ changesQuery, whoQueries }} from "{STATIC.as_uri()}/queries.js";
const extra = JSON.parse(process.argv[1]);
const [report] = publications([{{ id: 1, extra, timestamp: extra.snapshot_at }}], null);
console.log(JSON.stringify({{ all: changesQuery(report), ...whoQueries(report) }}));
"""


def queries_of_the_page(report: AuditReport) -> dict[str, str]:
    command = [node(Machine()), "--input-type=module", "--eval", QUERIES, json.dumps(report.summary())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def rows(cycle: Cycle, sql: str) -> list[tuple]:
    """Rows of a query as a person runs it: no schema is set."""
    if cycle.postgres:
        return cycle.postgres.rows(sql, database=cycle.database)
    with duckdb.connect(cycle.home / "warehouse.duckdb", read_only=True) as database:
        return database.execute(sql).fetchall()


def ids(found: list[dict]) -> list[int]:
    return [int(item["id"]) for item in found]


def test_the_edits_of_a_night_are_named_as_the_change_log_has_them(
    api: SandboxServer, published: Cycle
) -> None:
    labelled = published.with_(resource={"label_field": "name"})
    edits = api.directory.edit(add=3, change=2, remove=1, seed=1)
    report = labelled.run("two")
    who = labelled.landed("two").who(report.sync_id)
    assert who is not None
    assert who["counts"] == {"joined": 3, "left": 1, "changed": 2}
    assert (ids(who["joined"]), ids(who["left"]), ids(who["changed"])) == (
        sorted(edits.added),
        sorted(edits.removed),
        sorted(edits.changed),
    )
    names = dict(labelled.query(f"SELECT id, name FROM {RESOURCE}"))
    for item in who["joined"] + who["left"] + who["changed"]:
        assert item["label"] == names[int(item["id"])]
    for item in who["changed"]:
        logged = dict(
            labelled.query(
                f"SELECT sync_id = ?, record FROM {RESOURCE}_changes WHERE id = ?",
                report.sync_id,
                int(item["id"]),
            )
        )
        assert item["fields"]
        for one in item["fields"]:
            assert one["old"] != one["new"]
            assert one["old"] in logged[False]
            assert one["new"] in logged[True]


def test_an_approved_removal_names_who_left(api: SandboxServer, published: Cycle) -> None:
    labelled = published.with_(resource={"label_field": "name"})
    gone = api.directory.edit(remove=16, seed=1).removed
    assert labelled.run("two").holds.asks
    question = labelled.ask("two")
    assert question is not None
    report = labelled.remove("two", question)
    who = labelled.landed("two").who(report.sync_id)
    assert who is not None
    assert who["counts"] == {"joined": 0, "left": 16, "changed": 0}
    assert ids(who["left"]) == sorted(gone)[:10]
    assert all(item["label"] for item in who["left"])


@pytest.mark.parametrize("warehouse", ["duckdb", "postgresql"])
def test_the_sql_that_the_page_shows_runs_as_it_is(
    api: SandboxServer, tmp_path: Path, warehouse: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres_server") if warehouse == "postgresql" else None
    cycle = Cycle(url=api.url, home=tmp_path, postgres=server)
    cycle.run("one")
    edits = api.directory.edit(add=3, change=2, remove=1, seed=1)
    queries = queries_of_the_page(cycle.run("two"))
    found = {name: sorted({row[0] for row in rows(cycle, sql)}) for name, sql in queries.items()}
    del found["all"]
    assert found == {"joined": edits.added, "left": edits.removed, "changed": edits.changed}
    assert len(rows(cycle, queries["all"])) == 6
    for _, _, old, new in rows(cycle, queries["changed"]):
        assert old != new
