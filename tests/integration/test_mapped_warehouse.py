"""What all mapped warehouses share, tried for real: the lock file, the reads, publications by merging."""

from pathlib import Path
from typing import Any

import pytest

from directory_sync.errors import WarehouseError
from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle, child_process
from tests.integration.listing import Listing
from tests.integration.mapped import MappedCycle

pytestmark = pytest.mark.duckdb

HOLDS_IT = """
import sys
from pathlib import Path
from tests.integration.mapped import MappedCycle
url, home = args
with MappedCycle(url=url, home=Path(home)).warehouse():
    print("held", flush=True)
    sys.stdin.readline()
"""
DIES_WITHIN_THE_MERGE = """
import os, re
from pathlib import Path
from dlt.destinations.job_client_impl import SqlLoadJob
from tests.integration.mapped import MappedCycle
url, home, resource, last_table = args
def run(self):
    # Statement by statement, as where there are no transactions.
    sql = open(self._file_path, encoding="utf-8").read()
    for one in self._split_fragments(sql):
        self._job_client.sql_client.execute_sql(one)
        written = re.match(r'(?:MERGE INTO|DELETE FROM|INSERT INTO) (?:"\\w+"\\.)*"(\\w+)"', one)
        if self._parsed_file_name.table_name == resource and written and written[1] == last_table:
            os._exit(9)
SqlLoadJob.run = run
MappedCycle(url=url, home=Path(home)).publish("two")
"""


@pytest.fixture
def mapped(api: SandboxServer, tmp_path: Path) -> MappedCycle:
    cycle = MappedCycle(url=api.url, home=tmp_path / "mapped")
    cycle.run("one")
    return cycle


def lists(length: int) -> list[dict[str, Any]]:
    return [{"k": f"k{n}", "inner": [{"v": m} for m in range(n)]} for n in range(length)]


def test_merging_leaves_the_tables_that_replacing_leaves(tmp_path: Path) -> None:
    """Over entries that come, change, go and return, and lists that grow, shrink, empty and change order."""
    entries = [{"id": n, "name": f"Person {n}", "tags": lists(n % 4)} for n in range(1, 31)]
    with Listing() as listing:
        mapped = MappedCycle(url=listing.url, home=tmp_path / "merged")
        for night in range(4):
            listing.entries = [
                {**e, "tags": e["tags"][::-1] if night == 2 else lists((e["id"] + night) % 4)}
                for e in entries
                if (e["id"] + night) % 10
            ]
            mapped.run(f"night {night}")
        replaced = Cycle(url=listing.url, home=mapped.copied_to(tmp_path / "replaced").home)
        replaced.lose_warehouse()
        replaced.replay()
    merged = mapped.tables_without_views()
    assert {f"{RESOURCE}__tags", f"{RESOURCE}__tags__inner"} <= merged.keys()
    assert len(mapped.query(f"SELECT 1 FROM {RESOURCE}__tags__inner")) > 0
    assert merged == replaced.tables_without_views()


@pytest.mark.parametrize("table", [RESOURCE, f"{RESOURCE}__codes"])
def test_where_there_are_no_transactions_a_kill_within_a_merge_is_mended(
    api: SandboxServer, mapped: MappedCycle, table: str
) -> None:
    before = mapped.ids()
    removed = set(api.directory.edit(5, 7, remove=4, seed=2).removed)
    mapped.extract("two")
    mapped.audit("two")
    undisturbed = mapped.copied_to(mapped.home.parent / "undisturbed")
    undisturbed.publish("two")
    child = child_process(DIES_WITHIN_THE_MERGE, mapped.url, mapped.home, RESOURCE, table)
    child.communicate()
    assert child.returncode == 9
    # What a reader sees meanwhile: no entry is missing, and the sync is not there yet.
    assert mapped.ids() >= before - removed
    assert mapped.query("SELECT count(*) FROM directory_syncs") == [(1,)]
    assert len(mapped.roll_forward()) == 1
    assert mapped.tables() == undisturbed.tables()


def test_who_holds_the_lock_file_is_named_and_his_death_frees_it(mapped: MappedCycle) -> None:
    holder = child_process(HOLDS_IT, mapped.url, mapped.home)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    impatient = mapped.with_(settings={"warehouse_wait_seconds": 0.0})
    with pytest.raises(WarehouseError, match=rf"process {holder.pid} on \S+ holds it.*Nothing was published"):
        impatient.publish("one")
    holder.kill()
    holder.communicate()
    with impatient.warehouse() as (warehouse, _):
        assert warehouse.sync("another") is None


def test_a_lock_file_that_cannot_be_made_is_an_error_in_words(mapped: MappedCycle) -> None:
    (mapped.home / "mapped-directory.lock").unlink()
    (mapped.home / "mapped-directory.lock").mkdir()
    with pytest.raises(WarehouseError, match=r"mapped-directory\.lock .* cannot be opened"):
        mapped.publish("one")
