"""What an audit works on: the run, its snapshot and the limits that apply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from directory_sync.config.form import Resource
from directory_sync.config.keys import EntryId
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.mode import Mode
from directory_sync.config.settings import SyncSettings
from directory_sync.landing.snapshot import LandedSnapshot


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run that a snapshot belongs to.

    Attributes:
        interval: the data interval; None for a manual run without one.
        run_id: the Dag run.
        mode: what the run does; default: a sync.
        directory: the directory that it reads, see `ownership`; None: tables and folders are not marked.
        began_at: when the scheduler started it, by the scheduler's clock; None: unknown.
    """

    run_id: str
    mode: Mode = Mode.SYNC
    interval: tuple[datetime, datetime] | None = None
    directory: str | None = None
    began_at: datetime | None = None

    @property
    def is_partial(self) -> bool:
        """Tells whether its snapshot holds only a part of the directory: what changed within an interval."""
        return self.mode.is_partial

    @property
    def interval_text(self) -> tuple[str, str] | None:
        """The data interval as two ISO 8601 texts, as the manifest stores it."""
        return (self.interval[0].isoformat(), self.interval[1].isoformat()) if self.interval else None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Everything an audit needs.

    Attributes:
        resource: the resource that is audited.
        landed: the folder of the run's snapshot.
        run: the run.
        settings: the deployment's switches.
        limits: the limits on removals that apply to this run.
        folder: the task's own folder; its scratch database works there.
        raised_limits: which of the deployment's limits this run raises, and who triggered it; None: none.
        parent: of a child resource, its parent.
        parent_landed: of a child resource, the folder of its parent's snapshot.
        read_from: where it was read, for the report: the base URL and its connection; empty: unknown.
        held_for: the children over whose limits the removals of this snapshot would go, with these removals.
        skipped_shards: the numbers of the shards that did not read in this run.
        lands_in: the folder for the difference and the report; None: the snapshot's own.
    """

    resource: Resource
    landed: LandedSnapshot
    run: Run
    settings: SyncSettings
    limits: RemovalLimits
    folder: Path
    raised_limits: str | None = None
    lands_in: LandedSnapshot | None = None
    parent: Resource | None = None
    parent_landed: LandedSnapshot | None = None
    read_from: str = ""
    skipped_shards: frozenset[int] = frozenset()
    held_for: Mapping[str, frozenset[EntryId]] = field(default_factory=dict)
