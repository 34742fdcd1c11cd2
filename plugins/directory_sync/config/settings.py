"""The switches of a deployment, validated once; `given.py` says where they are given.

Connections hold secrets and addresses (`access.py`), the form in the Dag file holds what is synced.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pendulum
from croniter import croniter

from directory_sync.config.events import check_events
from directory_sync.config.given import ENVIRONMENT_PREFIX, given_switches
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.older_python import Self
from directory_sync.config.urls import is_http_url
from directory_sync.errors import ConfigError

TICKS_LOOKED_AT = 50
CLOCK_TOLERANCE = timedelta(minutes=5)
"""The default of how far the clocks of two machines may be apart."""
LONGEST_OUTAGE = timedelta(hours=8)
"""The default of how long an outage is waited for, where half the schedule's interval is not shorter."""
UNSTORABLE = ("refuse", "quarantine")
"""For an entry that the warehouse cannot hold: refuse the whole snapshot, or quarantine the entry alone."""


@dataclass(frozen=True, kw_only=True)
class SyncSettings:
    """The switches of a deployment; each is read from `DIRECTORY_SYNC_<NAME>`.

    A test holds the table of settings in the README to these fields and their defaults.

    Attributes:
        home: the folder of the DuckDB file, the snapshots and the lock files, as an absolute path; default:
            `$AIRFLOW_HOME/directory_sync`. Connections can name other places.
        dataset: the schema of the tables.
        schedule: a cron expression, in UTC.
        shards: the number of extract tasks that read the directory in parallel.
        requests_in_flight: how many requests of one shard may wait for their answers at once.
        retention_days: how long landed snapshots are kept, in days.
        memory_limit_mb: the memory limit of each DuckDB connection, in MB; 0: by the rows, see `memory.py`.
        warehouse_wait_seconds: how long to wait for a warehouse that another process holds, in seconds.
        max_removed_share: see `RemovalLimits`.
        max_removed_count: see `RemovalLimits`.
        max_removed_share_7_days: see `RemovalLimits`.
        max_removed_count_7_days: see `RemovalLimits`.
        max_removed_share_30_days: see `RemovalLimits`.
        max_removed_count_30_days: see `RemovalLimits`.
        min_population: see `RemovalLimits`.
        max_small_share: see `RemovalLimits`.
        runs_may_raise_limits: whether the parameters of a run may raise these limits.
        approvers: ids of the users who may decide on removals; empty: every user with the right in Airflow.
        ask_again_days: after how many days a person is asked again about held removals.
        response_timeout_hours: how long a question waits for its answer, in hours.
        outage_hours: how long a task is tried again while the API or the warehouse cannot be reached, in
            hours; at most half the schedule's interval.
        max_changed_share: removals are held if a larger share of the entries changed, 0 to 1.
        max_detail_requests: how many absent entries of a resource a run asks for at `detail_path`.
        max_size_deviation: a warning if the number of entries deviates by a larger share, 0 to 1.
        deadline_minutes: a run that takes longer triggers an alert, in minutes; 0: no alert.
        owner_link: an http or mailto URL behind the owner's name in the interface; empty: none.
        notify: the id of an Apprise connection that is told of the events; empty: none.
        notify_events: the events that it is told of, see `events.py`; empty: all but `unchanged`.
        clock_tolerance_minutes: how far the clocks of two machines may be apart, in minutes.
        unstorable: how an entry that the warehouse cannot hold is treated, one of UNSTORABLE.
        preload: whether the process that tasks are forked from imports what they need; of a deployment alone.
    """

    home: Path
    dataset: str = "directory"
    schedule: str = "0 3 * * *"
    shards: int = 4
    requests_in_flight: int = 8
    retention_days: int = 30
    memory_limit_mb: int = 0
    warehouse_wait_seconds: float = 120.0
    max_removed_share: float = RemovalLimits.max_removed_share
    max_removed_count: int = RemovalLimits.max_removed_count
    max_removed_share_7_days: float = RemovalLimits.max_removed_share_7_days
    max_removed_count_7_days: int = RemovalLimits.max_removed_count_7_days
    max_removed_share_30_days: float = RemovalLimits.max_removed_share_30_days
    max_removed_count_30_days: int = RemovalLimits.max_removed_count_30_days
    min_population: int = RemovalLimits.min_population
    max_small_share: float = RemovalLimits.max_small_share
    runs_may_raise_limits: bool = False
    approvers: tuple[str, ...] = ()
    ask_again_days: int = 7
    response_timeout_hours: float = 20.0
    outage_hours: float = LONGEST_OUTAGE / timedelta(hours=1)
    max_changed_share: float = 0.5
    max_detail_requests: int = 100
    max_size_deviation: float = 0.2
    deadline_minutes: float = 0.0
    owner_link: str = ""
    notify: str = ""
    notify_events: tuple[str, ...] = ()
    clock_tolerance_minutes: float = CLOCK_TOLERANCE / timedelta(minutes=1)
    unstorable: str = "refuse"
    preload: bool = False

    def __post_init__(self) -> None:
        """Validates the values.

        Raises:
            ConfigError: a value is outside its range.
        """
        if self.unstorable not in UNSTORABLE:
            raise ConfigError(
                f"{ENVIRONMENT_PREFIX}UNSTORABLE must be {' or '.join(UNSTORABLE)}; got {self.unstorable!r}."
            )
        for name in (
            "shards",
            "requests_in_flight",
            "retention_days",
            "ask_again_days",
            "max_detail_requests",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{ENVIRONMENT_PREFIX}{name.upper()} must be 1 or more.")
        for name in (
            "warehouse_wait_seconds",
            "max_changed_share",
            "max_size_deviation",
            "deadline_minutes",
            "outage_hours",
            "clock_tolerance_minutes",
            "memory_limit_mb",
        ):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{ENVIRONMENT_PREFIX}{name.upper()} must be 0 or more.")
        if not _is_cron(self.schedule):
            raise ConfigError(
                f"{ENVIRONMENT_PREFIX}SCHEDULE must be a cron expression; got {self.schedule!r}."
            )
        if not self.response_timeout_hours > 0:
            raise ConfigError(f"{ENVIRONMENT_PREFIX}RESPONSE_TIMEOUT_HOURS must be above 0.")
        if self.owner_link and not _is_owner_link(self.owner_link):
            raise ConfigError(
                f"{ENVIRONMENT_PREFIX}OWNER_LINK must be a URL or mailto:...; got {self.owner_link!r}."
            )
        if not self.home.is_absolute():
            raise ConfigError(f"{ENVIRONMENT_PREFIX}HOME must be an absolute path; got {str(self.home)!r}.")
        self.removal_limits  # noqa: B018  validates them
        self._check_notify()

    def _check_notify(self) -> None:
        if not self.notify_events:
            return
        check_events(self.notify_events, place=f"{ENVIRONMENT_PREFIX}NOTIFY_EVENTS")
        if not self.notify:
            raise ConfigError(
                f"{ENVIRONMENT_PREFIX}NOTIFY_EVENTS is set without {ENVIRONMENT_PREFIX}NOTIFY, the "
                "connection that is told. Nothing was done. Set both."
            )

    @property
    def removal_limits(self) -> RemovalLimits:
        """The removal limits of this deployment, see `RemovalLimits.of_run` for those of a run."""
        return RemovalLimits(**{limit.name: getattr(self, limit.name) for limit in fields(RemovalLimits)})

    @property
    def retention(self) -> timedelta:
        """How long landed snapshots are kept."""
        return timedelta(days=self.retention_days)

    @property
    def clock_tolerance(self) -> timedelta:
        """How far the clocks of two machines may be apart."""
        return timedelta(minutes=self.clock_tolerance_minutes)

    @property
    def response_timeout(self) -> timedelta:
        """How long a question about removals waits for its answer.

        It is shorter than the time between two scheduled runs: a waiting run counts for the Dag's
        `max_active_runs`, and a scheduled run must not delay the next one. A manual run can: a scheduled run
        that falls due while it waits starts after it.
        """
        return min(timedelta(hours=self.response_timeout_hours), self.shortest_interval * 5 / 6)

    @property
    def outage(self) -> timedelta:
        """How long an outage is waited for: never so long that the next scheduled run could not end."""
        return min(timedelta(hours=self.outage_hours), self.shortest_interval / 2)

    @property
    def shortest_interval(self) -> timedelta:
        """The shortest time between two scheduled runs."""
        return _shortest_interval(self.schedule)

    @property
    def deadline(self) -> timedelta | None:
        """How long after it was queued a run must have ended, or the alert is sent; None: no alert."""
        return timedelta(minutes=self.deadline_minutes) or None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Reads the switches from environment variables, and from Airflow's configuration.

        Args:
            environment: the variables; None: those of this process, and Airflow's configuration.

        Raises:
            ConfigError: a value cannot be parsed or is outside its range, or a name is unknown; the message
                names it.
        """
        given = given_switches({item.name for item in fields(cls)}, environment)
        environment = os.environ if environment is None else environment
        airflow_home = Path(environment.get("AIRFLOW_HOME") or "~/airflow").expanduser()
        values: dict[str, Any] = {"home": airflow_home / "directory_sync"}
        for item in fields(cls):
            if item.name in given:
                place, text = given[item.name]
                values[item.name] = _parse(text, item.type, variable=place)
        return cls(**values)


# A parse makes these settings a dozen times, and asks for the interval twice; croniter takes milliseconds.
@lru_cache(maxsize=8)
def _is_cron(schedule: str) -> bool:
    return bool(croniter.is_valid(schedule))


@lru_cache(maxsize=8)
def _shortest_interval(schedule: str) -> timedelta:
    ticks = croniter(schedule, pendulum.datetime(2026, 1, 1), ret_type=datetime)
    times: list[datetime] = [ticks.get_next() for _ in range(TICKS_LOOKED_AT)]
    return min(later - earlier for earlier, later in pairwise(times))


def _parse(text: str, kind: Any, *, variable: str) -> Any:
    parse: Mapping[Any, Callable[[str], Any]] = {
        int: int,
        float: float,
        Path: Path,
        bool: _flag,
        tuple[str, ...]: _listed,
    }
    try:
        return parse.get(kind, str)(text)
    except ValueError:
        valid = "true or false" if kind is bool else "a number"
        raise ConfigError(f"{variable} must be {valid}; got {text!r}.") from None


def _flag(text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.strip().lower() not in known:
        raise ValueError(text)
    return known[text.strip().lower()]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_owner_link(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.path) if parts.scheme == "mailto" else is_http_url(text)
