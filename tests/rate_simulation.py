"""Shards that ask an API at its limit, in virtual time: what is let in, what is refused."""

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from directory_sync.api.allowance import read_allowances
from directory_sync.api.rate import RequestRate
from directory_sync.api.told_rate import Place
from directory_sync.audit.found_rate import Answered, found_rate
from directory_sync.landing.known_rate import KnownRate

LATENCY_SECONDS = 0.02
BEGAN = 1_767_225_600.0
"""The wall clock at the time 0, in seconds since 1970."""


@dataclass
class LimitedApi:
    """A limit with headers in whole seconds.

    Attributes:
        limit: how many requests a window allows, or a bucket holds.
        window: the length of a window in seconds, or how long the bucket takes to fill.
        is_bucket: it is a token bucket.
        rounds: makes whole seconds of a time until the reset; None: the headers do not tell it.
        phase: when the first window began, in seconds before the time 0.
    """

    limit: int
    window: float
    is_bucket: bool = False
    rounds: Callable[[float], int] | None = math.ceil
    phase: float = 0.0
    let_in: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    _level: float = math.inf
    _at: float = 0.0

    def answer(self, now: float) -> tuple[bool, dict[str, str], float]:
        """Returns whether a request is let in, the headers, and the seconds to wait."""
        if self.is_bucket:
            self._level = min(self.limit, self._level + (now - self._at) * self.limit / self.window)
            self._at = now
        elif (now + self.phase) // self.window != (self._at + self.phase) // self.window or not self._at:
            self._level, self._at = self.limit, now
        is_let_in = self._level >= 1
        (self.let_in if is_let_in else self.refused).append(now)
        self._level -= is_let_in
        if self.is_bucket:
            reset = (self.limit - self._level) * self.window / self.limit
            wait = (1 - self._level) * self.window / self.limit
        else:
            wait = reset = self.window - (now + self.phase) % self.window
        if self.rounds is None:
            return is_let_in, {}, wait
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(math.floor(self._level)),
            "X-RateLimit-Reset": str(self.rounds(reset)),
        }
        return is_let_in, headers, wait

    def used(self, begin: float, end: float) -> float:
        """Returns the share of the limit that is used within a time."""
        return sum(begin <= at < end for at in self.let_in) / (self.limit * (end - begin) / self.window)

    @property
    def used_steadily(self) -> float:
        """The used share of the limit, from ten seconds after the first request to the last tenth of them."""
        steady = [at for at in self.let_in[: len(self.let_in) * 9 // 10] if at >= self.let_in[0] + 10]
        return (len(steady) - 1) / (steady[-1] - steady[0]) / (self.limit / self.window)

    @property
    def used_of_all(self) -> float:
        """The used share of the limit over all of the time."""
        return len(self.let_in) / (self.let_in[-1] - self.let_in[0]) / (self.limit / self.window)

    @property
    def refused_share(self) -> float:
        """The refused share of all requests."""
        return len(self.refused) / (len(self.refused) + len(self.let_in))


class _NotYetError(Exception):
    """Raised in place of a sleep."""


class Pull:
    """Shards that send requests, each with several in flight.

    Args:
        api: takes the requests.
        shards: how many shards share the limit.
        running: how many of them run; 0: all.
        in_flight: the requests of a shard that may wait for their answers at once.
        seed: of the latencies and jitters.
        skew: how far the wall clocks of the shards differ, in seconds.
        latency: the mean time until an answer, in seconds.
        known: the rate at which all shards together begin, as an earlier pull found it; None: they search.
        pages: how many pages each shard reads; None: it never ends.

    Attributes:
        answers: the answers, as the shards land them.
    """

    def __init__(
        self,
        api: LimitedApi,
        *,
        shards: int = 4,
        running: int = 0,
        in_flight: int = 4,
        seed: int = 1,
        skew: float = 0.0,
        latency: float = LATENCY_SECONDS,
        known: KnownRate | None = None,
        pages: int | None = None,
    ) -> None:
        self._api, self._in_flight, self._latency = api, in_flight, latency
        self._draw, self._now = random.Random(seed), 0.0
        self.rates = [self._rate(Place(number, shards), skew) for number in range(running or shards)]
        self._left = [math.inf if pages is None else pages] * len(self.rates)
        for rate in self.rates if known else ():
            rate.begin_at(known.requests_per_second / shards)
        self.answers: list[Answered] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        for rate in self.rates:
            # A shard reads its first page alone.
            self._after(self._draw.random(), partial(self._wait, rate, is_first=True))

    def run(self, seconds: float) -> None:
        """Lets time pass until so many seconds after the begin, or until all pages are read."""
        while self._events and self._events[0][0] <= seconds:
            self._now, _, happens = heapq.heappop(self._events)
            happens()

    def _rate(self, place: Place, skew: float) -> RequestRate:
        def sleep(seconds: float) -> None:
            raise _NotYetError(seconds)

        began = BEGAN + self._draw.uniform(-skew, skew)
        return RequestRate(
            place=place,
            clock=lambda: self._now,
            sleep=sleep,
            jitter=self._draw.random,
            wall_clock=lambda: self._now + began,
        )

    def _after(self, seconds: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._count), happens))

    def _wait(self, rate: RequestRate, *, is_first: bool = False, refused: int = 0) -> None:
        try:
            sent_at = rate.wait()
        except _NotYetError as e:
            self._after(e.args[0] + 1e-6, partial(self._wait, rate, is_first=is_first, refused=refused))
        else:
            self._after(self._way(), partial(self._arrive, rate, sent_at, is_first=is_first, refused=refused))

    def _arrive(self, rate: RequestRate, sent_at: float, *, is_first: bool, refused: int) -> None:
        is_let_in, headers, wait = self._api.answer(self._now)
        if is_let_in:
            at = datetime.fromtimestamp(BEGAN + sent_at, UTC)
            self.answers.append(Answered(shard=self.rates.index(rate), at=at, refused=refused))
            self._after(self._way(), partial(self._answered, rate, headers, is_first=is_first))
        else:
            again = partial(
                self._refused, rate, sent_at, math.ceil(wait), is_first=is_first, refused=refused + 1
            )
            self._after(self._way(), again)

    def _way(self) -> float:
        return self._latency * self._draw.uniform(0.3, 0.7)

    def _answered(self, rate: RequestRate, headers: dict[str, str], *, is_first: bool) -> None:
        rate.succeeded()
        rate.told(read_allowances(headers))
        number = self.rates.index(rate)
        for _ in range(self._in_flight if is_first else 1):
            self._left[number] -= 1
            if self._left[number] > 0:
                self._after(0.0, partial(self._wait, rate))

    def _refused(self, rate: RequestRate, sent_at: float, wait: int, *, is_first: bool, refused: int) -> None:
        rate.refused(sent_at=sent_at, wait_seconds=wait)
        self._after(wait, partial(self._wait, rate, is_first=is_first, refused=refused))


def nights(
    make_api: Callable[[int], LimitedApi], *, count: int, seed: int, **how: Any
) -> list[tuple[LimitedApi, KnownRate | None]]:
    """Reads all pages of an API night after night; each night begins at what the nights before it found.

    Args:
        make_api: returns the API of a night, counted from 0.
        count: how many nights.
        seed: of the latencies and jitters; each night has others.
        how: see `Pull`.

    Returns:
        For each night the API, and the rate that was known at its begin.
    """
    known, told = None, []
    for night in range(count):
        api = make_api(night)
        read = Pull(api, seed=1_000 * seed + night, known=known, **how)
        read.run(math.inf)
        told.append((api, known))
        known = found_rate(read.answers, known) or known
    return told


def pull(api: LimitedApi, *, seconds: float, **how: Any) -> None:
    """Lets shards send requests for some seconds; see `Pull` for how."""
    Pull(api, **how).run(seconds)
