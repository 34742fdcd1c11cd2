"""The request rate of one shard: slow start, then multiplicative decrease and cubic growth.

Shards do not communicate. Each one starts slowly and increases its rate with every request, like TCP's slow
start (Jacobson, 1988). So one or two requests detect a low limit, not all requests in flight. After a refusal
the rate stays near the measured throughput, then grows slowly at first and faster later, like CUBIC
(RFC 9438): a constant limit is seldom hit, and capacity that other shards leave free is soon used. A faster
shard is refused more often, so the rates of the shards converge to equal shares of the unknown limit.

Where an earlier run found the limit, each shard begins at its share (`begin_at`) and stays near it, see
`growth.py`. Where answers say what is left of a limit, `told_rate.py` holds requests back before the first
refusal.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable

from directory_sync.api.allowance import Allowance
from directory_sync.api.growth import DECREASE, Growth, Known, Searching
from directory_sync.api.told_rate import ALONE, Place, ToldRate, slot_after

FIRST_RATE = 40.0
"""The first rate, in requests per second. Without any limit, it delays a shard's eighth request by 0.1 s."""
QUICKENING = 10.0
"""Requests per second that each request adds before the first refusal; the rate doubles in 0.07 s."""
BURST_SECONDS = 1.0
"""Most rate limits allow a burst of about this many seconds first, which says nothing about the rate."""
HEADROOM = 4.0
"""The rate is capped at this many times the measured throughput. Above that it would not slow anything down,
and the next refusal would have no effect."""
FLOOR = 0.2
"""The lowest rate, in requests per second."""


class RequestRate:
    """Paces the requests of all threads of a shard, in requests per second.

    Args:
        ceiling: this shard's share of the API's allowance, in requests per second; None: not known, then the
            rate grows with every request until the first refusal.
        place: the shard among those that share the API's allowance.
        clock: returns monotonic seconds.
        sleep: waits for a number of seconds.
        jitter: returns a random number from 0 to 1. With it, shards that were refused together do not
            continue at the same moment.
        wall_clock: returns seconds since 1970. By it, shards on several machines take turns.
    """

    def __init__(
        self,
        ceiling: float | None = None,
        *,
        place: Place = ALONE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Starts at the ceiling, or slowly."""
        self._ceiling = ceiling
        self._rate = ceiling or FIRST_RATE
        self._base = ceiling
        self._growth: Growth = Searching()
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._next_slot = float("-inf")
        self._decreased_at = float("-inf")
        self._since: float | None = None
        self._answered = 0
        self._told = ToldRate(place, ceiling)
        self._ahead = wall_clock() - clock()

    @property
    def requests_per_second(self) -> float | None:
        """The present rate; None: no limit is known yet."""
        return self._rate if self._base else None

    def begin_at(self, requests_per_second: float) -> None:
        """Begins at a rate that an earlier run found; without effect where there is a ceiling.

        Args:
            requests_per_second: the shard's share of it.
        """
        if self._ceiling is None:
            self._rate = self._base = max(requests_per_second, FLOOR)
            self._growth = Known()

    def wait(self) -> float:
        """Waits for the next free slot; returns the clock's time at which the request may be sent.

        Only one thread at a time waits for a slot; the others wait for that thread. So no request is sent
        during a hold that began while its thread waited.
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
        """Takes the slot, and sets the next one."""
        slot = self._next_slot
        due = slot_after(slot, 1.0 / self._rate, now=now)
        self._next_slot = self._told.next_slot(slot, due, now=now, ahead=self._ahead)
        self._since = now if self._since is None else self._since
        if self._base is None:
            self._rate += QUICKENING
        return now

    def succeeded(self) -> None:
        """Records an answered request. The rate grows by the time since the last refusal, see `growth.py`."""
        with self._lock:
            self._answered += 1
            if self._base is None or self._since is None:
                return
            seconds = max(self._clock() - self._since, 0.0)
            grown = self._base * self._growth.factor(seconds, base=self._base)
            rate = max(self._rate, min(grown, HEADROOM * self._answered / (seconds + BURST_SECONDS)))
            self._rate = min(rate, self._ceiling) if self._ceiling else rate

    def told(self, allowances: Iterable[Allowance]) -> None:
        """Follows what an answer says is left of the API's limits.

        Args:
            allowances: what it says; none: nothing, then what was said before holds until its reset.
        """
        stated = list(allowances)
        with self._lock:
            if stated and isinstance(self._growth, Known):
                # What the API says now goes before what a run found once.
                self._growth, self._base, self._rate = Searching(), None, max(self._rate, FIRST_RATE)
            self._next_slot = max(self._next_slot, self._told.follow(stated, now=self._clock()))

    def refused(self, *, sent_at: float, wait_seconds: float) -> None:
        """Records a refusal (429): reduces the rate once for all requests in flight, and holds the next ones.

        Without a ceiling, the first refusal sets the rate to the throughput measured so far.

        Args:
            sent_at: the result of `wait` for the refused request. A request that was sent before the last
                decrease does not cause another one.
            wait_seconds: for how many seconds from now no request is sent.
        """
        with self._lock:
            now = self._clock()
            if sent_at > self._decreased_at:
                if self._base is None:
                    begun = now if self._since is None else self._since
                    rate = max(self._answered, 1) / (now - begun + BURST_SECONDS)
                else:
                    rate = self._decreased(self._base)
                rate = max(rate, FLOOR)
                self._rate = self._base = min(rate, self._ceiling) if self._ceiling else rate
                self._decreased_at, self._answered = now, 0
            held_until = now + wait_seconds + (self._jitter() / self._rate if wait_seconds else 0.0)
            self._next_slot = self._since = max(self._next_slot, held_until)

    def _decreased(self, base: float) -> float:
        rate = self._growth.decreased(self._rate, base=base)
        if rate is None:
            self._growth = Searching()
            return self._rate * DECREASE
        return rate
