"""The columns of our tables stand once; what reads and writes them takes them from there."""

from pathlib import Path

import pytest

from directory_sync.config import columns
from directory_sync.config.dictionary import data_dictionary
from directory_sync.config.kinds import KINDS, Kind
from directory_sync.config.tables import TABLES
from directory_sync.warehouse.syncs import SyncRow

DOCS = Path(__file__).parents[3] / "docs" / "data-dictionary.md"
ALL = {table.name: table.columns for table in TABLES}


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


def test_the_data_dictionary_is_current() -> None:
    """Written by `python -m directory_sync.config.dictionary > docs/data-dictionary.md`."""
    assert DOCS.read_text(encoding="utf-8") == data_dictionary()


def test_the_data_dictionary_has_each_column_with_its_type_and_whether_it_may_be_null() -> None:
    lines = data_dictionary().splitlines()
    for table in TABLES:
        for one in table.columns:
            assert any(line.startswith(f"| `{one.name}` |") and one.purpose in line for line in lines), (
                one.name
            )
    assert "| `sync_id` | text | no | names the publication |" in lines
    assert "| `valid_to` | timestamp | yes | the snapshot that ended it; null: it still holds |" in lines
