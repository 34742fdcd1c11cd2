"""Stage 2: seals a landed snapshot, checks it and compares it with the warehouse.

Written are, in this order: what it read itself (`sealed`), the difference and the report (`compare_sealed`),
and last the manifest (`keep`). The manifest is what makes the landed files a snapshot. Between the first and
the second step the warehouse is opened: nobody waits for it while the API is read.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from directory_sync.audit.clocks import check_clocks
from directory_sync.audit.compare import compare
from directory_sync.audit.details import HasEntry
from directory_sync.audit.job import Audit
from directory_sync.audit.manifest import Manifest, read_manifest, seal_snapshot
from directory_sync.audit.report import AuditReport
from directory_sync.audit.scratch import Snapshot, make_room, open_scratch, shard_of_load
from directory_sync.audit.seal import ReadPage
from directory_sync.config.memory import naming_limit
from directory_sync.errors import SnapshotError
from directory_sync.landing.files import MANIFEST, REPORT, LandedFiles
from directory_sync.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)

WHAT = "The audit of a snapshot"


@dataclass(frozen=True, kw_only=True)
class SealedSnapshot:
    """A snapshot whose completeness is proven, open in the scratch database.

    Attributes:
        job: whose snapshot, against which limits.
        manifest: what was proven; not landed before `keep`.
        is_known: an earlier try has landed this manifest: nothing was read for it.
    """

    job: Audit
    manifest: Manifest
    snapshot: Snapshot
    files: LandedFiles
    is_known: bool

    def keep(self) -> None:
        """Lands the manifest: from now on the landed files are a snapshot. A dry run leaves none."""
        if self.job.run.mode.publishes and not self.is_known:
            self.job.landed.make_durable(self.files)
            self.job.landed.write_json(MANIFEST, self.manifest.as_json())


@contextmanager
def sealed(job: Audit, *, read_page: ReadPage) -> Iterator[SealedSnapshot]:
    """Seals a landed snapshot; it is open until the block ends.

    Args:
        job: whose snapshot, against which limits.
        read_page: reads what does not join.

    Raises:
        SnapshotError: not sealed, or not reconciled.
        ConfigError, EnvelopeError: what no retry cures.
    """
    with naming_limit(WHAT):
        database = open_scratch(job.folder, memory_limit_mb=job.settings.memory_limit_mb, landed=job.landed)
        try:
            loads = shard_of_load(database, job.landed)
            files = job.landed.latest_files(loads)
            make_room(database, files, memory_limit_mb=job.settings.memory_limit_mb)
            manifest = _landed_manifest(job)
            is_known = manifest is not None and manifest.loads == files.loads
            if manifest is not None and is_known:
                files = manifest.landed_files(job.landed)
                snapshot = Snapshot(database, files)
            else:
                snapshot = Snapshot(database, files)
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

    A snapshot that is published already has the report that it was published with.

    Args:
        sealed: the snapshot.
        warehouse: open, and held by this process.
        read_page: reads the places of absent entries once more.
        has_entry: asks for one absent entry; None where the resource has no `detail_path`.

    Raises:
        ConfigError: what no retry cures; a clock that is wrong.
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
    return compare(
        job,
        manifest,
        sealed.snapshot,
        sealed.files,
        warehouse=warehouse,
        has_entry=has_entry,
        read_page=read_page,
    )


def _landed_manifest(job: Audit) -> Manifest | None:
    """A manifest that cannot be read is none: the snapshot is sealed again."""
    try:
        return read_manifest(job.landed)
    except SnapshotError:
        logger.warning("The manifest of run %s cannot be read: it is sealed again", job.run.run_id)
        return None


def _published_report(job: Audit, manifest: Manifest, warehouse: Warehouse) -> AuditReport | None:
    """The report a published snapshot was published with: what was decided then stays landed."""
    if not warehouse.sync(manifest.sync_id):
        return None
    content = job.landed.read_json(REPORT)
    report = AuditReport.from_json(content) if content is not None else None
    return report if report and report.sync_id == manifest.sync_id else None


@naming_limit(WHAT)
def compare_again(job: Audit, *, warehouse: Warehouse) -> AuditReport:
    """Compares a sealed snapshot with what the warehouse has become since its audit."""
    manifest = read_manifest(job.landed)
    if manifest is None:
        raise SnapshotError(f"The snapshot of run {job.run.run_id} has no manifest: audit it first.")
    files = manifest.landed_files(job.landed)
    database = open_scratch(job.folder, memory_limit_mb=job.settings.memory_limit_mb, landed=job.landed)
    try:
        make_room(database, files, memory_limit_mb=job.settings.memory_limit_mb)
        return compare(job, manifest, Snapshot(database, files), files, warehouse=warehouse)
    finally:
        database.close()
