"""A publication that was killed anywhere and taken up again leaves the same tables.

It is one transaction: whoever reads meanwhile sees the tables of before or those of after. Where there are no
transactions, three load packages follow each other and are rolled forward.
"""

from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import pytest
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from dlt.destinations.sql_client import SqlClientBase

from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle, child_process
from tests.integration.listing import Listing

DIES_BEFORE_PACKAGE = """
# As a warehouse without transactions, or the release before 0.2, leaves it.
import os
from pathlib import Path
import dlt
from dlt.load.load import Load
from tests.integration.cycle import Cycle
from tests.postgres import PostgresServer
from directory_sync.warehouse.destinations import DuckDBFile, PostgreSQL
DuckDBFile.is_transactional = PostgreSQL.is_transactional = False
url, home, run_id, postgres, package, resource = args
begin, seen = Load.load_single_package, []
def die(self, load_id, schema):
    seen.append(load_id)
    # The first one is of `_directory_publications`.
    if len(seen) == package + 1:
        os._exit(9)
    return begin(self, load_id, schema)
Load.load_single_package = die
server = postgres and PostgresServer(*postgres)
Cycle(url=url, home=Path(home), resource=resource, postgres=server).publish(run_id)
"""
DIES_IN_THE_TRANSACTION = """
import os
from pathlib import Path
from dlt.destinations.sql_client import SqlClientBase
from tests.integration.cycle import Cycle
from tests.postgres import PostgresServer
url, home, run_id, postgres, after = args
def execute_many(self, statements, *_, **__):
    # Statement by statement: as the database runs them, whose process can end between any two.
    for number, one in enumerate(statements):
        if number == after:
            os._exit(9)
        self.execute_sql(one)
    if after == "commit":
        os._exit(9)
SqlClientBase.execute_many = execute_many
server = postgres and PostgresServer(*postgres)
Cycle(url=url, home=Path(home), postgres=server).publish(run_id)
"""
PUBLISHES = """
from pathlib import Path
from tests.integration.cycle import Cycle
from tests.postgres import PostgresServer
url, home, run_id, postgres = args
cycle = Cycle(url=url, home=Path(home), postgres=postgres and PostgresServer(*postgres))
with cycle.warehouse() as (warehouse, folder):
    print("ready", flush=True)
    cycle.publish_into(warehouse, folder, run_id)
"""


def audited(api: SandboxServer, cycle: Cycle, run_id: str = "two") -> Cycle:
    """A second night with changes of every kind, audited and not yet published."""
    api.directory.edit(5, 7, remove=4, seed=2)
    cycle.extract(run_id)
    cycle.audit(run_id)
    return cycle


def copy_of(cycle: Cycle, name: str) -> Cycle:
    return cycle.copied_to(cycle.home.parent / name)


def arguments(cycle: Cycle, run_id: str) -> tuple[Any, ...]:
    """What a child process needs to be the same deployment."""
    server = cycle.postgres and (cycle.postgres.port, cycle.postgres.password)
    return cycle.url, cycle.home, run_id, server


def die_before_package(cycle: Cycle, package: int, run_id: str = "two") -> None:
    child = child_process(DIES_BEFORE_PACKAGE, *arguments(cycle, run_id), package, dict(cycle.resource))
    child.communicate()
    assert child.returncode == 9


@pytest.fixture(scope="module")
def audited_once(
    running_api: SandboxServer, first_night: Cycle, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Cycle, dict[str, Any]]:
    """An audited deployment, and the tables that publishing it undisturbed leaves."""
    running_api.reset()
    cycle = audited(running_api, first_night.copied_to(tmp_path_factory.mktemp("audited") / "home"))
    copy = copy_of(cycle, "undisturbed")
    copy.publish("two")
    return cycle, copy.tables()


@pytest.fixture
def undisturbed(audited_once: tuple[Cycle, dict[str, Any]], tmp_path: Path) -> tuple[Cycle, dict[str, Any]]:
    cycle, tables = audited_once
    return cycle.copied_to(tmp_path / "home"), tables


def test_publishing_twice_changes_nothing(api: SandboxServer, published: Cycle) -> None:
    audited(api, published).publish("two")
    before = published.tables()
    published.publish("two")
    assert published.tables() == before


def test_no_rows_stay_in_the_staging_tables(published: Cycle) -> None:
    for table in (RESOURCE, f"{RESOURCE}__codes", f"{RESOURCE}_changes", "directory_syncs"):
        assert published.query(f"SELECT 1 FROM {table} LIMIT 1") == [(1,)]
        assert published.query(f"SELECT count(*) FROM directory_staging.{table}") == [(0,)]


@pytest.mark.parametrize("after", [1, 3, 5, 7, 9, "commit"])
def test_a_kill_at_any_statement_of_a_publication_leaves_the_tables_as_they_were(
    undisturbed: tuple[Cycle, dict[str, Any]], after: int | str
) -> None:
    cycle, tables = undisturbed
    before = cycle.tables()
    child = child_process(DIES_IN_THE_TRANSACTION, *arguments(cycle, "two"), after)
    child.communicate()
    assert child.returncode == 9
    assert cycle.tables() == before
    assert cycle.roll_forward() == []
    cycle.publish("two")
    assert cycle.tables() == tables


def test_a_commit_whose_answer_is_lost_is_known_for_what_it_is(
    undisturbed: tuple[Cycle, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """dlt tries the transaction again, and finds the publication in the warehouse."""
    cycle, tables = undisturbed
    many, lost, is_merging = SqlClientBase.execute_many, list[str](), list[bool]()

    def execute_many(self: Any, statements: Any, *arguments: Any, **named: Any) -> Any:
        if any(one.startswith("INSERT INTO") and "SELECT" in one for one in statements):
            is_merging.append(True)
        return many(self, statements, *arguments, **named)

    def losing(kind: Any) -> Any:
        commit = kind.commit_transaction

        def commit_transaction(self: Any) -> None:
            commit(self)
            if is_merging and not lost:
                lost.append(self.dataset_name)
                raise ConnectionError

        return commit_transaction

    monkeypatch.setattr(SqlClientBase, "execute_many", execute_many)
    for kind in (DuckDbSqlClient, Psycopg2SqlClient):
        monkeypatch.setattr(kind, "commit_transaction", losing(kind))
    cycle.publish("two")
    assert lost
    assert cycle.tables() == tables


@pytest.mark.parametrize("package", [2, 3])
def test_a_publication_killed_between_packages_is_rolled_forward(
    undisturbed: tuple[Cycle, dict[str, Any]], package: int
) -> None:
    cycle, tables = undisturbed
    die_before_package(cycle, package)
    assert cycle.tables() != tables
    assert len(cycle.roll_forward()) == 1
    assert cycle.tables() == tables
    assert len(cycle.roll_forward()) == 0


def test_a_publication_killed_between_packages_is_published_again(
    undisturbed: tuple[Cycle, dict[str, Any]],
) -> None:
    cycle, tables = undisturbed
    die_before_package(cycle, 3)
    cycle.publish("two")
    assert cycle.tables() == tables


def test_a_first_publication_killed_after_the_change_rows_is_rolled_forward(
    api: SandboxServer, published: Cycle, tmp_path: Path
) -> None:
    """No table, no row of `directory_syncs` and no schema of them exist yet."""
    cycle = published.with_(home=tmp_path / "fresh")
    cycle.extract("one")
    cycle.audit("one")
    copy = copy_of(cycle, "fresh, undisturbed")
    copy.publish("one")
    die_before_package(cycle, 2, "one")
    assert len(cycle.roll_forward()) == 1
    assert cycle.tables() == copy.tables()


def test_publishing_rolls_an_older_interrupted_sync_forward_first(
    api: SandboxServer, published: Cycle
) -> None:
    """Run `two` dies after `three` was audited: `three` must not be overwritten by it later."""
    audited(api, published)
    api.directory.edit(0, 3, remove=1, seed=5)
    published.extract("three")
    published.audit("three")
    die_before_package(published, 2)
    published.publish("three")
    assert len(published.roll_forward()) == 0
    assert published.ids() == set(api.directory.ids())
    assert published.run("four").changes_nothing


@pytest.mark.parametrize("seed", range(6))
def test_a_publication_killed_at_any_moment_leaves_the_same_tables(
    undisturbed: tuple[Cycle, dict[str, Any]], seed: int
) -> None:
    cycle, tables = undisturbed
    child = child_process(PUBLISHES, *arguments(cycle, "two"))
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with suppress(TimeoutExpired):
        child.wait(timeout=0.15 + 0.2 * seed)
    child.kill()
    child.communicate()
    cycle.publish("two")
    assert cycle.tables() == tables


def test_a_change_of_ignored_fields_rewrites_the_hashes_and_shows_no_change(
    api: SandboxServer, published: Cycle
) -> None:
    before = published.query("SELECT id, _row_hash FROM directory_resource")
    ignoring = published.with_(resource={"ignored_fields": ["updated_at"]})
    report = ignoring.run("two")
    assert not any(report.changes.values())
    assert report.rewritten == 300
    after = published.query("SELECT id, _row_hash FROM directory_resource")
    assert {i for i, _ in before} == {i for i, _ in after}
    assert not set(before) & set(after)
    assert ignoring.run("three").changes_nothing


def test_a_change_of_ignored_fields_killed_half_way_shows_no_changes_later(
    api: SandboxServer, published: Cycle
) -> None:
    """The hashes to rewrite are not in the change log: what is rolled forward does not claim them."""
    ignoring = published.with_(resource={"ignored_fields": ["updated_at"]})
    audited(api, ignoring)
    die_before_package(ignoring, 2)
    report = ignoring.run("three")
    assert not any(report.changes.values())
    assert ignoring.run("four").changes_nothing


# ---- what can never be finished


def change(cycle: Cycle, sql: str) -> None:
    with cycle.warehouse() as (warehouse, _):
        warehouse._execute(sql)


@pytest.mark.parametrize("package", [2, 3])
def test_change_rows_that_lost_their_header_are_rolled_back_and_the_night_is_published_anew(
    api: SandboxServer, published: Cycle, package: int
) -> None:
    """Before the table was written, and after."""
    entries = f"SELECT id, name, _removed_at IS NULL FROM {RESOURCE} ORDER BY id"
    undisturbed = copy_of(audited(api, published), f"undisturbed {package}")
    undisturbed.publish("two")
    die_before_package(published, package)
    change(published, "DELETE FROM directory._directory_publications")
    assert published.roll_forward() == []
    assert published.query(f"SELECT count(DISTINCT sync_id) FROM {RESOURCE}_changes") == [(1,)]
    published.run("three")
    assert published.query(entries) == undisturbed.query(entries)
    orphans = f"SELECT 1 FROM {RESOURCE}__codes WHERE _dlt_root_id NOT IN (SELECT _dlt_id FROM {RESOURCE})"
    assert published.query(orphans) == []
    assert published.run("four").changes_nothing


def test_a_publication_that_is_refused_for_good_is_rolled_back(tmp_path: Path, postgres: Any) -> None:
    with Listing() as listing:
        listing.entries = [{"id": 1, "text": "x"}]
        cycle = Cycle(url=listing.url, home=tmp_path, postgres=postgres)
        cycle.run("one")
        before = cycle.tables()
        listing.entries = [{"id": 1, "text": "x", "new": "y"}]
        cycle.extract("two")
        cycle.audit("two")
        die_before_package(cycle, 2)
        frozen = cycle.with_(resource={"schema_contract": {"columns": "freeze"}})
        assert frozen.roll_forward() == []
        logged = f"{RESOURCE}_changes"
        assert cycle.tables()[logged] == before[logged]
        listing.entries = [{"id": 1, "text": "z"}]
        frozen.run("three")
        assert cycle.query(f"SELECT text FROM {RESOURCE}") == [("z",)]
        assert frozen.run("four").changes_nothing
