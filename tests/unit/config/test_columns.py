"""The columns of our tables stand once; what reads and writes them takes them from there."""

from pathlib import Path

import pytest

from directory_sync.config import columns
from directory_sync.config.kinds import KINDS, Kind
from directory_sync.warehouse.syncs import SyncRow

DOCS = Path(__file__).parents[3] / "docs" / "tables.md"
ALL = {
    "changes": (*columns.CHANGES, columns.SYNC_HEADER),
    "table": columns.of_table(is_composite=True),
    "history": columns.HISTORY,
    "rejected": columns.REJECTED,
    "syncs": columns.SYNCS,
}


@pytest.mark.parametrize("table", ALL)
def test_no_column_of_a_table_is_named_twice_and_each_says_what_it_is_for(table):
    names = columns.names(ALL[table])
    assert len(set(names)) == len(names)
    assert all(column.purpose for column in ALL[table])


def test_each_column_of_ours_in_the_table_is_taken_from_a_change_row():
    assert {column.taken_from for column in columns.TABLE} < set(columns.names(columns.CHANGES))
    assert columns.names(columns.TABLE) == (
        "_row_hash", "_first_seen_at", "_changed_at", "_missing_since", "_removed_at",
    )  # fmt: skip


def test_a_publication_is_read_by_columns_that_its_table_has():
    assert set(SyncRow.__dataclass_fields__) < set(columns.names(columns.SYNCS))


def test_the_log_has_no_kind_for_a_row_that_is_written_again_unchanged():
    assert set(Kind) - set(KINDS) == {Kind.REWRITTEN}


def test_dlt_is_told_the_type_of_each_column_but_of_ids():
    told = columns.hints(columns.CHANGES)
    assert told.keys() == set(columns.names(columns.CHANGES)) - {"id"}
    assert told["snapshot_at"] == {"data_type": "timestamp", "nullable": True}


def test_a_scratch_table_has_the_names_of_the_change_rows():
    assert columns.ddl(columns.STATES, id_type="BIGINT") == (
        "id BIGINT, row_hash VARCHAR, missing_since TIMESTAMPTZ, removed_at TIMESTAMPTZ"
    )


TABLES = {
    "`<resource>`": columns.of_table(is_composite=True),
    "`<resource>_changes`": (*columns.CHANGES, columns.SYNC_HEADER),
    "`<resource>_history`": columns.HISTORY,
    "`<resource>_rejected`": columns.REJECTED,
    "`directory_syncs`": columns.SYNCS,
}


def as_rows(table: tuple[columns.Column, ...]) -> list[str]:
    types = {"id": "bigint or text"}
    return [f"| `{one.name}` | {types.get(one.type, one.type)} | {one.purpose} |" for one in table]


@pytest.mark.parametrize("name", TABLES)
def test_the_docs_list_the_columns_of_each_table(name):
    _, found, section = DOCS.read_text(encoding="utf-8").partition(f"## {name}\n")
    assert found
    written = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert written == as_rows(TABLES[name])
