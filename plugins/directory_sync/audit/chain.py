"""Links the answers of a snapshot that overlap like two pieces of one list."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from directory_sync.api.answer import EntryId
from directory_sync.api.page import Page
from directory_sync.audit.joint import MIN_SHARE_MOVED, Places, ascend, displacement, is_sound
from directory_sync.audit.landed import Window
from directory_sync.audit.scratch import Snapshot
from directory_sync.extract.plan import OVERLAP

MAX_PLACES = 64
MIN_NEIGHBOURS, MIN_SHARE_IN_PLACE = 3, 0.8
"""A list counts as still if at least 3 neighbours overlap by offset and 80 % share entries in place."""


class _Components:
    """Disjoint sets of windows (union-find)."""

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
    """How an answer of the audit joins the chain.

    Attributes:
        window: the answer; None where it was empty.
        is_joined: it is in the connected component of an answer to offset 0.
        shift: how many places right of their landed places its entries stand; None: it shares no entry.
        fresh: how many of its entries are in no other answer.
    """

    window: Window | None
    is_joined: bool = False
    shift: int | None = None
    fresh: int = 0


class Chain:
    """The windows of a snapshot and the links between them.

    First the drift of the list is found from all pairs of landed windows. Then each pair is judged by
    it. So the result does not depend on the order in which pairs are found. An answer that the audit
    adds can raise the drift; only its own pairs are judged by that.

    Two answers that show shared entries in different orders contradict each other. The older one is used in
    no joint, so its place is read again.

    Args:
        snapshot: the landed windows.

    Attributes:
        displaced: joints whose entries had moved between the two answers.
        rejected: pairs of answers that share entries, but are no joint.
        moves: the number of joints, by how many places the entries had moved to the right.
        doubled: ids that stand at several places of the list; they join no windows.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        """Joins the landed windows."""
        self._snapshot = snapshot
        self._windows = {window.number: window for window in snapshot.windows()}
        self._landed = frozenset(self._windows)
        self._contradicted: set[int] = set()
        self._sound: list[tuple[int, int]] = []
        self._adjacent: list[tuple[int, int]] = []
        self._components = _Components()
        self._totals = set(snapshot.counts().totals)
        self._drift = _spread(self._totals)
        self.moves: Counter[int] = Counter()
        self.doubled: set[EntryId] = set()
        self.displaced = self.rejected = 0
        pairs = self._pairs(snapshot.shared_ids(at_most=MAX_PLACES))
        self._is_still = self._stands_still(pairs)
        self._judge(pairs)

    @property
    def size(self) -> int:
        """How many answers with entries there are."""
        return len(self._windows)

    @property
    def largest(self) -> int:
        """How many entries the largest answer has."""
        return max((window.entries for window in self._windows.values()), default=0)

    @property
    def reach(self) -> int:
        """The offset behind the last entry of any answer."""
        return max((window.end for window in self._windows.values()), default=0)

    @property
    def joints(self) -> int:
        """How many pairs of answers are linked."""
        return sum(not {*pair} & self._contradicted for pair in self._sound)

    @property
    def contradictions(self) -> int:
        """How many answers were contradicted by a later one."""
        return len(self._contradicted)

    def add(self, page: Page) -> Link:
        """Adds an answer that the audit read, and judges its pairs with other windows."""
        window = self._snapshot.add(page)
        if page.total is not None:
            self._totals.add(page.total)
        if window is None:
            return Link(None)
        self._windows[window.number] = window
        self._drift = max(self._drift, _spread(self._totals))
        found: dict[EntryId, list[tuple[int, int]]] = defaultdict(list)
        for entry_id, number, position in self._snapshot.places([e.id for e in page.entries]):
            found[entry_id].append((number, position))
        shared = ((i, at) for i, at in found.items() if 1 < len(at) <= MAX_PLACES)
        pairs = {pair: at for pair, at in self._pairs(shared).items() if window.number in pair}
        self._judge(pairs)
        shifts = [
            displacement(self._windows[one], window, places)
            for (one, other), places in sorted(pairs.items())
            if other == window.number and one in self._landed
        ]
        fresh = sum(len(at) == 1 for at in found.values())
        return Link(window, self._is_in_head(window), shifts[-1] if shifts else None, fresh)

    def adjoin(self, one: int, other: int) -> None:
        """Links two windows of which the second begins directly behind an entry of the first.

        Args:
            one: the number of the first window.
            other: the number of the second window.
        """
        self._adjacent.append((one, other))
        self._link(one, other)

    def furthest(self) -> Window | None:
        """Returns the landed window that reaches furthest right, among those joined to offset 0."""
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

    def _pairs(
        self, shared: Iterable[tuple[EntryId, list[tuple[int, int]]]]
    ) -> dict[tuple[int, int], Places]:
        """Groups shared ids by pair of windows; an id that stands twice in one window is left out."""
        pairs: dict[tuple[int, int], Places] = defaultdict(list)
        for entry_id, found in shared:
            places = sorted(found)
            if len({number for number, _ in places}) < len(places):
                self.doubled.add(entry_id)
                continue
            for at, (one, x) in enumerate(places):
                for other, y in places[at + 1 :]:
                    pairs[one, other].append((x, y, entry_id))
        return {pair: sorted(places) for pair, places in pairs.items()}

    def _judge(self, pairs: "dict[tuple[int, int], Places]") -> None:
        """Judges pairs of windows by the drift of the list, which is found from all of them first."""
        self._drift = self._drift_of(pairs)
        contradicted = len(self._contradicted)
        for (one, other), shared in sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0])):
            a, b = self._windows[one], self._windows[other]
            places, doubled = self._without_doubled(a, b, shared)
            self.doubled |= doubled
            if self._is_still and self._are_far(a, b, places):
                self.doubled |= {i for _, _, i in places}
                self.rejected += 1
            elif not ascend(places):
                if not {one, other} & self._contradicted:
                    self._contradicted.add(min(a, b, key=lambda w: w.requested_at).number)
            elif not is_sound(a, b, places, drift=self._drift):
                self.rejected += 1
            else:
                moved = displacement(a, b, places)
                self._sound.append((one, other))
                self.displaced += moved != 0
                self.moves[moved if a.requested_at <= b.requested_at else -moved] += 1
                self._link(one, other)
        if len(self._contradicted) > contradicted:
            self._components = _Components()
            for one, other in (*self._sound, *self._adjacent):
                self._link(one, other)

    def _drift_of(self, pairs: "dict[tuple[int, int], Places]") -> int:
        """Returns the drift of the list, in places, as sound joints of several entries show it.

        A greater drift makes more joints sound, and these may show a still greater drift. So this repeats
        until the drift no longer grows.
        """
        drift, found = -1, self._drift
        while found > drift:
            drift = self._drift = found
            told = sorted(self._told(pairs), key=lambda one: (one[0], one[1].number, one[2].number))
            for moved, a, b, places in told:
                if moved > found and is_sound(a, b, places, drift=found):
                    found = moved
        return drift

    def _told(self, pairs: "dict[tuple[int, int], Places]") -> Iterator[tuple[int, Window, Window, Places]]:
        """Yields the pairs that can show a drift, each with the distance its entries moved."""
        for (one, other), shared in pairs.items():
            a, b = self._windows[one], self._windows[other]
            places, _ = self._without_doubled(a, b, shared)
            if len(places) > 2 and ascend(places) and not (self._is_still and self._are_far(a, b, places)):
                yield abs(displacement(a, b, places)), a, b, places

    def _without_doubled(self, a: Window, b: Window, places: Places) -> tuple[Places, set[EntryId]]:
        """Returns the shared entries without doubled ids, and the doubled ids.

        Where two answers overlap, all shared entries have moved alike. If a few ids seem to have moved far
        and the others have not, the few stand at two places of the list. In a list that stands still this is
        so for any number of them.
        """
        near = self._near(a, b, places)
        far = len(places) - len(near)
        is_many = far >= MIN_SHARE_MOVED * min(a.entries, b.entries)
        if not near or not far or (is_many and not self._is_still):
            return places, set()
        return near, {i for x, y, i in places if (x, y, i) not in set(near)}

    def _near(self, a: Window, b: Window, places: Places) -> Places:
        return [place for place in places if abs(displacement(a, b, [place])) <= OVERLAP + self._drift]

    def _are_far(self, a: Window, b: Window, places: Places) -> bool:
        """Tells whether shared entries stand far apart in the list, and are not a piece that moved."""
        is_many = len(places) > 2 and len(places) >= MIN_SHARE_MOVED * min(a.entries, b.entries)
        return not self._near(a, b, places) and not (is_many and ascend(places))

    def _stands_still(self, pairs: "dict[tuple[int, int], Places]") -> bool:
        """Tells whether answers whose offsets overlap share entries at the same places, within the drift.

        In such a list, an id at distant places in two answers stands at several places of the list, so its
        order there is no contradiction. In a list in random order few neighbours share an entry at the same
        place.
        """
        windows = sorted(self._windows.values(), key=lambda w: (w.offset, w.end, w.number))
        neighbours = [(a, b) for a, b in pairwise(windows) if b.offset < a.end < b.end]
        in_place = 0
        for a, b in neighbours:
            shared = pairs.get((a.number, b.number)) or [
                (x, y, i) for y, x, i in pairs.get((b.number, a.number), ())
            ]
            same = sorted(place for place in shared if abs(displacement(a, b, [place])) <= self._drift)
            in_place += bool(same) and is_sound(a, b, same, drift=self._drift)
        return len(neighbours) >= MIN_NEIGHBOURS and in_place >= MIN_SHARE_IN_PLACE * len(neighbours)

    def _link(self, one: int, other: int) -> None:
        if not {one, other} & self._contradicted:
            self._components.join(one, other)


def _spread(totals: set[int]) -> int:
    return max(totals) - min(totals) if totals else 0
