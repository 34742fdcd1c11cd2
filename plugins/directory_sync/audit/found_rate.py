"""Which rate of requests the API let in during a pull, by the landed answers of all shards.

A request that is refused says that nothing was left then. What was let in from there on is at most the limit,
and is the limit where the shards asked for more. So the fastest such stretch of the pull is the best guess; a
mean over the pull would count shards that began late and ended early.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from directory_sync.landing.known_rate import FASTEST, KnownRate

STRETCH_SECONDS, STRETCH_ANSWERS = 5.0, 50
"""A stretch is at least so long and has so many answers. Over a shorter one, what the API lets in as a
burst counts too much."""
WAIT_SECONDS = 1.0
"""A refused request was repeated after at least so long; its landed time is that of its last try."""
MARGIN = 0.97
"""How much of the fastest stretch is remembered: chance makes it a little too fast."""
LOWER, HIGHER = 0.98, 1.05
"""The factors for the next run, after a pull that was refused too rarely to measure, or not at all."""
NEARLY = 0.8
"""A pull at this share of the known rate, or less, was not held back by it and says nothing about it."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One answer to a shard.

    Attributes:
        shard: the number of the shard.
        at: when the request was sent that was answered.
        refused: how many times it had been refused before.
    """

    shard: int
    at: datetime
    refused: int


def found_rate(answers: Iterable[Answered], known: KnownRate | None) -> KnownRate | None:
    """Returns the rate at which the next run begins.

    Args:
        answers: the answers to the shards of a pull, in any order.
        known: the rate that the shards began at; None: they searched for one.

    Returns:
        The rate; None: the pull tells nothing, so what is known stays.
    """
    pull = _of_all_shards(sorted(answers, key=lambda one: one.at))
    refused = [one.at for one in pull if one.refused]
    if refused and (fastest := _fastest_stretch(pull)):
        return _rate(MARGIN * fastest, refused[-1])
    if known is None or len(pull) < STRETCH_ANSWERS:
        return None
    if refused:
        return _rate(LOWER * known.requests_per_second, refused[-1])
    seconds = (pull[-1].at - pull[0].at).total_seconds()
    mean = len(pull) / (seconds + 1.0)
    if mean <= NEARLY * known.requests_per_second:
        return None
    # Not confirmed: if this goes on, the rate is forgotten.
    return _rate(max(mean, HIGHER * known.requests_per_second), known.confirmed_at)


def _rate(requests_per_second: float, confirmed_at: datetime) -> KnownRate:
    return KnownRate(
        requests_per_second=round(min(requests_per_second, FASTEST), 3), confirmed_at=confirmed_at
    )


def _of_all_shards(answers: Sequence[Answered]) -> Sequence[Answered]:
    """Returns the answers of the time in which all shards read; all, if that was less than half of it."""
    first: dict[int, datetime] = {}
    last: dict[int, datetime] = {}
    for one in answers:
        first.setdefault(one.shard, one.at)
        last[one.shard] = one.at
    if not first:
        return answers
    begin, end = max(first.values()), min(last.values())
    if end - begin < (answers[-1].at - answers[0].at) / 2:
        return answers
    return [one for one in answers if begin <= one.at <= end]


def _fastest_stretch(answers: Sequence[Answered]) -> float:
    """Returns the answers per second of the fastest stretch that begins with a refusal; 0: there is none."""
    times = [one.at for one in answers]
    fastest = 0.0
    for one in answers:
        begin = one.at - timedelta(seconds=WAIT_SECONDS)
        if not one.refused or begin < times[0]:
            continue
        first = bisect_left(times, begin)
        end = max(bisect_left(times, begin + timedelta(seconds=STRETCH_SECONDS)), first + STRETCH_ANSWERS)
        if end < len(times):
            fastest = max(fastest, (end - first) / (times[end] - begin).total_seconds())
    return fastest
