"""The request rate of one shard: additive increase, multiplicative decrease.

The rule of TCP's congestion avoidance (Chiu and Jain, 1989): processes which do not know of each
other and all follow it converge to equal shares of a limit that none of them knows.
"""

import threading
import time
from collections.abc import Callable

DECREASE = 0.5
INCREASE_PER_SECOND = 1.0
FLOOR = 0.2


class RequestRate:
    """Paces the requests of all threads of a shard, in requests a second.

    Args:
        ceiling: this shard's share of the API's allowance; None where it is not known: then the
            pace is free until the first refusal.
        clock: monotonic seconds.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        ceiling: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Starts at the ceiling, or free."""
        self._ceiling = ceiling
        self._rate = ceiling
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next_slot = 0.0
        self._decreased_at = float("-inf")
        self._started_at: float | None = None
        self._requests = 0

    @property
    def requests_per_second(self) -> float | None:
        """The pace now; None while it is free."""
        return self._rate

    def wait(self) -> float:
        """Waits for the next free slot; returns the clock's time at which the request may go."""
        with self._lock:
            now = self._clock()
            self._started_at = now if self._started_at is None else self._started_at
            self._requests += 1
            slot = max(now, self._next_slot)
            if self._rate is not None:
                self._next_slot = slot + 1.0 / self._rate
            elif self._next_slot < now:
                self._next_slot = now
        if slot > now:
            self._sleep(slot - now)
        return slot

    def succeeded(self) -> None:
        """A request was answered: one request a second more for every second at this pace.

        A slow pace at most doubles with an answer.
        """
        with self._lock:
            if self._rate is not None:
                rate = min(self._rate + INCREASE_PER_SECOND / self._rate, 2 * self._rate)
                self._rate = min(rate, self._ceiling) if self._ceiling else rate

    def refused(self, *, sent_at: float, wait_seconds: float) -> None:
        """A 429: halves the pace once for all requests that were in flight, and holds them all.

        Args:
            sent_at: what `wait` returned for the refused request; refusals of requests sent before
                the last decrease are the same refusal.
            wait_seconds: no request goes before so many seconds from now.
        """
        with self._lock:
            now = self._clock()
            self._next_slot = max(self._next_slot, now + wait_seconds)
            if sent_at <= self._decreased_at:
                return
            seen = self._requests / max(now - (self._started_at or now), 1.0)
            rate = max((self._rate or seen) * DECREASE, FLOOR)
            self._rate = min(rate, self._ceiling) if self._ceiling else rate
            self._decreased_at = now
