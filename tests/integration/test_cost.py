"""What a night costs the warehouse: an unchanged one next to nothing, any other what has changed."""

import re
from collections.abc import Iterator

import pytest
import sqlglot
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from sqlglot import expressions

from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle

pytestmark = pytest.mark.duckdb

CHANGES = f"{RESOURCE}_changes"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that dlt's client sends to the warehouse, for us or for itself."""
    sent: list[str] = []
    execute = DuckDbSqlClient.execute_query

    def recording(self, query, *args, **kwargs):
        sent.append(str(query))
        return execute(self, query, *args, **kwargs)

    monkeypatch.setattr(DuckDbSqlClient, "execute_query", recording)
    return sent


def trees(statements: list[str]) -> Iterator[expressions.Expression]:
    for statement in statements:
        for tree in sqlglot.parse(statement.replace("%s", "?"), dialect="duckdb"):
            assert tree is not None
            yield tree


def columns_read(statements: list[str], table: str) -> set[str]:
    """The columns that are selected from a table, by queries that name it."""
    found: set[str] = set()
    for tree in trees(statements):
        if isinstance(tree, expressions.Query) and table in {
            t.name for t in tree.find_all(expressions.Table)
        }:
            found |= {column.name for column in tree.find_all(expressions.Column)}
            found |= {"*" for _ in tree.find_all(expressions.Star)}
    return found


def tables_written(statements: list[str]) -> set[str]:
    """The tables that rows are added to, changed in or deleted from, but for dlt's own."""
    kinds = (expressions.Insert, expressions.Update, expressions.Delete)
    found = {tree.find(expressions.Table).name for tree in trees(statements) if isinstance(tree, kinds)}
    return {name for name in found if not name.startswith("_dlt")}


def test_an_unchanged_night_reads_no_more_than_ids_and_hashes(
    published: Cycle, statements: list[str]
) -> None:
    assert published.run("two").changes_nothing
    assert columns_read(statements, RESOURCE) == {"id", "_row_hash", "_missing_since", "_removed_at"}
    assert columns_read(statements, CHANGES) <= {"sync_id", "id", "snapshot_at"}
    assert tables_written(statements) == {"directory_syncs"}
    # A temporary view stands for the files of the load; those of the dataset are left as they are.
    assert not [one for one in statements if re.search(r"(?<!TEMPORARY) VIEW |COMMENT ON", one)]


def test_a_merge_lists_the_rows_to_delete_and_inserts_the_others_without_a_list(
    api: SandboxServer, published: Cycle, statements: list[str]
) -> None:
    api.directory.edit(3, 3, remove=0)
    published.run("two")
    lists = re.findall(rf"CREATE TEMPORARY TABLE {RESOURCE}_([a-z]+)_", "\n".join(statements))
    assert lists == ["delete"]
    assert published.ids() == set(api.directory.ids())


def test_a_night_with_one_change_in_a_hundred_writes_one_row_in_a_hundred(
    api: SandboxServer, published: Cycle
) -> None:
    """dlt gives each row that it writes a new id: those of the others stand."""
    tables = (RESOURCE, f"{RESOURCE}__codes")

    def rows() -> dict[str, set[tuple[str, str]]]:
        return {
            table: set(published.query(f'SELECT _dlt_id, {root} FROM "{table}"'))
            for table, root in zip(tables, ("_dlt_id", "_dlt_root_id"), strict=True)
        }

    before = rows()
    edits = api.directory.edit(0, 3, remove=0)
    published.run("two")
    written = {table: ids - before[table] for table, ids in rows().items()}
    assert len(edits.changed) == len(written[RESOURCE]) == 3
    assert {root for _, root in written[tables[1]]} <= {root for _, root in written[RESOURCE]}
    assert len(published.changes("two")) == 3
