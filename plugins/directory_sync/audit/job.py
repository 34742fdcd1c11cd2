"""What an audit works on: the run, its snapshot, the limits that hold."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from directory_sync.config.form import Resource
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.mode import Mode
from directory_sync.config.settings import SyncSettings
from directory_sync.landing.snapshot import LandedSnapshot


@dataclass(frozen=True, kw_only=True)
class Run:
    """Which run a snapshot is of.

    Attributes:
        interval: the data interval; None for a manual run without one.
        directory: which directory it reads, see `ownership`; None: it leaves no mark.
        began_at: when the scheduler started it, by the scheduler's clock; None: unknown.
    """

    run_id: str
    mode: Mode = Mode.SYNC
    interval: tuple[datetime, datetime] | None = None
    directory: str | None = None
    began_at: datetime | None = None

    @property
    def is_partial(self) -> bool:
        """Its snapshot holds what changed within an interval: a part of the directory."""
        return self.mode.is_partial

    @property
    def interval_text(self) -> tuple[str, str] | None:
        """The data interval as the manifest has it, in ISO 8601."""
        return (self.interval[0].isoformat(), self.interval[1].isoformat()) if self.interval else None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Everything an audit needs.

    Attributes:
        raised_limits: which of the deployment's limits this run lifts, and who says so; None: none.
        folder: the task's own; its scratch database works there.
        lands_in: where the difference and the report go; None: beside the snapshot.
    """

    resource: Resource
    landed: LandedSnapshot
    run: Run
    settings: SyncSettings
    limits: RemovalLimits
    folder: Path
    raised_limits: str | None = None
    lands_in: LandedSnapshot | None = None
