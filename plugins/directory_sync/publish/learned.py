"""Learns from records which field each column comes from, see `warehouse/record_fields`."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from directory_sync.api.answer import parse_record
from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.publish.places import Level, Place, Places
from directory_sync.warehouse.key_columns import key_columns
from directory_sync.warehouse.record_fields import Path, RecordFields, RecordList
from directory_sync.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 1_000
"""How many records are read where no publication has learnt their fields."""


def fields_of(
    resource: Resource,
    warehouse: Warehouse,
    *,
    places: Places | None = None,
    changes: "Iterable[pa.Table]" = (),
) -> RecordFields:
    """Returns the fields of the records of a resource, those of earlier publications included.

    Args:
        resource: the resource.
        warehouse: open, and held by this process.
        places: the places of this publication's rows; None: it has none.
        changes: the change rows of this publication.
    """
    schema = warehouse.schema
    stored = RecordFields.stored(schema, resource.name)
    known = stored or RecordFields()
    if stored is None:
        # Made by an earlier release: the log shows the fields.
        known = _sampled(resource, warehouse.logged_records(resource, at_most=SAMPLE), schema)
    if resource.is_reshaped:
        # The rows have other fields than the records.
        return known.and_(_sampled(resource, _records(changes), schema))
    return known.and_(_placed(places)) if places else known


def _sampled(resource: Resource, records: Iterable[str], schema: Any) -> RecordFields:
    ours = columns.of_table(is_composite=resource.key.is_composite)
    key = key_columns(schema, resource)
    places = Places(schema, resource.name, ours=columns.names(ours), key=key)
    for record in islice(records, SAMPLE):
        _meet(places, places.root, parse_record(record))
    return _placed(places)


def _records(changes: "Iterable[pa.Table]") -> Iterator[str]:
    for batch in changes:
        yield from map(str, batch.column("record").to_pylist())


def _meet(places: Places, level: Level, record: Mapping[str, Any]) -> None:
    for key, value in record.items():
        place = places.member(level, key)
        if isinstance(value, dict) and place.inner is not None:
            _meet(places, place.inner, value)
        elif isinstance(value, list) and place.items is not None:
            place.items.is_claimed = True
            for item in value:
                if isinstance(item, dict):
                    _meet(places, place.items.record, item)


def _placed(places: Places) -> RecordFields:
    found, lists = dict[str, list[Path]](), dict[str, RecordList]()
    for path, place in _members(places.root, ()):
        is_leaf = not (place.inner and place.inner.members) and not (place.items and place.items.is_claimed)
        if is_leaf or place.column.data_type:
            found.setdefault(place.column.name, []).append(path)
        if place.items is not None and place.items.is_claimed:
            items = dict[str, list[Path]]({"value": [()]})
            for within, one in _members(place.items.record, ()):
                items.setdefault(one.column.name, []).append(within)
            lists[place.items.table] = RecordList(path=path, columns=_fixed(items))
    return RecordFields(columns=_fixed(found), lists=lists)


def _members(level: Level, path: Path) -> Iterator[tuple[Path, Place]]:
    """Yields the place of each key of an object and of the objects in it."""
    for key, place in level.members.items():
        yield (*path, key), place
        if place.inner is not None:
            yield from _members(place.inner, (*path, key))


def _fixed(found: Mapping[str, list[Path]]) -> dict[str, tuple[Path, ...]]:
    return {name: tuple(paths) for name, paths in found.items()}
