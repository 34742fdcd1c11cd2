"""What held entries have in common, and the others have not: a hint for the person who decides.

A department that vanished, the entries of one shard, or those of one day's import: each tells more than a
count. A hint names a field and counts, never a value: values are content.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from directory_sync.api.answer import EntryId, parse_record
from directory_sync.config.fields import is_name
from directory_sync.config.form import Resource
from directory_sync.warehouse.warehouse import Warehouse

FEWEST = 5
"""Of fewer held entries, any two have something in common."""
LOOKED_AT = 2_000
"""How many of the held entries, and of the others, are compared."""
SHARED, OF_OTHERS = 0.9, 0.2
"""A value that so large a share of the held entries has, and no larger share of the others, is a hint."""
MOST = 2
_DAY = re.compile(r"\d{4}-\d\d-\d\dT")

Values = Mapping[tuple[str, bool], Any]
"""The values of an entry by field, and whether only the day of the value is meant."""


def patterns(resource: Resource, held: Sequence[EntryId], *, warehouse: Warehouse) -> tuple[str, ...]:
    """Returns what most of the held entries have in common, in a sentence each.

    Args:
        resource: the resource of the entries.
        held: their ids, in order.
        warehouse: open, and held by this process.
    """
    number_of_others = warehouse.present(resource) - len(held)
    if len(held) < FEWEST or number_of_others < 1:
        return ()
    waiting, compared = set(held), list[EntryId]()

    def others() -> Iterator[EntryId]:
        step = _step(number_of_others)
        for number, id_ in enumerate(id_ for id_ in _present(resource, warehouse) if id_ not in waiting):
            if number % step == 0:
                compared.append(id_)
            yield id_

    found = list(neighbours(held, others()))
    some = held[:: _step(len(held))]
    found += shared_values(*(list(_values(resource, ids, warehouse)) for ids in (some, compared)))
    return tuple(found[:MOST])


def neighbours(held: Sequence[EntryId], others: Iterable[EntryId]) -> Iterator[str]:
    """Yields the hint that the held entries are neighbours in the order of their ids.

    Args:
        held: the ids of the held entries, in order.
        others: the ids of the others.
    """
    first, last = held[0], held[-1]
    before = after = between = 0
    for id_ in others:
        if _before(id_, first):
            before += 1
        elif _before(last, id_):
            after += 1
        else:
            between += 1
    if between <= len(held) * (1 - SHARED) and before + after > between:
        yield (
            f"They are neighbours: {between:,} of the others stand between the first and the last of them in "
            "the order of ids. A range of the list may not have been read."
        )


def shared_values(held: Sequence[Values], others: Sequence[Values]) -> Iterator[str]:
    """Yields a hint for each field of which most held entries have one value, the clearest first.

    Args:
        held: the values of held entries.
        others: the values of others.
    """
    if not held or not others:
        return
    counts: dict[tuple[str, bool], Counter[Any]] = defaultdict(Counter)
    for values in held:
        for field, value in values.items():
            counts[field][value] += 1
    hints = []
    for field, counted in counts.items():
        value, count = counted.most_common(1)[0]
        of_others = sum(1 for values in others if values.get(field) == value)
        if count >= SHARED * len(held) and of_others <= OF_OTHERS * len(others):
            hints.append((of_others / len(others), -count, field, of_others))
    for _, count, (name, is_day), of_others in sorted(hints):
        what = f"the same day in `{name}`" if is_day else f"the same `{name}`"
        yield (
            f"{-count:,} of {len(held):,} have {what}; of {len(others):,} others that were compared, "
            f"{of_others:,} have it too."
        )


def values_of(record: Mapping[str, Any]) -> Values:
    """Returns the single values of a record by field: those of the record and of objects in it.

    Args:
        record: an entry as the API gave it.
    """
    found: dict[tuple[str, bool], Any] = {}
    for key, value in record.items():
        inner = value if isinstance(value, dict) else {"": value}
        for name, one in inner.items():
            path = f"{key}.{name}" if name else key
            if isinstance(one, (str, int, float)) and is_name(key) and (not name or is_name(name)):
                is_day = isinstance(one, str) and bool(_DAY.match(one))
                found[path, is_day] = str(one)[:10] if is_day else one
    return found


def _values(resource: Resource, ids: Sequence[EntryId], warehouse: Warehouse) -> Iterator[Values]:
    for rows in warehouse.last_changes(resource, ids):
        yield from (values_of(parse_record(str(text))) for text in rows.column("record").to_pylist())


def _present(resource: Resource, warehouse: Warehouse) -> Iterator[EntryId]:
    for batch in warehouse.states(resource):
        for row in batch.select(("id", "removed_at")).to_pylist():
            if row["removed_at"] is None:
                yield row["id"]


def _step(count: int) -> int:
    """Returns every how many of so many entries one is looked at."""
    return -(-count // LOOKED_AT)


def _before(one: EntryId, other: EntryId) -> bool:
    if isinstance(one, int) and isinstance(other, int):
        return one < other
    return str(one) < str(other)
