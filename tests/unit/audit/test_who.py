"""Who joined, left and changed: few, with bounded values, and content only where the form allows it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from directory_sync.audit.who import MOST_CHARACTERS, MOST_FIELDS, MOST_NAMED, who_of_difference
from directory_sync.config.form import Resource, parse_form

AIRPORT = {"name": "Tempelhof", "code": "THF", "runways": {"count": 2}}
NAMED = {"name", "code", "runways", "runways.count"}

Change = tuple[str, int, Mapping[str, Any] | None, Mapping[str, Any] | None]


@pytest.fixture
def airports() -> Resource:
    [resource] = parse_form(
        {
            "client": {"base_url": "https://api.example.com"},
            "resources": [
                {
                    "name": "airports",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "ignored_fields": ["seen"],
                    "label_field": "name",
                    "endpoint": {
                        "path": "/v1/airports",
                        "data_selector": "data",
                        "paginator": {"type": "offset", "limit": 100},
                    },
                }
            ],
        }
    )
    return resource


def who(resource: Resource, *changes: Change, named: set[str] = NAMED) -> dict[str, Any]:
    """Who is named of changes: the kind, the id, the record before and the record now of each."""
    database = duckdb.connect()
    database.execute("CREATE TABLE difference (id BIGINT, kind VARCHAR)")
    for table in ("logged", "records"):
        database.execute(f"CREATE TABLE {table} (id BIGINT, record VARCHAR)")
    for kind, entry_id, old, new in changes:
        database.execute("INSERT INTO difference VALUES (?, ?)", [entry_id, kind])
        for table, record in (("logged", old), ("records", new)):
            if record is not None:
                database.execute(f"INSERT INTO {table} VALUES (?, ?)", [entry_id, json.dumps(record)])
    return who_of_difference(database, resource, named=named)


def test_each_entry_has_its_label_and_a_changed_one_its_fields(airports: Resource) -> None:
    renamed = {**AIRPORT, "name": "Tempelhofer Wiese", "runways": {"count": 0}}
    found = who(
        airports,
        ("added", 3, None, {**AIRPORT, "name": "Schönefeld"}),
        ("returned", 2, AIRPORT, AIRPORT),
        ("removed", 4, {**AIRPORT, "name": "Gatow"}, None),
        ("changed", 2**60, AIRPORT, renamed),
        ("missing", 5, AIRPORT, None),
        ("reshaped", 6, AIRPORT, renamed),
    )
    assert found["joined"] == [{"id": "2", "label": "Tempelhof"}, {"id": "3", "label": "Schönefeld"}]
    assert found["left"] == [{"id": "4", "label": "Gatow"}]
    assert found["changed"] == [
        {
            "id": str(2**60),
            "label": "Tempelhofer Wiese",
            "fields": [
                {"path": "name", "old": "Tempelhof", "new": "Tempelhofer Wiese"},
                {"path": "runways.count", "old": "2", "new": "0"},
            ],
        }
    ]
    assert found["counts"] == {"joined": 2, "left": 1, "changed": 1}


def test_without_a_label_field_no_content_is_named(airports: Resource) -> None:
    found = who(
        replace(airports, label_field=None),
        ("added", 1, None, AIRPORT),
        ("changed", 2, AIRPORT, {**AIRPORT, "name": "Gatow"}),
        ("removed", 3, AIRPORT, None),
    )
    assert found["changed"] == [
        {"id": "2", "label": None, "fields": [{"path": "name", "old": None, "new": None}]}
    ]
    assert [item["label"] for item in found["joined"] + found["left"]] == [None, None]
    assert not [word for word in ("Tempelhof", "Gatow", "THF") if word in json.dumps(found)]


def test_a_key_that_is_data_is_not_named_and_shows_no_value(airports: Resource) -> None:
    before = {**AIRPORT, "by_pilot": {"a@example.com": 1}}
    after = {**AIRPORT, "by_pilot": {"a@example.com": 2}}
    [item] = who(airports, ("changed", 1, before, after))["changed"]
    assert item["fields"] == [{"path": "*", "old": None, "new": None}]


def test_an_ignored_field_is_no_change(airports: Resource) -> None:
    after = {**AIRPORT, "code": "EDDI", "seen": 2}
    [item] = who(airports, ("changed", 1, {**AIRPORT, "seen": 1}, after), named={*NAMED, "seen"})["changed"]
    assert [one["path"] for one in item["fields"]] == ["code"]


def test_few_entries_and_fields_are_named_and_long_values_are_cut(airports: Resource) -> None:
    names = {f"field_{n}" for n in range(MOST_FIELDS + 5)}
    before, after = dict.fromkeys(names, "x"), dict.fromkeys(names, "y" * 5_000)
    found = who(airports, *(("changed", n, before, after) for n in range(25)), named=names)
    assert found["counts"]["changed"] == 25
    assert [item["id"] for item in found["changed"]] == [str(n) for n in range(MOST_NAMED)]
    assert {len(item["fields"]) for item in found["changed"]} == {MOST_FIELDS}
    assert {len(one["new"]) for item in found["changed"] for one in item["fields"]} == {MOST_CHARACTERS}
