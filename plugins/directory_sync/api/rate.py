"""The request rate of one shard: slow start, then multiplicative decrease and cubic growth.

Shards do not know of each other. Each starts slowly and quickens with every request, as TCP's slow start does
(Jacobson, 1988), so that one or two requests find a small limit and not all that could be in flight. After a
refusal it keeps to a pace near what the API answered, leaves it slowly and then ever faster, as CUBIC does
(RFC 9438): a limit that holds is seldom touched, one that other shards left free is soon taken. Whoever is
faster is refused more often, so the shards come to equal shares of a limit that none of them knows.
"""

import random
import threading
import time
from collections.abc import Callable

FIRST_RATE = 40.0
"""Requests a second; against no limit at all, a shard's eighth request goes 0.1 s later than it could."""
QUICKENING = 10.0
"""Requests a second more with each request, until the first refusal: the pace doubles in 0.07 s."""
DECREASE = 0.8
DOUBLING_SECONDS = 6.0
"""How long after a refusal the pace has doubled: where this is short more is refused, where it is long more
is left unused."""
BURST_SECONDS = 1.0
"""Limits let in a burst first, most of them a second's worth: it tells nothing about the pace."""
HEADROOM = 4.0
"""A pace grows to so many times what is answered: one beyond that paces nothing, and the next refusal would
not be felt."""
FLOOR = 0.2


class RequestRate:
    """Paces the requests of all threads of a shard, in requests a second.

    Args:
        ceiling: this shard's share of the API's allowance; None where it is not known: then the
            pace quickens with every request until the first refusal.
        clock: monotonic seconds.
        sleep: waits for so many seconds.
        jitter: a number from 0 to 1: shards that were refused together do not come back together.
    """

    def __init__(
        self,
        ceiling: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Starts at the ceiling, or slowly."""
        self._ceiling = ceiling
        self._rate = ceiling or FIRST_RATE
        self._base = ceiling
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._next_slot = float("-inf")
        self._decreased_at = float("-inf")
        self._since: float | None = None
        self._answered = 0

    @property
    def requests_per_second(self) -> float | None:
        """The pace now; None while no limit is known."""
        return self._rate if self._base else None

    def wait(self) -> float:
        """Waits for the next free slot; returns the clock's time at which the request may go.

        One thread at a time waits for a slot, the others for their turn: none goes within a hold that began
        while it waited.
        """
        with self._turn:
            waited_until = float("-inf")
            while True:
                with self._lock:
                    now = max(self._clock(), waited_until)
                    if self._next_slot <= now:
                        return self._take(now)
                    waited_until = self._next_slot
                self._sleep(waited_until - now)

    def _take(self, now: float) -> float:
        """Takes the slot: who woke up late does not delay the next one, what nobody took is not saved up."""
        gap = 1.0 / self._rate
        self._next_slot = (self._next_slot if now - self._next_slot < gap else now) + gap
        self._since = now if self._since is None else self._since
        if self._base is None:
            self._rate += QUICKENING
        return now

    def succeeded(self) -> None:
        """A request was answered: the pace grows with the third power of the time since the last refusal."""
        with self._lock:
            self._answered += 1
            if self._base is None or self._since is None:
                return
            seconds = max(self._clock() - self._since, 0.0)
            grown = self._base * (1 + (seconds / DOUBLING_SECONDS) ** 3)
            rate = max(self._rate, min(grown, HEADROOM * self._answered / (seconds + BURST_SECONDS)))
            self._rate = min(rate, self._ceiling) if self._ceiling else rate

    def refused(self, *, sent_at: float, wait_seconds: float) -> None:
        """A 429: slows down once for all requests that were in flight, and holds them all.

        The first refusal of a pace without a ceiling sets it to what was answered until then.

        Args:
            sent_at: what `wait` returned for the refused request; refusals of requests sent before
                the last decrease are the same refusal.
            wait_seconds: no request goes before so many seconds from now.
        """
        with self._lock:
            now = self._clock()
            if sent_at > self._decreased_at:
                if self._base is None:
                    begun = now if self._since is None else self._since
                    rate = max(self._answered, 1) / (now - begun + BURST_SECONDS)
                else:
                    rate = self._rate * DECREASE
                rate = max(rate, FLOOR)
                self._rate = self._base = min(rate, self._ceiling) if self._ceiling else rate
                self._decreased_at, self._answered = now, 0
            held_until = now + wait_seconds + (self._jitter() / self._rate if wait_seconds else 0.0)
            self._next_slot = self._since = max(self._next_slot, held_until)
