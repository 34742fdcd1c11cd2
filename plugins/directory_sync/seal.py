"""The proof that a snapshot read in pieces from a moving list missed nobody.

An answer is a contiguous piece of the list at one moment. Take a list in a strict order by a key that does
not change, and a chain of answers W1..Wn: W1 from offset 0, Wn the end, neighbours sharing entries
x1..x(n-1). Let R be an entry that existed during the whole pull. Take the first i with R before xi: Wi holds
x(i-1) and xi and everything between them, so R is in Wi. If there is none, R follows every xi; Wn was
answered when nothing followed its one entry, so R is that entry. Hence every such R was read.

So the snapshot is complete if one connected component of answers, linked by shared entries, holds an answer
to offset 0 and the end. What makes a link (a joint) stands in `chain.py`; what the shards left
unjoined is read again here, from left to right. Totals, short windows and empty answers prove nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from directory_sync.chain import Chain
from directory_sync.client import Page
from directory_sync.envelope import EntryId
from directory_sync.errors import ApiError, ConfigError, SnapshotError
from directory_sync.pagination import OVERLAP, SINGLE_ENTRIES, refuse_fixed_answer
from directory_sync.progress import Progress
from directory_sync.snapshot import Snapshot, Window

EMPTY_ANSWERS_NEEDED = 3
LONE_ANSWERS_NEEDED = 3
FURTHER_BACK = 4
SPARE_REQUESTS = 100
REQUESTS_NOT_LOGGED = 8
"""An audit that sends no more than the end of the list takes says nothing of it."""

ReadPage = Callable[[int], Page]
"""Answers an offset with a page of the resource's limit."""


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
    walk.progress.finish()
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
        self.progress = Progress("The audit reads what does not join", at_least=REQUESTS_NOT_LOGGED + 1)

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
        page = self._read_page(offset)
        self.progress.add(page)
        return page

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
