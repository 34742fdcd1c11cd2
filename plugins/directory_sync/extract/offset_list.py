"""Reads one short list in offset windows, until its answers prove that no entry was missed.

A child resource has one list for each parent: many lists, most of them shorter than a page. This module
decides which offset of one list to request next. It is a function of the answers so far: the shard asks it
what to request, and the audit gives it the landed answers again and so proves the list from these alone.

Windows are joined by shared entries, as in `audit/windows_seal.py`: an answer is a contiguous piece of the
list, so what follows a known entry in an answer follows it in the list.

The end. An API may cut a page anywhere, so a short answer is not the end. Only an empty answer from behind
the last entry shows it, if the last entry stood at the same place before and after that answer. Each such
answer is one piece of evidence. Alone, a list needs EVIDENCE_NEEDED of them, and empty answers further behind
(`Evidence.FULL`). Where many lists of the same API were read so without a contradiction, one is enough
(`Evidence.SHORT`): `Trust` computes by these lists how likely it is that both the page was cut and the answer
from behind was empty by mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from directory_sync.api.answer import EntryId
from directory_sync.extract.plan import OVERLAP

OK = frozenset({200, 204})
EVIDENCE_NEEDED = 3
"""With 1/2 for a page that may be cut, and 1/50 for an answer that is empty by mistake, 3 answers leave a
probability of 4 in a million."""
EMPTY_ANSWERS_NEEDED, EMPTY_ANSWERS_TRUSTED = 3, 2
"""How many empty answers to offset 0 show that a list is empty: alone, and where the API is trusted."""
PAGES_AHEAD = (1, 2, 4)
MAX_RESTARTS, ANSWERS_ALLOWED = 5, 60
MAX_CHANCE = 1e-5
UNSEEN, ANSWERS_BEFORE = 0.5, 50
"""As in `audit/border.py`: the count of what was never seen, and the weight of the prior in answers."""
WINDOW_CAPS = 1_000


class Evidence(IntEnum):
    """What the answers of a list prove of its end."""

    NONE = 0
    SHORT = 1
    FULL = 2


class UnreadableListError(Exception):
    """A list cannot be read to its end; the message is the reason, without content.

    Attributes:
        is_form: the form does not fit the API, so another attempt ends likewise.
    """

    def __init__(self, reason: str, *, is_form: bool = False) -> None:
        """Keeps the reason."""
        super().__init__(reason)
        self.is_form = is_form


@dataclass
class Trust:
    """What the lists of one shard show of an API: how often it cuts pages, or answers empty by mistake.

    Attributes:
        proven: how many lists have full evidence.
        cut: how many answers ended before their list did, though they were shorter than requested.
        shortest_cut: how many entries the shortest of these had; None: there was none.
        empty: how many answers were empty, at the head of a list or behind its end.
        refuted: how many of these were wrong: entries stand there.
    """

    proven: int = 0
    cut: int = 0
    shortest_cut: int | None = None
    empty: int = 0
    refuted: int = 0

    def add(self, one: "OffsetList") -> None:
        """Adds the answers of a list that was read to its end."""
        self.proven += one.evidence is Evidence.FULL
        self.empty += one.empty
        self.refuted += one.refuted
        for size in one.cuts:
            self.cut += 1
            self.shortest_cut = size if self.shortest_cut is None else min(size, self.shortest_cut)

    def believes(self, evidence: Evidence, *, largest: int, at_most: float = MAX_CHANCE) -> bool:
        """Tells whether the evidence of a list is enough.

        Args:
            evidence: the evidence.
            largest: the size of its largest answer; 0: the list is empty.
            at_most: the largest probability that an entry was missed.
        """
        if evidence is not Evidence.SHORT:
            return evidence is Evidence.FULL
        stray = (self.refuted + UNSEEN) / (self.empty + ANSWERS_BEFORE)
        if not largest:
            return stray**EMPTY_ANSWERS_TRUSTED < at_most
        if self.shortest_cut is not None and largest >= self.shortest_cut:
            return False
        cut = (self.cut + UNSEEN) / (self.proven + self.cut + 2 * UNSEEN)
        return cut * stray < at_most


class OffsetList:
    """One list: the answers so far, and the offset to request next.

    Args:
        limit: how many entries a request asks for.

    Attributes:
        next: the offset to request next; None: nothing more is needed.
        evidence: what the answers prove so far.
        ids: the entries in their order, with the place of each. Entries that left meanwhile are among them.
        cuts: the sizes of answers that ended before the list did, though they were shorter than requested.
        largest: the size of the largest answer.
        empty: how many answers were empty, at the head or behind the end.
        refuted: how many of these were wrong: entries stand there.
        moved: whether entries moved while the list was read.
    """

    def __init__(self, limit: int) -> None:
        """Wants the first answer."""
        self.limit = limit
        self.evidence = Evidence.NONE
        self.cuts: list[int] = []
        self.largest = self.empty = self.refuted = 0
        self.moved = False
        self._answers = self._restarts = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.ids: dict[EntryId, int] = {}
        self.next: int | None = 0
        self._head: tuple[EntryId, ...] = ()
        self._last: EntryId | None = None
        self._end = self._back = 0
        self._empty_heads = self._proofs = self._ahead = 0
        self._is_behind = self._seems_the_end = self._is_stranger_behind = False
        self._refusals: set[int] = set()

    def answered(self, offset: int, ids: Sequence[EntryId], *, status: int = 200) -> None:
        """Takes the answer to the request for `next`.

        Args:
            offset: the offset of the request.
            ids: the ids of its entries, in their order.
            status: its HTTP status; other than 200, it has no entries.

        Raises:
            UnreadableListError: the list changes too fast, or its offsets cannot be used.
        """
        self._answers += 1
        self.largest = max(self.largest, len(ids))
        if self._answers > ANSWERS_ALLOWED + len(self.ids):
            raise UnreadableListError("it changed each time while its end was read")
        if len(ids) > OVERLAP and offset and tuple(ids) == self._head:
            raise UnreadableListError("the offset has no effect: each answer is the first page", is_form=True)
        if not self._head:
            self._begin(ids)
        elif self._is_behind:
            self._look_behind(offset, ids, status=status)
        elif self._ahead:
            self._look_ahead(ids, status=status)
        else:
            self._look_at(offset, ids)

    def _begin(self, ids: Sequence[EntryId]) -> None:
        if not ids:
            self.empty += 1
            self._empty_heads += 1
            if self._empty_heads >= EMPTY_ANSWERS_TRUSTED:
                self.evidence = Evidence.SHORT
            if self._empty_heads == EMPTY_ANSWERS_NEEDED:
                self.evidence, self.next = Evidence.FULL, None
            return
        self.refuted += self._empty_heads
        self.evidence, self._head = Evidence.NONE, tuple(ids)
        self._extend(ids, end=len(ids))
        self._want_more(len(ids))

    def _extend(self, ids: Sequence[EntryId], *, end: int) -> None:
        """Takes entries that follow the known ones: what was proven of the end is void."""
        for one in ids:
            self.ids.setdefault(one, len(self.ids))
        self._last, self._end = ids[-1], end
        self._proofs, self.evidence = 0, Evidence.NONE

    def _want_more(self, size: int) -> None:
        """Wants the answer after one of this size that showed new entries."""
        if size >= min([self.limit, *self.cuts]):
            self.next = self._end - OVERLAP
        else:
            self._want_behind()

    def _want_behind(self) -> None:
        self._is_behind, self.next = True, self._end

    def _want_view(self) -> None:
        """Wants an answer that shows the last entries, and what follows: the whole list, if it may fit."""
        self._is_behind = False
        self.next = 0 if self._end <= self.limit else max(0, self._end - max(1, self.largest // 2))

    def _look_behind(self, offset: int, ids: Sequence[EntryId], *, status: int) -> None:
        """Takes an answer from behind the last entry; the view after it decides whether it counts."""
        known = sum(one in self.ids for one in ids)
        if 0 < known < len(ids):
            # The list has moved to the right, so the answer itself is a view.
            self._is_behind = False
            self._look_at(offset, ids)
            return
        self._seems_the_end = known == len(ids)
        self._is_stranger_behind = not self._seems_the_end
        if not ids:
            self.empty += 1
            self._refusals |= {status} - OK
        self._want_view()

    def _look_at(self, offset: int, ids: Sequence[EntryId]) -> None:
        """Takes an answer that was to show the last known entries."""
        places = [(self.ids[one], at) for at, one in enumerate(ids) if one in self.ids]
        if not places:
            self._step_back(offset)
            return
        if any(one >= other for (one, _), (other, _) in pairwise(places)):
            # The answers contradict each other in the order of their entries.
            self._restart()
            return
        seems_the_end, self._seems_the_end = self._seems_the_end, False
        is_stranger_behind, self._is_stranger_behind = self._is_stranger_behind, False
        self._back, end = 0, offset + len(ids)
        if new := ids[places[-1][1] + 1 :]:
            # Entries behind what was seen before are new, or were hidden.
            self.moved |= seems_the_end or bool(self._proofs) or not offset
            self._extend(new, end=end)
            self._want_more(len(ids))
            return
        stands = ids[-1] == self._last and end == self._end
        self.moved |= not stands
        self._last, self._end = ids[-1], end
        if is_stranger_behind and stands:
            # The answer ends where it ended before, although entries follow: the API cuts it there.
            self.refuted += self._proofs
            self._proofs, self.evidence = 0, Evidence.NONE
            self.cuts.append(len(ids))
            self.next = end - OVERLAP
            return
        if seems_the_end and stands:
            self._proofs += 1
            if not self._refusals:
                self.evidence = Evidence.SHORT
        if self._proofs < EVIDENCE_NEEDED:
            self._want_behind()
        else:
            self._ahead, self.next = 1, self._end + PAGES_AHEAD[0] * self.limit

    def _look_ahead(self, ids: Sequence[EntryId], *, status: int) -> None:
        """Takes an answer from further behind the end: a page that a filter has emptied is not the end."""
        if any(one not in self.ids for one in ids):
            raise UnreadableListError("an answer behind empty ones has entries")
        if not ids:
            self._refusals |= {status} - OK
            if self._refusals and status in OK:
                raise UnreadableListError("the answers behind its end differ")
        self._ahead += 1
        if self._ahead <= len(PAGES_AHEAD):
            self.next = self._end + PAGES_AHEAD[self._ahead - 1] * self.limit
            return
        if self._refusals and (len(self._refusals) > 1 or self._end % WINDOW_CAPS == 0):
            raise UnreadableListError("an error behind its end may be a limit of the API's offsets")
        self.evidence, self.next = Evidence.FULL, None

    def _step_back(self, offset: int) -> None:
        """Wants entries further left: the answer shows no known one, so the list has moved."""
        self.moved = True
        if not offset:
            self._restart()
            return
        self._seems_the_end = self._is_stranger_behind = False
        self._back = max(2 * self._back, self.largest // 2, 2)
        self.next = max(0, offset - self._back)

    def _restart(self) -> None:
        """Begins anew: the answers do not join."""
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise UnreadableListError("it changed each time while it was read")
        self.moved, self.evidence = True, Evidence.NONE
        self._begin_anew()
