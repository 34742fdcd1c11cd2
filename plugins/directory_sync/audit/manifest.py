"""The manifest of a sealed snapshot: what was read, what is proven of it.

The manifest makes landed files a snapshot; the audit writes it last.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import msgspec
import orjson

from directory_sync.audit.job import Audit
from directory_sync.audit.proof import Seal
from directory_sync.audit.report import Finding
from directory_sync.audit.scratch import Counts
from directory_sync.config.form import Resource
from directory_sync.config.formats import LANDING_FORMAT, refuse_newer
from directory_sync.config.keys import ID
from directory_sync.config.older_python import UTC
from directory_sync.landing.damage import damaged, naming_damage
from directory_sync.landing.files import MANIFEST, LandedFiles, Moment
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.tables import ENTRIES, FIELDS, LISTS, WINDOWS

HASH_VERSION = 1
OWN_WINDOWS, OWN_ENTRIES = "audit/windows.parquet", "audit/entries.parquet"
OWN_FIELDS = "audit/fields.parquet"
"""The files with the answers that the audit read itself."""


class ApiFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answered to the whole pull.

    Attributes:
        answers: all answers, those to the audit included.
        retries: requests that were repeated.
        refused: how many answers were 429, or a 403 that asks to wait.
        totals: the last of the different totals that the API stated.
    """

    answers: int
    retries: int
    refused: int
    totals: tuple[int, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a sealed snapshot is made of and what is proven of it; `manifest.json`.

    Attributes:
        sync_id: names the publication of this snapshot; derived from the other attributes.
        interval: the data interval in ISO 8601; None: the snapshot is of no interval.
        loads: the load ids of the shards.
        files: of each landed table, its files, relative to the snapshot's folder.
        settings_fingerprint: of the settings that the entries' hashes depend on.
        findings: of the seal, without errors.
        versions: of the packages that wrote the files.
        entries: distinct entries.
        id_type: BIGINT or VARCHAR; None: there is no entry.
        key: the fields that name an entry.
        parent_sync_id: of a child resource, the sync of the parent's snapshot that it was read for.
        read_from: the base URL that was read, and its connection; empty: unknown.
        order_is_observed: the ids, or the resource's `sort_field`, ascend or descend over the whole chain.
        format: the version of the files' format, see `config/formats.py`.
    """

    sync_id: str = ""
    resource: str = ""
    run_id: str = ""
    interval: tuple[str, str] | None = None
    loads: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]
    seal: Seal
    api: ApiFigures
    settings_fingerprint: str = ""
    first_requested_at: Moment
    last_requested_at: Moment
    findings: tuple[Finding, ...]
    versions: Mapping[str, str] = {}
    entries: int = 0
    id_type: str | None = None
    key: tuple[str, ...] = ID.names
    parent_sync_id: str | None = None
    read_from: str = ""
    order_is_observed: bool
    format: int = 1

    def as_json(self) -> dict[str, Any]:
        """Returns the content of the file."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        content["first_requested_at"] = self.first_requested_at.isoformat()
        content["last_requested_at"] = self.last_requested_at.isoformat()
        return content

    def signed(self) -> "Manifest":
        """Returns the manifest with the `sync_id` that its content has."""
        content = {name: value for name, value in self.as_json().items() if name not in _NOT_DIGESTED}
        digest = sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
        at = self.first_requested_at.astimezone(UTC)
        return msgspec.structs.replace(self, sync_id=f"{at:%Y%m%dT%H%M%S}-{digest[:8]}")

    def landed_files(self, landed: LandedSnapshot) -> LandedFiles:
        """Returns the files that the manifest names."""

        def of(table: str) -> tuple[str, ...]:
            return tuple(landed.file(name) for name in self.files.get(table, ()))

        return LandedFiles(
            loads=self.loads,
            entries=of(ENTRIES),
            windows=of(WINDOWS),
            fields=of(FIELDS),
            lists=of(LISTS),
        )


_NOT_DIGESTED = frozenset(
    {"sync_id", "entries", "id_type", "key", "parent_sync_id", "read_from", "order_is_observed", "format"}
)
"""What follows from the rest, or from the code."""


def read_manifest(landed: LandedSnapshot) -> Manifest | None:
    """Returns the manifest of a landed snapshot, also a later version's; None: it has none.

    Raises:
        ConfigError: a later version wrote it, in a format that this one does not know.
        SnapshotError: it cannot be read, or lacks what the audit needs.
    """
    content = landed.read_json(MANIFEST)
    if content is None:
        return None
    if isinstance(found := content.get("format"), int):
        refuse_newer(found, known=LANDING_FORMAT, what=f"The landed snapshot {landed.path}")
    with naming_damage(MANIFEST):
        manifest = msgspec.convert(content, Manifest)
    if not manifest.sync_id or {ENTRIES, WINDOWS, FIELDS} - manifest.files.keys():
        raise damaged(MANIFEST, "names no sync, or not all files")
    return manifest


def manifest_of(
    job: Audit, files: LandedFiles, counts: Counts, *, proof: Seal, findings: Sequence[Finding]
) -> Manifest:
    """Returns the manifest of a snapshot, with its `sync_id`; not yet written.

    Args:
        job: the run, its resource and its folder.
        files: the landed files, the audit's own included.
        counts: what was counted over all answers.
        proof: what was proven.
        findings: what the checks of the seal found.
    """
    assert counts.first_requested_at is not None
    assert counts.last_requested_at is not None
    return Manifest(
        resource=job.resource.name,
        run_id=job.run.run_id,
        interval=job.run.interval_text,
        loads=files.loads,
        files={
            table: tuple(job.landed.relative(getattr(files, table)))
            for table in (ENTRIES, WINDOWS, FIELDS, *([LISTS] if files.lists else ()))
        },
        seal=proof,
        api=ApiFigures(
            answers=counts.answers,
            retries=counts.retries,
            refused=counts.refused,
            totals=tuple(counts.totals[-5:]),
        ),
        settings_fingerprint=settings_fingerprint(job.resource),
        first_requested_at=counts.first_requested_at,
        last_requested_at=counts.last_requested_at,
        findings=tuple(findings),
        versions={name: version(name) for name in ("dlt", "duckdb", "pyarrow")},
        read_from=job.read_from,
        order_is_observed=proof.order_is_observed,
        format=LANDING_FORMAT,
    ).signed()


def settings_fingerprint(resource: Resource) -> str:
    """Returns a digest of the settings that an entry's hash depends on."""
    content = [HASH_VERSION, sorted(map(list, resource.ignored_fields))]
    return sha256(orjson.dumps(content)).hexdigest()[:16]
