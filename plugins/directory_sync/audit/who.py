"""Names a few of the entries that a publication adds, removes and changes, for people.

The entries are landed as `who.json` beside the difference, where the records are already; they stand in no
log, no XCom and no asset event. Without `label_field` an entry is its id, and a changed field its path: the
form has then not said that content may be shown.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from directory_sync.api.answer import EntryId, parse_record
from directory_sync.audit.record_diff import differing
from directory_sync.config.fields import value_at, without_field
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind

if TYPE_CHECKING:
    import duckdb

    from directory_sync.warehouse.warehouse import Warehouse

MOST_NAMED, MOST_FIELDS, MOST_CHARACTERS = 10, 20, 200
"""How many entries of each kind are named, how many fields of each, and how long a value may be."""

KINDS_OF = {
    "joined": (Kind.ADDED, Kind.RETURNED),
    "left": (Kind.REMOVED,),
    "changed": (Kind.CHANGED,),
}


def who_of_difference(
    database: "duckdb.DuckDBPyConnection", resource: Resource, *, named: Collection[str]
) -> dict[str, Any]:
    """Returns who joined, left and changed, from the tables `difference`, `records` and `logged`.

    Args:
        database: the scratch database, after the change rows were described.
        resource: the resource of the entries.
        named: fields whose names may be shown; all others are named `*`.

    Returns:
        The content of `who.json`: `joined`, `left` and `changed`, at most MOST_NAMED each with the smallest
        ids first, and how many there are of each in `counts`.
    """
    found = {name: _records(database, kinds) for name, kinds in KINDS_OF.items()}
    rows = database.execute("SELECT kind, count(*) FROM difference GROUP BY kind").fetchall()
    counted: Mapping[str, int] = dict(rows)
    return {
        **{
            name: [
                _item(entry_id, resource, record=new or old)
                | ({"fields": _fields(old, new, resource, named=named)} if name == "changed" else {})
                for entry_id, old, new in records
            ]
            for name, records in found.items()
        },
        "counts": {name: sum(counted.get(one, 0) for one in kinds) for name, kinds in KINDS_OF.items()},
    }


def who_left(resource: Resource, ids: Collection[EntryId], *, warehouse: "Warehouse") -> dict[str, Any]:
    """Returns the content of `who.json` for an approved removal.

    Args:
        resource: the resource of the entries.
        ids: the ids of all entries that are removed.
        warehouse: open; its change log has the last record of each.
    """
    first: Iterable[EntryId] = sorted(ids)[:MOST_NAMED]
    batches = warehouse.last_changes(resource, list(first))
    rows = sorted((row for batch in batches for row in batch.to_pylist()), key=lambda row: row["id"])
    return {
        "joined": [],
        "left": [_item(row["id"], resource, record=row["record"]) for row in rows],
        "changed": [],
        "counts": {"joined": 0, "left": len(ids), "changed": 0},
    }


def _records(
    database: "duckdb.DuckDBPyConnection", kinds: Collection[Kind]
) -> list[tuple[EntryId, str | None, str | None]]:
    """Returns the first entries of these kinds: the id, the record before and the record now."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    rows = database.execute(
        f"SELECT id FROM difference WHERE kind IN ({listed}) ORDER BY id LIMIT {MOST_NAMED}"
    ).fetchall()
    ids = [row[0] for row in rows]
    # Asked for by id: a join would read all records.
    marks = ", ".join("?" for _ in ids) or "NULL"
    old, new = (
        dict(database.execute(f"SELECT id, record FROM {table} WHERE id IN ({marks})", ids).fetchall())
        for table in ("logged", "records")
    )
    return [(entry_id, old.get(entry_id), new.get(entry_id)) for entry_id in ids]


def _item(entry_id: EntryId, resource: Resource, *, record: str | None) -> dict[str, Any]:
    label = None
    if resource.label_field and record is not None:
        label = _shown(value_at(parse_record(record), resource.label_field))
    # Text: a browser's numbers have 53 bits.
    return {"id": str(entry_id), "label": label}


def _fields(
    old: str | None, new: str | None, resource: Resource, *, named: Collection[str]
) -> list[dict[str, Any]]:
    """Returns the fields that differ: each path once, with its values where content may be shown."""
    before: Mapping[str, Any] = parse_record(old) if old else {}
    after: Mapping[str, Any] = parse_record(new) if new else {}
    for path in resource.ignored_fields:
        before, after = without_field(before, path), without_field(after, path)
    paths = sorted({path if path in named else "*" for path, _ in differing(before, after)})
    shows = resource.label_field is not None
    return [
        {"path": path, "old": _value(before, path, shows=shows), "new": _value(after, path, shows=shows)}
        for path in paths[:MOST_FIELDS]
    ]


def _value(record: Mapping[str, Any], path: str, *, shows: bool) -> str | None:
    # A star stands for several keys that are data.
    return _shown(value_at(record, path.split("."))) if shows and "*" not in path else None


def _shown(value: Any) -> str | None:
    """Returns a value as text of a bounded length; None: there is none."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
