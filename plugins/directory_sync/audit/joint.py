"""What makes a joint: entries that two answers share as two pieces of one list do. See ADR 1."""

from itertools import pairwise

from directory_sync.api.answer import EntryId
from directory_sync.audit.landed import Window
from directory_sync.extract.plan import OVERLAP

MAX_IMPLIED_EDITS_SHARE = 0.1
MIN_SHARE_MOVED = 0.25

Places = list[tuple[int, int, EntryId]]
"""Positions of the shared entries in two windows, and their ids, in the order of the first."""


def ascend(places: Places) -> bool:
    """Tells whether the shared entries stand in one order in both answers."""
    return all(y < later for (_, y, _), (_, later, _) in pairwise(places))


def displacement(a: Window, b: Window, places: Places) -> int:
    """Returns how far to the right shared entries stand in `b` of where they stood in `a`."""
    x, y, _ = places[0]
    return (b.offset + y) - (a.offset + x)


def is_sound(a: Window, b: Window, places: Places, *, drift: int) -> bool:
    """Tells whether what two answers share shows that they overlap in the list.

    Two contiguous pieces of one list overlap in a contiguous piece, which begins where one of them begins
    and ends where one of them ends. Entries that do not fit are edits between the two requests; an id
    that stands twice in the list implies so many that it gives itself away. Shared entries must besides
    stand where they stood, but for the overlap and the drift that was seen, or be many.
    """
    (first_a, first_b, _), (last_a, last_b, _) = places[0], places[-1]
    before = min(first_a, first_b)
    behind = min(a.entries - 1 - last_a, b.entries - 1 - last_b)
    between = (last_a - first_a + 1) + (last_b - first_b + 1) - 2 * len(places)
    allowed = max(2, int(MAX_IMPLIED_EDITS_SHARE * min(a.entries, b.entries)))
    if before + behind + between > allowed:
        return False
    if abs(displacement(a, b, places)) <= OVERLAP + drift:
        return True
    # Further than was seen: only a large piece of both shows that the list moved, not a few doubled ids.
    return len(places) > 2 and len(places) >= MIN_SHARE_MOVED * min(a.entries, b.entries)
