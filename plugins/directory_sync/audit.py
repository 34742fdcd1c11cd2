"""Stage 2: seals a landed snapshot, checks it and compares it with the warehouse.

Writes, in this order: what it read itself, the difference, the report, and last the manifest. The manifest
is what makes the landed files a snapshot.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from directory_sync.checks import (
    check_changed_share,
    check_details,
    check_fields,
    check_seal,
    check_size,
    holds,
)
from directory_sync.difference import REWRITTEN, Difference
from directory_sync.envelope import EntryId
from directory_sync.errors import ConfigError, SnapshotError
from directory_sync.form import Resource
from directory_sync.landing import (
    DIFFERENCE,
    MANIFEST,
    REPORT,
    LandedFiles,
    LandedSnapshot,
)
from directory_sync.paging_form import NumberedPages, OffsetPages
from directory_sync.report import KINDS, AuditReport, Finding
from directory_sync.seal import ReadPage, Seal, seal
from directory_sync.settings import RemovalLimits, SyncSettings
from directory_sync.snapshot import Counts, Snapshot, open_scratch, shard_of_load
from directory_sync.walk_seal import accept_walk, verify_rereads
from directory_sync.warehouse import SyncRow, Warehouse

logger = logging.getLogger(__name__)

HASH_VERSION = 1
RECENT_SYNCS = 14
MAX_DETAIL_REQUESTS = 100

HasEntry = Callable[[EntryId], bool]
"""Tells whether the API still has one entry."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Which run a snapshot is of.

    Attributes:
        interval: its data interval, as ISO 8601; None for a manual run without one.
    """

    run_id: str
    mode: str = "sync"
    interval: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Everything an audit needs.

    Attributes:
        folder: the task's own; its scratch database works there.
        releases_held: a person decided that held entries are removed too, as far as the limits cover them.
    """

    resource: Resource
    landed: LandedSnapshot
    run: Run
    settings: SyncSettings
    limits: RemovalLimits
    folder: Path
    releases_held: bool = False


def audit(
    job: Audit, *, warehouse: Warehouse, read_page: ReadPage, has_entry: HasEntry | None = None
) -> AuditReport:
    """Seals, checks and compares one snapshot; lands the difference and the report.

    A dry run does not write the manifest, so what it landed is no snapshot.

    Args:
        job: whose snapshot, against which limits.
        warehouse: what it is compared with.
        read_page: reads what does not join.
        has_entry: asks for one absent entry; None where the resource has no `detail_path`.

    Raises:
        SnapshotError: not sealed, or not reconciled.
        ConfigError, EnvelopeError: what no retry cures.
    """
    database = open_scratch(job.folder, memory_limit_mb=job.settings.memory_limit_mb)
    try:
        loads = shard_of_load(database, job.landed)
        files = job.landed.latest_files(loads)
        manifest = _landed_manifest(job)
        if manifest is None or manifest["loads"] != list(files.loads):
            snapshot = Snapshot(database, files)
            manifest, files = _seal(job, snapshot, files, read_page=read_page)
        elif (published := _published_report(job, manifest, warehouse)) is not None:
            return published
        else:
            files = _manifest_files(job.landed, manifest)
            snapshot = Snapshot(database, files)
        report = _compare(job, manifest, snapshot, files, warehouse=warehouse, has_entry=has_entry)
        if job.run.mode != "dry_run":
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


def compare_again(job: Audit, *, warehouse: Warehouse) -> AuditReport:
    """Compares a sealed snapshot with what the warehouse has become since its audit."""
    manifest = job.landed.read_manifest()
    if manifest is None:
        raise SnapshotError(f"The snapshot of run {job.run.run_id} has no manifest: audit it first.")
    files = _manifest_files(job.landed, manifest)
    database = open_scratch(job.folder, memory_limit_mb=job.settings.memory_limit_mb)
    try:
        return _compare(job, manifest, Snapshot(database, files), files, warehouse=warehouse)
    finally:
        database.close()


def _seal(
    job: Audit, snapshot: Snapshot, files: LandedFiles, *, read_page: ReadPage
) -> tuple[dict[str, Any], LandedFiles]:
    """Seals a snapshot; returns its manifest, not yet written, and its files with the audit's own."""
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
    """Seals a snapshot as far as how the API pages allows."""
    if isinstance(resource.pages, OffsetPages):
        return seal(snapshot, read_page)
    if isinstance(resource.pages, NumberedPages):
        return verify_rereads(snapshot, base_page=resource.pages.base_page)
    return accept_walk(snapshot)


def _land_own_answers(landed: LandedSnapshot, snapshot: Snapshot, files: LandedFiles) -> LandedFiles:
    added = snapshot.added
    entries, windows = added.take_entries(), added.windows()
    if not windows.num_rows:
        return files
    own = {"windows": landed.write_tables("audit/windows.parquet", [windows])}
    own["fields"] = landed.write_tables("audit/fields.parquet", [added.fields()])
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
        "interval": job.run.interval,
        "loads": list(files.loads),
        "files": {
            table: job.landed.relative(getattr(files, table)) for table in ("entries", "windows", "fields")
        },
        "seal": {name: getattr(proof, name) for name in Seal.__dataclass_fields__},
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


def _manifest_files(landed: LandedSnapshot, manifest: Mapping[str, Any]) -> LandedFiles:
    def of(table: str) -> tuple[str, ...]:
        return tuple(landed.file(name) for name in manifest["files"][table])

    return LandedFiles(
        loads=tuple(manifest["loads"]),
        entries=of("entries"),
        windows=of("windows"),
        fields=of("fields"),
    )


def settings_fingerprint(resource: Resource) -> str:
    """Returns a digest of what an entry's hash depends on besides the entry."""
    content = [HASH_VERSION, sorted(map(list, resource.ignored_fields))]
    return sha256(orjson.dumps(content)).hexdigest()[:16]


def _compare(
    job: Audit,
    manifest: Mapping[str, Any],
    snapshot: Snapshot,
    files: LandedFiles,
    *,
    warehouse: Warehouse,
    has_entry: HasEntry | None = None,
) -> AuditReport:
    """Compares a sealed snapshot with the warehouse; lands the difference and the report."""
    recent = warehouse.recent_syncs(job.resource.name, at_most=RECENT_SYNCS)
    last = recent[0] if recent else None
    _check_id_type(job.resource, snapshot, last)
    fingerprint = settings_fingerprint(job.resource)
    difference = Difference(
        snapshot,
        files,
        warehouse,
        resource=job.resource,
        rehash=last is not None and last.settings_fingerprint != fingerprint,
    )
    population = difference.population
    before = orjson.loads(last.report)["field_shares"] if last else {}
    shares = _field_shares(snapshot, files)
    findings = [
        *(Finding(**finding) for finding in manifest["findings"]),
        *check_fields(before, shares),
        *check_size(population.entries, [sync.entries for sync in recent], job.settings),
        *check_changed_share(population.changed, population.known, job.settings),
        *_check_removals(difference, job),
        *_check_walk(difference, job, proof=_proof(manifest)),
    ]
    order = _order(job.resource, manifest)
    is_held = holds(findings)
    details = {} if is_held else _ask_details(difference, has_entry)
    findings += check_details(details)
    difference.decide(
        is_proven=order != "assumed",
        is_held=is_held,
        releases_held=job.releases_held and not is_held and difference.allows_held(job.limits),
        details=details,
        needs_details=job.resource.detail_path is not None,
    )
    changed_fields = difference.describe_changes(
        appeared={name for name in shares.keys() - before.keys() if before and _whole(shares[name])},
        vanished={name for name in before.keys() - shares.keys() if shares and _whole(before[name])},
    )
    counts = difference.counts()
    held, held_digest = difference.held()
    snapshot_at = datetime.fromisoformat(manifest["first_requested_at"])
    report = AuditReport(
        sync_id=manifest["sync_id"],
        base_sync_id=last.sync_id if last else None,
        resource=job.resource.name,
        run_id=job.run.run_id,
        mode=job.run.mode,
        snapshot_at=snapshot_at,
        last_requested_at=datetime.fromisoformat(manifest["last_requested_at"]),
        settings_fingerprint=fingerprint,
        id_type=snapshot.id_type or (last.id_type if last else None),
        entries=population.entries,
        unchanged=population.unchanged,
        changes={kind: counts.get(kind, 0) for kind in KINDS},
        population=population.known,
        newly_missing=population.newly_missing,
        held=held,
        newly_held=population.newly_missing if is_held else 0,
        held_digest=held_digest,
        order=order,
        proof=_proof(manifest),
        windows=manifest["seal"]["windows"],
        joints=manifest["seal"]["joints"],
        bridged=manifest["seal"]["bridged"],
        requests=manifest["api"]["answers"] + manifest["api"]["retries"],
        retries=manifest["api"]["retries"],
        refused=manifest["api"]["refused"],
        rewritten=counts.get(REWRITTEN, 0),
        changed_fields=dict(changed_fields.most_common(50)),
        field_shares=shares,
        findings=tuple(findings),
    )
    rows = difference.rows(sync_id=report.sync_id, snapshot_at=snapshot_at)
    job.landed.write_tables(DIFFERENCE, rows)
    job.landed.write_json(REPORT, report.as_json())
    return report


def _ask_details(difference: Difference, has_entry: HasEntry | None) -> dict[EntryId, bool]:
    """Asks for absent entries one by one: a bounded number; of the others the order decides."""
    if has_entry is None:
        return {}
    return {entry_id: has_entry(entry_id) for entry_id in difference.absent(at_most=MAX_DETAIL_REQUESTS)}


def _check_removals(difference: Difference, job: Audit) -> Iterable[Finding]:
    population = difference.population
    if difference.exceeds(job.limits, is_decided=job.releases_held):
        yield Finding(
            rule="removals",
            level="hold",
            message=(
                f"{population.newly_missing:,} of {population.known:,} entries went missing (limits "
                f"{job.limits.max_removed_share:.1%}, {job.limits.max_removed_count:,}): they wait for a "
                "decision. Nothing was removed."
            ),
        )


def _check_walk(difference: Difference, job: Audit, *, proof: str) -> Iterable[Finding]:
    """A walk along the API's links proves no absence: a person decides, by limits or by the form."""
    if proof != "walk" or job.resource.removals_are_trusted or job.releases_held:
        return
    if difference.absent(at_most=1):
        yield Finding(
            rule="unproven_walk",
            level="hold",
            message=(
                f"Entries of `{job.resource.name}` are absent from a walk along the API's own links, and "
                "nothing proves that these led to all entries: removals wait for a decision. Nothing was "
                "removed. If the API's links can be relied on, say `removals: trusted` of the resource in "
                "plugins/directory_sync/resources.py."
            ),
        )


def _check_id_type(resource: Resource, snapshot: Snapshot, last: SyncRow | None) -> None:
    if last and last.id_type and snapshot.id_type and last.id_type != snapshot.id_type:
        raise ConfigError(
            f"The ids of `{resource.name}` are {snapshot.id_type} now and were {last.id_type} at the last "
            "sync. Nothing was published. Ask the API's vendor, or sync under another name."
        )


def _order(resource: Resource, manifest: Mapping[str, Any]) -> str:
    """How far the order of the list can be trusted; a contradiction refutes a declaration."""
    if manifest["seal"]["contradictions"]:
        return "assumed"
    if manifest["order_is_observed"]:
        return "observed"
    return "declared" if resource.order_is_stable else "assumed"


def _proof(manifest: Mapping[str, Any]) -> str:
    proof: str = manifest["seal"].get("proof", "chain")
    return proof


def _field_shares(snapshot: Snapshot, files: LandedFiles) -> dict[str, dict[str, float]]:
    rows = snapshot.counts().entries
    return {
        name: {kind: round(count / rows, 4) for kind, count in types.items()}
        for name, types in snapshot.field_types(files).items()
    }


def _whole(types: Mapping[str, float]) -> bool:
    """The field stands in every entry."""
    return sum(types.values()) > 0.999
