"""Names and paths of fields: which names may be shown, and where a path of the form leads.

Keys of objects are content: an object keyed by addresses names people, a key with a newline forges a line of
a log. A key is taken for a name where it looks like one and stands in enough of the entries.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

MAX_NAME_CHARACTERS = 64
MAX_NAMES = 2_000
"""So many fields are named at most, those of most entries first."""
MIN_SHARE = 0.01
"""What stands in a smaller share of the entries is data."""
SPARSE_SHARE, MAX_SPARSE = 0.1, 10
"""An object with more keys than these, each in a smaller share of the entries, is keyed by data."""
MAX_SINGLES = 3
"""So is one with more keys that stand in one entry each."""
MAX_READINGS_OF_A_PATH = 32

_WORD = re.compile(r"[@$]?\w[\w:-]*")

Shares = Mapping[str, Mapping[str, float]]
"""Of each field's dotted path, the share of entries with each JSON type."""


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
    """Returns the fields that are few and stable, so that their names are names.

    Args:
        shares: of all fields; names that look like none are left out.
        entries: how many there are.
        known: fields that were named before; half as much is asked of them.
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
    """Returns names of fields, and those of the objects they stand in."""
    found = set(names)
    for name in names:
        while name := name.rpartition(".")[0]:
            found.add(name)
    return found


def readings(path: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yields the keys a dotted path may stand for: the dots part keys, or belong to one, as in SCIM's URNs.

    Args:
        path: the path, parted at each dot.
    """
    gaps = range(1, len(path))
    ways = (cuts for count in reversed(range(len(path))) for cuts in itertools.combinations(gaps, count))
    for cuts in itertools.islice(ways, MAX_READINGS_OF_A_PATH):
        yield tuple(".".join(path[a:b]) for a, b in itertools.pairwise((0, *cuts, len(path))))


def without_field(record: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    """Returns a record less the value at a path, however its dots are read; the record itself without one."""
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
    """Returns the value at a path, however its dots are read; None where there is none."""
    for keys in readings(path):
        current = record
        for key in keys:
            current = current.get(key) if isinstance(current, dict) else None
        if current is not None:
            return current
    return None


def _is_clean(path: str) -> bool:
    """Tells whether a dotted path, as an earlier version may have written it, is one of names."""
    words = path.split(".")
    return all(
        word == "*" or (_WORD.fullmatch(word) and ("urn:" in path or not word[0].isdigit())) for word in words
    )
