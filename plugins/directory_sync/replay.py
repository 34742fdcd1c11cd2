"""Rebuilds the warehouse from landed snapshots: no request to the API, and the decisions as they were taken.

Each publication was landed: its difference, its report, and that the warehouse held it. They are loaded again
in their order. Where the warehouse is not what a difference was computed against, which is so of the first
snapshot that is still kept, the snapshot itself is compared anew.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from directory_sync.audit import compare_again
from directory_sync.form import Resource
from directory_sync.job import Audit, Run
from directory_sync.landing import REPORT, LandedSnapshot, Landing
from directory_sync.publish import publish_landed, roll_forward
from directory_sync.report import AuditReport
from directory_sync.warehouse import Warehouse

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A sync that was published once, as it was landed.

    Attributes:
        landed: the folder of its run.
    """

    landed: LandedSnapshot
    report: AuditReport


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay did.

    Attributes:
        sync_ids: syncs that were loaded, in their order.
        present: syncs the warehouse held already.
        left_out: syncs from before the warehouse's last, which never moves back, and removals and intervals
            whose ground is no longer kept.
        last: the warehouse's last sync; None: it is empty.
    """

    sync_ids: tuple[str, ...] = ()
    present: int = 0
    left_out: int = 0
    last: str | None = None

    def headline(self, resource: str) -> str:
        """The outcome in one line."""
        left_out = f", {self.left_out:,} were left out" if self.left_out else ""
        return (
            f"{resource}: replayed {len(self.sync_ids):,} landed syncs without the API, "
            f"{self.present:,} were there{left_out}; the warehouse is at {self.last or 'no sync'}"
        )


def replay(job: Audit, landing: Landing, *, warehouse: Warehouse) -> Replayed:
    """Loads all landed publications which the warehouse lacks, in the order they were published in.

    Args:
        job: whose tables; the limits and the folder that serve where a snapshot is compared anew.
        landing: where the snapshots are.
        warehouse: open, and held by this process.

    Raises:
        SnapshotError: a landed file is damaged.
        WarehouseError: a load failed; a retry goes on where it ended.
    """
    resource = job.resource
    roll_forward(resource, warehouse=warehouse, landed_of=partial(landing.snapshot, resource.name))
    publications = in_order(_publications(resource, landing))
    known = [place for place, one in enumerate(publications) if warehouse.sync(one.report.sync_id)]
    last = warehouse.last_sync(resource.name)
    begin = known[-1] + 1 if known else 0
    loaded: list[str] = []
    for publication in publications[begin:]:
        report, base = publication.report, last.sync_id if last else None
        if last and not known and not loaded and report.snapshot_at < last.snapshot_at:
            continue
        if _load(job, publication, base=base, warehouse=warehouse):
            loaded.append(report.sync_id)
            last = warehouse.last_sync(resource.name)
            logger.info("Replayed %s of run %s", report.sync_id, report.run_id)
    return Replayed(
        sync_ids=tuple(loaded),
        present=len(known),
        left_out=len(publications) - len(known) - len(loaded),
        last=last.sync_id if last else None,
    )


def in_order(publications: Iterable[Publication]) -> list[Publication]:
    """Returns publications in the order they were published in: each names the one before it.

    Where the one before is no longer kept, or the warehouse was begun anew, a row of them begins; the rows
    come in the order of their first snapshots.
    """
    found = sorted(publications, key=lambda one: (one.report.snapshot_at, one.report.sync_id))
    ids = {one.report.sync_id for one in found}
    after = {one.report.base_sync_id: one for one in reversed(found) if one.report.base_sync_id in ids}
    ordered: list[Publication] = []
    for first in (one for one in found if one.report.base_sync_id not in ids):
        publication: Publication | None = first
        while publication:
            ordered.append(publication)
            publication = after.get(publication.report.sync_id)
    return ordered


def _load(job: Audit, publication: Publication, *, base: str | None, warehouse: Warehouse) -> bool:
    """Loads one publication; False where it stands on ground that is no longer kept."""
    landed, report = publication.landed, publication.report
    if report.base_sync_id != base:
        manifest = landed.read_manifest()
        if report.mode == "decide" or manifest is None or manifest["sync_id"] != report.sync_id:
            logger.warning("%s is left out: what it changed is not there", report.sync_id)
            return False
        # In the task's folder: what was landed stays.
        landed = LandedSnapshot.local(job.folder / "replayed")
        run = Run(run_id=report.run_id, mode=report.mode)
        anew = replace(job, landed=publication.landed, run=run, lands_in=landed)
        report = compare_again(anew, warehouse=warehouse)
    publish_landed(job.resource, landed, report, warehouse=warehouse)
    return True


def _publications(resource: Resource, landing: Landing) -> Iterator[Publication]:
    for landed in landing.snapshots(resource.name):
        for sync_id in landed.published():
            content = landed.of_sync(sync_id).read_json(REPORT)
            if content is not None:
                yield Publication(landed=landed, report=AuditReport.from_json(content))
