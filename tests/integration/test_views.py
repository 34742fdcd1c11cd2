"""The views that analysts read: typed, as of a time, with lists; they stay when the API's types change."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.capture import Capture
from tests.conftest import CHECKOUT
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.postgres import PostgresServer

AT = "2026-01-02T03:04:05Z"
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def entry(number: int, **fields: Any) -> dict[str, Any]:
    """An airport, with what an API may have: other spellings, objects, lists, a time."""
    return {
        "id": number,
        "Name": f"Airport {number}",
        "doors": number * 10,
        "share": number / 4,
        "isOpen": True,
        "openedAt": AT,
        "place": {"cityName": f"City {number}"},
        "groups": [{"groupName": "a", "rank": 1}, {"groupName": "b", "rank": 2}],
        "codes": ["X", f"Y{number}"],
        "kind": "large",
        **fields,
    }


@pytest.fixture
def small(listing: Listing, tmp_path: Path, postgres: PostgresServer | None) -> Cycle:
    listing.entries = [entry(number) for number in range(1, 6)]
    (tmp_path / "home").mkdir()
    return Cycle(url=listing.url, home=tmp_path / "home", postgres=postgres)


def columns(cycle: Cycle, view: str) -> list[str]:
    rows = cycle.query(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'directory' "
        "AND table_name = ? ORDER BY ordinal_position",
        view,
    )
    return [name for (name,) in rows]


def test_the_views_have_the_fields_in_typed_columns(listing: Listing, small: Cycle) -> None:
    first = small.run("one")
    assert not [name for name in columns(small, f"{RESOURCE}_current") if name.startswith("_dlt")]
    selected = "id, name, doors, share, is_open, opened_at, place__city_name"
    row = (1, "Airport 1", 10, 0.25, True, WHEN, "City 1")
    for view in ("current", "history"):
        assert small.query(f"SELECT {selected} FROM {RESOURCE}_{view} WHERE id = 1") == [row]
    [kinds] = small.query(
        f"SELECT kind, field_kind, is_current, valid_from, valid_to FROM {RESOURCE}_history WHERE id = 1"
    )
    assert kinds == ("added", "large", True, first.snapshot_at, None)
    groups = small.query(
        f"SELECT item_index, group_name, rank FROM {RESOURCE}_history__groups WHERE entry_id = 1 ORDER BY 1"
    )
    assert groups == [(0, "a", 1), (1, "b", 2)]
    for view in ("history", "current"):
        codes = small.query(
            f"SELECT value FROM {RESOURCE}_{view}__codes WHERE entry_id = 2 ORDER BY item_index"
        )
        assert codes == [("X",), ("Y2",)]


def test_the_directory_as_of_a_time_has_its_lists_as_they_were(listing: Listing, small: Cycle) -> None:
    first = small.run("one")
    listing.entries[0]["groups"] = [{"groupName": "c"}]
    listing.entries[0]["Name"] = "Renamed"
    del listing.entries[4]
    small.run("two")
    as_of = f"""SELECT h.id, h.name, string_agg(g.group_name, ',' ORDER BY g.item_index)
        FROM {RESOURCE}_history AS h LEFT JOIN {RESOURCE}_history__groups AS g
        ON g.entry_id = h.id AND g.valid_from = h.valid_from
        WHERE h.valid_from <= ? AND (h.valid_to IS NULL OR h.valid_to > ?) AND h.id IN (1, 5)
        GROUP BY h.id, h.name ORDER BY h.id"""
    then, now = first.snapshot_at, datetime.now(UTC) + timedelta(days=1)
    assert small.query(as_of, then, then) == [(1, "Airport 1", "a,b"), (5, "Airport 5", "a,b")]
    assert small.query(as_of, now, now) == [(1, "Renamed", "c")]


def test_changed_fields_have_their_old_and_new_values(listing: Listing, small: Cycle) -> None:
    listing.entries[2]["@odata.type"] = "x"
    small.run("one")
    listing.entries[0]["place"] = {"cityName": "Elsewhere"}
    listing.entries[1]["codes"] = ["Z"]
    listing.entries[1]["doors"] = None
    listing.entries[2]["@odata.type"] = "y"
    report = small.run("two")
    rows = small.query(
        f"SELECT id, field, old, new, kind, sync_id FROM {RESOURCE}_field_changes ORDER BY 1, 2"
    )
    compact = [tuple(v.replace(" ", "") if isinstance(v, str) else v for v in row[:4]) for row in rows]
    assert compact == [
        (1, "place.cityName", "City1", "Elsewhere"),
        (2, "codes", '["X","Y2"]', '["Z"]'),
        (2, "doors", "20", None),
        (3, "@odata.type", "x", "y"),
    ]
    assert {row[4:] for row in rows} == {("changed", report.sync_id)}


def test_a_changed_type_empties_no_column(listing: Listing, small: Cycle) -> None:
    small.run("one")
    listing.entries[0]["doors"] = "many"
    listing.entries[1]["openedAt"] = "unknown"
    listing.entries[2]["codes"] = ["X", 7]
    report = small.run("two")
    for view in ("current", "history WHERE is_current AND true"):
        name, _, condition = view.partition(" WHERE ")
        rows = small.query(
            f"SELECT id, doors, opened_at FROM {RESOURCE}_{name} WHERE {condition or 'true'} ORDER BY id"
        )
        assert [row[1] for row in rows] == ["many", "20", "30", "40", "50"]
        assert [row[2][:19] for row in rows[:2]] == [AT[:19], "unknown"]
    assert "doors__v_text" not in columns(small, f"{RESOURCE}_current")
    [finding] = [one.message for one in report.findings if "`doors`" in one.message]
    assert "`doors__v_text`" in finding
    assert f"`{RESOURCE}_current`" in finding


def test_a_value_that_fits_no_type_is_null_and_stops_no_reader(listing: Listing, small: Cycle) -> None:
    small.run("one")
    listing.entries[0] |= {
        "note": "U+0000: \x00 and \\u0000",
        "doors": 2**63 - 1,
        "share": 5,
        "openedAt": None,
    }
    listing.entries[1] |= {"note": "'; DROP", "place": None, "groups": None, "codes": [None, "Q"]}
    small.run("two")
    rows = small.query(
        f"SELECT doors, share, opened_at, record FROM {RESOURCE}_history WHERE id = 1 AND is_current"
    )
    assert [row[:3] for row in rows] == [(2**63 - 1, 5.0, None)]
    codes = small.query(
        f"SELECT item_index, value FROM {RESOURCE}_history__codes WHERE entry_id = 2 ORDER BY valid_from, 1"
    )
    assert codes == [(0, "X"), (1, "Y2"), (0, None), (1, "Q")]
    assert small.query(f"SELECT count(*) FROM {RESOURCE}_field_changes WHERE id = 1") == [(4,)]


def test_a_field_that_is_gone_is_still_in_the_history(listing: Listing, small: Cycle) -> None:
    small.run("one")
    for one in listing.entries:
        del one["doors"]
        one["gates"] = 1
    small.run("two")
    rows = small.query(f"SELECT doors, gates FROM {RESOURCE}_history WHERE id = 2 ORDER BY valid_from")
    assert rows == [(20, None), (None, 1)]


def test_the_report_counts_the_rows_of_the_current_view(listing: Listing, small: Cycle) -> None:
    cycle = small.with_(settings={"max_small_share": 0.9, "max_removed_share": 0.9})
    counted = [cycle.run("one").current]
    del listing.entries[0:2]
    listing.entries.append(entry(9))
    assert cycle.sync("dry", mode="dry_run").audit is not None
    counted.append(cycle.run("two").current)
    listing.entries.insert(0, entry(1))
    counted.append(cycle.run("three").current)
    assert counted == [5, 4, 5]
    assert cycle.query(f"SELECT count(*) FROM {RESOURCE}_current") == [(5,)]
    assert cycle.query("SELECT current_entries FROM directory_syncs ORDER BY publication_order") == [
        (5,),
        (4,),
        (5,),
    ]


def test_held_entries_are_in_the_current_view_until_a_person_decides(listing: Listing, small: Cycle) -> None:
    listing.entries = [entry(number) for number in range(1, 41)]
    small.run("one")
    del listing.entries[:20]
    report = small.run("two")
    assert (report.holds.held, report.current) == (20, 40)
    counts = f"SELECT count(*), count(_missing_since) FROM {RESOURCE}_current"
    assert small.query(counts) == [(40, 20)]
    question = small.ask("two")
    assert question is not None
    assert small.remove("two", question).current == 20
    assert small.query(counts) == [(20, 0)]


def test_a_map_leaves_the_fields_of_the_record_in_the_history(listing: Listing, small: Cycle) -> None:
    def shaped(row: dict[str, Any]) -> dict[str, Any]:
        return {"id": row["id"], "title": row["Name"].upper(), "doors": row["doors"] + 1}

    cycle = small.with_(resource={"processing_steps": [{"map": shaped}]})
    cycle.run("one")
    assert cycle.query(f"SELECT title, doors FROM {RESOURCE}_current WHERE id = 1") == [("AIRPORT 1", 11)]
    history = f"SELECT name, doors, place__city_name FROM {RESOURCE}_history WHERE id = 1"
    assert cycle.query(history) == [("Airport 1", 10, "City 1")]
    assert cycle.query(f"SELECT count(*) FROM {RESOURCE}_history__codes") == [(10,)]


def test_tables_views_and_columns_say_what_they_are(listing: Listing, small: Cycle) -> None:
    small.run("one")
    found = described(small)
    assert all(
        comment
        for (table, column), comment in found.items()
        if table.startswith(
            (f"{RESOURCE}_current", f"{RESOURCE}_history", f"{RESOURCE}_field", "directory_syncs")
        )
        and not (column or "").startswith("_dlt")
    )
    assert found[f"{RESOURCE}_current", "opened_at"] == "the field `openedAt`"
    assert found[f"{RESOURCE}_history__groups", "group_name"] == "the field `groupName`"
    assert found["directory_syncs", "publication_order"] == "the number of the publication"
    assert found[RESOURCE, "_missing_since"] == "the first snapshot that lacked it; null: present"
    assert found[f"{RESOURCE}_changes", None]


def described(cycle: Cycle) -> dict[tuple[str, str | None], str | None]:
    with cycle.warehouse() as (warehouse, _):
        dialect = warehouse._destination.dialect
        assert dialect is not None
        return {(table, column): comment for table, column, comment in warehouse._in_schema(dialect.comments)}


def test_a_view_of_a_persons_own_under_our_name_stays(listing: Listing, small: Cycle) -> None:
    with small.warehouse() as (warehouse, _):
        warehouse._execute("CREATE SCHEMA IF NOT EXISTS directory")
        warehouse._execute(f"CREATE VIEW directory.{RESOURCE}_current AS SELECT 1 AS mine")
    small.run("one")
    small.run("two")
    assert small.query(f"SELECT * FROM {RESOURCE}_current") == [(1,)]
    assert small.query(f"SELECT count(*) FROM {RESOURCE}_history") == [(5,)]


def test_a_table_of_a_persons_own_under_the_name_of_a_view_stays_and_fails_no_run(
    listing: Listing, small: Cycle, captured: Capture
) -> None:
    """The history, too, which the first releases made without a mark: but as a view."""
    with small.warehouse() as (warehouse, _):
        warehouse._execute("CREATE SCHEMA IF NOT EXISTS directory")
        warehouse._execute(f"CREATE TABLE directory.{RESOURCE}_history (mine INTEGER)")
    assert small.run("one").changes["added"] == 5
    assert any(f"`{RESOURCE}_history` was not made by this package" in line for line in captured.lines)
    assert columns(small, f"{RESOURCE}_history") == ["mine"]
    assert small.query(f"SELECT count(*) FROM {RESOURCE}_current") == [(5,)]


# ---- what the documentation says


def queries(page: str) -> dict[str, str]:
    """The queries of a page, by the comment above each."""
    blocks = re.findall(
        r"^```sql\n(.*?)^```$", (CHECKOUT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    found = [one.strip() for block in blocks for one in block.split(";") if one.strip()]
    return {one.splitlines()[0].removeprefix("-- "): one for one in found}


def test_a_day_of_the_documentation_is_the_same_wherever_the_reader_is(
    listing: Listing, small: Cycle
) -> None:
    small.run("one")
    query = queries("docs/tables.md")["How many entries were there each day, in UTC?"]
    days = set()
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        days |= {tuple(row.values()) for row in small.dicts(query, zone=zone)}
    assert len(days) == 1


def test_the_queries_of_the_documentation_answer_an_analysts_questions(
    listing: Listing, small: Cycle
) -> None:
    def person(number: int, *groups: str) -> dict[str, Any]:
        return {"id": number, "name": f"P{number}", "groups": [{"name": group} for group in groups]}

    listing.entries = [person(n, "a", "b") for n in range(1, 41)]
    first = small.run("one")
    listing.entries[6] = {**person(7, "c"), "name": "Renamed"}
    del listing.entries[39]
    listing.entries.append(person(41))
    second = small.run("two")
    readme, tables = queries("README.md"), queries("docs/tables.md")

    def ask(query: str) -> list[dict[str, Any]]:
        query = query.replace("2026-11-01 12:00:00Z", first.snapshot_at.isoformat())
        assert "json" not in query.lower()
        return small.dicts(query)

    answers = {name: ask(query) for name, query in {**tables, **readme}.items()}
    assert all(answers.values()), [name for name, rows in answers.items() if not rows]
    assert [row["id"] for row in answers["who joined in the last sync"]] == [41]
    assert answers["Who joined last night?"] == answers["who joined in the last sync"]
    assert [
        row["name"]
        for row in answers[
            "Who left? A removal that a person approved has the time of the snapshot that asked."
        ]
    ] == ["P40"]
    assert [row["id"] for row in answers["who left in the last seven days"]] == [40]
    changes = answers["What were the old and the new value of an entry's fields?"]
    assert [(row["field"], row["old"], row["new"]) for row in changes][1:] == [("name", "P7", "Renamed")]
    # One day, unless midnight fell between the two runs.
    each_day = {first.snapshot_at.astimezone(UTC).date(): 40, second.snapshot_at.astimezone(UTC).date(): 40}
    assert answers["How many entries were there each day, in UTC?"] == [
        {"day": day, "current_entries": entries} for day, entries in each_day.items()
    ]
    [seven] = [
        row
        for row in answers["The directory as of a date, in columns, with the groups of each entry"]
        if row["id"] == 7
    ]
    assert seven == {"id": 7, "name": "P7", "groups": "a, b"}
    as_of = answers["the directory as of a moment"]
    assert len(as_of) == 40
    assert {"name", "valid_from", "is_current"} < as_of[0].keys()
