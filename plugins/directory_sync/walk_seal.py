"""What can be said of a list that was read page by page: of numbered pages much, of linked ones little.

Numbered pages. Let the list have a strict order by a key that does not change, and page k+1 be answered
between two equal answers to page k. If nothing moved across the border in between, k+1 begins right behind
the last entry of k. Let answers of one page that share an entry be linked, as in `seal.py`. Take an entry R
that lasted, and follow the pages from the first: R is in the answer, or behind its last entry, so in a
linked answer of the page or behind that one's last entry, so in the page behind it, and so on; behind the
last page nothing stood, twice. Hence R was read.

What this needs and cannot see: that no edits between two equal answers cancelled each other out, and that
the page size is the same for all. So the order is at best assumed, unless ids ascend over all pages.

Linked pages. Which page follows is what the API says, so nothing is proven. The walk ended because no link
followed: that is all.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from directory_sync.errors import SnapshotError
from directory_sync.seal import Seal
from directory_sync.snapshot import Reading, Snapshot
from directory_sync.walks import EMPTY_ANSWERS_NEEDED

CLEAR_EXTRACT = (
    "Nothing was published. The audit cannot read such pages again: clear the run's `extract` tasks; see "
    "docs/runbook.md#snapshoterror."
)


def verify_rereads(snapshot: Snapshot, *, base_page: int) -> Seal:
    """Joins landed numbered pages anew, from the answers alone.

    Args:
        snapshot: the landed windows.
        base_page: the first page's number, for messages.

    Raises:
        SnapshotError: a page is not joined to the one before it, or nothing shows the end.
    """
    readings = snapshot.readings()
    _refuse_nothing(readings)
    pages = _Rereads(readings, snapshot.overlapping_readings())
    last = pages.last_place()
    if last is None:
        raise SnapshotError(
            f"Page {pages.unjoined + base_page} is not joined to the page before it, and nothing shows that "
            f"the list ends there. {CLEAR_EXTRACT}"
        )
    found = [reading for reading in readings if reading.entries]
    return Seal(
        windows=len(found),
        joints=len(pages.joints),
        bridged=0,
        requests=0,
        end=None if last < 0 else sum(pages.lengths[: last + 1]) - 1,
        displaced=pages.displaced,
        doubled=snapshot.doubled_in_a_window(),
        rejected=pages.rejected,
        contradictions=0,
        order_is_observed=snapshot.ids_ascend() and _is_monotonous(found, pages.joints),
        proof="reread",
    )


def accept_walk(snapshot: Snapshot) -> Seal:
    """Takes the landed answers for the list: the API's links say so, and nothing else does.

    Raises:
        SnapshotError: nothing was landed.
    """
    readings = snapshot.readings()
    _refuse_nothing(readings)
    found = [reading for reading in readings if reading.entries]
    entries = sum(reading.entries for reading in found)
    return Seal(
        windows=len(found),
        joints=0,
        bridged=0,
        requests=0,
        end=entries - 1 if entries else None,
        displaced=entries - snapshot.distinct_ids(),
        doubled=snapshot.doubled_in_a_window(),
        rejected=0,
        contradictions=0,
        order_is_observed=snapshot.ids_ascend() and _is_monotonous(found, pairwise(found)),
        proof="walk",
    )


class _Rereads:
    """The answers to each page, and which of them begin where the page before ends.

    Args:
        readings: in the order of their requests.
        overlapping: pairs of answers to one page that share an entry.

    Attributes:
        joints: of each page that is joined, the answer before it and its own.
        lengths: how many entries each page has, from the first one on.
        rejected: answers that differ from the one before to the same page.
        displaced: pages that moved while they were read.
        unjoined: the place of the first page that is not joined, where there is one.
    """

    def __init__(self, readings: Sequence[Reading], overlapping: set[tuple[int, int]]) -> None:
        self._of_place: dict[int, list[tuple[int, Reading]]] = defaultdict(list)
        for time, reading in enumerate(readings):
            self._of_place[reading.place].append((time, reading))
        self._overlapping = overlapping
        self.joints: list[tuple[Reading, Reading]] = []
        self.lengths: list[int] = []
        self.rejected = self.displaced = self.unjoined = 0

    def last_place(self) -> int | None:
        """The place of the last page, -1 in an empty directory; None: a joint or the end is missing."""
        heads = [reading for _, reading in self._of_place[0]]
        joined = [reading for reading in heads if reading.entries]
        if not joined:
            return -1 if len(heads) >= EMPTY_ANSWERS_NEEDED else None
        place = 0
        while joined:
            linked = self._linked_to(joined, place)
            self.lengths.append(joined[-1].entries)
            contents = [reading.content for _, reading in self._of_place[place]]
            self.displaced += len(set(contents)) > 1
            self.rejected += sum(one != other for one, other in pairwise(contents))
            if self._ends(linked, place):
                return place
            place += 1
            joints = self._joints(linked, place)
            self.joints += joints[:1]
            joined = [reading for _, reading in joints]
        self.unjoined = place
        return None

    def _linked_to(self, joined: list[Reading], place: int) -> set[int]:
        """The answers to a page that share entries with a joined one, or with one that does."""
        linked = {reading.number for reading in joined}
        waiting = list(linked)
        others = [reading.number for _, reading in self._of_place[place]]
        while waiting:
            one = waiting.pop()
            found = {other for other in others if (one, other) in self._overlapping} - linked
            linked |= found
            waiting += found
        return linked

    def _joints(self, linked: set[int], place: int) -> list[tuple[Reading, Reading]]:
        joints = []
        for time, reading in self._of_place[place]:
            before = self._unmoved(linked, place - 1, (time, time))
            if before is not None and reading.entries:
                joints.append((before, reading))
        return joints

    def _ends(self, linked: set[int], place: int) -> bool:
        """Two answers in a row to the page behind were empty, with the page the same all along."""
        behind = self._of_place[place + 1]
        return any(
            not one.entries and not other.entries and self._unmoved(linked, place, (start, stop)) is not None
            for (start, one), (stop, other) in pairwise(behind)
        )

    def _unmoved(self, linked: set[int], place: int, span: tuple[int, int]) -> Reading | None:
        """The answer to a page that was the same from before a span of time until after it."""
        answers = self._of_place[place]
        before = [reading for time, reading in answers if time < span[0]][-1:]
        within = [reading for time, reading in answers if span[0] < time < span[1]]
        after = [reading for time, reading in answers if time > span[1]][:1]
        if not before or not after or before[0].number not in linked:
            return None
        shown = {(reading.content, reading.last_id) for reading in (*before, *within, *after)}
        return before[0] if len(shown) == 1 else None


def _is_monotonous(found: Iterable[Reading], neighbours: Iterable[tuple[Reading, Reading]]) -> bool:
    """Tells whether ids ascend throughout, or descend, from page to page."""
    pairs = [(r.first_id, r.last_id) for r in found if r.entries > 1]
    pairs += [(before.last_id, behind.first_id) for before, behind in neighbours]
    return all(_is_less(one, other) for one, other in pairs) or all(
        _is_less(other, one) for one, other in pairs
    )


def _is_less(one: object, other: object) -> bool:
    return one < other  # type: ignore[operator, no-any-return]  # ids of one snapshot are of one type


def _refuse_nothing(readings: Sequence[Reading]) -> None:
    if not readings:
        raise SnapshotError(f"The landing zone holds no answer of this run. {CLEAR_EXTRACT}")
