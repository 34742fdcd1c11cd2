"""Names and paths of fields: which names may be shown, and which value a path of the form means.

Keys of JSON objects can be data. The keys of an object may be addresses of people, and a key with a newline
could forge a log line. A key counts as a field's name if it looks like one and enough entries have it.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

MAX_NAME_CHARACTERS = 64
MAX_NAMES = 2_000
"""The largest number of fields that are named; the fields of most entries come first."""
MIN_SHARE = 0.01
"""A key that a smaller share of the entries has counts as data."""
SPARSE_SHARE, MAX_SPARSE = 0.1, 10
"""More than MAX_SPARSE keys of an object, each in less than SPARSE_SHARE of the entries, count as data."""
MAX_SINGLES = 3
"""More than MAX_SINGLES keys of an object, each in a single entry, count as data."""
MAX_READINGS_OF_A_PATH = 32

_WORD = re.compile(r"[@$]?\w[\w:-]*")

Shares = Mapping[str, Mapping[str, float]]
"""For each field's dotted path: JSON type -> share of the entries that have the field with this type."""


@lru_cache(maxsize=4096)
def is_name(key: str) -> bool:
    """Tells whether a key looks like a field's name: a word, `@odata.type`, `$ref`, or a schema's URN."""
    if len(key) > MAX_NAME_CHARACTERS:
        return False
    if key.startswith("urn:"):
        return all(word.replace(".", "").replace("-", "").isalnum() for word in key.split(":"))
    words = key[1:].split(".") if key[:1] in ("@", "$") else [key]
    return all(word.replace("-", "_").isidentifier() for word in words)


def field_name(prefix: str, key: str) -> str:
    """Returns a field's dotted path; `*` for a key that is data rather than a name."""
    return f"{prefix}{key if is_name(key) else '*'}"


def stable_fields(
    shares: Shares, entries: int, *, known: Collection[str] = ()
) -> dict[str, Mapping[str, float]]:
    """Returns the fields whose keys are names, not data: few, and in enough of the entries.

    Args:
        shares: the shares of all fields. Keys that do not look like names are left out of the result.
        entries: the number of entries.
        known: fields that were named before; for them half of MIN_SHARE is enough.
    """
    filled = {name: sum(types.values()) for name, types in shares.items() if _is_clean(name)}
    siblings: dict[str, list[str]] = defaultdict(list)
    for name in filled:
        siblings[name.rpartition(".")[0]].append(name)
    data: set[str] = set()
    for names in siblings.values():
        unknown = [name for name in names if name not in known]
        sparse = [name for name in unknown if filled[name] < SPARSE_SHARE]
        singles = [name for name in unknown if round(filled[name] * entries) <= 1 < entries]
        data |= set(sparse) if len(sparse) > MAX_SPARSE else set()
        data |= set(singles) if len(singles) > MAX_SINGLES else set()
        data |= {name for name in names if filled[name] < MIN_SHARE / (2 if name in known else 1)}
    shown = sorted(filled.keys() - data, key=lambda name: (-filled[name], name))
    return {name: shares[name] for name in sorted(shown[:MAX_NAMES])}


def and_parents(names: Collection[str]) -> set[str]:
    """Returns the paths of fields, and the paths of the objects that contain them."""
    found = set(names)
    for name in names:
        while name := name.rpartition(".")[0]:
            found.add(name)
    return found


def readings(path: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yields the key sequences that a dotted path can mean.

    A dot separates two keys, or is part of a key, as in SCIM's URNs.

    Args:
        path: the path, split at each dot.
    """
    gaps = range(1, len(path))
    ways = (cuts for count in reversed(range(len(path))) for cuts in itertools.combinations(gaps, count))
    for cuts in itertools.islice(ways, MAX_READINGS_OF_A_PATH):
        yield tuple(".".join(path[a:b]) for a, b in itertools.pairwise((0, *cuts, len(path))))


def without_field(record: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    """Returns a record without the values at a path, for every reading of its dots, see `readings`."""
    for parts in range(1, len(path) + 1):
        key = ".".join(path[:parts])
        if key not in record:
            continue
        rest = {k: value for k, value in record.items() if k != key}
        inner = record[key]
        if parts < len(path):
            rest[key] = without_field(inner, path[parts:]) if isinstance(inner, dict) else inner
        record = rest
    return record


def value_at(record: Any, path: Sequence[str]) -> Any:
    """Returns the value at a path, by the first reading of its dots that has one; None: there is no value."""
    for keys in readings(path):
        current = record
        for key in keys:
            current = current.get(key) if isinstance(current, dict) else None
        if current is not None:
            return current
    return None


def _is_clean(path: str) -> bool:
    """Tells whether all parts of a dotted path look like names; an earlier version may have written it."""
    words = path.split(".")
    return all(
        word == "*" or (_WORD.fullmatch(word) and ("urn:" in path or not word[0].isdigit())) for word in words
    )
