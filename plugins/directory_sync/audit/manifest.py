"""Seals a landed snapshot and makes its manifest: what was read, and what is proven.

The manifest makes landed files a snapshot. The audit writes it last.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import orjson

from directory_sync.audit.checks import check_seal
from directory_sync.audit.job import Audit
from directory_sync.audit.pages_seal import accept_walk, verify_rereads
from directory_sync.audit.report import Finding
from directory_sync.audit.scratch import Counts, Snapshot
from directory_sync.audit.seal import ReadPage, Seal, seal
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages
from directory_sync.errors import SnapshotError
from directory_sync.landing.zone import LandedFiles, LandedSnapshot

logger = logging.getLogger(__name__)

HASH_VERSION = 1


def seal_snapshot(
    job: Audit, snapshot: Snapshot, files: LandedFiles, *, read_page: ReadPage
) -> tuple[dict[str, Any], LandedFiles]:
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
    proof = _prove(job.resource, snapshot, read_page)
    counts, entries = snapshot.counts(), snapshot.distinct_ids()
    findings = list(check_seal(proof, counts, entries=entries, resource=job.resource))
    errors = [finding.message for finding in findings if finding.level == "error"]
    if errors:
        raise SnapshotError(
            f"{' '.join(errors)} Nothing was published. Airflow tries again; see "
            "docs/runbook.md#snapshoterror."
        )
    files = _land_own_answers(job.landed, snapshot, files)
    manifest = _manifest(job, files, counts, proof, findings)
    manifest |= {"entries": entries, "id_type": snapshot.id_type}
    field = job.resource.sort_field
    manifest["order_is_observed"] = proof.order_is_observed or (
        field is not None and not proof.contradictions and snapshot.field_ascends(files, field)
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
            return seal(snapshot, read_page)
        case NumberedPages() as pages:
            return verify_rereads(snapshot, base_page=pages.base_page)
        case LinkedPages():
            return accept_walk(snapshot)
        case pages:
            raise TypeError(f"{type(pages).__name__} has no seal")


OWN_FIELDS = "audit/fields.parquet"
"""The file with the fields of the answers that the audit read itself."""


def _land_own_answers(landed: LandedSnapshot, snapshot: Snapshot, files: LandedFiles) -> LandedFiles:
    added = snapshot.added
    entries, windows = added.take_entries(), added.windows()
    if not windows.num_rows:
        return files
    own = {"windows": landed.write_tables("audit/windows.parquet", [windows])}
    own["fields"] = landed.write_tables(OWN_FIELDS, [added.fields()])
    if entries.num_rows:
        own["entries"] = landed.write_tables("audit/entries.parquet", [entries])
    return replace(files, **{table: (*getattr(files, table), path) for table, path in own.items()})


def _manifest(
    job: Audit, files: LandedFiles, counts: Counts, proof: Seal, findings: list[Finding]
) -> dict[str, Any]:
    assert counts.first_requested_at is not None
    assert counts.last_requested_at is not None
    content: dict[str, Any] = {
        "resource": job.resource.name,
        "run_id": job.run.run_id,
        "interval": job.run.interval_text,
        "loads": list(files.loads),
        "files": {
            table: job.landed.relative(getattr(files, table)) for table in ("entries", "windows", "fields")
        },
        "seal": {name: getattr(proof, name) for name in proof.__dataclass_fields__},
        "api": {
            "answers": counts.answers,
            "retries": counts.retries,
            "refused": counts.refused,
            "totals": list(counts.totals[-5:]),
        },
        "settings_fingerprint": settings_fingerprint(job.resource),
        "first_requested_at": counts.first_requested_at.isoformat(),
        "last_requested_at": counts.last_requested_at.isoformat(),
        "findings": [{"rule": f.rule, "level": f.level, "message": f.message} for f in findings],
        "versions": {name: version(name) for name in ("dlt", "duckdb", "pyarrow")},
    }
    digest = sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    at = counts.first_requested_at
    return {"sync_id": f"{at.astimezone(UTC):%Y%m%dT%H%M%S}-{digest[:8]}", **content}


def manifest_files(landed: LandedSnapshot, manifest: Mapping[str, Any]) -> LandedFiles:
    """Returns the landed files that a manifest names."""

    def of(table: str) -> tuple[str, ...]:
        return tuple(landed.file(name) for name in manifest["files"][table])

    return LandedFiles(
        loads=tuple(manifest["loads"]),
        entries=of("entries"),
        windows=of("windows"),
        fields=of("fields"),
    )


def settings_fingerprint(resource: Resource) -> str:
    """Returns a digest of the settings that an entry's hash depends on."""
    content = [HASH_VERSION, sorted(map(list, resource.ignored_fields))]
    return sha256(orjson.dumps(content)).hexdigest()[:16]
