"""How many entries may be removed without a person's decision: in one run, within a week, within a month.

All limits count entries that are *newly missing*. An entry that is missing first and removed at its second
absence counts once. Entries that a person was asked about do not count again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from directory_sync.config.older_python import Self
from directory_sync.errors import ConfigError

_SHARES = ("max_removed_share", "max_removed_share_7_days", "max_removed_share_30_days", "max_small_share")
_COUNTS = ("max_removed_count", "max_removed_count_7_days", "max_removed_count_30_days", "min_population")
_WIDER = 2
"""A limit over several days allows a small directory this many times the share of one run."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit on newly missing entries: a share and a count. Both must be kept.

    Attributes:
        share: the largest share of the entries that may go missing, 0 to 1.
        count: the largest number of entries that may go missing.
        min_population: a directory with fewer entries is small. It may lose no more entries than a directory
            of this size may, and no larger share than `small_share`.
        small_share: the share for a small directory, 0 to 1; one entry is allowed in any case, unless `share`
            is 0.
        period: the time over which missing entries are counted; None: one run.
    """

    share: float
    count: int
    min_population: int
    small_share: float
    period: timedelta | None = None

    def exceeded_by(self, *, missing: int, population: int) -> bool:
        """Tells whether too many entries are missing; a number exactly at the limit is allowed.

        The loss of all entries always exceeds the limit.

        Args:
            missing: how many entries are newly missing.
            population: how many entries there were before.
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
        """The name of the check that applies this limit, as findings have it."""
        return "removals" if self.period is None else f"removals_{self.period.days}_days"

    def __str__(self) -> str:
        """Returns the limit as messages show it: share and count."""
        return f"{self.share:.1%}, {self.count:,}"


@dataclass(frozen=True, kw_only=True)
class RemovalLimits:
    """How many entries may go missing before a person is asked.

    Attributes:
        max_removed_share: the largest share of the entries in one run, 0 to 1.
        max_removed_count: the largest number of entries in one run.
        max_removed_share_7_days: the largest share within 7 days, 0 to 1.
        max_removed_count_7_days: the largest number within 7 days.
        max_removed_share_30_days: the largest share within 30 days, 0 to 1.
        max_removed_count_30_days: the largest number within 30 days.
        min_population: a directory with fewer entries is small.
        max_small_share: the largest share of a small directory in one run, 0 to 1; within 7 or 30 days twice
            as much.
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
        """Validates the values.

        Raises:
            ConfigError: a limit is outside its range.
        """
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` must lie between 0 and 1 (0.05 is 5 %).")
        for name in _COUNTS:
            if getattr(self, name) < 0:
                raise ConfigError(f"`{name}` must not be negative.")

    @property
    def of_one_run(self) -> Limit:
        """The limit for one run."""
        return Limit(
            share=self.max_removed_share,
            count=self.max_removed_count,
            min_population=self.min_population,
            small_share=self.max_small_share,
        )

    @property
    def over_time(self) -> tuple[Limit, Limit]:
        """The limits for 7 and for 30 days; neither is lower than the limit for one run."""
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
        """Tells whether too many entries are newly missing for one run, see `Limit.exceeded_by`."""
        return self.of_one_run.exceeded_by(missing=missing, population=population)

    def raised_by(self, given: Mapping[str, float]) -> list[str]:
        """Returns the names of a run's values that allow more than these limits, sorted."""
        return sorted(name for name, value in given.items() if value > getattr(self, name))

    def of_run(self, given: Mapping[str, float], *, may_raise: bool) -> Self:
        """Returns these limits with a run's own values in place of the deployment's.

        Args:
            given: the values of the run's parameters, by the names of the limits.
            may_raise: whether the deployment permits a run to allow more.

        Raises:
            ConfigError: a value allows more, and the deployment does not permit that.
        """
        raised = self.raised_by(given)
        if raised and not may_raise:
            name = raised[0]
            raise ConfigError(
                f"The run's parameter `{name}` is {given[name]:g}, above the deployment's limit of "
                f"{getattr(self, name):g}: a run may only lower it. Nothing was read. Leave the parameter "
                "empty and approve the removals under Required Actions, or set "
                "DIRECTORY_SYNC_RUNS_MAY_RAISE_LIMITS=true."
            )
        return replace(self, **given)  # type: ignore[arg-type]
