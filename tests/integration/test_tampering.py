"""What somebody who can write the landing zone, the warehouse or the machine's disk achieves, and what not.

`docs/security.md` names these tests, also where they show that there is no defence.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from directory_sync.errors import ConfigError
from directory_sync.landing.files import DECISION, DIFFERENCE
from directory_sync.publish.question import Decision, landed_decision
from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.postgres import PostgresServer

FORGED = "Forged"


def names(cycle: Cycle) -> dict[int, str]:
    return dict(cycle.query(f"SELECT id, name FROM {RESOURCE}"))


def execute(cycle: Cycle, sql: str) -> None:
    with cycle.warehouse() as (warehouse, _), warehouse.pipeline.sql_client() as client:
        client.execute_sql(sql)


@pytest.mark.folder
def test_who_writes_the_landing_zone_writes_the_warehouse_until_a_rewrite(
    api: SandboxServer, published: Cycle
) -> None:
    """Its files carry no signature. A forged record with the true hash looks unchanged to later nights."""
    [changed] = api.directory.edit(change=1, seed=1).changed
    published.extract("two")
    published.audit("two")
    [path] = Path(published.landed("two").path).glob(f"2*/{DIFFERENCE}")
    table = pq.read_table(path)
    true = names(published)[changed]
    records = [
        text.replace(api.directory.get(changed)["name"], FORGED) for text in table["record"].to_pylist()
    ]
    index = table.schema.get_field_index("record")
    pq.write_table(table.set_column(index, table.schema.field(index), pa.array(records)), path)
    published.publish("two")
    assert true != FORGED == names(published)[changed]
    published.run("three")
    assert names(published)[changed] == FORGED
    published.run("four", mode="rewrite")
    assert names(published)[changed] == api.directory.get(changed)["name"]


def test_a_forged_approval_passes_for_a_person_and_reaches_the_held_entries_alone(
    api: SandboxServer, published: Cycle
) -> None:
    api.directory.edit(remove=16, seed=1)
    published.run("two")
    question, landed = published.ask("two"), published.landed("two")
    assert question is not None
    forged = Decision(digest=question.digest, sync_id=question.sync_id, choice="approved", by="nobody")
    for binds in ({"digest": "0" * 64}, {"sync_id": "another"}):
        landed.write_json(DECISION, asdict(forged) | binds)
        assert landed_decision(landed, question) is None
    landed.write_json(DECISION, asdict(forged))
    assert landed_decision(landed, question) == forged


def test_a_value_that_was_altered_in_the_table_stays_until_a_rewrite(
    api: SandboxServer, published: Cycle
) -> None:
    execute(published, f"UPDATE {RESOURCE} SET name = '{FORGED}' WHERE id = {api.directory.ids()[0]}")
    assert published.run("two").changes["changed"] == 0
    assert FORGED in names(published).values()
    published.run("three", mode="rewrite")
    assert FORGED not in names(published).values()


SQL = f"x'; DROP TABLE {RESOURCE}_changes; --"


def test_ids_keys_and_values_that_read_as_sql_are_data(
    tmp_path: Path, postgres: PostgresServer | None
) -> None:
    with Listing() as listing:
        cycle = Cycle(url=listing.url, home=tmp_path, postgres=postgres)
        listing.entries = [{"id": f'{SQL}"{n}', "name": SQL, SQL: n, f'"{SQL}': n} for n in range(20)]
        cycle.run("one")
        kept = [entry["id"] for entry in listing.entries[:10]]
        listing.entries = [entry | {"name": "renamed"} for entry in listing.entries[:10]]
        cycle.run("two")
        question = cycle.ask("two")
        assert question is not None
        cycle.remove("two", question)
        assert cycle.ids() == set(kept)
        assert cycle.query(f"SELECT count(*) FROM {RESOURCE}_changes") == [(50,)]


TAMPERED = {
    "a row deleted": f"DELETE FROM {RESOURCE} WHERE id = {{id}}",
    "a hash altered": f"UPDATE {RESOURCE} SET _row_hash = 'no hash' WHERE id = {{id}}",
    "an entry marked as removed": f"UPDATE {RESOURCE} SET _removed_at = _first_seen_at WHERE id = {{id}}",
}


@pytest.mark.parametrize("sql", TAMPERED.values(), ids=TAMPERED)
def test_a_row_that_was_taken_away_or_marked_is_back_the_next_night(
    api: SandboxServer, published: Cycle, sql: str
) -> None:
    victim = api.directory.ids()[0]
    execute(published, sql.format(id=victim))
    published.run("two")
    assert published.ids() == set(api.directory.ids())


def test_a_change_log_that_was_emptied_is_an_error(api: SandboxServer, published: Cycle) -> None:
    execute(published, f"DELETE FROM {RESOURCE}_changes")
    api.directory.edit(remove=1, seed=1)
    before = published.ids()
    with pytest.raises(ConfigError, match=r"The change log .* lacks 1 entries"):
        published.run("two")
    assert published.ids() == before


@pytest.fixture
def masked() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.duckdb
@pytest.mark.folder
def test_with_the_umask_077_nobody_else_on_the_machine_reads_what_a_run_writes(
    api: SandboxServer, tmp_path: Path, masked: Callable[[int], int]
) -> None:
    masked(0o077)
    home = tmp_path / "home"
    Cycle(url=api.url, home=home).run("one")
    written = [home, *home.rglob("*")]
    assert {path.suffix for path in written} >= {".parquet", ".json", ".duckdb"}
    open_to_others = stat.S_IRWXG | stat.S_IRWXO
    assert [path.name for path in written if path.stat().st_mode & open_to_others] == []
