"""Stage 2: seals a landed snapshot, checks it and compares it with the warehouse.

Writes, in this order: what it read itself, the difference, the report, and last the manifest. The manifest
is what makes the landed files a snapshot.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from directory_sync.audit.clocks import check_clocks
from directory_sync.audit.compare import compare
from directory_sync.audit.details import HasEntry
from directory_sync.audit.job import Audit
from directory_sync.audit.manifest import manifest_files, seal_snapshot
from directory_sync.audit.report import AuditReport
from directory_sync.audit.scratch import Snapshot, make_room, open_scratch, shard_of_load
from directory_sync.audit.seal import ReadPage
from directory_sync.config.memory import naming_limit
from directory_sync.errors import SnapshotError
from directory_sync.landing.zone import MANIFEST, REPORT
from directory_sync.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)


@naming_limit("The audit of a snapshot")
def audit(
    job: Audit,
    *,
    open_warehouse: Callable[[], AbstractContextManager[Warehouse]],
    read_page: ReadPage,
    has_entry: HasEntry | None = None,
) -> AuditReport:
    """Seals, checks and compares one snapshot; lands the difference and the report.

    The warehouse is opened when the snapshot is sealed: nobody waits for it while the API is read. A dry run
    does not write the manifest, so what it landed is no snapshot.

    Args:
        job: whose snapshot, against which limits.
        open_warehouse: opens what it is compared with.
        read_page: reads what does not join, and the places of absent entries once more.
        has_entry: asks for one absent entry; None where the resource has no `detail_path`.

    Raises:
        SnapshotError: not sealed, or not reconciled.
        ConfigError, EnvelopeError: what no retry cures; a clock that is wrong.
    """
    database = open_scratch(job.folder, memory_limit_mb=job.settings.memory_limit_mb, landed=job.landed)
    try:
        loads = shard_of_load(database, job.landed)
        files = job.landed.latest_files(loads)
        make_room(database, files, memory_limit_mb=job.settings.memory_limit_mb)
        manifest = _landed_manifest(job)
        known = manifest if manifest and manifest["loads"] == list(files.loads) else None
        if known is not None:
            manifest, files = known, manifest_files(job.landed, known)
            snapshot = Snapshot(database, files)
        else:
            snapshot = Snapshot(database, files)
            manifest, files = seal_snapshot(job, snapshot, files, read_page=read_page)
        with open_warehouse() as warehouse:
            if known is not None and (published := _published_report(job, known, warehouse)) is not None:
                return published
            check_clocks(
                job.resource.name,
                job.run.run_id,
                requested_at=datetime.fromisoformat(manifest["last_requested_at"]),
                warehouse=warehouse,
                tolerance=job.settings.clock_tolerance,
            )
            report = compare(
                job,
                manifest,
                snapshot,
                files,
                warehouse=warehouse,
                has_entry=has_entry,
                read_page=read_page,
            )
        if job.run.mode != "dry_run":
            job.landed.make_durable(files)
            job.landed.write_json(MANIFEST, manifest)
        return report
    finally:
        database.close()


def _landed_manifest(job: Audit) -> dict[str, Any] | None:
    """A manifest that cannot be read is none: the snapshot is sealed again."""
    try:
        return job.landed.read_manifest()
    except SnapshotError:
        logger.warning("The manifest of run %s cannot be read: it is sealed again", job.run.run_id)
        return None


def _published_report(job: Audit, manifest: Mapping[str, Any], warehouse: Warehouse) -> AuditReport | None:
    """The report a published snapshot was published with: what was decided then stays landed."""
    if not warehouse.sync(manifest["sync_id"]):
        return None
    content = job.landed.read_json(REPORT)
    report = AuditReport.from_json(content) if content is not None else None
    return report if report and report.sync_id == manifest["sync_id"] else None


@naming_limit("The audit of a snapshot")
def compare_again(job: Audit, *, warehouse: Warehouse) -> AuditReport:
    """Compares a sealed snapshot with what the warehouse has become since its audit."""
    manifest = job.landed.read_manifest()
    if manifest is None:
        raise SnapshotError(f"The snapshot of run {job.run.run_id} has no manifest: audit it first.")
    files = manifest_files(job.landed, manifest)
    database = open_scratch(job.folder, memory_limit_mb=job.settings.memory_limit_mb, landed=job.landed)
    try:
        make_room(database, files, memory_limit_mb=job.settings.memory_limit_mb)
        return compare(job, manifest, Snapshot(database, files), files, warehouse=warehouse)
    finally:
        database.close()
