"""What public bug reports found, and the right outcome: values, names and shapes no warehouse can take.

Whatever is refused is refused before anything is written, by name, and the next night is fine.
"""

from typing import Any

import pytest
from markdown_it import MarkdownIt

from directory_sync.config.form import MAX_NAME
from directory_sync.errors import ConfigError, DataError, PermanentError
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.postgres import PostgresServer

WHISPER = "a-value-nobody-may-log"
QUARANTINE = {"unstorable": "quarantine"}


@pytest.fixture
def small(listing: Listing, tmp_path: Any, postgres: PostgresServer | None) -> Cycle:
    listing.entries = [{"id": number, "name": f"Site {number}", "score": 5} for number in range(1, 6)]
    return Cycle(url=listing.url, home=tmp_path, postgres=postgres)


def column(cycle: Cycle, name: str, table: str = RESOURCE) -> dict[int, Any]:
    """The values of a column by id, but for nulls."""
    return dict(cycle.query(f'SELECT id, "{name}" FROM "{table}" WHERE "{name}" IS NOT NULL ORDER BY id'))


def type_of(cycle: Cycle, name: str, table: str = RESOURCE) -> str | None:
    rows = cycle.query(
        "SELECT data_type FROM information_schema.columns "
        "WHERE table_schema = 'directory' AND table_name = ? AND column_name = ?",
        table,
        name,
    )
    return rows[0][0].lower() if rows else None


def refused(cycle: Cycle, run_id: str, kind: type[PermanentError], match: str) -> str:
    """Runs a night that is refused: nothing is written, nothing quoted; returns the message."""
    with cycle.warehouse():
        """Comes to be, if it is not there."""
    before = cycle.tables()
    with pytest.raises(kind, match=match) as caught:
        cycle.run(run_id)
    assert WHISPER not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert cycle.tables() == before
    return str(caught.value)


# ---- integers beyond 64 bits (case 5)


@pytest.mark.parametrize(
    "number",
    [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 123456789012345678901234567890],
    ids=["2**63", "2**64-1", "2**64", "-2**63-1", "30 digits"],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["known column", "new column"])
def test_an_integer_beyond_64_bits_stands_as_text_beside_its_column(
    listing: Listing, small: Cycle, number: int, is_known: bool
) -> None:
    if is_known:
        small.run("one")
    listing.entries[1]["score"] = number
    small.run("two")
    assert column(small, "score__v_text") == {2: str(number)}
    assert column(small, "score") == {1: 5, 3: 5, 4: 5, 5: 5}
    listing.entries[1]["score"] = 7
    small.run("three")
    assert column(small, "score__v_text") == {}
    assert column(small, "score")[2] == 7


def test_an_integer_beyond_64_bits_deep_inside_is_published(listing: Listing, small: Cycle) -> None:
    small = small.with_(resource={"columns": {"raw": {"data_type": "json"}}})
    listing.entries[1] |= {"raw": {"n": [2**64]}, "tags": [{"n": 2**64}, {"n": 1}], "sizes": [2**64, 2]}
    small.run("one")
    found = small.query(f"SELECT n, n__v_text FROM {RESOURCE}__tags ORDER BY _dlt_list_idx")
    assert found == [(None, str(2**64)), (1, None)]
    found = small.query(f"SELECT value, value__v_text FROM {RESOURCE}__sizes ORDER BY _dlt_list_idx")
    assert found == [(None, str(2**64)), (2, None)]
    [(raw,)] = small.query(f"SELECT CAST(raw AS VARCHAR) FROM {RESOURCE} WHERE id = 2")
    assert str(2**64) in raw


# ---- hints (cases 3 and 4)


def test_a_hint_that_would_round_values_is_refused(listing: Listing, small: Cycle) -> None:
    small.run("one")
    listing.entries[0]["score"], listing.entries[1]["score"] = 7.5, 8.49
    hinted = small.with_(resource={"columns": {"score": {"data_type": "double"}}})
    message = refused(hinted, "two", ConfigError, "`score`")
    assert "bigint" in message
    assert "double" in message
    small.run("three")
    assert column(small, "score__v_double") == {1: 7.5, 2: 8.49}


def test_a_hint_that_is_taken_back_leaves_nothing_behind(listing: Listing, small: Cycle) -> None:
    for entry in listing.entries:
        entry["at"] = "2026-01-02T03:04:05Z"
    small.run("one")
    listing.entries[0]["at"] = "soon"
    hinted = small.with_(resource={"columns": {"at": {"data_type": "text"}}})
    refused(hinted, "two", ConfigError, "`at`")
    small.run("three")
    assert column(small, "at__v_text") == {1: "soon"}
    assert len(column(small, "at")) == 4


def test_a_hint_that_was_there_at_the_first_sync_goes_on_to_hold(listing: Listing, small: Cycle) -> None:
    small = small.with_(resource={"columns": {"score": {"data_type": "double", "nullable": True}}})
    small.run("one")
    listing.entries[0]["score"] = 7.5
    small.run("two")
    assert column(small, "score")[1] == 7.5


def test_a_null_in_a_column_that_must_not_have_any_names_field_and_id(listing: Listing, small: Cycle) -> None:
    small = small.with_(resource={"columns": {"name": {"data_type": "text", "nullable": False}}})
    small.run("one")
    listing.entries[3] |= {"name": None, "score": WHISPER}
    message = refused(small, "two", DataError, r"`name`")
    assert "4" in message
    del listing.entries[3]["name"]
    refused(small, "three", DataError, r"`name`.*nullable")
    listing.entries[3] = {"id": 4, "name": "Site 4 again", "score": 5}
    small.run("four")
    assert column(small, "name")[4] == "Site 4 again"


@pytest.mark.parametrize(
    "entry_id", ["http://evil.example/login", "[x](http://evil.example)", "a\x1b[2J\nERROR\u202eb"]
)
def test_an_id_in_a_refusal_is_text_in_the_runs_note(listing: Listing, small: Cycle, entry_id: str) -> None:
    """The note on a run is Markdown, and the message of a failed task stands in it."""
    listing.entries = [{"id": entry_id, "name": None}]
    small = small.with_(resource={"columns": {"name": {"data_type": "text", "nullable": False}}})
    message = refused(small, "one", DataError, "`name`")
    assert "<a " not in MarkdownIt("gfm-like").render(message)
    assert message.isprintable()


def test_a_column_that_must_not_be_null_cannot_be_added_to_a_table_with_rows(
    listing: Listing, small: Cycle
) -> None:
    small.run("one")
    for entry in listing.entries:
        entry["code"] = "x"
    hinted = small.with_(resource={"columns": {"code": {"data_type": "text", "nullable": False}}})
    refused(hinted, "two", ConfigError, "`code`")
    small.run("three")
    assert len(column(small, "code")) == 5


def test_values_that_a_hinted_column_cannot_hold_stand_beside_it_or_are_named(
    listing: Listing, small: Cycle
) -> None:
    hints = {
        "price": {"data_type": "decimal", "precision": 6, "scale": 2},
        "small": {"data_type": "bigint", "precision": 16},
        "code": {"data_type": "text", "precision": 4},
    }
    small = small.with_(resource={"columns": hints})
    for entry in listing.entries:
        entry |= {"price": "12.50", "small": 7, "code": "abcd"}
    small.run("one")
    listing.entries[0]["price"] = "123456.00"
    listing.entries[1]["small"] = 70_000
    small.run("two")
    assert column(small, "price__v_text") == {1: "123456.00"}
    assert column(small, "small__v_text") == {2: "70000"}
    listing.entries[2]["code"] = WHISPER
    assert "3" in refused(small, "three", DataError, "`code`")


# ---- texts that databases take for numbers, times that end (cases 6 and 9)


@pytest.mark.parametrize("text", ["nan", "NaN", "Infinity", "-inf", "1e999"])
def test_a_text_that_is_no_finite_number_stands_beside_a_double(
    listing: Listing, small: Cycle, text: str
) -> None:
    for entry in listing.entries:
        entry["height"] = 1.5
    small.run("one")
    listing.entries[0]["height"], listing.entries[1]["height"] = text, "n/a"
    small.run("two")
    assert column(small, "height__v_text") == {1: text, 2: "n/a"}
    assert column(small, "height") == {3: 1.5, 4: 1.5, 5: 1.5}


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-08:00", "0001-01-01T00:00:00+08:00"])
@pytest.mark.parametrize("is_known", [True, False], ids=["known column", "new column"])
def test_the_end_of_time_with_an_offset_stands_as_text_beside_the_time(
    listing: Listing, small: Cycle, time: str, is_known: bool
) -> None:
    for entry in listing.entries:
        entry["until"] = "2026-01-02T03:04:05Z"
    if is_known:
        small.run("one")
    listing.entries[4]["until"] = time
    small.run("two")
    assert column(small, "until__v_text") == {5: time}
    assert len(column(small, "until")) == 4
    listing.entries[0]["name"] = "goes on"
    small.run("three")
    assert column(small, "name")[1] == "goes on"


# ---- a first night of two types (case 21)


@pytest.mark.parametrize("values", [[5, 3.7, 4, 1, 2], [3.7, 5, 4, 1, 2], [1, 2, 3, 4, 2.5]], ids=str)
def test_whole_and_broken_numbers_of_one_snapshot_share_a_column(
    listing: Listing, small: Cycle, values: list[float]
) -> None:
    for entry, value in zip(listing.entries, values, strict=True):
        entry |= {"score": value, "parts": [{"size": value}]}
    small.run("one")
    assert column(small, "score") == dict(enumerate(map(float, values), start=1))
    assert str(type_of(small, "score")).startswith("double")
    assert type_of(small, "score__v_double") is None
    assert type_of(small, "size__v_double", f"{RESOURCE}__parts") is None


# ---- names (cases 14 and 15)


def test_empty_keys_are_taken_as_dlt_takes_them(listing: Listing, small: Cycle) -> None:
    listing.entries[0] |= {"": 1, "place": {"": 2, "deep": {" ": 3}}, "tags": [{"": 4}]}
    small.run("one")
    assert column(small, "_empty") == {1: 1}
    assert column(small, "place___empty") == {1: 2}
    assert column(small, "place__deep___empty") == {1: 3}
    assert small.query(f"SELECT _empty FROM {RESOURCE}__tags") == [(4,)]


def test_two_empty_keys_of_one_entry_are_named(listing: Listing, small: Cycle) -> None:
    small.run("one")
    listing.entries[0] |= {"": 1, " ": 2}
    refused(small, "two", ConfigError, "share a column")


@pytest.mark.parametrize(
    "fields",
    [
        {"a": {"b": [{"x": 1}]}, "a__b": [{"x": 2}]},
        {"a": {"b": [1]}, "a__b": [2]},
        {"a": {"b": 1}, "a__b": 2},
        {"a": {"B": [1], "b": [2]}},
    ],
    ids=["lists of objects", "lists", "values", "two lists in an object"],
)
def test_fields_that_would_share_a_table_or_a_column_are_named_with_the_entry(
    listing: Listing, small: Cycle, fields: dict[str, Any]
) -> None:
    small.run("one")
    listing.entries[2] |= fields
    message = refused(small, "two", ConfigError, "share the (table|column)")
    assert "3" in message
    listing.entries[2] = {"id": 3, "name": "mended", "score": 5}
    small.run("three")
    assert column(small, "name")[3] == "mended"


def test_the_longest_resource_name_is_right(listing: Listing, small: Cycle, monkeypatch) -> None:
    name = "n" * MAX_NAME
    monkeypatch.setattr("tests.integration.cycle.RESOURCE", name)
    for entry in listing.entries:
        entry["tags"] = [{"values": [1, 2]}]
    small.run("one")
    del listing.entries[0]
    listing.entries[0]["name"] = "changed"
    report = small.run("two")
    assert (report.changes["removed"], report.changes["changed"]) == (1, 1)
    assert small.query(f"SELECT id FROM {name} WHERE _removed_at IS NOT NULL") == [(1,)]
    assert small.query(f"SELECT count(*) FROM {name}_changes") == [(7,)]
    assert small.query(f"SELECT count(*) FROM {name}_history") == [(6,)]


# ---- shapes (case 13)


def test_objects_keyed_by_ids_are_refused_with_the_remedy(listing: Listing, small: Cycle) -> None:
    small.run("one")
    listing.entries = [
        {"id": n, "name": f"Site {n}", "score": 5, "by_key": {f"k{n}": {"a": 1, "b": "x"}}}
        for n in range(1, 601)
    ]
    message = refused(small, "two", ConfigError, "max_table_nesting")
    assert "`by_key`" in message
    small.with_(resource={"max_table_nesting": 0}).run("three")
    assert len(column(small, "by_key")) == 600


def test_more_columns_than_the_warehouse_has_are_named(listing: Listing, small: Cycle) -> None:
    small.run("one")
    listing.entries[1] |= {f"field_{n}": n for n in range(1_700)}
    message = refused(small, "two", DataError, r"1,\d00 columns")
    assert "`field_" in message
    assert "Entry `2` of" in message
    listing.entries[1] = {"id": 2, "name": "mended", "score": 5}
    small.run("three")
    assert column(small, "name")[2] == "mended"


def test_lists_in_lists_far_down_are_published_or_named(listing: Listing, small: Cycle) -> None:
    small.run("one")
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    listing.entries[1]["deep"] = deep
    message = refused(small, "two", DataError, "max_table_nesting")
    assert "`deep" in message
    small.with_(resource={"max_table_nesting": 1}).run("three")
    assert small.query(f"SELECT count(*) FROM {RESOURCE}__deep") == [(1,)]


# ---- U+0000


def test_a_nul_in_an_id_is_named_where_the_warehouse_has_no_place_for_it(
    listing: Listing, small: Cycle
) -> None:
    listing.entries = [{"id": f"p-{n}", "name": f"Site {n}"} for n in range(5)]
    small.run("one")
    listing.entries.append({"id": "p-\x009", "name": "nul"})
    if small.postgres is None:
        small.run("two")
        assert "p-\x009" in small.ids()
        return
    message = refused(small, "two", DataError, "`id`")
    assert r"p-\x009" in message
    del listing.entries[-1]
    listing.entries[0]["name"] = "goes on"
    small.run("three")
    assert column(small, "name")["p-0"] == "goes on"


def test_a_nul_in_a_key_or_a_value_is_published(listing: Listing, small: Cycle) -> None:
    small.run("one")
    listing.entries[1] |= {"ke\x00y": "va\x00lue", "place": {"a\x00b": 1}}
    small.run("two")
    listing.entries[0]["name"] = "goes on"
    small.run("three")
    assert column(small, "name")[1] == "goes on"


# ---- the runbook's remedy (case 8)


def test_tables_that_were_dropped_come_anew(listing: Listing, small: Cycle) -> None:
    for entry in listing.entries:
        entry["tags"] = [{"k": "a"}]
    small.run("one")
    drop(
        small,
        f"DROP VIEW directory.{RESOURCE}_history",
        f"DROP TABLE directory.{RESOURCE}",
        f"DROP TABLE directory.{RESOURCE}__tags",
        f"DROP TABLE directory.{RESOURCE}_changes",
        f"DELETE FROM directory.directory_syncs WHERE resource = '{RESOURCE}'",
    )
    report = small.run("two")
    assert report.changes["added"] == 5
    assert len(column(small, "name")) == 5
    assert small.query(f"SELECT count(*) FROM {RESOURCE}__tags") == [(5,)]
    listing.entries[0]["name"] = "goes on"
    assert small.run("three").changes["changed"] == 1


def drop(cycle: Cycle, *statements: str) -> None:
    import duckdb

    if cycle.postgres:
        for statement in statements:
            cycle.postgres.rows(statement, database=cycle.database)
        return
    with duckdb.connect(cycle.home / "warehouse.duckdb") as database:
        for statement in statements:
            database.execute(statement)


# ---- quarantine


def test_an_entry_that_cannot_be_stored_is_set_aside_and_the_others_go_on(
    listing: Listing, small: Cycle
) -> None:
    hint = {"code": {"data_type": "text", "precision": 4}}
    # Two of six are more than the limits let go of a directory so small.
    small = small.with_(resource={"columns": hint}, settings={**QUARANTINE, "max_small_share": 0.5})
    for entry in listing.entries:
        entry["code"] = "abcd"
    small.run("one")
    listing.entries[0]["name"] = "goes on"
    listing.entries[2] |= {"name": "unseen", "code": WHISPER}
    listing.entries.append({"id": 9, "name": "new", "code": WHISPER})
    report = small.run("two")
    assert column(small, "name") == {1: "goes on", **{n: f"Site {n}" for n in (2, 3, 4, 5)}}
    assert small.ids() == {1, 2, 3, 4, 5}
    assert (report.rejected, report.changes["changed"], report.changes["added"]) == (2, 1, 0)
    assert small.changes("two") == [(1, "changed")]
    assert any(finding.rule == "rejected" for finding in report.findings)
    assert WHISPER not in repr(report)
    rows = small.query(f"SELECT id, field, reason, record, sync_id FROM {RESOURCE}_rejected ORDER BY id")
    assert [(row[0], row[1], row[4]) for row in rows] == [
        ("3", "code", report.sync_id),
        ("9", "code", report.sync_id),
    ]
    assert all(WHISPER in record and WHISPER not in reason for _, _, reason, record, _ in rows)
    again = small.run("three")
    assert (again.rejected, sum(again.changes.values())) == (2, 0)
    listing.entries[2]["code"] = listing.entries[5]["code"] = "ok"
    last = small.run("four")
    assert (last.rejected, last.changes["changed"], last.changes["added"]) == (0, 1, 1)
    assert column(small, "name")[3] == "unseen"
    assert small.query(f"SELECT count(*) FROM {RESOURCE}_rejected") == [(4,)]


def test_more_rejected_than_may_be_removed_are_refused(listing: Listing, small: Cycle) -> None:
    hint = {"code": {"data_type": "text", "precision": 4}}
    small = small.with_(resource={"columns": hint}, settings=QUARANTINE)
    listing.entries = [{"id": n, "code": "abcd"} for n in range(200)]
    small.run("one")
    for entry in listing.entries[:11]:
        entry["code"] = WHISPER
    refused(small, "two", DataError, "11")
    listing.entries[0]["code"] = "ok"
    assert small.run("three").rejected == 10


def test_a_first_sync_of_which_nothing_can_be_stored_is_refused(listing: Listing, small: Cycle) -> None:
    small = small.with_(
        resource={"columns": {"code": {"data_type": "text", "precision": 4}}}, settings=QUARANTINE
    )
    for entry in listing.entries:
        entry["code"] = WHISPER
    refused(small, "one", DataError, "5")


def coded(listing: Listing, small: Cycle) -> Cycle:
    """200 entries with a short code, published."""
    hint = {"code": {"data_type": "text", "precision": 4}}
    cycle = small.with_(resource={"columns": hint}, settings=QUARANTINE)
    listing.entries = [{"id": n, "code": "abcd"} for n in range(200)]
    cycle.run("one")
    return cycle


def test_the_limits_of_the_run_hold_for_what_is_set_aside(listing: Listing, small: Cycle) -> None:
    cycle = coded(listing, small)
    listing.entries[0]["code"] = WHISPER
    refused(cycle.with_(limits_of_run={"max_removed_count": 0}), "two", DataError, "1 of 200")
    assert cycle.run("three").rejected == 1


def test_a_removal_sets_nothing_aside_once_more(listing: Listing, small: Cycle) -> None:
    cycle = coded(listing, small)
    listing.entries[0]["code"] = WHISPER
    del listing.entries[184:]
    report = cycle.run("two")
    assert (report.rejected, report.holds.held) == (1, 16)
    question = cycle.ask("two")
    assert question is not None
    removal = cycle.remove("two", question)
    assert (removal.changes["removed"], removal.rejected) == (16, 0)
    assert cycle.query("SELECT rejected FROM directory_syncs ORDER BY sync_id") == [(0,), (1,), (0,)]


def test_an_entry_that_comes_back_and_cannot_be_stored_is_not_removed(listing: Listing, small: Cycle) -> None:
    cycle = coded(listing, small)
    left = listing.entries[184:]
    del listing.entries[184:]
    assert cycle.run("two").holds.held == 16
    listing.entries.append(left[0] | {"code": WHISPER})
    report = cycle.run("three")
    assert (report.rejected, report.changes["returned"], report.holds.held) == (1, 1, 15)
    assert cycle.changes("three") == [(184, "returned")]
    question = cycle.ask("three")
    assert question is not None
    assert question.held == 15
    cycle.remove("three", question)
    assert cycle.ids("_removed_at IS NULL AND _missing_since IS NULL") == set(range(185))
    assert column(cycle, "code")[184] == "abcd"
    again = cycle.run("four")
    assert (again.rejected, sum(again.changes.values())) == (1, 0)
