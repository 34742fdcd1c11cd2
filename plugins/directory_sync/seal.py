"""The proof that a snapshot read in pieces from a moving list missed nobody.

An answer is a contiguous piece of the list at one moment. Take a list in a strict order by a key that does
not change, and a chain of answers W1..Wn: W1 from offset 0, Wn the end, neighbours sharing entries
x1..x(n-1). Let R be an entry that existed during the whole pull. Take the first i with R before xi: Wi holds
x(i-1) and xi and everything between them, so R is in Wi. If there is none, R follows every xi; Wn was
answered when nothing followed its one entry, so R is that entry. Hence every such R was read.

So the snapshot is complete if one connected component of answers, linked by shared entries, holds an answer
to offset 0 and the end. What makes a link (a joint) is told by `_is_sound`; what the shards left
unjoined is read again here, from left to right. Totals, short windows and empty answers prove nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from directory_sync.client import Page
from directory_sync.envelope import EntryId
from directory_sync.errors import ApiError, ConfigError, SnapshotError
from directory_sync.pagination import OVERLAP, SINGLE_ENTRIES, refuse_fixed_answer
from directory_sync.snapshot import Snapshot, Window

logger = logging.getLogger(__name__)

MAX_PLACES = 64
EMPTY_ANSWERS_NEEDED = 3
LONE_ANSWERS_NEEDED = 3
FURTHER_BACK = 4
SPARE_REQUESTS = 100
MAX_IMPLIED_EDITS_SHARE = 0.1

ReadPage = Callable[[int], Page]
"""Answers an offset with a page of the resource's limit."""

Places = list[tuple[int, int]]
"""Positions of the shared entries in two windows, in the order of the first."""


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What was proven, and by how much.

    Attributes:
        windows: answers with entries.
        joints: pairs of answers that are linked.
        bridged: answers of the audit that joined what was landed, the end's aside.
        requests: how many the audit sent.
        end: the offset of the last entry when the end was seen; None in an empty directory.
        displaced: joints whose entries had moved between the two answers.
        doubled: ids twice in one answer.
        rejected: pairs of answers that share ids and are no joint.
        contradictions: answers that a later one contradicts in the order of shared entries.
        order_is_observed: ids ascend, or descend, over the whole chain.
        proof: `chain` of windows that overlap; `reread`: numbered pages, each the same before and after the
            one behind it was read; `walk`: none, it is what the API's own links claim.
    """

    windows: int
    joints: int
    bridged: int
    requests: int
    end: int | None
    displaced: int
    doubled: int
    rejected: int
    contradictions: int
    order_is_observed: bool
    proof: str = "chain"


class _Components:
    """Disjoint sets of windows."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def find(self, window: int) -> int:
        root = window
        while (parent := self._parent.setdefault(root, root)) != root:
            root = parent
        while self._parent[window] != root:
            self._parent[window], window = root, self._parent[window]
        return root

    def join(self, one: int, other: int) -> None:
        self._parent[self.find(one)] = self.find(other)


@dataclass(frozen=True)
class Link:
    """What an answer of the audit turned out to be.

    Attributes:
        window: the answer; None where it was empty.
        is_joined: it stands in the component that holds an answer to offset 0.
        shift: how far right its entries stand of where they were landed; None: it shares none.
    """

    window: Window | None
    is_joined: bool = False
    shift: int | None = None


class Chain:
    """The windows of a snapshot and what links them.

    Two answers that show shared entries in different orders contradict each other: the older one serves
    in no joint, so what it showed is read again.

    Args:
        snapshot: the landed windows.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        """Joins what was landed."""
        self._snapshot = snapshot
        self._windows = {window.number: window for window in snapshot.windows()}
        self._landed = frozenset(self._windows)
        self._contradicted: set[int] = set()
        self._sound: list[tuple[int, int]] = []
        self._components = _Components()
        self._drift = _spread(snapshot.counts().totals)
        self.displaced = self.rejected = 0
        self._judge(_pairs(snapshot.shared_ids(at_most=MAX_PLACES)))

    @property
    def size(self) -> int:
        """How many answers with entries there are."""
        return len(self._windows)

    @property
    def largest(self) -> int:
        """How many entries the largest answer has."""
        return max((window.entries for window in self._windows.values()), default=0)

    @property
    def joints(self) -> int:
        """How many pairs of answers are linked."""
        return sum(not {*pair} & self._contradicted for pair in self._sound)

    @property
    def contradictions(self) -> int:
        """How many answers were contradicted by a later one."""
        return len(self._contradicted)

    def add(self, page: Page) -> Link:
        """Adds an answer which the audit read."""
        window = self._snapshot.add(page)
        if window is None:
            return Link(None)
        self._windows[window.number] = window
        self._drift = max(self._drift, _spread(self._snapshot.counts().totals))
        found: dict[EntryId, list[tuple[int, int]]] = defaultdict(list)
        for entry_id, number, position in self._snapshot.places([e.id for e in page.entries]):
            found[entry_id].append((number, position))
        shared = ((i, at) for i, at in found.items() if 1 < len(at) <= MAX_PLACES)
        pairs = {pair: at for pair, at in _pairs(shared).items() if window.number in pair}
        self._judge(pairs)
        shifts = [
            _displacement(self._windows[one], window, places)
            for (one, other), places in pairs.items()
            if other == window.number and one in self._landed
        ]
        return Link(window, self._is_in_head(window), shifts[-1] if shifts else None)

    def furthest(self) -> Window | None:
        """Returns the landed window of the head's component that reaches furthest right."""
        roots = self._head_roots()
        linked = (
            window
            for window in self._windows.values()
            if window.number in self._landed
            and window.number not in self._contradicted
            and self._components.find(window.number) in roots
        )
        return max(linked, key=lambda window: (window.end, window.requested_at), default=None)

    def _is_in_head(self, window: Window) -> bool:
        if window.number in self._contradicted:
            return False
        return self._components.find(window.number) in self._head_roots()

    def _head_roots(self) -> set[int]:
        return {
            self._components.find(window.number)
            for window in self._windows.values()
            if window.offset == 0 and window.number not in self._contradicted
        }

    def _judge(self, pairs: dict[tuple[int, int], Places]) -> None:
        """Judges pairs of windows, those that share most first: they show how far the list moved."""
        contradicted = len(self._contradicted)
        for (one, other), places in sorted(pairs.items(), key=lambda item: -len(item[1])):
            a, b = self._windows[one], self._windows[other]
            if any(y >= later for (_, y), (_, later) in pairwise(places)):
                if not {one, other} & self._contradicted:
                    self._contradicted.add(min(a, b, key=lambda w: w.requested_at).number)
                continue
            moved = abs(_displacement(a, b, places))
            if not _is_sound(a, b, places, drift=self._drift):
                self.rejected += 1
                continue
            self._sound.append((one, other))
            self.displaced += moved > 0
            if len(places) > 2:
                self._drift = max(self._drift, moved)
            self._link(one, other)
        if len(self._contradicted) > contradicted:
            self._components = _Components()
            for one, other in self._sound:
                self._link(one, other)

    def _link(self, one: int, other: int) -> None:
        if not {one, other} & self._contradicted:
            self._components.join(one, other)


def _displacement(a: Window, b: Window, places: Places) -> int:
    x, y = places[0]
    return (b.offset + y) - (a.offset + x)


def _is_sound(a: Window, b: Window, places: Places, *, drift: int) -> bool:
    """Tells whether what two answers share shows that they overlap in the list.

    Two contiguous pieces of one list overlap in a contiguous piece, which begins where one of them begins
    and ends where one of them ends. Entries that do not fit are edits between the two requests; an id
    that stands twice in the list implies so many that it gives itself away. One or two shared entries
    must besides stand where they stood, but for the overlap and the drift that was seen.
    """
    (first_a, first_b), (last_a, last_b) = places[0], places[-1]
    before = min(first_a, first_b)
    behind = min(a.entries - 1 - last_a, b.entries - 1 - last_b)
    between = (last_a - first_a + 1) + (last_b - first_b + 1) - 2 * len(places)
    allowed = max(2, int(MAX_IMPLIED_EDITS_SHARE * min(a.entries, b.entries)))
    if before + behind + between > allowed:
        return False
    return len(places) > 2 or abs(_displacement(a, b, places)) <= OVERLAP + drift


def _pairs(
    shared: Iterable[tuple[EntryId, list[tuple[int, int]]]],
) -> dict[tuple[int, int], Places]:
    """Groups shared ids by the two windows they stand in; ids twice in one window join nothing."""
    pairs: dict[tuple[int, int], Places] = defaultdict(list)
    for _, found in shared:
        places = sorted(found)
        if len({number for number, _ in places}) < len(places):
            continue
        for at, (one, x) in enumerate(places):
            for other, y in places[at + 1 :]:
                pairs[one, other].append((x, y))
    return {pair: sorted(places) for pair, places in pairs.items()}


def _spread(totals: tuple[int, ...]) -> int:
    return totals[-1] - totals[0] if totals else 0


def seal(snapshot: Snapshot, read_page: ReadPage) -> Seal:
    """Proves that a snapshot is complete, reading from the API what does not join.

    Args:
        snapshot: the landed windows; the answers read here are added to it.
        read_page: reads the directory at an offset.

    Raises:
        SnapshotError: the chain does not reach the end within the requests allowed.
        ConfigError: the API gives one entry a page, or does not read the offset.
    """
    chain = Chain(snapshot)
    walk = _Walk(snapshot, chain, read_page)
    end = walk.to_the_end()
    return Seal(
        windows=chain.size,
        joints=chain.joints,
        bridged=walk.bridged,
        requests=walk.requests,
        end=end,
        displaced=chain.displaced,
        doubled=snapshot.doubled_in_a_window(),
        rejected=chain.rejected,
        contradictions=chain.contradictions,
        order_is_observed=not chain.contradictions and snapshot.ids_ascend(),
    )


class _Walk:
    """Walks right from the head until the end is seen."""

    def __init__(self, snapshot: Snapshot, chain: Chain, read_page: ReadPage) -> None:
        self._snapshot, self._chain, self._read_page = snapshot, chain, read_page
        self._budget = chain.size + SPARE_REQUESTS
        self._head_ids: list[EntryId] = []
        self._lone_answers = 0
        self._overlap, self._size = OVERLAP, 0
        self._last_places: dict[EntryId, int] = {}
        self._placed_at = 0
        self.requests = self.bridged = 0

    def to_the_end(self) -> int | None:
        """Returns the offset of the last entry; None: the directory is empty."""
        start = self._chain.furthest() or self._read_head()
        if start is None:
            return None
        at, back, shift = start.end, OVERLAP, 0
        self._size = self._chain.largest
        jumped_to = {start.number}
        while True:
            page = self._read(max(0, at - back))
            link = self._chain.add(page)
            if page.offset and len(page.entries) > OVERLAP and self._is_head_again(page):
                refuse_fixed_answer(page, head=page, read=self._read)
            if link.window is None or not link.is_joined:
                # The list has moved further than the overlap: look further back, up to its head.
                back = max(2 * OVERLAP, 2 * abs(back))
                if page.entries:
                    self._overlap = max(self._overlap, min(back, self._size // 2))
                continue
            if len(page.entries) == 1 and page.limit > 1 and self._nothing_behind(page):
                return page.offset
            self.bridged += 1
            at, back = page.end, self._next_overlap(page)
            shift = shift if link.shift is None else link.shift
            furthest = self._chain.furthest()
            if furthest and furthest.number not in jumped_to:
                jumped_to.add(furthest.number)
                if furthest.end + shift > at:
                    at, back = furthest.end + shift, self._overlap

    def _next_overlap(self, page: Page) -> int:
        """How far before the end of a joined answer the next one is to begin.

        The overlap stays as large as it had to become. A short answer may be the end: the next one is
        aimed at its last entry alone, where that will stand if the list moves on as it did.
        """
        moved = self._moved(page)
        self._size = max(self._size, len(page.entries))
        if 2 * len(page.entries) < self._size:
            return OVERLAP - moved
        return max(OVERLAP, min(self._overlap, len(page.entries) // 2))

    def _moved(self, page: Page) -> int:
        """How far right the last shared entry moved a request since the last joined answer, bursts aside."""
        before, answers = self._last_places, self.requests - self._placed_at
        places = {entry.id: page.offset + at for at, entry in enumerate(page.entries)}
        self._last_places, self._placed_at = places, self.requests
        shared = (places[i] - before[i] for i in reversed(places) if i in before)
        moved = round(next(shared, 0) / max(1, answers))
        return moved if abs(moved) <= self._size // 4 else 0

    def _read(self, offset: int) -> Page:
        if self.requests >= self._budget:
            raise SnapshotError(
                f"The snapshot is not sealed: after {self.requests} requests of the audit its windows do "
                f"not form one chain from the first entry to the end ({self._chain.joints} joints, "
                f"{self._chain.rejected} rejected, {self._chain.contradictions} contradictions). Nothing "
                "was published. Airflow tries again; see docs/runbook.md#snapshoterror."
            )
        self.requests += 1
        return self._read_page(offset)

    def _read_head(self) -> Window | None:
        """Reads offset 0; None where the directory is empty, which takes several answers."""
        total = None
        for _ in range(EMPTY_ANSWERS_NEEDED):
            page = self._read(0)
            total = page.total
            if window := self._chain.add(page).window:
                return window
        if self._chain.size or total:
            raise SnapshotError(
                f"The answers at offset 0 are empty, but {self._chain.size} answers hold entries and the "
                f"API's total is {total}. Nothing was published. Airflow tries again."
            )
        return None

    def _nothing_behind(self, page: Page) -> bool:
        """The one entry is the last one, not what a page cap of one left: other answers show it.

        That is an empty one to the offset behind it. Where the list moved right in between, two of
        different lengths, from further back, that end with the same entry: a cap would have had to be
        just so each time.
        """
        [last] = page.entries
        try:
            behind = self._read(page.end)
        except ApiError:
            # Some APIs answer a 4xx to an offset behind the end; the end itself has been seen.
            return True
        self._chain.add(behind)
        if not behind.entries:
            return True
        again = self._read_back(page)
        if self._ends_with(last.id, again):
            further = self._read_back(page, times=2)
            return len(further.entries) != len(again.entries) and self._ends_with(last.id, further)
        # One entry may have come in between; where each offset gives another one, it is the API's cap.
        is_lone = len(again.entries) == len(behind.entries) == 1 and behind.entries != page.entries
        self._lone_answers += is_lone
        if self._lone_answers >= LONE_ANSWERS_NEEDED:
            raise ConfigError(SINGLE_ENTRIES)
        return False

    def _read_back(self, page: Page, times: int = 1) -> Page:
        answer = self._read(max(0, page.offset - times * FURTHER_BACK))
        self._chain.add(answer)
        return answer

    @staticmethod
    def _ends_with(last_id: EntryId, answer: Page) -> bool:
        return 1 < len(answer.entries) < answer.limit and answer.entries[-1].id == last_id

    def _is_head_again(self, page: Page) -> bool:
        self._head_ids = self._head_ids or self._snapshot.head_ids()
        return [entry.id for entry in page.entries] == self._head_ids
