"""How the rate of a shard grows, and what a refusal takes from it.

Around a rate that is searched for by refusals, the steps are large: no shard knows how wrong its rate is.
Around a rate that an earlier run found (`landing/known_rate.py`) they are small: a refusal costs more than
what a slightly higher rate would bring. And a shard that goes back to the share it began at stays as fast as
the others, so that all end together.

The numbers were chosen in the simulation of `tests/rate_simulation.py`, on token buckets of a second's worth.
"""

from typing import Protocol

DECREASE = 0.8
"""The factor by which a refusal reduces a rate that is searched for."""
DOUBLING_SECONDS = 6.0
"""The time after a refusal in which it doubles, in seconds. A shorter time causes more refusals, a longer one
leaves more capacity unused."""

KNOWN_DOUBLING_SECONDS, KNOWN_DOUBLING_REQUESTS = 90.0, 120
"""A known rate grows by this time, and where requests are rare, by the time that so many requests take:
at 5 requests a second every refusal counts."""
KNOWN_SLOPE = 0.25
"""By how much of itself it grows within that time, besides the cube: a rate that is a little too low is
seldom refused, and would stay so."""
KNOWN_GROWN = 1.03
"""A rate above this many times its base was refused because it had grown."""
KNOWN_STEP = 0.98
"""Of its base, what is left then."""
KNOWN_OUTGROWN = 1.5
"""A rate above this many times its base is that of another limit, or of shards that have ended."""
KNOWN_DECREASE = 0.97
"""The factor by which another refusal reduces a known rate: others may still be above their shares."""
KNOWN_REFUSALS = 3
"""After so many of these in a row the limit has fallen, and is searched for."""


class Growth(Protocol):
    """How a rate changes. A base is a rate after its latest decrease."""

    def factor(self, seconds: float, *, base: float) -> float:
        """Returns how many times its base a rate is after some seconds without a refusal."""

    def decreased(self, rate: float, *, base: float) -> float | None:
        """Returns the rate after a refusal; None: the limit must be searched for."""


class Searching:
    """Around a rate that this shard found."""

    def factor(self, seconds: float, *, base: float) -> float:  # noqa: ARG002
        """See `Growth`."""
        return 1 + (seconds / DOUBLING_SECONDS) ** 3

    def decreased(self, rate: float, *, base: float) -> float:  # noqa: ARG002
        """See `Growth`."""
        return rate * DECREASE


class Known:
    """Around a rate that an earlier run found."""

    def __init__(self) -> None:
        """No refusal yet."""
        self._refusals = 0

    def factor(self, seconds: float, *, base: float) -> float:
        """See `Growth`."""
        part = seconds / max(KNOWN_DOUBLING_SECONDS, KNOWN_DOUBLING_REQUESTS / base)
        return 1 + KNOWN_SLOPE * part + part**3

    def decreased(self, rate: float, *, base: float) -> float | None:
        """See `Growth`."""
        if rate >= KNOWN_OUTGROWN * base:
            return None
        if rate >= KNOWN_GROWN * base:
            self._refusals = 0
            return KNOWN_STEP * base
        self._refusals += 1
        return rate * KNOWN_DECREASE if self._refusals <= KNOWN_REFUSALS else None
