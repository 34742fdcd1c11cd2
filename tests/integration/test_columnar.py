"""Rows that go past dlt's normaliser are the rows that it makes: both ways are taken and compared whole."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from directory_sync.audit.report import AuditReport
from directory_sync.config import columns
from directory_sync.config.keys import ID, Key
from directory_sync.errors import ConfigError
from directory_sync.publish import staged
from directory_sync.publish.load import load
from directory_sync.publish.rows import SyncContent
from tests.integration.cycle import RESOURCE, Cycle

ROWS, BATCH, SAMPLE = 1_600, 1_000, 300
# No two of them in a piece: a row that does not fit would hide another one that is wrongly taken to fit.
PLACES = (400, 800, 1_400)
AT = datetime(2026, 6, 1, 3, tzinfo=UTC)
Record = dict[str, Any]


def plain(number: int, draw: random.Random) -> Record:
    """A record as an API gives it: not every field in each."""
    record: Record = {
        "id": number,
        "name": draw.choice(["Ötztal", "", 'a\nb\t"c" \\', "東京", "2024-01-01"]) + str(number % 7),
        "height": draw.choice([None, 12.5, -0.0, 3, 1e-300]),
        "count": draw.choice([None, 0, -5, 2**63 - 1]),
        "is_open": draw.choice([True, False, None]),
        "updatedAt": draw.choice(["2024-10-27T05:02:39Z", "2024-10-27T07:02:39.123456+02:00"]),
        "place": {"city": "X", "geo": {"lat": draw.random()}, "always_null": None, "empty": {}},
        "tags": draw.choice([[], ["a"], ["b", None, "c"], None]),
        "codes": [
            {"system": "icao", "n": n, "inner": [{"k": n}] * draw.randrange(3)}
            for n in range(draw.randrange(4))
        ],
        "never": [],
    }
    for name in ("height", "place", "codes", "updatedAt"):
        if draw.random() < 0.1:
            del record[name]
    if draw.random() < 0.05:
        record["place"] = None
    return record


def as_text(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False)


ODDITIES: dict[str, Callable[[Record], Any]] = {
    "a further field": lambda record: record | {"new": 1},
    "a further field of a list's": lambda record: record | {"codes": [{"system": "x", "new": 1}]},
    "a text for a number": lambda record: record | {"count": "seven"},
    "a number for a text": lambda record: record | {"name": 7},
    "an object for a text": lambda record: record | {"name": {"first": "A"}},
    "a list for an object": lambda record: record | {"place": [{"city": "X"}]},
    "a value for what was null": lambda record: record | {"place": {"always_null": 1}},
    "an entry of a list that was empty": lambda record: record | {"never": ["x"]},
    "a null in a list that was empty": lambda record: record | {"never": [None]},
    "a null for an entry of a list": lambda record: record | {"codes": [None]},
    "a list in a list": lambda record: record | {"tags": [["a"]]},
    "a time without a zone": lambda record: record | {"updatedAt": "2024-10-27T05:02:39"},
    "a day": lambda record: record | {"updatedAt": "2024-10-27"},
    "nanoseconds": lambda record: record | {"updatedAt": "2024-10-27T05:02:39.123456789Z"},
    "the year 0": lambda record: record | {"updatedAt": "0000-06-01T00:00:00Z"},
    "another time": lambda record: record | {"updatedAt": "yesterday"},
    "a fraction": lambda record: record | {"count": 1.5},
    "a whole fraction": lambda record: record | {"count": 2.0},
    "a large float": lambda record: record | {"height": 2**60 + 1},
    "a truth for a number": lambda record: record | {"count": True},
    "several lines": lambda record: json.dumps(record, indent=1),
    "U+0000": lambda record: record | {"name": "a\x00b"},
    "escapes": lambda record: json.dumps(record | {"name": "\u00e9\U0001f600\u2028"}),
    "a key twice": lambda record: as_text(record)[:-1] + ', "name": "the last"}',
    "an exponent": lambda record: as_text(record)[:-1] + ', "count": 1E2}',
    "a minus zero of a double": lambda record: as_text(record | {"height": None})[:-1] + ', "height": -0}',
    "an integer that a double rounds": lambda record: record | {"height": 2**53 + 1},
    "an integer beyond 64 bits": lambda record: record | {"count": 2**64},
    "a text that is no number": lambda record: record | {"height": "nan"},
    "the end of time": lambda record: record | {"updatedAt": "9999-12-31T23:59:59-08:00"},
    "a minus zero": lambda record: as_text(record | {"count": None})[:-1] + ', "count": -0}',
}


def texts(seed: int, *oddities: Callable[[Record], Any]) -> Iterator[str]:
    """The records of a load; of the later ones some are odd, each kind in a piece of its own."""
    draw = random.Random(seed)
    for number in range(ROWS):
        record: Any = plain(number, draw)
        for place, make_odd in zip(PLACES, oddities, strict=False):
            if number in (place, place + 1):
                record = make_odd(record)
        yield record if isinstance(record, str) else as_text(record)


def difference(
    records: list[str], *, sync_id: str, kind: str = "added", base: str | None = None, key: Key = ID
) -> SyncContent:
    id_type = pa.string() if key.is_composite else pa.int64()
    ids = [key.of(json.loads(record)) for record in records]
    rows = pa.table(
        {
            "sync_id": [sync_id] * len(records),
            "id": ids,
            "kind": [kind] * len(records),
            "changed_fields": [None] * len(records),
            "record": records,
            "row_hash": [f"{number:032x}" for number in range(len(records))],
            "snapshot_at": [AT] * len(records),
            "first_seen_at": [AT] * len(records),
            "changed_at": [AT] * len(records),
            "missing_since": [None] * len(records),
            "removed_at": [None] * len(records),
        },
        schema=pa.schema([(column.name, column.arrow_type() or id_type) for column in columns.CHANGES]),
    )
    values = {
        "sync_id": sync_id, "base_sync_id": base, "resource": RESOURCE, "run_id": sync_id, "mode": "sync",
        "snapshot_at": AT, "last_requested_at": AT, "settings_fingerprint": "",
        "id_type": key.type_of(ids[0]),
        "sort_order": "observed", "proof": "chain", "held_digest": None, "entries": len(records), "held": 0,
    }  # fmt: skip
    told = ("sort_order", "proof", "held_digest")
    report = AuditReport.from_json(
        {"key": key.names, **{name: value for name, value in values.items() if name not in told}}
    )
    values["report"] = json.dumps(report.as_json(), sort_keys=True)
    return SyncContent(
        rows=lambda: (rows.slice(at, BATCH) for at in range(0, len(records), BATCH)),
        sync_values=values,
        sample_rows=SAMPLE,
    )


HISTORY = f"{RESOURCE}_history"
CHILDREN = {
    f"{RESOURCE}__tags": RESOURCE,
    f"{RESOURCE}__codes": RESOURCE,
    f"{RESOURCE}__codes__inner": f"{RESOURCE}__codes",
}


def content(cycle: Cycle) -> dict[str, Any]:
    """All tables but for the values of dlt's ids; how child rows hang together instead.

    Not the views of the history: beside a step that makes other rows, they show the fields of the record and
    not the columns of the table.
    """
    found: dict[str, Any] = {
        name: table for name, table in cycle.tables().items() if not name.startswith(HISTORY)
    }
    for child, parent in CHILDREN.items():
        found[f"{child} in {parent}"] = sorted(
            cycle.query(
                f'SELECT r.id, p._dlt_id IS NOT NULL, c._dlt_list_idx FROM "{child}" c '
                f'LEFT JOIN "{parent}" p ON p._dlt_id = c._dlt_parent_id '
                f'LEFT JOIN "{RESOURCE}" r ON r._dlt_id = c._dlt_root_id'
            )
        )
        [(rows, ids)] = cycle.query(f'SELECT count(*), count(DISTINCT _dlt_id) FROM "{child}"')
        assert rows == ids > 0
    [(rows, loads)] = cycle.query(
        "SELECT count(*), count(CASE WHEN _dlt_load_id IN (SELECT load_id FROM _dlt_loads) THEN 1 END) "
        f'FROM "{RESOURCE}"'
    )
    assert rows == loads > 0
    found["types"] = cycle.query(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = ? AND NOT starts_with(table_name, ?) ORDER BY 1, 2",
        cycle.switches.dataset,
        HISTORY,
    )
    return found


@pytest.fixture
def past_rows(monkeypatch) -> list[int]:
    """The numbers of rows that went past the normaliser, a batch each."""
    past: list[int] = []
    add = staged.Staged.add

    def counting(self, rows):
        past.append(rows[0].rows.num_rows)
        add(self, rows)

    monkeypatch.setattr(staged.Staged, "add", counting)
    return past


@pytest.fixture
def both_ways(cycle: Cycle, tmp_path, past_rows: list[int]) -> Callable[..., int]:
    """Loads the same ways; returns how many rows went past the normaliser."""

    def compare(*loads: list[str], key: Key = ID) -> int:
        past_rows.clear()
        keyed = {"primary_key": list(key.names)}
        fast = cycle.with_(home=tmp_path / "fast", resource=keyed)
        # A step that changes nothing: it works on each row in Python, so all of them go to dlt.
        steps = [{"map": lambda row: row}]
        slow = cycle.with_(home=tmp_path / "slow", resource={**keyed, "processing_steps": steps})
        for deployment in (fast, slow):
            deployment.home.mkdir(exist_ok=True)
            before = sum(past_rows)
            for number, records in enumerate(loads):
                with deployment.warehouse() as (warehouse, _):
                    base = f"sync-{number - 1}" if number else None
                    rows = difference(records, sync_id=f"sync-{number}", base=base, key=key)
                    load(deployment.parsed, rows, warehouse=warehouse)
            assert deployment is fast or sum(past_rows) == before
        one, other = content(fast), content(slow)
        # By name: where CI shows the difference of all rows, it takes longer than a test may.
        assert [name for name in {**one, **other} if one.get(name) != other.get(name)] == []
        return sum(past_rows)

    return compare


TELLING = 20
"""More rows of `plain` than these show nothing new: no field, no type."""


def test_all_rows_but_those_that_tell_something_go_past_the_normaliser(both_ways) -> None:
    assert ROWS - TELLING < both_ways(list(texts(1))) < ROWS


def test_an_entry_that_is_set_aside_tells_nothing(cycle: Cycle, past_rows: list[int]) -> None:
    """The first entry cannot be stored; the second one, of the same fields, shows them to dlt."""
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    first = as_text({"id": 0, "name": "a", "deep": deep})
    records = [first, *(as_text({"id": number, "name": "a"}) for number in range(1, ROWS))]
    generous = cycle.with_(settings={"unstorable": "quarantine"})
    with generous.warehouse() as (warehouse, _):
        values = load(generous.parsed, difference(records, sync_id="sync"), warehouse=warehouse)
    assert (json.loads(values["report"])["rejected"], sum(past_rows)) == (1, ROWS - 2)


@pytest.mark.parametrize("first", range(0, len(ODDITIES), len(PLACES)))
def test_rows_that_do_not_fit_are_left_to_dlt_and_the_others_are_not(both_ways, first: int) -> None:
    odd = list(ODDITIES.values())[first : first + len(PLACES)]
    assert both_ways(list(texts(2, *odd))) > 0.5 * ROWS


def test_a_second_load_replaces_rows_and_their_children(both_ways) -> None:
    second = list(texts(4, ODDITIES["a further field"]))[:1_200]
    assert both_ways(list(texts(3)), second) > ROWS


def test_rows_with_a_key_of_several_fields_go_past_it_too(both_ways) -> None:
    def sited(record: str) -> str:
        entry = json.loads(record)
        return as_text({**entry, "place": {"city": f'"{entry["id"] % 7}\\\n\x7f東', "geo": {"lat": 0.5}}})

    key = Key((("place", "city"), ("id",)))
    records = [sited(record) for record in texts(5)]
    assert ROWS - TELLING < both_ways(records, key=key) < ROWS


def test_a_shared_column_is_named_in_a_large_load_too(cycle: Cycle) -> None:
    """The trial fails of it before the names are checked."""
    records = [as_text({"id": number, "ID": "x"}) for number in range(ROWS)]
    with cycle.warehouse() as (warehouse, _), pytest.raises(ConfigError, match=r"`ID` .* share the"):
        load(cycle.parsed, difference(records, sync_id="sync"), warehouse=warehouse)


def test_records_of_two_shapes_are_all_left_to_dlt(both_ways) -> None:
    codes = [{"inner": [{"k": 1}]}]
    records = [{"id": n, "tags": ["a"], "codes": codes, "x": n if n % 2 else "x"} for n in range(ROWS)]
    assert both_ways(list(map(as_text, records))) == 0
