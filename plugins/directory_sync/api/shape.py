"""Describes an answer of the API in words that help to write the form: names, types and counts, no values."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from directory_sync.api.field_types import json_type
from directory_sync.api.key_advice import MAX_KEYS_OF_AN_ENVELOPE
from directory_sync.config.fields import is_name
from directory_sync.config.paths import written

MAX_DEPTH = 3
"""How many keys deep a list is searched for."""
TOTAL_HEADERS = ("X-Total-Count", "X-Total", "Total-Count", "X-Pagination-Total-Count")
_TOTAL_NAMES = ("total", "count", "size", "results", "records")
_KEY_NAMES = ("id", "uuid", "guid", "key", "code", "number")


def shape_in_words(body: bytes, headers: Mapping[str, str]) -> str:
    """Describes which list, which total and which key an answer seems to have.

    Args:
        body: the answer's body, decompressed.
        headers: the answer's headers.

    Returns:
        Sentences with settings to copy into the form. Keys that do not look like field names are left out,
        because they may be data.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        start = body.lstrip()[:1]
        kind = "empty" if not start else "HTML or XML" if start == b"<" else "no JSON"
        return f"The body is {kind}: it cannot be read as a list."
    lists = lists_in(document)
    if not lists:
        return f"No list is in the body: {_described(document)}."
    path, entries = lists[0]
    others = [f"`{_path(other)}`" for other, _ in lists[1:4]]
    also = f" Other lists: {', '.join(others)}." if others else ""
    return (
        f'The list: "data_selector": "{_path(path)}", with {len(entries):,} entries in this answer.{also} '
        f"{_total_in_words(document, headers, entries=len(entries))} {_key_in_words(entries)}"
    )


def lists_in(document: Any) -> list[tuple[tuple[str, ...], list[Any]]]:
    """Returns the lists in a body with their paths; the one that seems to be the list of entries is first."""
    return sorted(_lists(document), key=lambda found: (-_objects(found[1]), len(found[0])))


def total_in(
    document: Any, headers: Mapping[str, str], *, entries: int
) -> tuple[tuple[str, ...] | str, int] | None:
    """Returns where a count of all entries seems to be, as keys or as a header's name, and what it says.

    Args:
        document: the body.
        headers: the answer's headers.
        entries: the number of entries in this answer; a smaller number is no count of all.
    """
    counts = [(path, count) for path, count in _counts(document) if count >= entries]
    counts.sort(key=lambda found: _rank(found[0][-1]))
    if counts and _rank(counts[0][0][-1]) < len(_TOTAL_NAMES):
        return counts[0]
    for header in TOTAL_HEADERS:
        if (text := headers.get(header, "").strip()).isdecimal():
            return header, int(text)
    return None


def keys_of(entries: Sequence[Any]) -> list[str]:
    """Returns the fields whose values are there and different in every entry; the likeliest key is first."""
    if not entries or _objects(entries) < len(entries):
        return []
    names = [name for name, _ in _named(entries[0]) if _is_key(entries, name)]
    return sorted(names, key=lambda name: (_key_rank(name), name))


def is_like_a_key(name: str) -> bool:
    """Tells whether a field's name is one that keys have."""
    return _key_rank(name) < len(_KEY_NAMES)


def _lists(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    if isinstance(document, list):
        yield path, document
    elif _is_envelope(document) and len(path) < MAX_DEPTH:
        for name, value in _named(document):
            yield from _lists(value, (*path, name))


def _total_in_words(document: Any, headers: Mapping[str, str], *, entries: int) -> str:
    found = total_in(document, headers, entries=entries)
    if found is None:
        return "No count of all entries was found."
    place, count = found
    if isinstance(place, str):
        header = f'"total_header": "{place}"'
        return f"The count: the header `{place}`, which says {count:,}. In the form: {header}."
    return f'The count: "total_path": "{_path(place)}", which says {count:,}.'


def _counts(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    if not _is_envelope(document) or len(path) >= MAX_DEPTH:
        return
    for name, value in _named(document):
        if isinstance(value, int) and not isinstance(value, bool):
            yield (*path, name), value
        else:
            yield from _counts(value, (*path, name))


def _rank(name: str) -> int:
    """Returns the index in _TOTAL_NAMES of the first word that a name contains; their number: it has none."""
    lower = name.lower()
    ranks = [rank for rank, word in enumerate(_TOTAL_NAMES) if word in lower and "page" not in lower]
    return min(ranks, default=len(_TOTAL_NAMES))


def _key_in_words(entries: Sequence[Any]) -> str:
    if not entries:
        return "The list is empty: its key cannot be seen."
    if _objects(entries) < len(entries):
        return f"Not every entry is an object: {', '.join(sorted({json_type(one) for one in entries}))}."
    like_keys = [name for name in keys_of(entries) if is_like_a_key(name)]
    if not like_keys:
        return (
            "No key: no field with such a name is there and different in every entry. `primary_key` may name "
            "several fields, or one within an object."
        )
    first, *others = [f'"{name}", {_type_of(entries, name)}' for name in like_keys[:3]]
    also = f" Also: {'; '.join(others)}." if others and like_keys[0] != "id" else ""
    return f'The key: "primary_key": {first}, different in every entry.{also}'


def _is_key(entries: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = [one.get(name) for one in entries]
    kinds = {type(value) for value in values}
    return kinds in ({int}, {str}) and "" not in values and len(set(values)) == len(values)


def _key_rank(name: str) -> int:
    words = [rank for rank, word in enumerate(_KEY_NAMES) if name.lower().endswith(word)]
    return 0 if name == "id" else min(words, default=len(_KEY_NAMES))


def _type_of(entries: Sequence[Mapping[str, Any]], name: str) -> str:
    return json_type(entries[0][name])


def _described(document: Any) -> str:
    if not isinstance(document, dict):
        return f"it is of type {json_type(document)}"
    if not _is_envelope(document):
        return f"it is an object with {len(document):,} keys"
    names = [f"`{name}` ({json_type(value)})" for name, value in _named(document)][:8]
    return f"it is an object with {', '.join(names)}" if names else "it is an object without such a field"


def _named(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in found.items() if is_name(name))


def _is_envelope(value: Any) -> bool:
    """Tells whether a value is an object whose keys are names, not data."""
    return isinstance(value, dict) and len(value) <= MAX_KEYS_OF_AN_ENVELOPE


def _objects(entries: Sequence[Any]) -> int:
    return sum(isinstance(one, dict) for one in entries)


def _path(path: Sequence[str]) -> str:
    return written(tuple(path))
