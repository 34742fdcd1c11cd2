"""Rebuilds the warehouse from landed snapshots: no request to the API, and the decisions as they were taken.

Each publication was landed: its difference, its report, and that the warehouse held it. They are loaded again
in their order. Where the warehouse is not what a difference was computed against, which is so of the first
snapshot that is still kept, the snapshot itself is compared anew.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from directory_sync.form import Resource
from directory_sync.landing import (
    DIFFERENCE,
    MANIFEST,
    REPORT,
    LandedSnapshot,
    Landing,
)
from directory_sync.publish import publish_landed, roll_forward
from directory_sync.report import AuditReport
from directory_sync.warehouse import Warehouse

logger = logging.getLogger(__name__)

CompareAnew = Callable[[LandedSnapshot, AuditReport], tuple[LandedSnapshot, AuditReport]]
"""Compares a sealed snapshot with the warehouse as it is; answers with where that landed, and its report."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A sync that was published once, as it was landed."""

    landed: LandedSnapshot
    report: AuditReport
    difference: str

    @property
    def place(self) -> tuple[object, ...]:
        """Where it stands in the row of syncs."""
        return self.report.snapshot_at, self.report.sync_id


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay did.

    Attributes:
        published: syncs that were loaded.
        present: syncs the warehouse held already.
        late: syncs older than the warehouse's last, which were left out: it never moves back.
        last: the warehouse's last sync; None: it is empty.
    """

    published: int = 0
    present: int = 0
    late: int = 0
    last: str | None = None

    def headline(self, resource: str) -> str:
        """The outcome in one line."""
        late = f", {self.late:,} older than the warehouse were left out" if self.late else ""
        return (
            f"{resource}: replayed {self.published:,} landed syncs without the API, "
            f"{self.present:,} were there{late}; the warehouse is at {self.last or 'no sync'}"
        )


def replay(
    resource: Resource, landing: Landing, *, warehouse: Warehouse, compare_anew: CompareAnew
) -> Replayed:
    """Loads all landed publications which the warehouse lacks, in their order.

    Args:
        resource: whose tables.
        landing: where the snapshots are.
        warehouse: open, and held by this process.
        compare_anew: for a snapshot whose landed difference is on top of another state.

    Raises:
        SnapshotError: a landed file is damaged.
        WarehouseError: a load failed; a retry goes on where it ended.
    """
    roll_forward(resource, warehouse=warehouse, landed_of=partial(landing.snapshot, resource.name))
    published = present = late = 0
    for publication in sorted(_publications(resource, landing), key=lambda p: p.place):
        report, last = publication.report, warehouse.last_sync(resource.name)
        if warehouse.sync(report.sync_id):
            present += 1
        elif last and publication.place < (last.snapshot_at, last.sync_id):
            late += 1
        else:
            base = last.sync_id if last else None
            _load(resource, publication, base=base, warehouse=warehouse, compare_anew=compare_anew)
            published += 1
            logger.info("Replayed %s of run %s", report.sync_id, report.run_id)
    last = warehouse.last_sync(resource.name)
    return Replayed(published=published, present=present, late=late, last=last.sync_id if last else None)


def _load(
    resource: Resource,
    publication: Publication,
    *,
    base: str | None,
    warehouse: Warehouse,
    compare_anew: CompareAnew,
) -> None:
    landed, report, name = publication.landed, publication.report, publication.difference
    if report.base_sync_id != base:
        if name != DIFFERENCE:
            logger.warning("The removal %s is left out: what it removes is not there", report.sync_id)
            return
        landed, report = compare_anew(landed, report)
    publish_landed(resource, landed, report, warehouse=warehouse, name=name)


def _publications(resource: Resource, landing: Landing) -> Iterator[Publication]:
    for landed in landing.snapshots(resource.name):
        marked = landed.published()
        sealed = [(REPORT, DIFFERENCE)] if marked and landed.read_json(MANIFEST) else []
        for name, difference in [*sealed, *((f"{n}.json", f"{n}.parquet") for n in landed.removals())]:
            content = landed.read_json(name)
            if content is not None and content.get("sync_id") in marked:
                report = AuditReport.from_json(content)
                yield Publication(landed=landed, report=report, difference=difference)
