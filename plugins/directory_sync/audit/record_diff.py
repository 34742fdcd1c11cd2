"""Finds the fields in which two records differ, and how they differ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from directory_sync.api.field_types import field_types
from directory_sync.config.fields import field_name

APPEARED, VANISHED, CHANGED = "appeared", "vanished", "changed"


def differing(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields (dotted path, APPEARED, VANISHED or CHANGED) for each field that differs.

    A list counts as one value.

    Args:
        old: the record before.
        new: the record now.
        prefix: what all paths begin with.
    """
    for key in old.keys() | new.keys():
        path = field_name(prefix, key)
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differing(before, after, f"{path}.")
        elif (key in old) != (key in new):
            whole = before if key in old else after
            inner = dict(field_types(whole, f"{path}.")) if isinstance(whole, dict) else {}
            yield from ((name, VANISHED if key in old else APPEARED) for name in inner or [path])
        elif type(before) is not type(after) or before != after or _as_json(before) != _as_json(after):
            yield path, CHANGED


def _as_json(value: Any) -> str | None:
    """Returns a list's JSON, since Python takes [1], [1.0] and [true] for equal; None for other values."""
    return json.dumps(value, sort_keys=True) if isinstance(value, list) else None
