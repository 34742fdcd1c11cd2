"""How many entries may leave without a person's decision: at once, within a week, within a month.

All limits count entries that are *newly missing*: one that is missing first and removed at its second absence
counts once. What a person was asked about counts no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from directory_sync.errors import ConfigError

_SHARES = ("max_removed_share", "max_removed_share_7_days", "max_removed_share_30_days", "max_small_share")
_COUNTS = ("max_removed_count", "max_removed_count_7_days", "max_removed_count_30_days", "min_population")
_WIDER = 2
"""A window allows a small directory so many times what one run does."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit: a share and a count, both of which hold.

    Attributes:
        period: over which it counts; None: one run.
        min_population: a smaller directory loses no more than this one may, nor more than `small_share`.
        small_share: of a small directory; a single entry may always leave, if `share` allows any.
    """

    share: float
    count: int
    min_population: int
    small_share: float
    period: timedelta | None = None

    def exceeded_by(self, *, missing: int, population: int) -> bool:
        """Tells whether so many of a population are too many; exactly at a limit is allowed.

        The loss of all is always too many, of whatever population.
        """
        if missing and missing >= population:
            return True
        return missing > self.count or missing > self._most(population)

    def _most(self, population: int) -> float:
        if population >= self.min_population:
            return self.share * population
        small = max(self.share, self.small_share) * population
        return min(self.share * self.min_population, max(small, 1.0))

    @property
    def rule(self) -> str:
        """The name of the check that holds it."""
        return "removals" if self.period is None else f"removals_{self.period.days}_days"

    def __str__(self) -> str:
        """The limit as a message quotes it."""
        return f"{self.share:.1%}, {self.count:,}"


@dataclass(frozen=True, kw_only=True)
class RemovalLimits:
    """How many entries may go missing before a person is asked.

    Attributes:
        max_removed_share: of the entries, at once; `_7_days`, `_30_days`: within so many days.
        max_removed_count: so many entries, likewise.
        min_population: below it a directory is small.
        max_small_share: of a small directory, at once; within 7 or 30 days twice as much.
    """

    max_removed_share: float = 0.05
    max_removed_count: int = 500
    max_removed_share_7_days: float = 0.1
    max_removed_count_7_days: int = 1_000
    max_removed_share_30_days: float = 0.2
    max_removed_count_30_days: int = 2_000
    min_population: int = 100
    max_small_share: float = 0.2

    def __post_init__(self) -> None:
        """Raises ConfigError for limits outside their range."""
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` must lie between 0 and 1 (0.05 is 5 %).")
        for name in _COUNTS:
            if getattr(self, name) < 0:
                raise ConfigError(f"`{name}` must not be negative.")

    @property
    def of_one_run(self) -> Limit:
        """What may go missing at once."""
        return Limit(
            share=self.max_removed_share,
            count=self.max_removed_count,
            min_population=self.min_population,
            small_share=self.max_small_share,
        )

    @property
    def over_time(self) -> tuple[Limit, Limit]:
        """What may go missing within 7 and within 30 days: never less than at once."""
        week = (7, self.max_removed_share_7_days, self.max_removed_count_7_days)
        month = (30, self.max_removed_share_30_days, self.max_removed_count_30_days)
        return self._over(*week), self._over(*month)

    def _over(self, days: int, share: float, count: int) -> Limit:
        return Limit(
            share=max(share, self.max_removed_share),
            count=max(count, self.max_removed_count),
            min_population=self.min_population,
            small_share=min(1.0, _WIDER * self.max_small_share),
            period=timedelta(days=days),
        )

    def exceeded_by(self, *, missing: int, population: int) -> bool:
        """Tells whether so many newly missing ones are too many for one run."""
        return self.of_one_run.exceeded_by(missing=missing, population=population)

    def raised_by(self, given: Mapping[str, float]) -> list[str]:
        """Returns the names of those values of a run that allow more than these limits, sorted."""
        return sorted(name for name, value in given.items() if value > getattr(self, name))

    def of_run(self, given: Mapping[str, float], *, may_raise: bool) -> Self:
        """Returns the limits of a run with values of its own.

        Args:
            given: `max_removed_share` or `max_removed_count`, as the run's parameters have them.
            may_raise: the deployment lets a run allow more.

        Raises:
            ConfigError: a value allows more, and the deployment does not let it.
        """
        raised = self.raised_by(given)
        if raised and not may_raise:
            name = raised[0]
            raise ConfigError(
                f"The run's parameter `{name}` is {given[name]:g}, above the deployment's limit of "
                f"{getattr(self, name):g}: a run may only tighten it. Nothing was read. Leave the parameter "
                "empty and approve the removals under Required Actions, or set "
                "DIRECTORY_SYNC_RUNS_MAY_RAISE_LIMITS=true."
            )
        return replace(self, **given)  # type: ignore[arg-type]
