"""Says which field would do where an entry lacks a field of its key. It names fields, never values."""

from collections.abc import Mapping, Sequence
from typing import Any

from directory_sync.config.fields import is_name
from directory_sync.config.keys import NoKeyError

MAX_KEYS_OF_AN_ENVELOPE = 30
"""The keys of an object with more keys than this count as data."""
_NEIGHBOURS, _NAMED = 50, 8
"""How many entries tell whether a key of an object is a field's name; how many fields are named at most."""
_LIKE_KEYS = ("id", "key", "code", "number")


def advice_for(error: NoKeyError, record: Mapping[str, Any], beside: Sequence[Any]) -> tuple[str, str]:
    """Returns what is wrong with the key of an entry, and what to correct in the form.

    Args:
        error: why the entry has no usable key.
        record: the entry.
        beside: the entries of the answer.

    Returns:
        The rest of a sentence about the entry, and the begin of one about the form.
    """
    if not error.is_missing:
        return error.finding, "Set `primary_key` of the resource to a field that every entry has,"
    within, names, suited = _fields_beside(error.path, record, beside)
    advice = f"Set `primary_key` of the resource{suited}"
    if any("__" in part for part in error.path):
        advice += " (a field of an object is written with a dot, such as `object.field`)"
    return f"{error.finding}; {within} has {names}", advice


def _fields_beside(
    path: Sequence[str], record: Mapping[str, Any], beside: Sequence[Any]
) -> tuple[str, str, str]:
    """Describes the fields that stand where a field of the key was looked for.

    A field is named if it looks like a name and most of the entries beside it have it, because the keys of an
    object may be data.

    Args:
        path: the path of the missing field.
        record: the entry.
        beside: the entries of the answer.

    Returns:
        The object that was searched, its fields, and how the form would name one that is like a key.
    """
    near = [one for one in beside[:_NEIGHBOURS] if isinstance(one, dict)]
    inner: list[str] = []
    while isinstance(record.get(path[len(inner)]), dict):
        name = path[len(inner)]
        record, near = record[name], [one[name] for one in near if isinstance(one.get(name), dict)]
        inner.append(name)
    is_known = len(near) > 1 or len(record) <= MAX_KEYS_OF_AN_ENVELOPE
    names = [name for name in record if is_known and is_name(name) and name.isidentifier()]
    names = [name for name in names if 2 * sum(name in one for one in near) >= len(near)]
    names.sort(key=lambda name: not name.lower().endswith(_LIKE_KEYS))
    more = f" and {len(record) - _NAMED:,} more" if len(names) > _NAMED else ""
    shown = ", ".join(f"`{name}`" for name in names[:_NAMED]) + more
    suited = next((name for name in names if _suits(name, near)), None)
    return (
        f"its `{'.'.join(inner)}`" if inner else "it",
        shown or (f"{len(record):,} other fields" if record else "no field"),
        f', such as "primary_key": "{".".join((*inner, suited))}",' if suited else "",
    )


def _suits(name: str, entries: Sequence[Mapping[str, Any]]) -> bool:
    """Tells whether a field is named like a key and is different in each of several entries."""
    values = [entry.get(name) for entry in entries]
    return (
        name.lower().endswith(_LIKE_KEYS)
        and len(values) > 1
        and {type(value) for value in values} in ({int}, {str})
        and len(set(values)) == len(values)
    )
