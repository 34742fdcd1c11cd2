"""The report of an audit: for people, for XCom, for the asset event and for `directory_syncs`.

It holds counts, digests, field names and a few ids of entries, never a record.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import msgspec

from directory_sync.config import columns
from directory_sync.config.formats import TABLE_FORMAT
from directory_sync.config.keys import ID
from directory_sync.config.kinds import KINDS, Kind, Proof
from directory_sync.config.mode import Mode
from directory_sync.config.older_python import Self
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.files import REPORT, Moment

Level = Literal["error", "hold", "warning"]

PROOFS = {
    Proof.CHAIN: "chain: windows that overlap, from the first entry to the end",
    Proof.REREAD: "reread: each page the same before and after the next; edits that cancel out go unseen",
    Proof.WALK: "walk: none; the API's own links led here",
}
"""The proofs of completeness, as people read them."""
_PROOFS_SHOWN: Mapping[str, str] = {proof.value: text for proof, text in PROOFS.items()}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        rule: the check's name.
        level: an error stops the publication, a hold makes removals wait, a warning is only reported.
        message: what was found, with the numbers.
    """

    rule: str
    level: Level
    message: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The identity of a publication: its snapshot, its run, and the publication it follows.

    Attributes:
        sync_id: the id of the publication, derived from the snapshot.
        base_sync_id: the publication that the difference was computed against; None: an empty warehouse.
        resource: the resource that is published.
        run_id: the Dag run.
        mode: the mode of the run.
        snapshot_at: the time of the snapshot's first request.
        last_requested_at: the time of its last request.
        settings_fingerprint: a digest of the settings that the entries' hashes depend on.
        id_type: BIGINT or VARCHAR, of several fields of the key each; None: there was no entry yet.
        publication_order: the number of the publication, see `publications`; None: it has none yet.
        directory: the directory of the resource, see `ownership`; None: it is not marked.
        key: the fields that name an entry.
        parent_sync_id: of a child resource, the sync of its parent whose entries it was read for.
        dataset: the schema of the tables, for queries; None: an earlier release did not name it.
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
    publication_order: int | None = None
    directory: str | None = None
    key: tuple[str, ...] = ID.names
    parent_sync_id: str | None = None
    dataset: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The fields of the entries.

    Attributes:
        changed_fields: by field, how many entries changed in it.
        field_shares: by field, the share of entries (0 to 1) with each JSON type.
        new_columns: by field that appeared, the column that its values go into.
        null_columns: by field that vanished, the column that is NULL from now on.
    """

    changed_fields: Mapping[str, int] = field(default_factory=dict)
    field_shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    new_columns: Mapping[str, str] = field(default_factory=dict)
    null_columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Holds:
    """The entries that wait for a person's decision.

    Attributes:
        population: how many entries are expected in the list, plus the held ones.
        newly_missing: how many entries are absent for the first time.
        held: how many entries wait for a decision, over all snapshots.
        newly_held: how many of them this snapshot adds.
        held_digest: SHA-256 over exactly the held absences; None where no entry is held.
        asks: whether a person is asked about them now.
    """

    population: int = 0
    newly_missing: int = 0
    held: int = 0
    newly_held: int = 0
    held_digest: str | None = None
    asks: bool = False


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """What shows that the snapshot is complete.

    Attributes:
        order: the order of the list: observed, declared or assumed.
        proof: a `Proof`; a later release may know others.
        windows: how many answers make up the snapshot.
        joints: how many overlaps of windows were verified.
        bridged: how many gaps between windows the audit read again.
    """

    order: str = "assumed"
    proof: str = Proof.CHAIN.value
    windows: int = 0
    joints: int = 0
    bridged: int = 0


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """The requests to the API.

    Attributes:
        requests: how many requests were sent, including retries.
        retries: how many requests were repeated.
        refused: how many answers were 429, or a 403 that asks to wait.
    """

    requests: int = 0
    retries: int = 0
    refused: int = 0


@dataclass(frozen=True, kw_only=True)
class Decided:
    """The decision of a person that a publication carries out.

    Attributes:
        choice: the answer: approved.
        by: who answered; "" where it is not known.
        at: when, as ISO 8601 in UTC; "" where it is not known.
        reason: the reason that the person gave; "" where none was given.
    """

    choice: str
    by: str = ""
    at: str = ""
    reason: str = ""

    def sync_values(self) -> dict[str, Any]:
        """Returns the columns of `directory_syncs` about the decision."""
        return {
            "decided_by": self.by or None,
            "decided_at": datetime.fromisoformat(self.at) if self.at else None,
            "decision_reason": self.reason or None,
        }


_NOT_DECIDED = dict.fromkeys(Decided(choice="").sync_values())
_PARTS = ("origin", "fields", "holds", "completeness", "traffic")


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What a snapshot holds, what was proven about it, and what its publication changes.

    Its JSON is flat: the values of its parts are on the same level as the others.

    Attributes:
        origin: the identity of the publication.
        entries: how many distinct entries the snapshot has, less those left out.
        read_from: the base URL that was read, and where its connection was found; None: unknown.
        unchanged: how many entries did not change.
        changes: how many entries have each kind of change.
        rewritten: how many unchanged entries are written to the table again.
        rejected: how many entries the warehouse cannot hold; they were set aside.
        left_out: how many entries of the list a `filter` of the form does not let through.
        current: how many rows `<resource>_current` has after this publication; None: an earlier release did
            not count them.
        fields: the fields of the entries.
        holds: the entries that wait for a decision.
        completeness: what shows that the snapshot is complete.
        traffic: the requests to the API.
        findings: what the checks found.
        skipped: why nothing is published; None: it is published.
        decision: the decision that is carried out; None: it is no removal that a person approved.
    """

    origin: Origin
    entries: int
    read_from: str | None = None
    unchanged: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)
    rewritten: int = 0
    rejected: int = 0
    left_out: int = 0
    current: int | None = None
    fields: Fields = field(default_factory=Fields)
    holds: Holds = field(default_factory=Holds)
    completeness: Completeness = field(default_factory=Completeness)
    traffic: Traffic = field(default_factory=Traffic)
    findings: tuple[Finding, ...] = ()
    skipped: str | None = None
    decision: Decided | None = None

    @property
    def sync_id(self) -> str:
        """The id of the publication."""
        return self.origin.sync_id

    @property
    def resource(self) -> str:
        """The resource that is published."""
        return self.origin.resource

    @property
    def run_id(self) -> str:
        """The Dag run."""
        return self.origin.run_id

    @property
    def mode(self) -> Mode:
        """The mode of the run."""
        return self.origin.mode

    @property
    def snapshot_at(self) -> datetime:
        """The time of the snapshot's first request."""
        return self.origin.snapshot_at

    @property
    def changes_nothing(self) -> bool:
        """Tells whether the warehouse already holds the state of the snapshot."""
        return not any(self.changes.values()) and not self.rewritten

    def numbered(self, order: int | None) -> Self:
        """Returns a copy of the report with the number of its publication."""
        return replace(self, origin=replace(self.origin, publication_order=order))

    def _flat(self) -> dict[str, Any]:
        content = asdict(self)
        for part in _PARTS:
            content |= content.pop(part)
        return content

    def as_json(self) -> dict[str, Any]:
        """Returns the report as JSON values; times as ISO 8601."""
        content = self._flat()
        content["mode"] = self.mode.value
        content["snapshot_at"] = self.snapshot_at.isoformat()
        content["last_requested_at"] = self.origin.last_requested_at.isoformat()
        content |= {name: list(content[name]) for name in ("key", "findings")}
        for name in ("current", "decision"):
            # Left out as an earlier release did.
            if content[name] is None:
                del content[name]
        return content

    def summary(self) -> dict[str, Any]:
        """Returns what XCom and the asset event carry: the report without the field shares."""
        content = self.as_json()
        del content["field_shares"]
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Reads the JSON of `as_json`, also of a later release.

        Raises:
            SnapshotError: a value is missing or has a wrong type.
        """
        with naming_damage(REPORT):
            flat = msgspec.convert(content, dict[str, Any])
            # Each part takes its own values and ignores the others.
            return msgspec.convert(flat | dict.fromkeys(_PARTS, flat), cls)

    def headline(self) -> str:
        """Returns the outcome in one line."""
        if self.skipped:
            return f"{self.resource}: skipped, {self.skipped}"
        count, held = self.changes.get, self.holds.held
        parts = [f"+{count(Kind.ADDED, 0):,} ~{count(Kind.CHANGED, 0):,} −{count(Kind.REMOVED, 0):,}"]
        others = (Kind.RETURNED, Kind.MISSING, Kind.RESHAPED)
        parts += [f"{count(kind, 0):,} {kind}" for kind in others if count(kind)]
        if held:
            parts.append(f"{held:,} held")
        if self.rejected:
            parts.append(f"{self.rejected:,} rejected")
        entries = "entries" if not self.mode.is_partial else "entries that changed in the interval"
        return f"{self.resource}: {self.entries:,} {entries}: {', '.join(parts)}; {self._proven()}"

    def _proven(self) -> str:
        seal = self.completeness
        if seal.proof == Proof.WALK:
            return f"{seal.windows:,} pages along the API's links, completeness not proven"
        if seal.proof == Proof.REREAD:
            return f"{seal.joints:,} joints by pages read again"
        return f"{seal.joints:,} joints proven, {seal.bridged:,} bridged"

    def lines(self) -> list[str]:
        """Returns the report as lines of text for people: the headline, a table and the findings."""
        seal, traffic = self.completeness, self.traffic
        rows: list[tuple[str, str]] = [
            ("entries", f"{self.entries:,}"),
            *((kind.value, f"{self.changes.get(kind, 0):,}") for kind in KINDS),
            ("unchanged", f"{self.unchanged:,}"),
            ("held removals", f"{self.holds.held:,}"),
            *([("rejected", f"{self.rejected:,}")] if self.rejected else []),
            *([("left out", f"{self.left_out:,} by a filter of the form")] if self.left_out else []),
            ("joints", f"{seal.joints:,} between {seal.windows:,} windows, {seal.bridged:,} bridged"),
            ("proof", _PROOFS_SHOWN.get(seal.proof, seal.proof)),
            ("order", seal.order),
            *([("read from", self.read_from)] if self.read_from else []),
            ("requests", f"{traffic.requests:,}, {traffic.retries:,} retries, {traffic.refused:,} refused"),
        ]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value}" for name, value in rows]
        return [self.headline(), *lines, *(f"{f.level}: {f.message}" for f in self.findings)]

    def sync_values(self) -> dict[str, Any]:
        """Returns the row of `directory_syncs`."""
        values = self._flat()
        values |= {kind.value: self.changes.get(kind, 0) for kind in KINDS}
        values |= self.decision.sync_values() if self.decision else _NOT_DECIDED
        values["report"] = json.dumps(self.as_json(), sort_keys=True)
        values[columns.FORMAT_VERSION.name] = TABLE_FORMAT
        return {column.name: values[column.taken_from] for column in columns.SYNCS}
