"""The outcome of an audit: for people, for XCom, for the asset event, for `directory_syncs`.

It holds counts, digests, field names and a few ids of the API's own; never a record.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import msgspec

from directory_sync.config.mode import Mode
from directory_sync.landing.zone import REPORT, Moment, naming_damage

Level = Literal["error", "hold", "warning"]
KINDS = ("added", "changed", "reshaped", "missing", "removed", "returned")
"""The kinds of change, as they stand in the change rows."""

PROOFS = {
    "chain": "chain: windows that overlap, from the first entry to the end",
    "reread": "reread: each page the same before and after the next; edits that cancel out go unseen",
    "walk": "walk: none; the API's own links led here",
}
"""What shows that a snapshot is complete, for people."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        rule: the check's name.
        level: an error stops the publication, a hold makes removals wait, a warning is told.
        message: what was found, with the numbers.
    """

    rule: str
    level: Level
    message: str


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What a snapshot holds, what was proven of it, and what publishing it changes.

    Attributes:
        sync_id: names the publication; it derives from the snapshot.
        base_sync_id: the publication the difference was computed against; None: an empty warehouse.
        entries: distinct entries of the snapshot.
        changes: how many entries of each kind of change.
        held: entries that wait for a decision, over all snapshots; newly_held: of this one.
        held_digest: SHA-256 over exactly the held absences; None where nothing is held.
        asks: a person is asked about them now.
        order: observed, declared or assumed.
        proof: of completeness: chain, reread or walk, as in `Seal`.
        field_shares: of each field, the share of entries with each JSON type.
        rejected: entries that the warehouse cannot hold and that were set aside.
        skipped: why nothing is to be published; None where it is.
        publication_order: the number of the publication, see `publications`; None: it has none yet.
        directory: whose it is, see `ownership`.
    """

    sync_id: str
    base_sync_id: str | None
    resource: str
    run_id: str
    mode: Mode
    snapshot_at: Moment
    last_requested_at: Moment
    settings_fingerprint: str
    id_type: str | None
    entries: int
    unchanged: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)
    population: int = 0
    newly_missing: int = 0
    held: int = 0
    newly_held: int = 0
    held_digest: str | None = None
    asks: bool = False
    order: str = "assumed"
    proof: str = "chain"
    windows: int = 0
    joints: int = 0
    bridged: int = 0
    requests: int = 0
    retries: int = 0
    refused: int = 0
    rewritten: int = 0
    rejected: int = 0
    changed_fields: Mapping[str, int] = field(default_factory=dict)
    field_shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    skipped: str | None = None
    publication_order: int | None = None
    directory: str | None = None

    @property
    def changes_nothing(self) -> bool:
        """The warehouse holds the snapshot already."""
        return not any(self.changes.values()) and not self.rewritten

    def as_json(self) -> dict[str, Any]:
        """Returns the report as JSON values; times as ISO 8601."""
        content = asdict(self)
        content["mode"] = self.mode.value
        content["snapshot_at"] = self.snapshot_at.isoformat()
        content["last_requested_at"] = self.last_requested_at.isoformat()
        content["findings"] = [asdict(finding) for finding in self.findings]
        return content

    def summary(self) -> dict[str, Any]:
        """Returns what XCom and the asset event carry: the report less the fields' shares."""
        content = self.as_json()
        del content["field_shares"]
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Reads what `as_json` wrote, of a later version too.

        Raises:
            SnapshotError: it lacks something, or holds something else.
        """
        with naming_damage(REPORT):
            return msgspec.convert(content, cls)

    def headline(self) -> str:
        """Returns the outcome in one line."""
        if self.skipped:
            return f"{self.resource}: skipped, {self.skipped}"
        count = self.changes.get
        parts = [f"+{count('added', 0):,} ~{count('changed', 0):,} −{count('removed', 0):,}"]
        parts += [f"{count(kind, 0):,} {kind}" for kind in ("returned", "missing", "reshaped") if count(kind)]
        if self.held:
            parts.append(f"{self.held:,} held")
        if self.rejected:
            parts.append(f"{self.rejected:,} rejected")
        entries = "entries" if not self.mode.is_partial else "entries that changed in the interval"
        return f"{self.resource}: {self.entries:,} {entries}: {', '.join(parts)}; {self._proven()}"

    def _proven(self) -> str:
        if self.proof == "walk":
            return f"{self.windows:,} pages along the API's links, completeness not proven"
        if self.proof == "reread":
            return f"{self.joints:,} joints by pages read again"
        return f"{self.joints:,} joints proven, {self.bridged:,} bridged"

    def lines(self) -> list[str]:
        """Returns the report as lines of a table for people."""
        rows = [
            ("entries", f"{self.entries:,}"),
            *((kind, f"{self.changes.get(kind, 0):,}") for kind in KINDS),
            ("unchanged", f"{self.unchanged:,}"),
            ("held removals", f"{self.held:,}"),
            *([("rejected", f"{self.rejected:,}")] if self.rejected else []),
            (
                "joints",
                f"{self.joints:,} between {self.windows:,} windows, {self.bridged:,} bridged",
            ),
            ("proof", PROOFS.get(self.proof, self.proof)),
            ("order", self.order),
            ("requests", f"{self.requests:,}, {self.retries:,} retries, {self.refused:,} refused"),
        ]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value}" for name, value in rows]
        return [self.headline(), *lines, *(f"{f.level}: {f.message}" for f in self.findings)]

    def sync_values(self) -> dict[str, Any]:
        """Returns the row of `directory_syncs`."""
        plain = (
            "sync_id", "base_sync_id", "resource", "run_id", "mode", "snapshot_at",
            "last_requested_at", "settings_fingerprint", "id_type", "entries", "unchanged", "held",
            "newly_held", "held_digest", "asks", "order", "proof", "windows", "joints", "bridged", "requests",
            "retries", "refused", "rejected", "publication_order", "directory",
        )  # fmt: skip
        values = {name: getattr(self, name) for name in plain}
        values["mode"] = self.mode.value
        values["sort_order"] = values.pop("order")
        counts = {kind: self.changes.get(kind, 0) for kind in KINDS}
        return {**values, **counts, "report": json.dumps(self.as_json(), sort_keys=True)}
