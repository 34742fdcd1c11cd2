"""A sealed snapshot, and what its manifest and its entries say of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from directory_sync.audit.checks import FieldShares
from directory_sync.audit.job import Audit
from directory_sync.audit.manifest import OWN_FIELDS, Manifest, settings_fingerprint
from directory_sync.audit.scratch import Snapshot
from directory_sync.config.fields import stable_fields
from directory_sync.config.kinds import Proof
from directory_sync.landing.files import LandedFiles


@dataclass(frozen=True)
class Sealed:
    """A sealed snapshot, and what its manifest and its entries say of it."""

    job: Audit
    manifest: Manifest
    snapshot: Snapshot
    files: LandedFiles

    @property
    def at(self) -> datetime:
        """Its earliest request."""
        return self.manifest.first_requested_at

    @property
    def fingerprint(self) -> str:
        """What its hashes depend on besides the entries."""
        return settings_fingerprint(self.job.resource)

    @property
    def proof(self) -> str:
        """What shows that it is complete."""
        return self.manifest.seal.proof.value

    @property
    def order(self) -> str:
        """How far the order of the list can be trusted; a contradiction refutes a declaration."""
        if self.manifest.seal.contradictions:
            return "assumed"
        if self.manifest.order_is_observed:
            return "observed"
        return "declared" if self.job.resource.order_is_stable else "assumed"

    @property
    def ids_ascend(self) -> bool:
        """Ids ascend or descend over a chain of windows: the place of each is known."""
        seal = self.manifest.seal
        return seal.proof is Proof.CHAIN and seal.order_is_observed and not seal.contradictions

    @property
    def is_still(self) -> bool:
        """Nothing moved while it was read."""
        return not self.manifest.seal.displaced and len(self.manifest.api.totals) < 2

    @cached_property
    def shares(self) -> dict[str, dict[str, float]]:
        """Of each field, the share of entries with each JSON type."""
        return {
            name: {kind: round(count / self._profiled, 4) for kind, count in types.items()}
            for name, types in self._types.items()
        }

    @cached_property
    def _types(self) -> dict[str, dict[str, int]]:
        """Without the audit's own answers where there are others: it asks for the list's end many times."""
        read = tuple(path for path in self.files.fields if not path.endswith(OWN_FIELDS))
        return self.snapshot.field_types(replace(self.files, fields=read or self.files.fields))

    @property
    def _profiled(self) -> int:
        """How many entries the fields were counted of: each has an id."""
        return sum(self._types.get("id", {}).values())

    def names_beside(self, before: FieldShares, *, entries: int) -> set[str]:
        """The fields that may be named: of this snapshot, and of the report before it with its entries."""
        known = stable_fields(before, entries)
        return known.keys() | stable_fields(self.shares, self._profiled, known=known.keys()).keys()
