"""What the form says of the table holds, or nothing is written."""

from collections.abc import Mapping
from typing import Any

import pytest

from directory_sync.errors import ConfigError
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.postgres import PostgresServer

ENTRIES = [
    {"id": n, "name": f"Person {n}", "at": "2026-01-02T03:04:05Z", "tags": [{"k": "a"}, {"k": "b"}]}
    for n in range(1, 6)
]
WHISPER = "a-value-nobody-may-log"


@pytest.fixture
def small(listing: Listing, tmp_path: Any, postgres: PostgresServer | None) -> Cycle:
    listing.entries = [dict(entry) for entry in ENTRIES]
    return Cycle(url=listing.url, home=tmp_path, postgres=postgres)


def columns(cycle: Cycle, table: str = RESOURCE) -> dict[str, str]:
    """The types of a table's columns, by DuckDB's names for them."""
    rows = cycle.query(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'directory' AND table_name = ?",
        table,
    )
    return {name: {"character varying": "VARCHAR", "jsonb": "JSON"}.get(type_, type_) for name, type_ in rows}


def test_a_frozen_contract_refuses_a_new_field_before_anything_is_written(
    listing: Listing, small: Cycle
) -> None:
    frozen = small.with_(resource={"schema_contract": {"columns": "freeze"}})
    frozen.run("one")
    before = frozen.tables()
    listing.entries[0]["secret_field"] = WHISPER
    listing.entries.append({"id": 6, "name": "New", "at": ENTRIES[0]["at"], "tags": []})
    with pytest.raises(ConfigError, match="schema contract") as caught:
        frozen.run("two")
    assert "secret_field" in str(caught.value)
    assert WHISPER not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert frozen.tables() == before


def test_a_contract_that_is_widened_lets_the_refused_snapshot_in(listing: Listing, small: Cycle) -> None:
    frozen = small.with_(resource={"schema_contract": {"columns": "freeze"}})
    frozen.run("one")
    listing.entries[0]["extra"] = "x"
    with pytest.raises(ConfigError):
        frozen.run("two")
    small.publish("two")
    assert small.query(f"SELECT extra FROM {RESOURCE} WHERE id = 1") == [("x",)]


@pytest.mark.parametrize(
    "fields",
    [
        {"Name": WHISPER},
        {"_row_hash": WHISPER},
        {"_dlt_id": WHISPER},
        {"place": {"city": 1}, "Place": {"city": WHISPER}},
        {"tags": [{"k": "a", "K": WHISPER}]},
    ],
    ids=["two fields", "ours", "dlt's", "a nested field", "in a nested list"],
)
def test_fields_that_would_share_a_column_are_refused(
    listing: Listing, small: Cycle, fields: Mapping[str, Any]
) -> None:
    listing.entries[2] |= fields
    with pytest.raises(ConfigError, match=r"share the column|name of a column we add") as caught:
        small.run("one")
    assert WHISPER not in str(caught.value)
    assert small.tables() == {}


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    row["full_name"] = row.pop("name").upper()
    return row


def test_a_map_of_processing_steps_renames_a_field(small: Cycle) -> None:
    small.with_(resource={"processing_steps": [{"map": renamed}]}).run("one")
    assert "name" not in columns(small)
    assert small.query(f"SELECT full_name FROM {RESOURCE} WHERE id = 1") == [("PERSON 1",)]
    [(record,)] = small.query(f"SELECT record FROM {RESOURCE}_changes WHERE id = 1")
    assert '"name"' in record


def test_a_map_that_changes_the_id_is_refused(small: Cycle) -> None:
    with pytest.raises(ConfigError, match="processing_steps"):
        small.with_(resource={"processing_steps": [{"map": lambda row: {**row, "id": 1}}]}).run("one")


def test_hints_of_columns_hold(small: Cycle) -> None:
    small.with_(resource={"columns": {"at": {"data_type": "text"}}}).run("one")
    assert columns(small)["at"] == "VARCHAR"


def test_a_limit_of_table_nesting_holds(small: Cycle) -> None:
    small.with_(resource={"max_table_nesting": 0}).run("one")
    assert f"{RESOURCE}__tags" not in small.tables()
    assert columns(small)["tags"] == "JSON"


def test_text_ids_are_published_and_followed(listing: Listing, small: Cycle) -> None:
    listing.entries = [{**entry, "id": f"p-{entry['id']}"} for entry in ENTRIES]
    small.run("one")
    del listing.entries[0]
    listing.entries[0]["name"] = "Renamed"
    report = small.run("two")
    assert small.changes("two") == [("p-1", "removed"), ("p-2", "changed")]
    assert report.origin.id_type == "VARCHAR"
    assert columns(small)["id"] == "VARCHAR"


def test_the_type_of_ids_is_pinned_at_the_first_sync(listing: Listing, small: Cycle) -> None:
    small.run("one")
    before = small.tables()
    listing.entries = [{**entry, "id": str(entry["id"])} for entry in ENTRIES]
    with pytest.raises(ConfigError, match="VARCHAR now and were BIGINT"):
        small.run("two")
    assert small.tables() == before


def test_a_field_that_appears_everywhere_is_a_reshaping_not_a_change(listing: Listing, small: Cycle) -> None:
    first = small.run("one")
    for entry in listing.entries:
        entry["phone"] = "1"
    listing.entries[0]["name"] = "Renamed too"
    report = small.run("two")
    assert (report.changes["reshaped"], report.changes["changed"]) == (4, 1)
    moved = small.query(f"SELECT id FROM {RESOURCE} WHERE _changed_at > ?", first.snapshot_at)
    assert moved == [(1,)]
    assert small.query(f"SELECT count(phone) FROM {RESOURCE}") == [(5,)]


def test_a_field_that_vanishes_everywhere_becomes_null(listing: Listing, small: Cycle) -> None:
    small.run("one")
    for entry in listing.entries:
        del entry["at"]
    report = small.run("two")
    assert report.changes["reshaped"] == 5
    assert small.query(f'SELECT count("at") FROM {RESOURCE}') == [(0,)]


def test_the_largest_integer_keeps_its_value(listing: Listing, small: Cycle) -> None:
    listing.entries[0]["big"] = 2**63 - 1
    small.run("one")
    assert small.query(f"SELECT big FROM {RESOURCE} WHERE id = 1") == [(2**63 - 1,)]
