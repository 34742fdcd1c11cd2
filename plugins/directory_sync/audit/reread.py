"""Reads the places of absent entries again, because an absence in a single answer is no proof.

A replica that lags answers with an older list. Entries that were added since are absent from its answers, and
these still join the answers of other replicas. Where ids ascend, the place of an absent entry is known. So
the audit asks for answers that hold its neighbours. If one of them shows an absent entry, the API's answers
contradict each other, and no entry is removed at its first absence.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from directory_sync.api.answer import EntryId
from directory_sync.api.page import Page
from directory_sync.audit.proof import ReadPage
from directory_sync.audit.report import Finding
from directory_sync.audit.scratch import Snapshot
from directory_sync.config.kinds import Kind
from directory_sync.landing.files import DIFFERENCE
from directory_sync.landing.snapshot import LandedSnapshot

ANSWERS_WHEN_STILL, ANSWERS_WHEN_MOVED = 1, 4
"""How many further answers must confirm an absence; more where the list moved, or seemed to."""

MAX_REREADS = 200
_ROWS = 5_000


@dataclass(frozen=True, kw_only=True)
class Reread:
    """The result of reading the places of absent entries again.

    Attributes:
        absent: how many entries were looked for.
        seen: the absent entries that another answer shows.
        unconfirmed: the absent entries that too few answers confirm; they wait for the next snapshot.
    """

    absent: int = 0
    seen: frozenset[EntryId] = frozenset()
    unconfirmed: frozenset[EntryId] = frozenset()


def reread(
    snapshot: Snapshot, absent: Sequence[EntryId], read_page: ReadPage, *, answers_needed: int
) -> Reread:
    """Asks for the places of absent entries until enough answers confirm each absence.

    Args:
        snapshot: the sealed snapshot; its ids ascend, or descend.
        absent: the entries that would be removed.
        read_page: reads the directory at an offset.
        answers_needed: how many answers must show an entry's neighbours without the entry.

    Raises:
        DirectorySyncError: the client failed.
    """
    places, descends = snapshot.places_of_absent(absent)
    lacking = dict.fromkeys(absent, 0)
    seen: set[EntryId] = set()
    requests = 0
    for entry_id in sorted(absent, reverse=descends):
        for _ in range(answers_needed):
            if lacking[entry_id] >= answers_needed or entry_id in seen or requests >= MAX_REREADS:
                break
            requests += 1
            page = read_page(places[entry_id])
            ids = {entry.id for entry in page.entries}
            seen |= ids & lacking.keys()
            for other in _within(page, absent, descends=descends):
                lacking[other] += other not in ids
    unconfirmed = {i for i, answers in lacking.items() if answers < answers_needed and i not in seen}
    return Reread(absent=len(absent), seen=frozenset(seen), unconfirmed=frozenset(unconfirmed))


def _within(page: Page, absent: Collection[EntryId], *, descends: bool) -> Iterator[EntryId]:
    """Yields the absent entries whose place an answer covers, also before its first and after its last."""
    ids = [entry.id for entry in page.entries]
    if not ids:
        return
    first, last = (ids[-1], ids[0]) if descends else (ids[0], ids[-1])
    is_head, is_short = page.offset == 0, len(ids) < page.limit
    for entry_id in absent:
        # Ids of one snapshot are of one type.
        is_behind = first < entry_id or (is_short if descends else is_head)  # type: ignore[operator]
        is_before = entry_id < last or (is_head if descends else is_short)  # type: ignore[operator]
        if is_behind and is_before:
            yield entry_id


def removed_before(landed: LandedSnapshot, sync_id: str) -> set[EntryId]:
    """Returns the entries that an earlier comparison of this snapshot removed; they were confirmed then."""
    removed: set[EntryId] = set()
    for batch in landed.of_sync(sync_id).read_tables(DIFFERENCE, rows=_ROWS):
        for row in batch.select(["id", "kind"]).to_pylist():
            if row["kind"] == Kind.REMOVED:
                removed.add(row["id"])
    return removed


def check_reread(reread: Reread) -> Iterator[Finding]:
    """Yields warnings: answers contradicted each other, or absences wait for the next snapshot."""
    if reread.seen:
        yield Finding(
            rule="replicas",
            level="warning",
            message=(
                f"{len(reread.seen):,} of {reread.absent:,} absent entries stand in another answer of the "
                "API: its answers come from different lists, such as those of lagging replicas. Absent "
                "entries count as missing and are removed when the next snapshot lacks them too."
            ),
        )
    elif reread.unconfirmed:
        yield Finding(
            rule="unconfirmed",
            level="warning",
            message=(
                f"{len(reread.unconfirmed):,} of {reread.absent:,} absent entries were not confirmed by "
                f"enough answers (at most {MAX_REREADS} requests): they count as missing until the next "
                "snapshot."
            ),
        )
