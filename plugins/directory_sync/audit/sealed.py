"""A sealed snapshot, with what follows from its manifest and its entries."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from directory_sync.audit.checks import FieldShares
from directory_sync.audit.job import Audit
from directory_sync.audit.manifest import OWN_FIELDS, Manifest, settings_fingerprint
from directory_sync.audit.scratch import Snapshot
from directory_sync.config.fields import stable_fields
from directory_sync.config.kinds import Proof
from directory_sync.landing.files import MANIFEST, LandedFiles


@dataclass(frozen=True, kw_only=True)
class SealedSnapshot:
    """A snapshot whose completeness is proven, with what follows from its manifest and its entries.

    Attributes:
        job: the run, its resource and its limits.
        manifest: what was proven; it is not landed before `keep`.
        snapshot: the entries, open in the scratch database.
        files: the landed files that the manifest names.
        is_known: the manifest was landed before: nothing was read for it.
    """

    job: Audit
    manifest: Manifest
    snapshot: Snapshot
    files: LandedFiles
    is_known: bool

    def keep(self) -> None:
        """Lands the manifest, which makes the landed files a snapshot. A dry run lands none."""
        if self.job.run.mode.publishes and not self.is_known:
            self.job.landed.make_durable(self.files)
            self.job.landed.write_json(MANIFEST, self.manifest.as_json())

    @property
    def at(self) -> datetime:
        """The time of its earliest request."""
        return self.manifest.first_requested_at

    @property
    def fingerprint(self) -> str:
        """The digest of the settings that its hashes depend on."""
        return settings_fingerprint(self.job.resource)

    @property
    def proof(self) -> str:
        """The value of `Proof` that shows that it is complete."""
        return self.manifest.seal.proof.value

    @property
    def order(self) -> str:
        """The order of the list: observed, declared or assumed. A contradiction overrules a declaration."""
        if self.manifest.seal.contradictions:
            return "assumed"
        if self.manifest.order_is_observed:
            return "observed"
        return "declared" if self.job.resource.order_is_stable else "assumed"

    @property
    def ids_ascend(self) -> bool:
        """Tells whether ids ascend or descend over the chain of windows, so that an id has a place."""
        seal = self.manifest.seal
        if self.job.resource.parent is not None:
            # Its entries have places in many lists.
            return False
        return seal.proof is Proof.CHAIN and seal.order_is_observed and not seal.contradictions

    @property
    def is_still(self) -> bool:
        """Tells whether no entry moved and no total changed while it was read."""
        return not self.manifest.seal.displaced and len(self.manifest.api.totals) < 2

    @cached_property
    def key_type(self) -> str | None:
        """The type of the key, see `LandedTables.key_type`; None: there is no entry."""
        return self.snapshot.key_type()

    @cached_property
    def shares(self) -> dict[str, dict[str, float]]:
        """By field, the share of entries (0 to 1) with each JSON type."""
        return {
            name: {kind: round(count / self._profiled, 4) for kind, count in types.items()}
            for name, types in self._types.items()
        }

    @cached_property
    def _types(self) -> dict[str, dict[str, int]]:
        """Counts by field and type, without the audit's own answers, which show the list's end many times."""
        read = tuple(path for path in self.files.fields if not path.endswith(OWN_FIELDS))
        return self.snapshot.field_types(replace(self.files, fields=read or self.files.fields))

    @cached_property
    def _profiled(self) -> int:
        """How many entries the fields were counted over."""
        return self.snapshot.profiled()

    def names_beside(self, before: FieldShares, *, entries: int) -> set[str]:
        """Returns the fields that messages may name.

        Args:
            before: the field shares of the last report.
            entries: how many entries that report has.
        """
        known = stable_fields(before, entries)
        return known.keys() | stable_fields(self.shares, self._profiled, known=known.keys()).keys()
