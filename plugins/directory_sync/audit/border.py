"""What stands behind the last entry that was read: nothing, a stranger, or something that hid.

A page can end anywhere: the API caps pages by count, by bytes, at the border between two back ends, or as
it likes. So the length of an answer proves no end. Only an answer to the place *behind* an entry tells what
stands there: it is empty, or begins with another entry. But the list moves between two requests. Let z be
one of the last entries, a *view* an answer that shows it, and let an answer at offset m show neither z nor
an entry that stood in front of it. An entry X that lasts and stands behind all that the view after shows (z
and k entries behind it) can be missing from that answer only if it stood before m at that moment, hence

    place of z at that moment  <=  m - 2 - k

The views before and after bound that place: z must have moved left and back again unseen. How likely that
is follows from how z moves from one view to the next, which is measured (`Moves`). Each answer from behind
multiplies the chance that something hides; so does how seldom pages of this pull ended before the list did.
The border is settled when the chance falls below MAX_CHANCE. An entry that is met behind it voids all
answers before, until a view shows it.

Where a list does not move, two or three answers settle it. Where it never holds still, or an API answers at
random, nothing does, and the snapshot is not sealed.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from directory_sync.api.answer import EntryId
from directory_sync.audit.scratch import Irregular

MAX_CHANCE = 1e-5
"""The largest chance that an entry which lasts hides behind a settled border."""

UNSEEN = 0.5
"""How often a move that was never seen counts as seen (Krichevsky and Trofimov, 1981)."""

ANSWERS_BEFORE = 50
"""Without any experience one answer in a hundred is empty although entries stand there."""

LANDED_COUNT_AS = 20
"""All landed joints together weigh as much as so many moves seen from one request to the next."""

MAX_STEPS, MAX_MOVE = 4, 32
"""Views further apart than so many requests, or moves of more places at once, bound nothing."""


class Moves:
    """How far, and how often, entries moved between two requests that follow each other.

    Args:
        seen: how often each move, in places, was seen before; to the right is positive.
    """

    def __init__(self, seen: Mapping[int, float] | None = None) -> None:
        """Knows what was seen before."""
        self._seen = defaultdict[int, float](float, seen or {})
        self._reached: dict[int, Mapping[int, float]] = {}
        self._wild = 0

    @classmethod
    def landed(cls, displaced: Mapping[int, int]) -> Self:
        """Returns what joints of landed answers tell: little, for many requests lie between two of them.

        Args:
            displaced: how many joints showed their entries so many places further right than before.
        """
        count = max(1, sum(displaced.values()))
        seen = defaultdict[int, float](float)
        for places, joints in displaced.items():
            seen[(places > 0) - (places < 0)] += joints * min(count, LANDED_COUNT_AS) / count
        return cls(seen)

    @property
    def are_none(self) -> bool:
        """Entries were seen again, and none had moved."""
        return (
            bool(self._seen) and not self._wild and not any(self._seen[move] for move in self._seen if move)
        )

    def saw(self, places: int) -> None:
        """Counts one move."""
        if abs(places) > MAX_MOVE:
            self._wild += 1
        else:
            self._seen[places] += 1
        self._reached = {}

    def chance_at_most(self, place: int, *, start: int, end: int, before: int, after: int) -> float:
        """Returns how likely an entry stood at `place` or left of it, in between two views.

        Args:
            place: the place asked about.
            start: its place in the view before.
            end: its place in the view after.
            before: requests from the view before to the moment asked about.
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
        """The odds of each move in so many requests."""
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
    """An answer that shows the last entries that are known: its request, and their places."""

    request: int
    places: Mapping[EntryId, int]

    @property
    def end(self) -> int:
        """The place behind the last of them."""
        return max(self.places.values()) + 1


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer from behind them: its request, its offset, and its entries, which no view shows."""

    request: int
    offset: int
    ids: tuple[EntryId, ...] = ()

    @property
    def first(self) -> EntryId | None:
        """The entry it begins with; None: it is empty."""
        return self.ids[0] if self.ids else None


class Border:
    """What is known of the place behind the last entries that were read.

    Args:
        moves: how entries move; learns from the views.
        prior: the chance that a page ends before the list does.
        stray: the chance that an answer is empty although entries stand there.

    Attributes:
        stranger: the entry that the latest answer from behind began with; None: there was none, or a view
            shows it by now.
    """

    def __init__(self, moves: Moves, *, prior: float, stray: float) -> None:
        """Knows nothing yet."""
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
        """How far right the entries moved a request, over the last three views."""
        if len(self._views) < 2:
            return 0.0
        first, last = self._views[-3:][0], self._views[-1]
        shared = [entry_id for entry_id in first.places if entry_id in last.places]
        moved = last.places[shared[-1]] - first.places[shared[-1]] if shared else 0
        return moved / (last.request - first.request)

    @property
    def is_tested(self) -> bool:
        """An answer from behind was empty: entries that come now may be new."""
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
        """Nothing stood behind what the views show."""
        return self.chance(None) < MAX_CHANCE

    @property
    def is_adjacent(self) -> bool:
        """Nothing stood between what the views show and the stranger."""
        return self.stranger is not None and self.chance(self.stranger) < MAX_CHANCE

    def chance(self, first: EntryId | None) -> float:
        """Returns the chance that something which lasts hides from all answers that begin with `first`.

        Another entry that was met in its stead, and is not known to stand behind it, voids what came before.
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
            # Of several answers between two views, each would hide by the same move: one counts.
            if before is None or after is None or before.request == counted:
                continue
            counted = before.request
            stray = self._stray if first is None else 0.0
            chance *= min(1.0, self._hidden(answer, before, after) + stray)
        return chance

    def _hidden(self, answer: Answer, before: View, after: View) -> float:
        """The chance that an entry behind the views stood in front of the answer."""
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
    """Returns the chance that a page ends before the list does, from how many did."""
    return min(1.0, (irregular.short + UNSEEN) / (irregular.inner + 2 * UNSEEN))


def stray_of(irregular: Irregular) -> float:
    """Returns the chance that an answer is empty although entries stand there."""
    return (irregular.empty + UNSEEN) / (irregular.inner + irregular.empty + ANSWERS_BEFORE)
