"""A directory is published, followed and remembered."""

import json
from typing import Any

from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle


def test_the_first_sync_of_two_shards_publishes_every_entry(api: SandboxServer, cycle: Cycle) -> None:
    report = cycle.with_(shards=2).run("one")
    assert report.changes["added"] == report.entries == 300
    assert cycle.ids() == set(api.directory.ids())


def test_an_entry_is_published_as_the_api_gives_it(api: SandboxServer, published: Cycle) -> None:
    entry = api.directory.get(5000)
    assert entry is not None
    row = published.query(f"SELECT name, location__city, location__latitude FROM {RESOURCE} WHERE id = 5000")
    place = entry["location"]
    assert row == [(entry["name"], place["city"], place["latitude"])]
    [(record,)] = published.query(f"SELECT record FROM {RESOURCE}_changes WHERE id = 5000")
    assert json.loads(record) == entry


def test_an_unchanged_directory_writes_only_the_row_of_the_sync(published: Cycle) -> None:
    before = published.tables()
    assert published.run("two").changes_nothing
    after = published.tables()
    _, syncs = after.pop("directory_syncs")
    _, first = before.pop("directory_syncs")
    assert after == before
    assert len(syncs) == len(first) + 1


def test_edits_are_published_with_exact_rows(api: SandboxServer, published: Cycle) -> None:
    edits = api.directory.edit(4, 6, remove=3, seed=7)
    report = published.run("two")
    assert report.changes == {
        "added": 4, "changed": 6, "reshaped": 0, "missing": 0, "removed": 3, "returned": 0
    }  # fmt: skip
    expected = [
        *((i, "added") for i in edits.added),
        *((i, "changed") for i in edits.changed),
        *((i, "removed") for i in edits.removed),
    ]
    assert published.changes("two") == sorted(expected)
    assert published.ids() == set(api.directory.ids())


def test_changed_fields_are_named(api: SandboxServer, published: Cycle) -> None:
    edits = api.directory.edit(0, 5, remove=0, seed=7)
    published.run("two")
    rows = published.query(
        f"SELECT changed_fields FROM {RESOURCE}_changes WHERE kind = 'changed' ORDER BY id"
    )
    named = [set(json.loads(row[0])) for row in rows]
    assert len(named) == len(edits.changed)
    assert all(
        names in ({"updated_at", "name"}, {"updated_at", "location.elevation_feet"}) for names in named
    )


def codes(cycle: Cycle, entry_id: int) -> list[tuple[Any, ...]]:
    return cycle.query(
        f"SELECT c.system, c.code FROM {RESOURCE}__codes AS c "
        f"JOIN {RESOURCE} AS r ON c._dlt_parent_id = r._dlt_id WHERE r.id = ? ORDER BY 1, 2",
        entry_id,
    )


def test_child_tables_follow_their_entries(api: SandboxServer, published: Cycle) -> None:
    edits = api.directory.edit(2, 5, remove=2, seed=3)
    published.run("two")
    for entry_id in edits.added + edits.changed:
        entry = api.directory.get(entry_id)
        assert entry is not None
        assert codes(published, entry_id) == sorted((c["system"], c["code"]) for c in entry["codes"])
    orphans = published.query(
        f"SELECT count(*) FROM {RESOURCE}__codes WHERE _dlt_parent_id NOT IN (SELECT _dlt_id FROM {RESOURCE})"
    )
    assert orphans == [(0,)]


def test_a_removed_entry_keeps_its_values_and_child_rows(api: SandboxServer, published: Cycle) -> None:
    select = (
        f"SELECT name, location__city, updated_at, _first_seen_at, _changed_at FROM {RESOURCE} WHERE id = ?"
    )
    [gone] = api.directory.edit(remove=1, seed=5).removed
    before, codes_before = published.query(select, gone), codes(published, gone)
    report = published.run("two")
    assert published.query(select, gone) == before
    assert codes(published, gone) == codes_before != []
    marks = published.query(f"SELECT _removed_at, _missing_since FROM {RESOURCE} WHERE id = ?", gone)
    assert marks == [(report.snapshot_at, report.snapshot_at)]


def test_a_returned_entry_loses_both_marks_and_keeps_its_first_day(
    api: SandboxServer, published: Cycle
) -> None:
    [(first,)] = published.query("SELECT snapshot_at FROM directory_syncs")
    [gone] = api.directory.edit(remove=1, seed=5).removed
    published.run("two")
    api.directory.restore([gone])
    report = published.run("three")
    assert report.changes["returned"] == 1
    assert published.changes("three") == [(gone, "returned")]
    row = published.query(
        f"SELECT _removed_at, _missing_since, _first_seen_at, _changed_at FROM {RESOURCE} WHERE id = ?",
        gone,
    )
    assert row == [(None, None, first, first)]


def test_a_change_moves_only_the_time_of_the_change(api: SandboxServer, published: Cycle) -> None:
    [(first,)] = published.query("SELECT snapshot_at FROM directory_syncs")
    [changed] = api.directory.edit(0, 1, seed=5).changed
    second = published.run("two")
    row = published.query(f"SELECT _first_seen_at, _changed_at FROM {RESOURCE} WHERE id = ?", changed)
    assert row == [(first, second.snapshot_at)]
    others = published.query(f"SELECT count(*) FROM {RESOURCE} WHERE _changed_at = ?", first)
    assert others == [(299,)]


def test_the_history_gives_the_directory_as_of_a_date(api: SandboxServer, cycle: Cycle) -> None:
    states, reports, removed = [], [], [1000]
    for night in range(3):
        if night == 2:
            api.directory.restore(removed)
        elif night:
            removed = api.directory.edit(3, 5, remove=2, seed=night).removed
        reports.append(cycle.run(f"night {night}"))
        states.append({i: api.directory.get(i) for i in api.directory.ids()})
    for report, state in zip(reports, states, strict=True):
        rows = cycle.query(
            f"SELECT id, record FROM {RESOURCE}_history WHERE valid_from <= ? "
            "AND (valid_to IS NULL OR valid_to > ?)",
            report.snapshot_at,
            report.snapshot_at,
        )
        assert {i: json.loads(record) for i, record in rows} == state
        assert len(rows) == len(state)


def test_an_empty_directory_is_published_first(api: SandboxServer, cycle: Cycle) -> None:
    api.configure(entries=0)
    assert cycle.run("one").entries == 0
    assert cycle.query("SELECT entries FROM directory_syncs") == [(0,)]


def test_an_empty_directory_that_fills_is_published(api: SandboxServer, cycle: Cycle) -> None:
    api.configure(entries=0)
    cycle.run("one")
    added = api.directory.edit(5).added
    cycle.run("two")
    assert cycle.ids() == set(added)


def test_the_report_of_a_sync_stands_in_its_row(published: Cycle) -> None:
    report = published.run("two")
    [(text,)] = published.query("SELECT report FROM directory_syncs WHERE run_id = 'two'")
    assert json.loads(text) == report.as_json()


def test_a_dry_run_leaves_the_warehouse_as_it_is(api: SandboxServer, published: Cycle) -> None:
    before = published.tables()
    api.directory.edit(2, 2, remove=2, seed=1)
    published.extract("dry")
    report = published.audit("dry", mode="dry_run")
    assert report.changes["added"] == 2
    assert published.tables() == before
    assert published.landed("dry").read_json("manifest.json") is None


def test_a_dry_run_tells_which_columns_a_publication_would_add(api: SandboxServer, cycle: Cycle) -> None:
    def tried(run_id: str) -> dict[str, dict[str, str]]:
        cycle.extract(run_id)
        found = cycle.sync(run_id, mode="dry_run").audit().summary["columns_to_come"]
        return {f"{one['table']}.{one['column']}": one["type"] for one in found}

    to_come = tried("dry")
    cycle.run("first")
    stands = cycle.query("SELECT table_name || '.' || column_name FROM information_schema.columns")
    assert set(to_come) <= {name for (name,) in stands}
    assert to_come["directory_resource.name"] == "text"
    assert "directory_resource._removed_at" not in to_come
    api.directory.edit(3, 3, seed=2)
    assert tried("dry again") == {}
