"""Numbers the publications, in the warehouse and in the landing zone.

Clocks can be wrong. And a restored backup takes the warehouse back: later publications are gone from it, and
the next sync follows an older one. So each publication gets the highest number known to the warehouse or the
landing zone, plus one. No number is used twice as long as one of the two is kept, and the highest number is
always the last publication. The mark also names the publication before, so that the landing zone knows the
branches, see `branch`. See docs/adr/0011-the-order-of-publication.md.
"""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from directory_sync.audit.clocks import RUNBOOK, as_text
from directory_sync.audit.report import AuditReport
from directory_sync.config.form import Resource
from directory_sync.errors import ConfigError, SnapshotError
from directory_sync.landing.files import SKIPPED, Mark
from directory_sync.landing.snapshot import LandedSnapshot, folder_name
from directory_sync.warehouse.syncs import SyncRow
from directory_sync.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)

_READ_AT_ONCE = 8
MENDED = 100
"""How many of the last publications each run checks for a mark that a killed run did not write."""


def marks_of(runs: Iterable[LandedSnapshot]) -> dict[str, tuple[Mark, ...]]:
    """Returns the marks by folder. Damaged marks are logged and count as none.

    Args:
        runs: the folders of the runs; several are read at once.
    """
    folders = list(runs)
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        return {landed.name: marks for landed, marks in zip(folders, pool.map(_marks, folders), strict=True)}


def _marks(landed: LandedSnapshot) -> tuple[Mark, ...]:
    try:
        return landed.published()
    except SnapshotError:
        logger.warning("The marks of %s cannot be read; it counts as not published", landed.path)
        return ()


def numbered(
    report: AuditReport,
    landed: LandedSnapshot,
    *,
    warehouse: Warehouse,
    marks: Mapping[str, Iterable[Mark]] | None = None,
) -> AuditReport:
    """Gives a publication its number: the highest that warehouse and landing zone know, plus one.

    Args:
        report: the report of what is about to be published.
        landed: the folder of its run.
        warehouse: open, and held by this process.
        marks: the marks of all runs of the resource; None: they are read.

    Returns:
        The report with its number.
    """
    last = warehouse.last_sync(report.resource)
    marks = marks_of(landed.of_all_runs()) if marks is None else marks
    orders = [mark.order for of_run in marks.values() for mark in of_run]
    highest = max([order for order in (last and last.publication_order, *orders) if order], default=0)
    return report.numbered(highest + 1)


def mark_published(landed: LandedSnapshot, sync_id: str, *, warehouse: Warehouse) -> None:
    """Marks a published sync in the folder of its run, with its number and the sync before it.

    Args:
        landed: the folder of the run.
        sync_id: the sync.
        warehouse: open, and held by this process.
    """
    row = warehouse.sync(sync_id)
    assert row is not None, sync_id
    base = warehouse.sync(row.base_sync_id) if row.base_sync_id else None
    landed.mark_published(
        Mark(
            sync_id=sync_id,
            order=row.publication_order,
            base_sync_id=row.base_sync_id,
            base_order=base.publication_order if base else None,
        )
    )


def mend_marks(
    resource: Resource, runs: Iterable[LandedSnapshot], *, warehouse: Warehouse, at_most: int | None = MENDED
) -> dict[str, tuple[Mark, ...]]:
    """Marks syncs that the warehouse holds and that have no mark in the landing zone.

    A task that was killed between its last commit and its mark leaves such a sync. So does a damaged mark.

    Args:
        resource: the resource whose publications are checked.
        runs: the folders of its runs.
        warehouse: open, and held by this process.
        at_most: how many of the last publications to check; None: all.

    Returns:
        The marks by folder, as they were before.
    """
    folders = {landed.name: landed for landed in runs}
    marks = marks_of(folders.values())
    for place in reversed(warehouse.places(resource.name, at_most=at_most)):
        name = folder_name(place.run_id)
        if name not in folders or place.sync_id in {mark.sync_id for mark in marks[name]}:
            continue
        if place.sync_id in folders[name].landed_syncs():
            mark_published(folders[name], place.sync_id, warehouse=warehouse)
            logger.warning("%s was published without a mark; it is marked now", place.sync_id)
    return marks


def skip(report: AuditReport, landed: LandedSnapshot, *, fence: SyncRow) -> AuditReport:
    """Skips a snapshot that is older than the last published one. Repeated skips are an error.

    Args:
        report: the report of the snapshot.
        landed: the folder of its run.
        fence: the last published full snapshot.

    Returns:
        The report, with the reason for the skip.

    Raises:
        ConfigError: an earlier run was skipped for the same publication, so a clock is or was wrong.
    """
    note = f"its first request lies before the last one of {fence.sync_id}, which is published"
    before = [one.name for one in landed.of_all_runs() if _was_skipped(one, fence)]
    if before and landed.name not in before:
        raise ConfigError(
            f"The snapshot of run {report.run_id} began at {as_text(report.snapshot_at)}, before the last "
            f"request of {fence.sync_id} ({as_text(fence.last_requested_at)}), which is published; so did "
            f"that of {before[-1]}. A snapshot can be older than a published one once; when it repeats, the "
            "clock of a machine that reads the directory is wrong, or was. Nothing was published. See "
            f"{RUNBOOK}."
        )
    landed.write_json(SKIPPED, {"fence": fence.sync_id})
    return replace(report, skipped=note)


def _was_skipped(landed: LandedSnapshot, fence: SyncRow) -> bool:
    try:
        return (landed.read_json(SKIPPED) or {}).get("fence") == fence.sync_id
    except SnapshotError:
        return False
