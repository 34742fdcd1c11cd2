"""Keys of objects are content: none of them gets out, and a path of the form leads to them nevertheless."""

import json
from pathlib import Path
from typing import Any

import pytest

from directory_sync.errors import ConfigError, DataError
from tests.capture import Capture
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.postgres import PostgresServer

MARK = "sentinel"
SCIM = "urn:x:2.0:User"
KEYED = {
    "addresses": lambda n: {f"anna.{MARK}{n}@example.org": n},
    "addresses in an object": lambda n: {"members": {f"anna.{MARK}{n}@example.org": n}},
    "words": lambda n: {f"anna_{MARK}_{n}": n},
    "words in an object": lambda n: {"members": {f"anna_{MARK}_{n}": n}},
    "newlines": lambda n: {f"x{n}\n[2026-01-01] ERROR {MARK}": n},
    "control characters": lambda n: {"members": {f"\x1b[2J{MARK}\u202e": n}},
}


@pytest.fixture
def cycle(listing: Listing, tmp_path: Path, postgres: PostgresServer | None) -> Cycle:
    listing.entries = [{"id": n, "name": f"Person {n}"} for n in range(40)]
    return Cycle(url=listing.url, home=tmp_path, postgres=postgres, resource={"max_table_nesting": 0})


@pytest.mark.parametrize("key", KEYED.values(), ids=KEYED)
def test_keys_that_are_data_stand_in_no_report_and_no_log(
    listing: Listing, cycle: Cycle, captured: Capture, key: Any
) -> None:
    listing.entries = [{**entry, **key(n % 20)} for n, entry in enumerate(listing.entries)]
    first = cycle.run("one")
    listing.entries = [
        {**entry, **key(100 + n % 25), "title": "t", "name": f"Renamed {n}"}
        for n, entry in enumerate(listing.entries)
    ]
    second = cycle.run("two")
    told = json.dumps([report.summary() for report in (first, second)])
    assert MARK not in told
    assert MARK not in json.dumps([first.as_json(), second.as_json()])
    ours = [line for line in captured.lines if "directory_sync" in line or "sealed" in line.lower()]
    assert MARK not in "\n".join([*ours, *second.lines()])
    assert second.fields.changed_fields["name"] == second.fields.changed_fields["title"] == 40
    assert "The field `title` appeared." in [finding.message for finding in second.findings]
    assert second.fields.new_columns == {"title": "title"}


def test_values_stand_in_no_report_and_no_log(listing: Listing, cycle: Cycle, captured: Capture) -> None:
    listing.entries = [{**entry, "note": f"{MARK} {n}"} for n, entry in enumerate(listing.entries)]
    first = cycle.run("one")
    listing.entries = [{**entry, "note": f"new {MARK} {n}"} for n, entry in enumerate(listing.entries[2:])]
    second = cycle.run("two")
    assert (second.changes["changed"], second.changes["removed"]) == (38, 2)
    assert MARK not in json.dumps([report.as_json() for report in (first, second)])
    ours = [line for line in captured.lines if "directory_sync" in line or "sealed" in line.lower()]
    assert ours
    assert MARK not in "\n".join([*ours, *second.lines()])


def test_columns_that_collide_are_named_without_their_data(listing: Listing, cycle: Cycle) -> None:
    listing.entries[3] |= {f"anna.{MARK}@example.org": 1, f"anna_{MARK}@example.org": 2}
    with pytest.raises(
        ConfigError, match=r"the field `\*` and the field `\*` would share a column"
    ) as caught:
        cycle.run("one")
    assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    "brought",
    [
        {f"anna.{MARK}{n}@example.org": n for n in range(1_700)},
        {f"anna.{MARK}@example.org": [{f"k{n}": n for n in range(1_700)}]},
        {f"anna.{MARK}@example.org": 2**64, f"anna_{MARK}aexample_org__v_text": 1},
    ],
    ids=["columns", "columns of a list", "a variant"],
)
def test_what_cannot_be_stored_is_named_without_keys_that_are_data(
    listing: Listing, cycle: Cycle, brought: dict[str, Any]
) -> None:
    listing.entries[3] |= brought
    with pytest.raises((ConfigError, DataError), match="Entry `3` of") as caught:
        cycle.with_(resource={}).run("one")
    assert MARK not in str(caught.value)


def test_a_column_of_two_kinds_of_numbers_is_named_without_its_data(listing: Listing, cycle: Cycle) -> None:
    for n, number in enumerate((2**53 + 1, 0.5)):
        listing.entries[n][f"anna.{MARK}@example.org"] = number
    report = cycle.with_(resource={}).run("one")
    assert [finding.rule for finding in report.findings] == ["split_column"]
    assert MARK not in json.dumps(report.as_json())


SEEN = {
    f"{SCIM}.lastLogin": lambda at: {SCIM: {"lastLogin": at}},
    "meta.seen.at": lambda at: {"meta": {"seen": {"at": at}}},
    "meta.seen": lambda at: {"meta.seen": at},
    "last seen": lambda at: {"last seen": at},
}


@pytest.mark.parametrize("path", SEEN)
def test_an_ignored_field_does_not_count_wherever_its_dots_stand(
    listing: Listing, cycle: Cycle, path: str
) -> None:
    ignoring = cycle.with_(resource={**cycle.resource, "ignored_fields": [path]})
    listing.entries = [{**entry, **SEEN[path]("monday")} for entry in listing.entries]
    assert not ignoring.run("one").findings
    listing.entries = [{**entry, **SEEN[path]("tuesday")} for entry in listing.entries]
    report = ignoring.run("two")
    assert report.changes_nothing
    assert not report.findings


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("ignored_fields", f"{SCIM}.lastLogon"),
        ("ignored_fields", "tags.k"),
        ("sort_field", "names"),
        ("label_field", "tags.k"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(listing: Listing, cycle: Cycle, key: str, path: str) -> None:
    listing.entries = [{**e, SCIM: {"lastLogin": "now"}, "tags": [{"k": 1}]} for e in listing.entries]
    said = [path] if key == "ignored_fields" else path
    report = cycle.with_(resource={**cycle.resource, key: said}).run("one")
    [message] = [finding.message for finding in report.findings if finding.rule == "paths"]
    assert f"`{path}`, of `{key}` of `{RESOURCE}`, is in no entry and has no effect" in message


def test_a_sort_field_and_a_label_are_found_where_keys_hold_dots(listing: Listing, cycle: Cycle) -> None:
    listing.entries = [
        {**e, "id": f"p{e['id'] % 7}-{e['id']}", SCIM: {"no": e["id"]}} for e in listing.entries
    ]
    scim = cycle.with_(resource={**cycle.resource, "sort_field": f"{SCIM}.no", "label_field": f"{SCIM}.no"})
    assert scim.run("one").completeness.order == "observed"
    listing.entries = []
    assert scim.run("two").holds.held == 40
    question = scim.ask("two")
    assert question is not None
    assert question.sample
    assert all(id_ == f"p{int(label) % 7}-{label}" for id_, label in question.sample)
