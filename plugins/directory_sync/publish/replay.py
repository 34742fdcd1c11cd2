"""Rebuilds the warehouse from landed publications, without requests to the API.

The landing zone holds the difference, the report and the mark of each publication. A replay loads those of
the branch that was published last, in their order, see `branch`. So people's decisions are repeated as they
were taken. A difference cannot be loaded if the warehouse is in another state than it was computed against.
This is so for the oldest publication that is kept, unless it is the first of all. Then its snapshot is
compared with the warehouse again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from directory_sync.audit.job import Audit, Run
from directory_sync.audit.manifest import read_manifest
from directory_sync.audit.stage import compare_again
from directory_sync.config.mode import Mode
from directory_sync.errors import SnapshotError
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.zone import Landing
from directory_sync.publish.branch import Publication, landed_publications, last_branch, names
from directory_sync.publish.publications import mend_marks
from directory_sync.publish.stage import publish_landed, roll_forward
from directory_sync.warehouse.syncs import SyncRow
from directory_sync.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)

NAMED = 5
"""How many of the publications that were left out are listed by name."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay did.

    Attributes:
        sync_ids: the syncs that were loaded, in their order.
        present: how many syncs of the branch the warehouse held already.
        left_out: how many publications were not loaded and are not in the warehouse.
        reasons: why they were left out, with their names.
        last: the warehouse's last sync; None: it is empty.
    """

    sync_ids: tuple[str, ...] = ()
    present: int = 0
    left_out: int = 0
    reasons: tuple[str, ...] = ()
    last: str | None = None

    def headline(self, resource: str) -> str:
        """The outcome in one line."""
        reasons = f" ({'; '.join(self.reasons)})" if self.reasons else ""
        left_out = f", {self.left_out:,} were left out{reasons}" if self.left_out else ""
        return (
            f"{resource}: replayed {len(self.sync_ids):,} landed syncs without the API, "
            f"{self.present:,} were there{left_out}; the warehouse is at {self.last or 'no sync'}"
        )


def replay(job: Audit, landing: Landing, *, warehouse: Warehouse) -> Replayed:
    """Loads the publications of the last branch that the warehouse lacks.

    Args:
        job: the resource; and the limits and the folder for snapshots that are compared again.
        landing: the landing zone.
        warehouse: open, and held by this process.

    Raises:
        SnapshotError: a landed file is damaged, and later publications build on it; its folder is named.
        WarehouseError: a load failed; a retry continues after the last sync that was loaded.
    """
    resource = job.resource
    roll_forward(resource, warehouse=warehouse, landed_of=partial(landing.snapshot, resource.name))
    runs = landing.snapshots(resource.name)
    mend_marks(resource, runs, warehouse=warehouse, at_most=None)
    landed = landed_publications(runs)
    branch, last = last_branch(landed.publications), warehouse.last_sync(resource.name)
    known = {place.sync_id for place in warehouse.places(resource.name)}
    present = [one for one in branch if one.mark.sync_id in known]
    later = _later(branch, present, last)
    loaded: list[str] = []
    groundless: list[Publication] = []
    bad = [*landed.damaged]
    for one in later:
        is_loaded, damage = _try(job, one, warehouse=warehouse)
        if damage and one is not branch[-1]:
            raise _stopped(resource.name, one, damage)
        if damage:
            bad.append(f"{one.landed.name}: {damage}")
        elif is_loaded:
            loaded.append(one.mark.sync_id)
        else:
            groundless.append(one)
    abandoned = [one for one in landed.publications if one not in branch and one.mark.sync_id not in known]
    older = [one for one in branch if one not in present and one not in later]
    left_out = {
        "on a branch that was abandoned when the warehouse was restored": list(names(abandoned)),
        "older than the warehouse's last sync": list(names(older)),
        "whose base is not in the warehouse": list(names(groundless)),
        "that cannot be read": bad,
    }
    last = warehouse.last_sync(resource.name)
    return Replayed(
        sync_ids=tuple(loaded),
        present=len(present),
        left_out=sum(len(group) for group in left_out.values()),
        reasons=tuple(_reason(why, group) for why, group in left_out.items() if group),
        last=last.sync_id if last else None,
    )


def _reason(why: str, group: Sequence[str]) -> str:
    more = ", ..." if len(group) > NAMED else ""
    return f"{len(group):,} {why}: {', '.join(group[:NAMED])}{more}"


def _later(
    branch: Sequence[Publication], present: Sequence[Publication], last: SyncRow | None
) -> Sequence[Publication]:
    """Returns the part of a branch that is newer than the warehouse, which never moves back."""
    begin = branch.index(present[-1]) + 1 if present else 0
    if last is None or (present and present[-1].mark.sync_id == last.sync_id):
        return branch[begin:]
    # The warehouse is on another branch: only later publications than its last sync may follow.
    rank = last.publication_order or 0, last.snapshot_at, last.sync_id
    return [one for one in branch[begin:] if one.rank > rank]


def _try(job: Audit, publication: Publication, *, warehouse: Warehouse) -> tuple[bool, str]:
    """Loads one publication; returns whether it was loaded, and what is damaged."""
    if publication.damage:
        return False, publication.damage
    try:
        return _load(job, publication, warehouse=warehouse), ""
    except SnapshotError as e:
        return False, str(e).split(". ")[0]


def _load(job: Audit, publication: Publication, *, warehouse: Warehouse) -> bool:
    """Loads one publication; returns False where the state that it builds on cannot be reached."""
    landed, report = publication.landed, publication.report
    assert report is not None
    last = warehouse.last_sync(job.resource.name)
    if report.origin.base_sync_id != (last.sync_id if last else None):
        manifest, fence = read_manifest(landed), warehouse.last_snapshot(job.resource.name)
        is_older = fence is not None and report.snapshot_at <= fence.last_requested_at
        if report.mode is Mode.DECIDE or is_older or manifest is None or manifest.sync_id != report.sync_id:
            logger.warning("%s is left out: its base is not in the warehouse", report.sync_id)
            return False
        # The new difference goes to the task's folder, so that the landed one stays.
        landed = LandedSnapshot.local(job.folder / "replayed")
        run = Run(run_id=report.run_id, mode=report.mode, directory=report.origin.directory)
        parent_landed = job.parent_landed and job.parent_landed.of_run(report.run_id)
        anew = replace(job, landed=publication.landed, run=run, lands_in=landed, parent_landed=parent_landed)
        report = compare_again(anew, warehouse=warehouse)
    report = report.numbered(publication.mark.order)
    publish_landed(
        job.resource,
        landed,
        report,
        warehouse=warehouse,
        marked_in=publication.landed,
        limits=job.limits,
    )
    logger.info("Replayed %s of run %s", report.sync_id, report.run_id)
    return True


def _stopped(resource: str, publication: Publication, damage: str) -> SnapshotError:
    return SnapshotError(
        f"The replay of `{resource}` ended before the sync {publication.mark.sync_id}, on which later syncs "
        f"build: in {publication.landed.path}: {damage}. Older syncs were loaded. Restore that folder from a "
        "backup of the landing zone, or delete it: the snapshot after it is then compared again. See "
        "docs/runbook.md#the-warehouse-is-lost-or-was-restored-from-a-backup."
    )
