"""How soon a shard may send its next request, by what the API says is left of its rate limits.

A window of more than a few seconds may be used as fast as the shards can: each glides to a stop while the
last requests are left, and holds until the reset. A shorter window is reset sooner than all shards learn what
is left, and whole seconds do not tell when. There each shard sends at its share of the limit, and its turns
are between those of the other shards. What the other shards leave is taken step by step.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from directory_sync.api.allowance import LONGEST_RESET_SECONDS, Allowance
from directory_sync.api.waits import RESET_MARGIN_SECONDS

GLIDE_SECONDS = 2.0
"""At the rate of a glide, what is left would last this long. It is long enough for all shards to notice."""
SHORT_SECONDS = 5.0
"""Windows up to this long are used evenly."""
EVEN_SHARE = 0.97
"""How much of a short window is used: a request that is late belongs to the next one."""
REVIEW_SECONDS = 6.0
"""After so long in which a short window was never nearly used up, a shard sends more than its share."""
SPARE_SHARE = 0.3
"""A short window of which this much or less is left is nearly used up."""
FIRST_STEP = 0.05
"""By how much of its share a shard sends more; each further step is twice as large. A token bucket is full
whether its rate is used or not, so only small steps tell."""
BACK = 0.85
"""The factor by which a shard comes back towards its share when the window is nearly used up."""


@dataclass(frozen=True)
class Place:
    """A shard among those that share a limit.

    Attributes:
        number: the shard, from 0.
        count: how many shards there are.
    """

    number: int = 0
    count: int = 1


ALONE = Place()


def slot_after(slot: float, gap: float, *, now: float) -> float:
    """Returns the slot after one that is taken now.

    A thread that wakes up late does not delay it; unused slots expire.

    Args:
        slot: when the slot that is taken was due.
        gap: the seconds between two slots.
        now: the clock's time.
    """
    return (slot if now - slot < gap else now) + gap


class ToldRate:
    """Follows what the API says is left of each of its limits.

    Args:
        place: whose share of the limits may be used.
        ceiling: how many requests a second the shard may send at most; None: it is not known.
    """

    def __init__(self, place: Place, ceiling: float | None = None) -> None:
        """Nothing was said yet."""
        self._place, self._ceiling = place, ceiling or math.inf
        self._limits: dict[str, _Limit] = {}

    def follow(self, allowances: Iterable[Allowance], *, now: float) -> float:
        """Notes what an answer says.

        Args:
            allowances: what it says is left.
            now: the clock's time.

        Returns:
            The clock's time before which no request is sent.
        """
        hold = now
        for one in allowances:
            limit = self._limits.setdefault(one.name, _Limit(self._place, self._ceiling, now))
            hold = max(hold, limit.follow(one, now=now))
        return hold

    def next_slot(self, slot: float, due: float, *, now: float, ahead: float) -> float:
        """Returns the earliest time for the request after the one that is sent now.

        Args:
            slot: when the present request was due.
            due: when the next one is due without this.
            now: the clock's time.
            ahead: how far the wall clock, in seconds since 1970, is ahead of the clock.
        """
        for one in self._limits.values():
            due = one.next_slot(slot, due, now, ahead)
        return due


class _Limit:
    """One limit of the API."""

    def __init__(self, place: Place, ceiling: float, now: float) -> None:
        self._place, self._ceiling, self._since = place, ceiling, now
        self._remaining, self._highest, self._stated = 0, 0, 0
        self._longest_seconds = 0.0
        self._reset_at = now
        self._fair = self._even = 0.0
        self._step, self._reviewed_at, self._back_at = FIRST_STEP, now, now

    def follow(self, told: Allowance, *, now: float) -> float:
        """Notes what is left; returns the time before which no request is sent."""
        self._remaining, self._highest = told.remaining, max(self._highest, told.remaining)
        self._stated = told.limit or 0
        self._longest_seconds = max(self._longest_seconds, told.seconds)
        self._reset_at = now + told.seconds + RESET_MARGIN_SECONDS
        window = told.window_seconds or max(self._longest_seconds, 1.0)
        # Until then a reset would have been further away, if the window was longer.
        is_seen = told.window_seconds or now > self._since + 2 * window + 1
        if window <= SHORT_SECONDS and is_seen and (told.limit or self._highest):
            self._pace_evenly(told.limit or self._highest + 1, window, now=now)
            return now
        self._fair = 0.0
        return self._reset_at if self._is_spent else now

    @property
    def _is_spent(self) -> bool:
        # Each of the other shards may send one more before it learns of this. An API that never stated that
        # anything is left, and answers, is not believed.
        whole = self._stated or self._highest
        return bool(self._highest) and self._remaining < min(self._place.count, whole)

    def _pace_evenly(self, limit: int, window: float, *, now: float) -> None:
        fair = min(EVEN_SHARE * limit / window / self._place.count, self._ceiling)
        if fair != self._fair:
            self._fair = self._even = fair
            self._step, self._reviewed_at = FIRST_STEP, now
        if self._remaining <= SPARE_SHARE * limit:
            # Once a window: each of its answers says the same.
            if self._even > fair and now > self._back_at + window:
                self._even, self._back_at = max(self._even * BACK, fair), now
            self._step, self._reviewed_at = FIRST_STEP, now
        elif now >= self._reviewed_at + REVIEW_SECONDS:
            # No more than all shards together may send.
            self._even = min(self._even + self._step * fair, fair * max(self._place.count, 2))
            self._step, self._reviewed_at = min(self._step * 2, 1.0), now

    def next_slot(self, slot: float, due: float, now: float, ahead: float) -> float:
        """Returns the earliest time for the next request: `due` or later, or the turn nearest to it."""
        gap = 1 / self._even if self._even else 0.0
        # A gap can be longer than a window.
        if now > self._reset_at + max(LONGEST_RESET_SECONDS, 2 * gap):
            return due
        if self._fair:
            own = slot_after(slot, gap, now=now) - gap * 0.001
            if self._even > self._fair:
                return max(due, own)
            # Turns of all shards, one after the other, by the wall clock: the nearest one, for a shard off
            # its turns disturbs all. So a first refusal slows no shard down: what the API says counts.
            phase = gap * self._place.number / self._place.count - ahead
            return phase + gap * math.ceil((max(due, own) - phase) / gap - 0.5)
        if now < self._reset_at and self._is_spent:
            return max(due, self._reset_at)
        if not self._highest or (now >= self._reset_at and not self._stated):
            # Nothing was ever left, see `_is_spent`; or how many there are now is not known until an answer.
            return due
        left = self._remaining if now < self._reset_at else self._stated
        gap = GLIDE_SECONDS * self._place.count / max(left, 1)
        glided = slot_after(slot, gap, now=now)
        return max(due, glided if now >= self._reset_at else min(glided, self._reset_at))
