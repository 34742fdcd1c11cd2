"""Seals a landed snapshot: proves that it is complete, as far as the API's way of paging allows."""

import logging
from dataclasses import replace

import msgspec

from directory_sync.audit.checks import check_seal
from directory_sync.audit.job import Audit
from directory_sync.audit.lists_seal import (
    ListsSeal,
    check_lists,
    counts_of_lists,
    parent_sync,
    seal_lists,
)
from directory_sync.audit.manifest import OWN_ENTRIES, OWN_FIELDS, OWN_WINDOWS, Manifest, manifest_of
from directory_sync.audit.pages_seal import accept_walk, verify_rereads
from directory_sync.audit.proof import ReadPage, Seal
from directory_sync.audit.scratch import Snapshot
from directory_sync.audit.windows_seal import seal_windows
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages
from directory_sync.errors import SnapshotError
from directory_sync.landing.files import LandedFiles
from directory_sync.landing.snapshot import LandedSnapshot

logger = logging.getLogger(__name__)


def seal_snapshot(
    job: Audit, snapshot: Snapshot, files: LandedFiles, *, read_page: ReadPage
) -> tuple[Manifest, LandedFiles]:
    """Seals a snapshot, and lands the answers that the audit read itself.

    Args:
        job: the run, its resource and its folder.
        snapshot: the snapshot, open in the scratch database.
        files: the landed files.
        read_page: reads the directory at an offset.

    Returns:
        The manifest, which is not written yet, and the files including the audit's own.

    Raises:
        SnapshotError: the windows do not form one chain, or the API's own count contradicts it.
    """
    if job.resource.parent is not None:
        proof: Seal = seal_lists(job, snapshot, files)
        counts = counts_of_lists(snapshot.counts())
    else:
        proof, counts = _prove(job.resource, snapshot, read_page), snapshot.counts()
    entries = snapshot.distinct_ids()
    findings = list(check_seal(proof, counts, entries=entries, resource=job.resource))
    if isinstance(proof, ListsSeal):
        findings += check_lists(proof, job.resource)
    errors = [finding.message for finding in findings if finding.level == "error"]
    if errors:
        raise SnapshotError(
            f"{' '.join(errors)} Nothing was published. Airflow tries again; see "
            "docs/runbook.md#snapshoterror."
        )
    files = _land_own_answers(job.landed, snapshot, files)
    field = job.resource.sort_field
    manifest = msgspec.structs.replace(
        manifest_of(job, files, counts, proof=proof, findings=findings),
        entries=entries,
        id_type=snapshot.id_type,
        key=job.resource.key.names,
        parent_sync_id=parent_sync(job),
        order_is_observed=proof.order_is_observed
        or (field is not None and not proof.contradictions and snapshot.field_ascends(files, field)),
    )
    logger.info(
        "Sealed (%s): %d entries in %d windows, %d joints, %d bridged by %d requests of the audit",
        proof.proof,
        entries,
        proof.windows,
        proof.joints,
        proof.bridged,
        proof.requests,
    )
    return manifest, files


def _prove(resource: Resource, snapshot: Snapshot, read_page: ReadPage) -> Seal:
    """Seals a snapshot by the proof that the API's way of paging allows."""
    match resource.pages:
        case OffsetPages():
            return seal_windows(snapshot, read_page)
        case NumberedPages() as pages:
            return verify_rereads(snapshot, base_page=pages.base_page)
        case LinkedPages():
            return accept_walk(snapshot)
        case pages:
            raise TypeError(f"{type(pages).__name__} has no seal")


def _land_own_answers(landed: LandedSnapshot, snapshot: Snapshot, files: LandedFiles) -> LandedFiles:
    added = snapshot.added
    entries, windows = added.take_entries(), added.windows()
    if not windows.num_rows:
        return files
    own = {"windows": landed.write_tables(OWN_WINDOWS, [windows])}
    own["fields"] = landed.write_tables(OWN_FIELDS, [added.fields()])
    if entries.num_rows:
        own["entries"] = landed.write_tables(OWN_ENTRIES, [entries])
    return replace(files, **{table: (*getattr(files, table), path) for table, path in own.items()})
