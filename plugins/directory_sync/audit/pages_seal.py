"""Proves what can be proven for pages: much for numbered pages, nothing for linked pages.

Numbered pages. Let the list have a strict order by a key that does not change, and let page k+1 be answered
between two equal answers to page k. If nothing moved across the border in between, k+1 begins right behind
the last entry of k. Let answers of one page that share an entry be linked, as in `windows_seal.py`. Take an
entry R that lasted, and follow the pages from the first one. R is in the answer or behind its last entry.
So R is in a linked answer of the same page, or behind the last entry of that one. So R is in the next page
or behind it, and so on. Behind the last page no entry stood: two answers to the next page were empty, and
so were pages further behind. Hence R was read.

An empty page with entries behind it is a hole: the API leaves out entries after it has cut the page. The page
behind a hole is joined if the hole is empty before and after it, and the entries in front of the hole have
not moved. An entry that moved across the border would stand in the hole. Entries that the API leaves out are
not in the list as a client sees it, but they may be left out by mistake. So the order is assumed.

Two things are needed and cannot be checked: that no edits between two equal answers cancelled each other out,
and that all pages have the same size. So the order is at best assumed, unless ids ascend over all pages.

Linked pages. The API says which page follows, so nothing is proven. The walk ended because no link followed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from directory_sync.audit.proof import Seal
from directory_sync.audit.scratch import Reading, Snapshot
from directory_sync.config.paging import LinkedPages, NumberedPages
from directory_sync.errors import SnapshotError
from directory_sync.extract.numbered import EMPTY_ANSWERS_NEEDED, pages_ahead

CLEAR_EXTRACT = (
    "Nothing was published. The audit cannot read such pages again: clear the run's `extract` tasks; see "
    "docs/runbook.md#snapshoterror."
)


@dataclass(frozen=True, kw_only=True)
class RereadSeal(Seal):
    """What was proven of numbered pages.

    Attributes:
        hidden: how many pages were empty although pages behind them hold entries.
    """

    hidden: int = 0


def verify_rereads(snapshot: Snapshot, *, base_page: int) -> RereadSeal:
    """Joins landed numbered pages from the answers alone, without trusting the shards.

    Args:
        snapshot: the landed windows.
        base_page: the first page's number, for messages.

    Raises:
        SnapshotError: a page is not joined to the one before it, or nothing shows the end.
    """
    readings = snapshot.readings()
    _refuse_nothing(readings)
    pages = _Rereads(readings, snapshot.overlapping_readings())
    if not pages.reach_the_end():
        raise SnapshotError(
            f"Page {pages.unjoined + base_page} is not joined to the page before it, and nothing shows that "
            f"the list ends there. {CLEAR_EXTRACT}"
        )
    found = [reading for reading in readings if reading.entries]
    return RereadSeal(
        windows=len(found),
        joints=len(pages.joints),
        bridged=0,
        requests=0,
        end=sum(pages.lengths) - 1 if pages.lengths else None,
        displaced=pages.displaced,
        doubled=snapshot.doubled_in_a_window(),
        rejected=pages.rejected,
        contradictions=0,
        order_is_observed=(
            not pages.hidden and snapshot.ids_ascend() and _is_monotonous(found, pages.joints)
        ),
        proof=NumberedPages.proof,
        hidden=pages.hidden,
    )


def accept_walk(snapshot: Snapshot) -> Seal:
    """Accepts the landed answers as the list, on the word of the API's links alone.

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
        proof=LinkedPages.proof,
    )


@dataclass(frozen=True, kw_only=True)
class JoinedList:
    """One list of a child resource whose pages are joined.

    Attributes:
        has_moved: whether its pages moved while they were read.
        has_holes: whether a page was empty although pages behind it hold entries.
    """

    has_moved: bool
    has_holes: bool


def join_list(readings: Sequence[Reading], overlapping: set[tuple[int, int]]) -> JoinedList | None:
    """Joins the pages of one list of a child resource; returns None where nothing proves it.

    Args:
        readings: its answers, in the order of their requests.
        overlapping: the pairs of answers to one page that share an entry, each pair in both orders.
    """
    pages = _Rereads(readings, overlapping)
    if not pages.reach_the_end():
        return None
    return JoinedList(has_moved=bool(pages.displaced), has_holes=bool(pages.hidden))


class _Rereads:
    """The answers to each page, and the joints between neighbouring pages.

    Args:
        readings: the answers, in the order of their requests.
        overlapping: pairs of answers to one page that share an entry.

    Attributes:
        joints: for each joined page, the answer to the page before it and its own answer.
        lengths: how many entries each page has, from the first one on, without hidden pages.
        hidden: how many pages were empty although pages behind them hold entries.
        rejected: how many answers differ from the answer before to the same page.
        displaced: how many pages moved while they were read.
        unjoined: the place of the first page that is not joined; 0: none was found.
    """

    def __init__(self, readings: Sequence[Reading], overlapping: set[tuple[int, int]]) -> None:
        self._of_place: dict[int, list[tuple[int, Reading]]] = defaultdict(list)
        for time, reading in enumerate(readings):
            self._of_place[reading.place].append((time, reading))
        self._furthest = max((reading.place for reading in readings if reading.entries), default=-1)
        self._overlapping = overlapping
        self.joints: list[tuple[Reading, Reading]] = []
        self.lengths: list[int] = []
        self.hidden = self.rejected = self.displaced = self.unjoined = 0

    def reach_the_end(self) -> bool:
        """Joins page to page up to the end; returns False where a joint or the end is missing."""
        heads = [reading for _, reading in self._of_place[0]]
        joined = [reading for reading in heads if reading.entries]
        if not joined:
            return len(heads) >= EMPTY_ANSWERS_NEEDED
        place = 0
        while True:
            linked = self._linked_to(joined, place)
            self.lengths.append(joined[-1].entries)
            contents = [reading.content for _, reading in self._of_place[place]]
            self.displaced += len(set(contents)) > 1
            self.rejected += sum(one != other for one, other in pairwise(contents))
            behind = place + 1
            while not (joints := self._joints(linked, place, behind)):
                since = self._empty_since(linked, place, behind)
                if since is None:
                    self.unjoined = behind
                    return False
                if self._furthest <= behind:
                    self.hidden += behind - place - 1
                    self.unjoined = behind
                    return self._is_nothing_ahead(behind, since)
                behind += 1
            self.hidden += behind - place - 1
            self.joints += joints[:1]
            place, joined = behind, [reading for _, reading in joints]

    def _linked_to(self, joined: list[Reading], place: int) -> set[int]:
        """Returns the answers to a page that are linked to a joined one, directly or through others."""
        linked = {reading.number for reading in joined}
        waiting = list(linked)
        others = [reading.number for _, reading in self._of_place[place]]
        while waiting:
            one = waiting.pop()
            found = {other for other in others if (one, other) in self._overlapping} - linked
            linked |= found
            waiting += found
        return linked

    def _joints(self, linked: set[int], place: int, behind: int) -> list[tuple[Reading, Reading]]:
        joints = []
        for time, reading in self._of_place[behind]:
            before = self._unmoved(linked, place, (time, time))
            if before is not None and reading.entries and self._is_hole(place, behind - 1, (time, time)):
                joints.append((before, reading))
        return joints

    def _empty_since(self, linked: set[int], place: int, behind: int) -> int | None:
        """Returns when two successive answers to a page were empty while the page in front did not change."""
        for (start, one), (stop, other) in pairwise(self._of_place[behind]):
            span = start, stop
            if (
                not one.entries
                and not other.entries
                and self._unmoved(linked, place, span) is not None
                and self._is_hole(place, behind - 1, span)
            ):
                return stop
        return None

    def _is_nothing_ahead(self, empty: int, since: int) -> bool:
        """Tells whether the pages further behind an empty page were asked for after it, and were empty."""
        return all(
            any(time > since and not reading.entries for time, reading in self._of_place[empty + far])
            for far in pages_ahead(empty)
        )

    def _unmoved(self, linked: set[int], place: int, span: tuple[int, int]) -> Reading | None:
        """Returns the answer to a page if it was the same before, during and after a span of time."""
        answers = self._around(place, span)
        if not answers or answers[0].number not in linked:
            return None
        shown = {(reading.content, reading.last_id) for reading in answers}
        return answers[0] if len(shown) == 1 else None

    def _is_hole(self, place: int, hole: int, span: tuple[int, int]) -> bool:
        """Tells whether the page between was empty throughout a span of time, or there is none between."""
        if hole == place:
            return True
        answers = self._around(hole, span)
        return bool(answers) and not any(reading.entries for reading in answers)

    def _around(self, place: int, span: tuple[int, int]) -> list[Reading]:
        """Returns the answers to a page from just before a span of time to just after it, or none."""
        answers = self._of_place[place]
        before = [reading for time, reading in answers if time < span[0]][-1:]
        within = [reading for time, reading in answers if span[0] < time < span[1]]
        after = [reading for time, reading in answers if time > span[1]][:1]
        return [*before, *within, *after] if before and after else []


def _is_monotonous(found: Iterable[Reading], neighbours: Iterable[tuple[Reading, Reading]]) -> bool:
    """Tells whether ids ascend, or descend, over all pages."""
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
