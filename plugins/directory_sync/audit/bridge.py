"""Reads what the landed answers do not show: the gaps between them, and the end of the list.

It reads from left to right. Where no answer reaches across a border between two pages, it asks on both sides
and so shows that no entry stood between them. `border.py` judges what stands behind an entry, and so the end.

Where entries move, the next request goes to the place where they are expected by then. Without this, 1.5
times as many pulls in tests/chaos/ends.py end without a seal, because a growing list outruns the requests.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from directory_sync.api.page import Page
from directory_sync.audit.border import Answer, Border, Moves, View, prior_of, stray_of
from directory_sync.audit.chain import Chain, Link
from directory_sync.audit.far import OK, REPEATED, FarBehind
from directory_sync.audit.landed import Window
from directory_sync.audit.scratch import Snapshot
from directory_sync.errors import ConfigError, SnapshotError
from directory_sync.extract.numbered import EMPTY_ANSWERS_NEEDED
from directory_sync.extract.plan import OVERLAP
from directory_sync.extract.progress import Progress
from directory_sync.extract.windows import SINGLE_ENTRIES, read_or_refusal, refuse_fixed_answer

if TYPE_CHECKING:
    from directory_sync.api.answer import EntryId

SPARE_REQUESTS, REQUESTS_A_BORDER = 200, 20
REQUESTS_NOT_LOGGED = 16
"""Up to this number of requests no progress is logged: the end of the list needs as many."""
LONE_STRANGERS = 3
REACH = 4
"""How many of the last entries are watched, since some may be deleted meanwhile."""
MAX_DENIED_ENDS = 3
"""How often the last entries may say that more follows although nothing stands behind them."""
SHARE_BEHIND = 2 / 3
"""The share of requests behind a border. Views are drawn at random, so no rhythm of edits can evade them."""


class Bridge:
    """Reads on to the right, from the answers joined to the head of the list, until the end is seen.

    Args:
        snapshot: the landed windows; the answers are added to it.
        chain: the joints between the windows.
        read_page: reads the directory at an offset.

    Attributes:
        requests: how many requests were sent.
        bridged: answers that joined landed windows, without those at the end.
        crossed: borders that no answer reaches across, and that were crossed by asking on both sides.
    """

    def __init__(self, snapshot: Snapshot, chain: Chain, read_page: Callable[[int], Page]) -> None:
        """Requests nothing yet."""
        self._snapshot, self._chain, self._read_page = snapshot, chain, read_page
        self._budget = 2 * chain.size + SPARE_REQUESTS
        irregular = snapshot.irregular()
        self._prior, self._stray = prior_of(irregular), stray_of(irregular)
        self._moves = Moves.landed(chain.moves)
        # Not for secrets: random turns, so that edits cannot keep time with the requests.
        self._draw = random.Random(0)  # noqa: S311
        self._head_ids: list[EntryId] = []
        self._size = self._limit = chain.largest
        self._jumped_to: set[int] = set()
        self._aim: int | None = None
        self._back, self._overlap = 0, OVERLAP
        self._shift, self._growth = 0, 0.0
        self._border = self._new_border()
        self._own_window = self._stranger_window = 0
        self._last: EntryId | None = None
        self._tail: set[EntryId] = set()
        self._stands = False
        self._far = FarBehind()
        self._lone: set[EntryId] = set()
        self._crossed: set[EntryId] = set()
        self._misses = 0
        self._reach = REACH
        self._says_more = False
        self._denied_ends = 0
        self.requests = self.bridged = self.crossed = 0
        self.progress = Progress("The audit reads what does not join", at_least=REQUESTS_NOT_LOGGED + 1)

    def _new_border(self) -> Border:
        return Border(self._moves, prior=self._prior, stray=self._stray)

    def to_the_end(self) -> int | None:
        """Reads to the end; returns the offset of the last entry, None where the directory is empty.

        Raises:
            SnapshotError: the end is not reached within the requests allowed.
            ApiError: an error behind the list may not be its end.
            ConfigError: pages have one entry, or the offset has no effect.
        """
        start = self._chain.furthest() or self._read_head()
        if start is None:
            return None
        self._size = self._chain.largest
        self._jumped_to.add(start.number)
        self._aim = start.end - OVERLAP
        while True:
            if self._stands and self._is_viewed and self._is_behinds_turn:
                self._look_behind()
            else:
                self._look_at()
            border = self._border
            if border.is_the_end and self._is_nothing_further() and not self._is_denied():
                return self._view_end - 1
            if border.is_adjacent:
                self._cross()

    # ---- requests

    @property
    def _is_viewed(self) -> bool:
        """Tells whether the latest answer shows the last known entries."""
        view = self._border.last_view
        return view is not None and view.request == self.requests

    @property
    def _is_behinds_turn(self) -> bool:
        """Tells whether to ask behind the border next: always where nothing moves, else at random."""
        is_still = self._moves.are_none and not self._border.drift
        return is_still or self._draw.random() < SHARE_BEHIND

    @property
    def _view_end(self) -> int:
        assert self._border.last_view is not None
        return self._border.last_view.end

    @property
    def _expected_end(self) -> int:
        """The place where the last known entries are expected to end at the next request."""
        view = self._border.last_view
        assert view is not None
        return view.end + round(self._border.drift * (self.requests + 1 - view.request))

    def _look_at(self) -> None:
        """Asks for the last known entries, and for the entries behind them."""
        at = self._expected_end - OVERLAP if self._aim is None else self._aim
        page = self._read(max(0, at - self._back))
        if page.offset and len(page.entries) > OVERLAP and self._is_head_again(page):
            refuse_fixed_answer(page, head=page, read=self._read)
        if not self._take(page):
            # The list has moved further than the overlap: go further back, at most to its head.
            self._back = max(OVERLAP, 2 * self._back)
            if page.entries and not self._stands:
                self._overlap = max(self._overlap, min(self._back, self._size // 2))

    def _look_behind(self) -> None:
        """Asks for the entries behind the last known ones."""
        page = self._read(self._expected_end + round(self._growth))
        if page.entries and page.entries[-1].id in self._tail:
            far = self._read(page.offset + self._size)
            if {entry.id for entry in far.entries} & {entry.id for entry in page.entries}:
                # Pages this far apart share no entry, so the API repeats its last page behind the end.
                page = page._replace(entries=[], status=REPEATED)
        self._take(page, is_behind=True)

    def _read(self, offset: int) -> Page:
        if self.requests >= self._budget:
            self._give_up()
        self.requests += 1
        page = read_or_refusal(self._read_page, offset, limit=max(self._size, 2))
        self._limit = max(self._size, page.limit)
        self.progress.add(page)
        return page

    def _give_up(self) -> None:
        if self._far.refusals - OK - {REPEATED}:
            read = self._read_page
            raise self._far.reach_error(
                self._chain.reach + 1,
                self._limit,
                read=lambda offset: read_or_refusal(read, offset, limit=self._limit),
            )
        doubled = len(self._chain.doubled)
        raise SnapshotError(
            f"The snapshot is not sealed: after {self.requests} requests of the audit its windows do "
            f"not form one chain from the first entry to the end ({self._chain.joints} joints, "
            f"{self._chain.rejected} rejected, {self._chain.contradictions} contradictions"
            + (f", {doubled:,} ids at several places of the list" if doubled else "")
            + "). Nothing was published. Airflow tries again; see docs/runbook.md#snapshoterror."
        )

    # ---- answers

    def _take(self, page: Page, *, is_behind: bool = False) -> bool:
        """Evaluates an answer; returns False where it does not join the chain."""
        ids = [entry.id for entry in page.entries]
        if not ids:
            if page.status in OK:
                self._chain.add(page)
            else:
                self._far.refusals.add(page.status)
            if self._border.last_view:
                self._border.answered(Answer(request=self.requests, offset=page.offset))
            return False
        link = self._chain.add(page)
        if not link.is_joined:
            self._meet(page, link)
            return False
        self._shift = self._shift if link.shift is None else link.shift
        if not self._tail.isdisjoint(ids):
            self._misses = 0
            self._view(page, link)
        elif is_behind or not self._tail or (self._misses > 1 and ids[-1] == self._last):
            # The answer comes from behind a crossed border, is the first one, or the last entries are gone.
            self._advance(page, link)
        else:
            # The answer ended too early: ask for the last entries first, then continue behind this answer.
            self._misses, self._reach, self._back = self._misses + 1, 0, 0
            is_crossed = ids[-1] in self._crossed
            self._aim = None if self._misses == 1 else page.end - OVERLAP * (not is_crossed)
            ids = ids[:-1] if is_crossed else ids
        self._last = ids[-1] if ids else None
        return True

    def _meet(self, page: Page, link: Link) -> None:
        """Notes entries that no view shows: they stand behind the border, or the list has moved far."""
        border, ids = self._border, [entry.id for entry in page.entries]
        if border.last_view is None or link.window is None:
            return
        if self._size == 1 == len(ids):
            self._lone.add(ids[0])
            if len(self._lone) >= LONE_STRANGERS:
                raise ConfigError(SINGLE_ENTRIES)
        self._stranger_window = link.window.number
        border.answered(Answer(request=self.requests, offset=page.offset, ids=tuple(ids)))

    def _view(self, page: Page, link: Link) -> None:
        """Notes a view of the last known entries; advances where new entries stand behind them."""
        assert link.window is not None
        ids, before = [entry.id for entry in page.entries], self._border.last_view
        new = next(at for at, one in enumerate(reversed(ids)) if one in self._tail)
        self._growth = new / (self.requests - before.request) if before and new <= self._size // 4 else 0.0
        if (new and not self._border.is_tested) or new > self._size // 2:
            self._advance(page, link)
            return
        self._tail.update(ids[-1 - new - REACH :])
        self._border.viewed(self._as_view(page))
        self._own_window, self._aim, self._stands = link.window.number, None, True
        self._back = min(self._reach, self._size // 2)

    def _as_view(self, page: Page) -> View:
        self._says_more = page.has_more is True
        first = max(0, len(page.entries) - 2 * REACH)
        places = {entry.id: page.offset + at for at, entry in enumerate(page.entries) if at >= first}
        return View(request=self.requests, places=places)

    def _advance(self, page: Page, link: Link) -> None:
        """Makes the end of the answer the new border, or jumps to the place that the chain now reaches."""
        assert link.window is not None
        self.bridged += link.fresh > 0
        self._size = max(self._size, len(page.entries))
        self._own_window, self._stands = link.window.number, self._growth > 0
        self._border = self._new_border()
        self._aim, self._back = None, self._overlap if self._overlap > OVERLAP else 0
        reached = self._reached_anew()
        if reached is not None:
            self.bridged += not link.fresh
            if reached > page.end:
                self._tail, self._aim = set(), reached - OVERLAP
                return
        self._tail, self._reach, self._misses = {entry.id for entry in page.entries[-REACH:]}, REACH, 0
        self._border.viewed(self._as_view(page))

    def _cross(self) -> None:
        """Crosses the border: goes on behind the stranger, which follows the last known entries directly."""
        assert self._border.last_view is not None
        places = self._border.last_view.places
        last = max(places, key=places.__getitem__)
        if last not in self._crossed:
            self.crossed += 1
            self._crossed.add(last)
            self._budget += REQUESTS_A_BORDER
        self._chain.adjoin(self._own_window, self._stranger_window)
        self._aim, self._back = self._expected_end, 0
        self._border = self._new_border()
        self._tail, self._stands, self._growth = set(), False, 0.0
        reached = self._reached_anew()
        if reached is not None:
            self._aim = max(self._aim, reached - OVERLAP)

    def _reached_anew(self) -> int | None:
        """Returns the offset that landed answers joined since the last jump reach; None: no new one."""
        furthest = self._chain.furthest()
        if furthest is None or furthest.number in self._jumped_to:
            return None
        self._jumped_to.add(furthest.number)
        return furthest.end + self._shift

    def _is_nothing_further(self) -> bool:
        page = self._far.stranger(self._view_end, self._limit, read=self._read)
        if page is not None:
            self._take(page)
        return page is None

    def _is_denied(self) -> bool:
        """Tells whether the latest view says that more follows, which is evidence against the end."""
        self._denied_ends += self._says_more
        if self._denied_ends > MAX_DENIED_ENDS:
            raise SnapshotError(
                f"The answer to offset {self._view_end - 1:,} says that more follows, and nothing stands "
                "behind it. Nothing was published. Airflow tries again; if this stays so, ask the API's "
                "vendor, or leave `has_more_path` out."
            )
        return self._says_more

    def _read_head(self) -> Window | None:
        """Reads offset 0; returns None where the directory is empty, which several answers must show."""
        total = None
        for _ in range(EMPTY_ANSWERS_NEEDED):
            page = self._read(0)
            total = page.total
            if window := self._chain.add(page).window:
                return window
        if self._chain.size or total or page.has_more:
            raise SnapshotError(
                f"The answers at offset 0 are empty, but {self._chain.size} answers hold entries and the "
                f"API's total is {total}. Nothing was published. Airflow tries again."
            )
        return None

    def _is_head_again(self, page: Page) -> bool:
        self._head_ids = self._head_ids or self._snapshot.head_ids()
        return [entry.id for entry in page.entries] == self._head_ids
