"""Finds the landed publications that a replay loads: the branch that was published last.

    night     1 ── 2 ── 3 ── 4         a backup of night 2 is restored, and nights 5 and 6 are published
    order     1    2    3    4
                   └──── 5 ── 6        the branch published last is 1, 2, 5, 6

Each publication is marked with its number and with the publication it follows. The publication with the
highest number is the last one; it and its predecessors are the branch. A restore abandoned all others.
Where a predecessor is no longer kept, the branch continues with the last publication kept from before it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from directory_sync.audit.report import AuditReport
from directory_sync.config.older_python import UTC
from directory_sync.errors import SnapshotError
from directory_sync.landing.files import PUBLISHED, REPORT, Mark
from directory_sync.landing.snapshot import LandedSnapshot

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A published sync, as the landing zone holds it.

    Attributes:
        mark: its place in the order of publication.
        landed: the folder of its run.
        report: the report of what was published; None: it cannot be read.
        damage: why the report cannot be read; empty: it was read.
    """

    mark: Mark
    landed: LandedSnapshot
    report: AuditReport | None
    damage: str = ""

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """Its sort key among all publications: its number, then the time of its snapshot, then its id."""
        return self.mark.order or 0, self.report.snapshot_at if self.report else _NEVER, self.mark.sync_id


@dataclass(frozen=True, kw_only=True)
class Landed:
    """All publications of a resource in the landing zone.

    Attributes:
        publications: all that were found, in no order.
        damaged: folders whose publications are not known, each with the reason.
    """

    publications: tuple[Publication, ...]
    damaged: tuple[str, ...] = ()


def landed_publications(runs: Sequence[LandedSnapshot]) -> Landed:
    """Reads the publications of each run.

    Where the marks of a run are damaged, its sync counts as published if another publication follows it. The
    mark of the follower names the sync and its number.
    """
    found, unmarked, damaged = [], [], []
    for landed in runs:
        try:
            found += [_publication(landed, mark) for mark in landed.published()]
        except SnapshotError:
            unmarked.append(landed)
    bases = {one.report.origin.base_sync_id: None for one in found if one.report is not None} | {
        one.mark.base_sync_id: one.mark.base_order for one in found
    }
    for landed in unmarked:
        published = [sync_id for sync_id in landed.landed_syncs() if sync_id in bases]
        found += [
            _publication(landed, Mark(sync_id=one, order=bases[one]), is_bare=True) for one in published
        ]
        if not published:
            damaged.append(f"{landed.name}: {PUBLISHED} cannot be read")
    return Landed(publications=tuple(found), damaged=tuple(damaged))


def last_branch(publications: Iterable[Publication]) -> list[Publication]:
    """Returns the branch that was published last, from its first publication to its last."""
    ranked = sorted(publications, key=lambda one: one.rank)
    known = {one.mark.sync_id: one for one in ranked}
    branch: list[Publication] = []
    current = ranked[-1] if ranked else None
    while current is not None and current not in branch:
        branch.append(current)
        current = _below(current, ranked, known)
    return branch[::-1]


def _below(
    publication: Publication, ranked: Sequence[Publication], known: Mapping[str, Publication]
) -> Publication | None:
    """Returns the publication that another one follows, or the last one that is kept from before it."""
    mark = publication.mark
    if mark.base_sync_id is None or mark.base_sync_id in known:
        return known.get(mark.base_sync_id or "")
    if mark.base_order is None:
        return next((one for one in reversed(ranked) if one.rank < publication.rank), None)
    return next((one for one in reversed(ranked) if (one.mark.order or 0) < mark.base_order), None)


def _publication(landed: LandedSnapshot, mark: Mark, *, is_bare: bool = False) -> Publication:
    try:
        content = landed.of_sync(mark.sync_id).read_json(REPORT)
        if content is None:
            return Publication(mark=mark, landed=landed, report=None, damage=f"{REPORT} is not there")
        report = AuditReport.from_json(content)
    except SnapshotError:
        return Publication(mark=mark, landed=landed, report=None, damage=f"{REPORT} cannot be read")
    if is_bare or (mark.order is None and mark.base_sync_id is None):
        # The marks of the first release name only the sync.
        mark = replace(mark, base_sync_id=report.origin.base_sync_id)
    return Publication(mark=mark, landed=landed, report=report)


def names(publications: Iterable[Publication]) -> Iterator[str]:
    """Names publications for people: the sync and its run's folder."""
    return (f"{one.mark.sync_id} ({one.landed.name})" for one in publications)
