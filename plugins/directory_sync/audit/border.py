"""Finds out what stands behind the last known entries: nothing, or entries that were not read.

An API may end a page anywhere: by count, by bytes, or at the border between two back ends. So the length of
an answer does not prove the end of the list. Only an answer from *behind* an entry shows what stands there:
it is empty, or begins with another entry. That entry is called a *stranger*. But the list moves between two
requests.

Let z be one of the last known entries. Let a *view* be an answer that shows z. Let an answer at offset m show
neither z nor an entry in front of z. Let X be an entry that lasts, and that stands behind everything the next
view shows: z, and k entries behind z. X can be missing from the answer only if X stood before offset m at
that moment. Hence

    place of z at that moment  <=  m - 2 - k

The views before and after the answer bound that place: z must have moved left and back again unseen. The
probability of this follows from how entries move between two views, which is measured (`Moves`). The
probability that an entry hides is a product. Each answer from behind is a factor. The first factor is the
share of pages in this pull that ended before the list did. The border is settled when the product falls below
MAX_CHANCE. A stranger cancels all earlier answers, until a view shows it.

In a list that does not move, two or three answers settle the border. In a list that never holds still, or for
an API that answers at random, no number of answers does, and the snapshot is not sealed.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from directory_sync.api.answer import EntryId
from directory_sync.audit.scratch import Irregular
from directory_sync.config.older_python import Self

MAX_CHANCE = 1e-5
"""The largest probability that an entry which lasts hides behind a settled border."""

UNSEEN = 0.5
"""The count given to a move that was never seen (Krichevsky and Trofimov, 1981)."""

ANSWERS_BEFORE = 50
"""The prior weight, in answers: before any answer, one in a hundred is empty by mistake."""

LANDED_COUNT_AS = 20
"""All landed joints together count as at most this many moves between successive requests."""

MAX_STEPS, MAX_MOVE = 4, 32
"""Views more requests apart, or moves over more places, give no bound."""


class Moves:
    """How far, and how often, entries moved between two successive requests.

    Args:
        seen: how often each move was seen before, by places; positive is to the right.
    """

    def __init__(self, seen: Mapping[int, float] | None = None) -> None:
        """Starts with the moves that were seen before."""
        self._seen = defaultdict[int, float](float, seen or {})
        self._reached: dict[int, Mapping[int, float]] = {}
        self._wild = 0

    @classmethod
    def landed(cls, displaced: Mapping[int, int]) -> Self:
        """Returns the moves that landed joints show. They count little: many requests lie between answers.

        Args:
            displaced: the number of joints, by how many places their entries had moved to the right.
        """
        count = max(1, sum(displaced.values()))
        seen = defaultdict[int, float](float)
        for places, joints in displaced.items():
            seen[(places > 0) - (places < 0)] += joints * min(count, LANDED_COUNT_AS) / count
        return cls(seen)

    @property
    def are_none(self) -> bool:
        """Tells whether entries were seen again and none had moved."""
        return (
            bool(self._seen) and not self._wild and not any(self._seen[move] for move in self._seen if move)
        )

    def saw(self, places: int) -> None:
        """Counts one move, in places; positive is to the right."""
        if abs(places) > MAX_MOVE:
            self._wild += 1
        else:
            self._seen[places] += 1
        self._reached = {}

    def chance_at_most(self, place: int, *, start: int, end: int, before: int, after: int) -> float:
        """Returns the probability that an entry stood at `place` or left of it, between two views.

        Args:
            place: the place in question.
            start: its place in the view before.
            end: its place in the view after.
            before: requests from the view before to the moment in question.
            after: requests from that moment to the view after.
        """
        if max(before, after) > MAX_STEPS:
            return 1.0
        there, back = self._after(before), self._after(after)
        ways = {start + move: odds * back.get(end - start - move, 0.0) for move, odds in there.items()}
        total = sum(ways.values())
        wild = self._wild / (self._wild + sum(self._seen.values()) + 1)
        return (
            min(1.0, sum(odds for at, odds in ways.items() if at <= place) / total + wild) if total else 1.0
        )

    def _after(self, steps: int) -> Mapping[int, float]:
        """Returns the probability of each move over this many requests."""
        if not steps:
            return {0: 1.0}
        if steps not in self._reached:
            reached: dict[int, float] = defaultdict(float)
            for move, odds in self._after(steps - 1).items():
                for step, chance in self._odds().items():
                    reached[move + step] += odds * chance
            self._reached[steps] = reached
        return self._reached[steps]

    def _odds(self) -> Mapping[int, float]:
        near = {move + by for move, count in self._seen.items() if count for by in (-1, 0, 1)} | {-1, 0, 1}
        whole = sum(self._seen.values()) + UNSEEN * len(near)
        return {move: (self._seen[move] + UNSEEN) / whole for move in near}


@dataclass(frozen=True, kw_only=True)
class View:
    """An answer that shows the last known entries.

    Attributes:
        request: the number of its request.
        places: the offset of each entry that it shows.
    """

    request: int
    places: Mapping[EntryId, int]

    @property
    def end(self) -> int:
        """The place behind the last entry shown."""
        return max(self.places.values()) + 1


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer from behind the last known entries.

    Attributes:
        request: the number of its request.
        offset: its offset.
        ids: its entries, which no view shows; empty: the answer is empty.
    """

    request: int
    offset: int
    ids: tuple[EntryId, ...] = ()

    @property
    def first(self) -> EntryId | None:
        """The entry that it begins with; None: the answer is empty."""
        return self.ids[0] if self.ids else None


class Border:
    """The border behind the last known entries, and what answers have shown there.

    Args:
        moves: how entries move; each view adds to it.
        prior: the probability that a page ends before the list does.
        stray: the probability that an answer is empty although entries stand there.

    Attributes:
        stranger: the entry that the latest answer from behind began with; None: no entry was met, or a view
            has shown it since.
    """

    def __init__(self, moves: Moves, *, prior: float, stray: float) -> None:
        """Has no view and no answer yet."""
        self._moves, self._prior, self._stray = moves, prior, stray
        self._views: list[View] = []
        self._answers: list[Answer] = []
        self._shown: set[EntryId] = set()
        self.stranger: EntryId | None = None

    @property
    def last_view(self) -> View | None:
        """The latest view."""
        return self._views[-1] if self._views else None

    @property
    def drift(self) -> float:
        """How many places the entries moved to the right per request, over the last three views."""
        if len(self._views) < 2:
            return 0.0
        first, last = self._views[-3:][0], self._views[-1]
        shared = [entry_id for entry_id in first.places if entry_id in last.places]
        moved = last.places[shared[-1]] - first.places[shared[-1]] if shared else 0
        return moved / (last.request - first.request)

    @property
    def is_tested(self) -> bool:
        """Tells whether an answer from behind was empty; entries that appear later may be new."""
        return any(answer.first is None for answer in self._answers)

    def viewed(self, view: View) -> None:
        """Notes an answer that shows the last entries."""
        before = self.last_view
        if before and view.request == before.request + 1:
            shared = [entry_id for entry_id in before.places if entry_id in view.places]
            if shared:
                self._moves.saw(view.places[shared[-1]] - before.places[shared[-1]])
        self._views.append(view)
        self._shown.update(view.places)
        if self.stranger in self._shown:
            self.stranger = None

    def answered(self, answer: Answer) -> None:
        """Notes an answer from behind: an empty one, or one that begins with a stranger."""
        self._answers.append(answer)
        if answer.first is not None and answer.first not in self._shown:
            self.stranger = answer.first

    @property
    def is_the_end(self) -> bool:
        """Tells whether no entry stood behind what the views show."""
        return self.chance(None) < MAX_CHANCE

    @property
    def is_adjacent(self) -> bool:
        """Tells whether no entry stood between what the views show and the stranger."""
        return self.stranger is not None and self.chance(self.stranger) < MAX_CHANCE

    def chance(self, first: EntryId | None) -> float:
        """Returns the probability that an entry which lasts hides from all answers that begin with `first`.

        An answer that begins with another entry, not known to stand behind `first`, cancels the answers
        before.

        Args:
            first: the entry that the answers begin with; None: empty answers.
        """
        chance, counted = self._prior, -1
        behind = {i for answer in self._answers if answer.first == first for i in answer.ids} | self._shown
        for answer in self._answers:
            if answer.first != first:
                if answer.first is not None and answer.first not in behind:
                    chance = self._prior
                continue
            before = next((view for view in reversed(self._views) if view.request < answer.request), None)
            after = next((view for view in self._views if view.request > answer.request), None)
            # One move could explain all answers between the same two views, so only one of them counts.
            if before is None or after is None or before.request == counted:
                continue
            counted = before.request
            stray = self._stray if first is None else 0.0
            chance *= min(1.0, self._hidden(answer, before, after) + stray)
        return chance

    def _hidden(self, answer: Answer, before: View, after: View) -> float:
        """Returns the probability that an entry behind the views stood in front of the answer."""
        shared = [entry_id for entry_id in before.places if entry_id in after.places]
        if not shared:
            return 1.0
        start, end = before.places[shared[-1]], after.places[shared[-1]]
        return self._moves.chance_at_most(
            answer.offset - 2 - (after.end - 1 - end),
            start=start,
            end=end,
            before=answer.request - before.request,
            after=after.request - answer.request,
        )


def prior_of(irregular: Irregular) -> float:
    """Estimates the probability that a page ends before the list does, from the pages of this pull."""
    return min(1.0, (irregular.short + UNSEEN) / (irregular.inner + 2 * UNSEEN))


def stray_of(irregular: Irregular) -> float:
    """Estimates the probability that an answer is empty although entries stand there."""
    return (irregular.empty + UNSEEN) / (irregular.inner + irregular.empty + ANSWERS_BEFORE)
