"""Stage 2: seals a landed snapshot, checks it and compares it with the warehouse.

It writes, in this order: the answers that it read itself (`sealed`), the difference and the report
(`compare_sealed`), and last the manifest (`keep`). The manifest makes the landed files a snapshot. The
warehouse is opened after the first step, so that it is not locked while the API is read.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from directory_sync.audit.clocks import check_clocks
from directory_sync.audit.compare import compare
from directory_sync.audit.details import HasEntry
from directory_sync.audit.job import Audit
from directory_sync.audit.lists_seal import loads_for_parent
from directory_sync.audit.manifest import Manifest, read_manifest
from directory_sync.audit.proof import ReadPage
from directory_sync.audit.report import AuditReport
from directory_sync.audit.scratch import Snapshot, make_room, open_scratch, shard_of_load
from directory_sync.audit.seal import seal_snapshot
from directory_sync.audit.sealed import SealedSnapshot
from directory_sync.config.memory import naming_limit
from directory_sync.errors import SnapshotError
from directory_sync.landing.files import REPORT
from directory_sync.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)

WHAT = "The audit of a snapshot"


@contextmanager
def sealed(job: Audit, *, read_page: ReadPage) -> Iterator[SealedSnapshot]:
    """Seals a landed snapshot, and keeps it open until the block ends.

    Args:
        job: the run, its resource and its limits.
        read_page: reads the places that do not join from the API.

    Raises:
        SnapshotError: the snapshot is not sealed, or contradicts the API's total.
        ConfigError: a memory limit is too small, or pages cannot be read by offset.
        EnvelopeError: the ids of the snapshot have different types.
    """
    with naming_limit(WHAT):
        database = open_scratch(job.folder, memory_limit_mb=job.settings.memory_limit_mb, landed=job.landed)
        try:
            loads = shard_of_load(database, job.landed)
            # A folder may hold what they read for a deleted run of the same name.
            loads = {load: shard for load, shard in loads.items() if shard not in job.skipped_shards}
            if job.resource.parent is not None:
                loads = loads_for_parent(job, database, loads)
            files = job.landed.latest_files(loads)
            make_room(database, files, memory_limit_mb=job.settings.memory_limit_mb)
            manifest = _landed_manifest(job)
            is_known = manifest is not None and manifest.loads == files.loads
            if manifest is not None and is_known:
                files = manifest.landed_files(job.landed)
                snapshot = Snapshot(database, files, job.resource.key)
            else:
                snapshot = Snapshot(database, files, job.resource.key)
                manifest, files = seal_snapshot(job, snapshot, files, read_page=read_page)
            yield SealedSnapshot(
                job=job, manifest=manifest, snapshot=snapshot, files=files, is_known=is_known
            )
        finally:
            database.close()


def compare_sealed(
    sealed: SealedSnapshot,
    *,
    warehouse: Warehouse,
    read_page: ReadPage,
    has_entry: HasEntry | None = None,
) -> AuditReport:
    """Checks a sealed snapshot and compares it with the warehouse; lands the difference and the report.

    For a snapshot that is already published, returns the report of its publication.

    Args:
        sealed: the snapshot.
        warehouse: open, and held by this process.
        read_page: reads the places of absent entries again.
        has_entry: asks for one absent entry; None where the resource has no `detail_path`.

    Returns:
        The report.

    Raises:
        ConfigError: a clock is wrong, or the snapshot does not fit the table or the form, see `compare`.
    """
    job, manifest = sealed.job, sealed.manifest
    if sealed.is_known and (published := _published_report(job, manifest, warehouse)) is not None:
        return published
    check_clocks(
        job.resource.name,
        job.run.run_id,
        requested_at=manifest.last_requested_at,
        warehouse=warehouse,
        tolerance=job.settings.clock_tolerance,
    )
    return compare(sealed, warehouse=warehouse, has_entry=has_entry, read_page=read_page)


def _landed_manifest(job: Audit) -> Manifest | None:
    """Returns the landed manifest; None where there is none or it cannot be read, so seal again."""
    try:
        return read_manifest(job.landed)
    except SnapshotError:
        logger.warning("The manifest of run %s cannot be read: it is sealed again", job.run.run_id)
        return None


def _published_report(job: Audit, manifest: Manifest, warehouse: Warehouse) -> AuditReport | None:
    """Returns the report of the publication of a snapshot; None where it is not published."""
    if not warehouse.sync(manifest.sync_id):
        return None
    content = job.landed.read_json(REPORT)
    report = AuditReport.from_json(content) if content is not None else None
    return report if report and report.sync_id == manifest.sync_id else None


@naming_limit(WHAT)
def compare_again(job: Audit, *, warehouse: Warehouse) -> AuditReport:
    """Compares a sealed snapshot again, because the warehouse has changed since its audit.

    Args:
        job: the run, its resource and its limits.
        warehouse: open, and held by this process.

    Raises:
        SnapshotError: the snapshot has no manifest, or a landed file is damaged.
    """
    manifest = read_manifest(job.landed)
    if manifest is None:
        raise SnapshotError(
            f"The snapshot of run {job.run.run_id} has no manifest, so it was not audited. Nothing was "
            "published. Clear the run's task `audit`."
        )
    files = manifest.landed_files(job.landed)
    database = open_scratch(job.folder, memory_limit_mb=job.settings.memory_limit_mb, landed=job.landed)
    try:
        make_room(database, files, memory_limit_mb=job.settings.memory_limit_mb)
        snapshot = Snapshot(database, files, job.resource.key)
        again = SealedSnapshot(job=job, manifest=manifest, snapshot=snapshot, files=files, is_known=True)
        return compare(again, warehouse=warehouse)
    finally:
        database.close()
