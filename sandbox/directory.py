"""The list that changes: pages of it, edits, inserts and removals at a position."""

import random
import threading
import time
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import orjson

from sandbox.ordering import Ordering
from sandbox.records import ID_STEP, Entry, Records, edit_time, synthetic_entry
from sandbox.settings import Sort

_KEPT_TOTALS = 100_000


@dataclass(frozen=True, kw_only=True)
class Edits:
    """The ids that were added, changed and removed, each ascending."""

    added: list[int]
    changed: list[int]
    removed: list[int]


class Directory:
    """The entries, in order; safe to use from several threads.

    An id is never given twice: not that of a removed entry, not that of a hidden one.
    """

    def __init__(self, entries: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Make the entries of the start.

        Args:
            entries: How many; None is one for each airport.
            clock: Seconds that only grow, for `total_before`.
        """
        self._clock = clock
        self._lock = threading.RLock()
        self._hidden_share = 0.0
        self._records = Records(entries)
        self.reset()

    def reset(self) -> None:
        """Make the entries again as they were at the start; what is hidden stays hidden."""
        with self._lock:
            self._edited: dict[int, Entry] = {}
            self._edited_json: dict[int, bytes] = {}
            self._removed: set[int] = set()
            self._revision = 0
            self._highest_id = len(self._records.ids) * ID_STEP
            self._order = Ordering(self._name)
            self._order.fill(entry_id for entry_id in self._records.ids if self._shows(entry_id))
            self._totals = [(self._clock(), len(self._order))]

    def resize(self, entries: int | None) -> None:
        """Start again with another number of entries; None is one for each airport."""
        with self._lock:
            records = Records(entries)
            if records.ids != self._records.ids:
                self._records = records
            self.reset()

    def hide(self, share: float) -> None:
        """Make a share (0 to 1) of the initial entries invisible, the same ones each time.

        A greater share hides the same entries and more. Entries added later are never hidden.
        """
        with self._lock:
            if share == self._hidden_share:
                return
            self._hidden_share = share
            present = self._records.ids, (i for i in self._edited if i not in self._records.ids)
            self._order.fill(
                entry_id
                for ids in present
                for entry_id in ids
                if entry_id not in self._removed and self._shows(entry_id)
            )
            self._note_total()

    def __len__(self) -> int:
        """Number of visible entries."""
        return len(self._order)

    def ids(self) -> list[int]:
        """Ids of the visible entries, ascending."""
        with self._lock:
            return self._order.ids()

    def get(self, entry_id: int) -> Entry | None:
        """A visible entry, or None."""
        with self._lock:
            encoded = self._json(entry_id) if entry_id in self._order else None
        return orjson.loads(encoded) if encoded else None

    def page(self, offset: int, limit: int, *, sort: Sort = "id") -> tuple[list[bytes], int]:
        """At most `limit` visible entries from a position on, as JSON, and the total."""
        with self._lock:
            ids = self._order.slice(offset, limit, sort=sort)
            edited, initial = self._edited_json.get, self._records.encoded
            return [edited(entry_id) or initial(entry_id) for entry_id in ids], len(self._order)

    def updated(self, offset: int, limit: int, *, since: str, until: str) -> tuple[list[bytes], int]:
        """As `page`, by id, of the entries whose `updated_at` is not before `since` and before `until`.

        Both are ISO 8601, in UTC and with a Z as the entries have it; an empty one is no limit.
        """
        with self._lock:
            found = [
                encoded
                for encoded in map(self._json, self._order.ids())
                if since <= orjson.loads(encoded)["updated_at"] < (until or "~")
            ]
            return found[offset : offset + limit], len(found)

    def total_before(self, seconds: float) -> int:
        """Number of visible entries so many seconds ago, at the earliest that at the start."""
        with self._lock:
            moment = self._clock() - seconds
            after = bisect_right(self._totals, moment, key=lambda noted: noted[0])
            return self._totals[max(0, after - 1)][1]

    def edit(self, add: int = 0, change: int = 0, *, remove: int = 0, seed: int = 0) -> Edits:
        """Make exactly so many edits at once, each to another visible entry.

        Added entries have ids above all others; a changed one has another name or elevation
        and a later `updated_at`.

        Raises:
            ValueError: There are fewer entries than `change` and `remove` together.
        """
        with self._lock:
            visible = self._order.ids()
            if change + remove > len(visible):
                raise ValueError(
                    f"{change} changes and {remove} removals need as many distinct entries; "
                    f"there are {len(visible)}. Nothing was edited."
                )
            draw = random.Random(seed)
            chosen = draw.sample(visible, change + remove)
            changed, removed = sorted(chosen[:change]), set(chosen[change:])
            for entry_id in changed:
                self._change(entry_id, draw)
            added = [self._create(self._next_id(), None) for _ in range(add)]
            self._removed |= removed
            self._order.fill([i for i in visible if i not in removed] + added)
            self._note_total()
            return Edits(added=added, changed=changed, removed=sorted(removed))

    def restore(self, ids: Iterable[int]) -> list[int]:
        """Bring removed entries back as they were, and return their ids, ascending.

        Raises:
            ValueError: One of them is not a removed entry; then none is brought back.
        """
        with self._lock:
            wanted = set(ids)
            if strange := wanted - self._removed:
                raise ValueError(f"not removed: {sorted(strange)[:10]}. Nothing was restored.")
            self._removed -= wanted
            shown = [entry_id for entry_id in wanted if self._shows(entry_id)]
            self._order.fill(self._order.ids() + shown)
            self._note_total()
            return sorted(wanted)

    def insert_at(self, position: int, *, sort: Sort = "id") -> int:
        """Add an entry so that it stands at a position (0 to the length) of an order.

        If no id is free between the neighbours, it goes to the nearest position with one.

        Returns:
            The id of the new entry.

        Raises:
            IndexError: There is no such position.
        """
        with self._lock:
            if not 0 <= position <= len(self._order):
                raise IndexError(f"position {position} of {len(self._order)} entries")
            slots = (self._slot(near, sort) for near in self._nearest(position))
            entry_id, name = next(slot for slot in slots if slot is not None)
            self._create(entry_id, name)
            self._order.add(entry_id)
            self._note_total()
            return entry_id

    def delete_at(self, position: int, *, sort: Sort = "id") -> int:
        """Remove the entry at a position of an order and return its id.

        Raises:
            IndexError: There is no such position.
        """
        with self._lock:
            entry_id = self._order.at(position, sort)
            self._order.remove(entry_id)
            self._removed.add(entry_id)
            self._note_total()
            return entry_id

    def _slot(self, position: int, sort: Sort) -> tuple[int, str | None] | None:
        """A free id, and the name it must have, for an entry at a position; None if none is."""
        if sort == "-id":
            position = len(self._order) - position
        order: Sort = "name" if sort == "name" else "id"
        before = self._order.at(position - 1, order) if position else None
        if position == len(self._order):
            name = self._name(before) if sort == "name" and before else None
            return self._next_id(), name
        after = self._order.at(position, order)
        # In the order by name the new entry takes the name of the one after it and a lower id.
        name = self._name(after) if sort == "name" else None
        tied = before is not None and (name is None or self._name(before) == name)
        lowest = before if tied and before is not None else 0
        # At the end of the gap that leaves it open for more inserts at the same position.
        ids = range(lowest + 1, after) if sort == "-id" else range(after - 1, lowest, -1)
        free = next((i for i in ids if i not in self._records.ids and i not in self._edited), None)
        return None if free is None else (free, name)

    def _nearest(self, position: int) -> Iterator[int]:
        """All positions an entry can be inserted at, the nearest first."""
        yield position
        for distance in range(1, len(self._order) + 1):
            if position + distance <= len(self._order):
                yield position + distance
            if position >= distance:
                yield position - distance

    def _next_id(self) -> int:
        """An id above all that were ever given."""
        self._highest_id += ID_STEP
        return self._highest_id

    def _create(self, entry_id: int, name: str | None) -> int:
        """Make an entry of this id, not yet in the order."""
        self._revision += 1
        self._keep(synthetic_entry(entry_id, name, revision=self._revision))
        return entry_id

    def _change(self, entry_id: int, draw: random.Random) -> None:
        """Give an entry another elevation or another name."""
        self._revision += 1
        entry: Entry = orjson.loads(self._json(entry_id))
        if draw.random() < 0.5:
            entry["location"]["elevation_feet"] += draw.randint(1, 500)
        else:
            original = entry["name"].split(" (renamed ")[0]
            entry["name"] = f"{original} (renamed {self._revision})"
        entry["updated_at"] = edit_time(self._revision)
        self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        """Hold an entry that differs from the initial ones."""
        self._edited[entry["id"]] = entry
        self._edited_json[entry["id"]] = orjson.dumps(entry)

    def _json(self, entry_id: int) -> bytes:
        """An entry as JSON, visible or not."""
        return self._edited_json.get(entry_id) or self._records.encoded(entry_id)

    def _name(self, entry_id: int) -> str:
        """The name of an entry, visible or not."""
        edited = self._edited.get(entry_id)
        return edited["name"] if edited else self._records.name(entry_id)

    def _shows(self, entry_id: int) -> bool:
        """Whether an entry is outside the hidden share."""
        if not self._hidden_share or entry_id not in self._records.ids:
            return True
        return zlib.crc32(b"%d" % entry_id) >= self._hidden_share * 2**32

    def _note_total(self) -> None:
        """Remember the total of this moment, for stale totals."""
        self._totals.append((self._clock(), len(self._order)))
        if len(self._totals) > _KEPT_TOTALS:
            del self._totals[: _KEPT_TOTALS // 2]
