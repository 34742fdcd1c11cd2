"""The visible ids, by id and by name."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable

from sandbox.settings import Sort


class Ordering:
    """Ids in the orders `id`, `-id` and `name` (then id), each position counted from 0."""

    def __init__(self, name_of: Callable[[int], str]) -> None:
        """Start without ids.

        Args:
            name_of: The name of an id, asked when the order by name is first used and on each
                addition or removal after it.
        """
        self._name_of = name_of
        self._ids: list[int] = []
        self._named: list[tuple[str, int]] | None = None

    def __len__(self) -> int:
        """Number of ids."""
        return len(self._ids)

    def __contains__(self, entry_id: int) -> bool:
        """Whether the id is one of them."""
        position = bisect_left(self._ids, entry_id)
        return position < len(self._ids) and self._ids[position] == entry_id

    def ids(self) -> list[int]:
        """All ids, ascending; a copy."""
        return self._ids.copy()

    def fill(self, ids: Iterable[int]) -> None:
        """Replace all ids by these, and forget the names."""
        self._ids = sorted(ids)
        self._named = None

    def add(self, entry_id: int) -> None:
        """Add one id that is not there yet."""
        insort(self._ids, entry_id)
        if self._named is not None:
            insort(self._named, (self._name_of(entry_id), entry_id))

    def remove(self, entry_id: int) -> None:
        """Remove one id that is there."""
        del self._ids[bisect_left(self._ids, entry_id)]
        if self._named is not None:
            del self._named[bisect_left(self._named, (self._name_of(entry_id), entry_id))]

    def slice(self, offset: int, limit: int, *, sort: Sort) -> list[int]:
        """At most `limit` ids from a position on."""
        if sort == "id":
            return self._ids[offset : offset + limit]
        if sort == "name":
            return [entry_id for _, entry_id in self._by_name()[offset : offset + limit]]
        end = max(0, len(self._ids) - offset)
        return self._ids[max(0, end - limit) : end][::-1]

    def at(self, position: int, sort: Sort) -> int:
        """The id at a position.

        Raises:
            IndexError: There is no such position.
        """
        if not 0 <= position < len(self._ids):
            raise IndexError(f"position {position} of {len(self._ids)} entries")
        return self.slice(position, 1, sort=sort)[0]

    def _by_name(self) -> list[tuple[str, int]]:
        """All ids with their names, in that order."""
        if self._named is None:
            self._named = sorted((self._name_of(entry_id), entry_id) for entry_id in self._ids)
        return self._named
