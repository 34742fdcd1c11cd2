"""Stage 3: writes the difference into the warehouse. Idempotent, and safe to kill at any moment.

It writes these, in one transaction where the warehouse has transactions:

    1. the change rows, merged on (sync_id, id): the log
    2. the table, merged on id with its child tables; its rows are made from the change rows alone
    3. the sync's row, which marks the publication as complete

Without transactions these are load packages, written in this order. Change rows without a sync's row belong
to a publication that was interrupted between 1 and 3. It is rolled forward from its change rows, and from the
sync's row that was written before them. A publication that cannot be finished is rolled back.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from directory_sync.audit.clocks import check_clocks
from directory_sync.audit.job import Audit
from directory_sync.audit.report import AuditReport
from directory_sync.audit.stage import compare_again
from directory_sync.config.form import Resource
from directory_sync.config.limits import RemovalLimits
from directory_sync.errors import PermanentError
from directory_sync.landing.files import DIFFERENCE
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.publish.header import CHANGE_COLUMNS, logged_sync_values
from directory_sync.publish.learned import fields_of
from directory_sync.publish.load import Part, load, load_together
from directory_sync.publish.publications import mark_published, mend_marks, numbered, skip
from directory_sync.publish.rows import SyncContent
from directory_sync.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)

ROWS_PER_BATCH = 5_000


def publish(
    job: Audit,
    report: AuditReport,
    *,
    warehouse: Warehouse,
    children: Sequence[tuple[Audit, AuditReport]] = (),
) -> AuditReport:
    """Publishes an audited snapshot; returns the report of what the warehouse holds now.

    A snapshot that began before the last published one ended is skipped with a note: the table never
    moves back. If skips repeat, the run fails, see `publications`. A snapshot that was compared with an
    older state of the warehouse is compared again. Children are published with it, in one transaction where
    the warehouse has them, or skipped with it.

    Args:
        job: what the audit worked on.
        report: the report of the audit.
        warehouse: open, and held by this process.
        children: the same of the children of the resource.

    Raises:
        ConfigError: a schema contract or a name does not fit the warehouse, or a clock is wrong.
        DataError: the warehouse cannot hold an entry.
        SnapshotError: the landed difference is damaged.
        WarehouseError: the load failed; a retry finishes it.
    """
    is_moved, known = False, warehouse.sync(report.sync_id)
    due: list[_Due] = []
    if known:
        logger.info("%s is published already", report.sync_id)
        report = AuditReport.from_json(json.loads(known.report))
        # A publication may have been killed after its row and before these last two steps.
        fields = fields_of(job.resource, warehouse)
        warehouse.create_views(job.resource, fields)
        mark_published(job.landed, report.sync_id, warehouse=warehouse)
        report = report.numbered(known.publication_order)
    else:
        own = _due(job, report, warehouse=warehouse)
        if isinstance(own, AuditReport):
            return own
        due.append(own)
        is_moved = own.is_moved
    for child, of_child in children:
        if warehouse.sync(of_child.sync_id):
            continue
        # The parent's removals wait for one child: entries of the others stay, too.
        is_held = bool(job.held_for) and child.resource.name not in job.held_for
        found = _due(child, of_child, warehouse=warehouse, is_moved=is_moved or is_held)
        if isinstance(found, AuditReport):
            return replace(report, skipped=f"its child `{child.resource.name}` is skipped: {found.skipped}")
        due.append(found)
    published = publish_together(due, warehouse=warehouse) if due else []
    return report if known else published[0]


@dataclass(frozen=True, kw_only=True)
class _Due:
    """A landed difference that is about to be loaded.

    Attributes:
        job: what the audit worked on.
        report: its report, with its number.
        is_moved: the snapshot was compared again, because the warehouse had changed.
    """

    job: Audit
    report: AuditReport
    is_moved: bool = False


def _due(
    job: Audit, report: AuditReport, *, warehouse: Warehouse, is_moved: bool = False
) -> "_Due | AuditReport":
    """Prepares a publication; returns the report with the reason where it is skipped.

    Args:
        job: what the audit worked on.
        report: the report of the audit.
        warehouse: open, and held by this process.
        is_moved: the snapshot of the parent was compared again.
    """
    resource, landed = job.resource, job.landed
    roll_forward(resource, warehouse=warehouse, landed_of=landed.of_run, but=report.sync_id)
    marks = mend_marks(resource, landed.of_all_runs(), warehouse=warehouse)
    check_clocks(
        resource.name,
        report.run_id,
        requested_at=report.origin.last_requested_at,
        warehouse=warehouse,
        tolerance=job.settings.clock_tolerance,
    )
    last, fence = warehouse.last_sync(resource.name), warehouse.last_snapshot(resource.name)
    if fence and report.snapshot_at <= fence.last_requested_at:
        return skip(report, landed, fence=fence)
    has_moved = is_moved or (last.sync_id if last else None) != report.origin.base_sync_id
    if has_moved or job.held_for:
        logger.info("The warehouse or a child's audit asks for it: comparing again")
        report = compare_again(job, warehouse=warehouse)
    return _Due(
        job=job, report=numbered(report, landed, warehouse=warehouse, marks=marks), is_moved=has_moved
    )


def publish_together(due: "Sequence[_Due]", *, warehouse: Warehouse) -> list[AuditReport]:
    """Loads landed differences of a resource and its children as one publication, and marks them.

    Args:
        due: the differences.
        warehouse: open, and held by this process.

    Returns:
        Their reports, without the entries that the warehouse cannot hold.
    """
    parts = [
        Part(
            resource=one.job.resource,
            content=landed_content(one.job.landed, one.report),
            limits=one.job.limits,
        )
        for one in due
    ]
    loaded = load_together(parts, warehouse=warehouse)
    for one in due:
        mark_published(one.job.landed, one.report.sync_id, warehouse=warehouse)
    return [AuditReport.from_json(json.loads(values["report"])) for values in loaded]


def landed_content(landed: LandedSnapshot, report: AuditReport) -> SyncContent:
    """Returns what the publication of a landed difference writes.

    Args:
        landed: the run's folder; the difference is in its sub-folder of the sync.
        report: the report of the difference.
    """
    rows = partial(
        landed.of_sync(report.sync_id).read_tables,
        DIFFERENCE,
        rows=ROWS_PER_BATCH,
        columns=CHANGE_COLUMNS,
        expected=sum(report.changes.values()) + report.rewritten,
    )
    return SyncContent(rows=rows, sync_values=report.sync_values())


def publish_landed(
    resource: Resource,
    landed: LandedSnapshot,
    report: AuditReport,
    *,
    warehouse: Warehouse,
    marked_in: LandedSnapshot | None = None,
    limits: RemovalLimits | None = None,
) -> AuditReport:
    """Loads a landed difference unchanged, and marks it in the landing zone as published.

    Args:
        resource: the resource that is published.
        landed: the run's folder; the difference is in its sub-folder of the sync.
        report: the report of the difference.
        warehouse: open, and held by this process.
        marked_in: the folder that is marked; None: `landed`.
        limits: the run's limits on removals, see `load`.

    Returns:
        The report, without the entries that the warehouse cannot hold.
    """
    values = load(resource, landed_content(landed, report), warehouse=warehouse, limits=limits)
    mark_published(marked_in or landed, report.sync_id, warehouse=warehouse)
    return AuditReport.from_json(json.loads(values["report"]))


def roll_forward(
    resource: Resource,
    *,
    warehouse: Warehouse,
    landed_of: Callable[[str], LandedSnapshot],
    but: str | None = None,
) -> list[str]:
    """Finishes interrupted publications; rolls back those that cannot be finished.

    A warehouse with transactions has interrupted publications only from an older release.

    Args:
        resource: the resource whose publications are finished.
        warehouse: open, and held by this process.
        landed_of: returns the folder of a run's snapshot for the run's id.
        but: a sync to leave alone, because it is about to be published; None: leave none alone.

    Returns:
        The ids of the publications that were finished.
    """
    unfinished = [sync_id for sync_id in warehouse.unfinished_syncs(resource) if sync_id != but]
    finished: list[str] = []
    for sync_id in unfinished:
        values = logged_sync_values(resource, sync_id, warehouse=warehouse)
        read = partial(warehouse.changes, resource, sync_id, CHANGE_COLUMNS)
        if values and _goes_forward(resource, SyncContent(rows=read, sync_values=values), warehouse):
            mark_published(landed_of(values["run_id"]), sync_id, warehouse=warehouse)
            finished.append(sync_id)
            continue
        if values is None:
            logger.warning("The change rows of %s lack the sync's row", sync_id)
        logger.warning("Rolling back %s, which cannot be finished; a later sync publishes it again", sync_id)
        warehouse.roll_back(resource, sync_id)
    return finished


def _has_parent(resource: Resource, content: SyncContent, warehouse: Warehouse) -> bool:
    """Tells whether the publication of the parent that a child's belongs to is in the warehouse, or begun."""
    assert resource.parent is not None
    sync_id = content.sync_values.get("parent_sync_id")
    parent = replace(resource, name=resource.parent.name, parent=None)
    return bool(sync_id) and (
        warehouse.sync(str(sync_id)) is not None or sync_id in warehouse.unfinished_syncs(parent)
    )


def _goes_forward(resource: Resource, content: SyncContent, warehouse: Warehouse) -> bool:
    """Finishes a publication; returns False where no later attempt can succeed."""
    sync_id, base = content.sync_values["sync_id"], content.sync_values["base_sync_id"]
    if resource.parent is not None and not _has_parent(resource, content, warehouse):
        logger.warning("%s was interrupted before the publication of its parent", sync_id)
        return False
    last = warehouse.last_sync(resource.name)
    if (last.sync_id if last else None) != base:
        logger.warning("%s does not follow the last publication", sync_id)
        return False
    logger.warning("Rolling forward %s, which was interrupted", sync_id)
    try:
        load(resource, content, warehouse=warehouse)
    except PermanentError as e:
        logger.warning("%s cannot be rolled forward: %s", sync_id, e)
        # Otherwise the normalised rows would be loaded with the next package.
        warehouse.pipeline.abort_packages()
        return False
    return True
