"""The table never moves back, and one process writes it at a time."""

import shutil
import threading

import pytest

from directory_sync.errors import WarehouseError
from directory_sync.publish import load
from sandbox.server import SandboxServer
from tests.integration.cycle import Cycle, child_process
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
    assert [report.changes[k] for k in ("added", "changed", "removed")] == [2, 3, 2]
    assert len(twin.changes("two")) == 7
    assert twin.ids() == set(api.directory.ids())
    assert set(edits.removed) == twin.ids("_removed_at IS NOT NULL")


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
        pytest.raises(WarehouseError, match="follows a-sync-of-before"),
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
