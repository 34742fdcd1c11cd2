"""Decides whether two answers that share entries overlap like two pieces of one list. See ADR 1."""

from itertools import pairwise

from directory_sync.api.answer import EntryId
from directory_sync.audit.landed import Window
from directory_sync.extract.plan import OVERLAP

MAX_IMPLIED_EDITS_SHARE = 0.1
MIN_SHARE_MOVED = 0.25

Places = list[tuple[int, int, EntryId]]
"""The shared entries of two windows: (position in the first, in the second, id), in the first's order."""


def ascend(places: Places) -> bool:
    """Tells whether the shared entries have the same order in both answers."""
    return all(y < later for (_, y, _), (_, later, _) in pairwise(places))


def displacement(a: Window, b: Window, places: Places) -> int:
    """Returns how many places further right the shared entries stand in `b` than in `a`.

    Args:
        a: one window.
        b: the other window.
        places: the shared entries; the first of them is measured.
    """
    x, y, _ = places[0]
    return (b.offset + y) - (a.offset + x)


def is_sound(a: Window, b: Window, places: Places, *, drift: int) -> bool:
    """Tells whether the shared entries show that two answers overlap in the list.

    Two contiguous pieces of one list overlap in a contiguous piece. It begins where one of them begins and
    ends where one of them ends. Entries that do not fit this are taken for edits between the two requests. An
    id at two places of the list would imply too many edits, so it is detected. In addition, the shared
    entries must not have moved further than the overlap plus the drift, or they must be many.

    Args:
        a: one window.
        b: the other window.
        places: the shared entries.
        drift: how far the list is known to have drifted, in places.
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
    # They moved further than the drift: only many of them show a moved list instead of doubled ids.
    return len(places) > 2 and len(places) >= MIN_SHARE_MOVED * min(a.entries, b.entries)
