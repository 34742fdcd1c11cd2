"""Which fields an entry has, and of which JSON type each is."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from directory_sync.config.fields import field_name

FieldTypes = tuple[tuple[str, str], ...]
_Objects = tuple[tuple[int, str, str], ...]
JSON_TYPES: Mapping[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
MAX_KEYS_OF_A_SHAPE = 200
"""The shape of an object with more keys is not remembered: its keys may be data."""


def field_types(record: Mapping[str, Any], prefix: str = "") -> FieldTypes:
    """Returns (dotted path, JSON type) of all values of a record and its objects, but not of its lists.

    Each pair is there once. Records of one shape mostly share one tuple.

    Args:
        record: the entry, or an object in it.
        prefix: the path of that object, with a dot at its end; empty: the entry itself.

    Raises:
        RecursionError: the record is nested too deeply.
    """
    keys, types = tuple(record), tuple(map(type, record.values()))
    shape = _shape if len(keys) <= MAX_KEYS_OF_A_SHAPE else _shape.__wrapped__
    pairs, objects = shape(prefix, keys, types)
    if not objects:
        return pairs
    within = []
    for _, key, inner in objects:
        # Not a comprehension: its frame would halve the depth that Python allows.
        within.append(field_types(record[key], inner))
    join = _joined if sum(map(len, within)) <= MAX_KEYS_OF_A_SHAPE else _joined.__wrapped__
    return join(pairs, objects, tuple(within))


@lru_cache(maxsize=1024)
def _shape(prefix: str, keys: tuple[str, ...], types: tuple[type, ...]) -> tuple[FieldTypes, _Objects]:
    """Returns the pairs of an object's plain values, and its objects: how many pairs precede, key, prefix.

    Most entries have one of a few shapes, so that this is worked out once for thousands of them.
    """
    pairs: dict[tuple[str, str], None] = {}
    objects = []
    for key, kind in zip(keys, types, strict=True):
        name = field_name(prefix, key)
        if kind is dict:
            objects.append((len(pairs), key, f"{name}."))
        else:
            pairs[name, JSON_TYPES.get(kind, kind.__name__)] = None
    return tuple(pairs), tuple(objects)


@lru_cache(maxsize=1024)
def _joined(pairs: FieldTypes, objects: _Objects, within: tuple[FieldTypes, ...]) -> FieldTypes:
    """Returns the pairs of an object, with those within its objects in their places."""
    found: list[tuple[str, str]] = []
    begin = 0
    for (end, *_), inner in zip(objects, within, strict=True):
        found += [*pairs[begin:end], *inner]
        begin = end
    return tuple(dict.fromkeys([*found, *pairs[begin:]]))


def json_type(value: Any) -> str:
    """Returns the JSON name of a value's type; an integer is `integer`, any other number is `number`."""
    return JSON_TYPES.get(type(value), type(value).__name__)
