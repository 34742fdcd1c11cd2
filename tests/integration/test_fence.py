"""The table never moves back, and one process writes it at a time."""

import re
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from directory_sync.errors import ConfigError, WarehouseError
from directory_sync.landing.files import MANIFEST
from directory_sync.publish.load import load
from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle, child_process
from tests.integration.test_columnar import difference

HOLDS_THE_FILE = """
import duckdb
with duckdb.connect(args[0]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_an_older_snapshot_is_skipped(api: SandboxServer, published: Cycle) -> None:
    published.extract("older")
    published.audit("older")
    api.directory.edit(2, 2, remove=2, seed=1)
    published.run("newer")
    before = published.tables()
    report = published.publish("older")
    assert report.skipped
    assert published.tables() == before


def test_a_snapshot_whose_audit_saw_an_older_warehouse_is_compared_again(
    api: SandboxServer, cycle: Cycle, published: Cycle
) -> None:
    """Both are audited against an empty warehouse; the earlier one is published in between."""
    twin = published.with_(home=cycle.home / "twin")
    twin.extract("one")
    twin.audit("one")
    edits = api.directory.edit(2, 3, remove=2, seed=1)
    twin.extract("two")
    assert twin.audit("two").changes["added"] == 300
    twin.publish("one")
    report = twin.publish("two")
    # Who left was looked for by nobody: missing, until the next snapshot lacks it too.
    assert [report.changes[k] for k in ("added", "changed", "missing")] == [2, 3, 2]
    assert len(twin.changes("two")) == 7
    twin.run("three")
    assert twin.ids() == set(api.directory.ids())
    assert set(edits.removed) == twin.ids("_removed_at IS NOT NULL")


def ahead(**by: float) -> time_machine.travel:
    """A machine whose clock is ahead."""
    return time_machine.travel(datetime.now(UTC) + timedelta(**by), tick=True)


def test_a_skip_that_repeats_is_a_failure(api: SandboxServer, published: Cycle) -> None:
    """Snapshots that are older than the last one every night are read by a clock that is behind."""
    for run_id in ("second", "third"):
        published.extract(run_id)
        published.audit(run_id)
    api.directory.edit(2, 2, remove=2, seed=1)
    published.run("newer")
    before = published.tables()
    assert published.publish("second").skipped
    with pytest.raises(ConfigError, match="so did that of second"):
        published.publish("third")
    assert published.publish("second").skipped, "the same run, cleared, is no second one"
    assert published.tables() == before


STRICT = {"clock_tolerance_minutes": 5.0}


def test_what_was_requested_in_the_future_is_refused(published: Cycle) -> None:
    before, published = published.tables(), published.with_(settings=STRICT)
    with ahead(hours=1):
        published.extract("two")
    with pytest.raises(ConfigError, match="of run two says that it was requested at"):
        published.audit("two")
    assert published.landed("two").read_json(MANIFEST) is None
    assert published.tables() == before


def test_clocks_may_be_some_minutes_apart(api: SandboxServer, published: Cycle) -> None:
    published = published.with_(settings=STRICT)
    with ahead(minutes=4):
        published.extract("two")
    published.audit("two")
    assert not published.publish("two").skipped


@pytest.fixture
def a_year_ahead(api: SandboxServer, published: Cycle) -> Cycle:
    """One night, `ahead`, was read and published by a machine whose clock was a year ahead."""
    edits = api.directory.edit(2, 2, remove=2, seed=1)
    with ahead(days=365):
        published.run("ahead")
    api.directory.edit(2, 2, remove=2, seed=2)
    api.directory.restore(edits.removed[:1])
    return published


@pytest.mark.duckdb
def test_a_night_after_one_whose_clock_was_a_year_ahead_says_so(a_year_ahead: Cycle) -> None:
    before = a_year_ahead.tables()
    a_year_ahead.extract("next")
    with pytest.raises(ConfigError, match="of run ahead is published and says that it was requested at"):
        a_year_ahead.audit("next")
    assert a_year_ahead.tables() == before


@pytest.mark.duckdb
def test_the_runbook_brings_back_times_that_were_wrong(api: SandboxServer, a_year_ahead: Cycle) -> None:
    """Its statements and its remedy for the landing zone, as they stand there."""
    before = {name: len(rows) for name, (_, rows) in a_year_ahead.tables().items()}
    [(sync_id, wrong)] = a_year_ahead.query(
        "SELECT sync_id, snapshot_at FROM directory_syncs WHERE run_id = 'ahead'"
    )
    right = datetime.now(UTC)
    values = {"sync": sync_id, "wrong": wrong.isoformat(), "right": right.isoformat()}
    with a_year_ahead.warehouse() as (warehouse, _), warehouse.pipeline.sql_client() as client:
        for statement in repairs():
            client.execute_sql(re.sub(r":'(\w+)'", lambda name: f"'{values[name[1]]}'", statement))
    a_year_ahead.landed("ahead").delete()
    assert {name: len(rows) for name, (_, rows) in a_year_ahead.tables().items()} == before
    assert not a_year_ahead.run("next").skipped
    assert a_year_ahead.ids() == set(api.directory.ids())
    later = [
        a_year_ahead.query(f"SELECT count(*) FROM {table} WHERE {column} > ?", datetime.now(UTC))
        for table, column in (
            (RESOURCE, "_changed_at"), (RESOURCE, "_first_seen_at"), (RESOURCE, "_removed_at"),
            (f"{RESOURCE}_changes", "snapshot_at"), ("directory_syncs", "last_requested_at"),
        )
    ]  # fmt: skip
    assert later == [[(0,)]] * 5
    before = a_year_ahead.ids()
    a_year_ahead.lose_warehouse()
    a_year_ahead.replay()
    assert a_year_ahead.ids() == before


def repairs() -> list[str]:
    """The statements of the runbook's section on clocks."""
    runbook = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
    section = runbook.split("## A clock was wrong\n")[1].split("\n## ")[0]
    [block] = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    return [statement for statement in block.split(";\n") if statement.strip()]


@pytest.mark.duckdb
def test_a_file_that_was_replaced_while_it_was_open_is_not_published_into(
    api: SandboxServer, published: Cycle
) -> None:
    """A restored backup, say: what is written into the old file nobody will ever see."""
    published.extract("two")
    published.audit("two")
    before = published.tables()
    path = published.home / "warehouse.duckdb"
    with published.warehouse() as (warehouse, folder):
        shutil.copy(path, published.home / "backup")
        (published.home / "backup").replace(path)
        with pytest.raises(WarehouseError, match=r"replaced or removed .* Nothing was published"):
            published.publish_into(warehouse, folder, "two")
    assert published.tables() == before
    published.publish("two")
    assert len(published.tables()["directory_syncs"][1]) == 2


def test_a_load_that_follows_another_sync_than_the_last_writes_nothing(published: Cycle) -> None:
    before = published.tables()
    rows = difference(['{"id": 1, "name": "x"}'], sync_id="late", base="a-sync-of-before")
    with (
        published.warehouse() as (warehouse, _),
        pytest.raises(WarehouseError, match="is based on a-sync-of-before"),
    ):
        load(published.parsed, rows, warehouse=warehouse)
    assert published.tables() == before


@pytest.fixture
def holder(published: Cycle):
    child = child_process(HOLDS_THE_FILE, published.home / "warehouse.duckdb")
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


@pytest.mark.duckdb
def test_a_held_warehouse_is_an_error_that_names_the_process(published: Cycle, holder) -> None:
    hasty = published.with_(settings={"warehouse_wait_seconds": 0.2})
    with pytest.raises(WarehouseError, match=f"process {holder.pid} holds it"):
        hasty.roll_forward()


@pytest.mark.duckdb
def test_a_warehouse_that_is_released_in_time_is_opened(published: Cycle, holder) -> None:
    release = threading.Timer(0.5, holder.communicate, ["\n"])
    release.start()
    assert published.with_(settings={"warehouse_wait_seconds": 20.0}).roll_forward() == []
    release.join()
