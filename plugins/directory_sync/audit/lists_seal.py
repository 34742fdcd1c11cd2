"""Proves the lists of a child resource, one for each entry of its parent, from the landed answers alone.

Each list is proven by what its kind of paging allows: windows as `extract/offset_list.py` joins them,
numbered pages as in `pages_seal.py`; the API's own links prove nothing. The snapshot of the child is complete
if each entry of the parent's sealed snapshot has a list that is proven, or is gone by the parent's own
`detail_path`.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, combinations, groupby, pairwise
from operator import itemgetter
from typing import Any

import duckdb

from directory_sync.api.answer import EntryId
from directory_sync.audit.job import Audit
from directory_sync.audit.pages_seal import join_list
from directory_sync.audit.proof import Seal
from directory_sync.audit.report import Finding
from directory_sync.audit.scratch import Counts, Reading, Snapshot
from directory_sync.config.form import Resource
from directory_sync.config.older_python import UTC
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages
from directory_sync.errors import SnapshotError
from directory_sync.extract.list_threads import ANSWERS_PER_ATTEMPT, GONE, READ
from directory_sync.extract.offset_list import Evidence, OffsetList, Trust, UnreadableListError
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.files import FAILED_PARENTS, REPORT, LandedFiles
from directory_sync.landing.parents import ListedParent, read_parents
from directory_sync.landing.tables import LISTS

logger = logging.getLogger(__name__)

MOVED = "it changed each time while it was read"
UNREAD = "it was not read"
TOTAL = "the API states another number of entries"
REASONS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ListsSeal(Seal):
    """What was proven of the lists of a child resource.

    Attributes:
        lists: how many lists there are: one for each entry of the parent.
        gone: how many entries of the parent were gone when their list was read.
    """

    lists: int = 0
    gone: int = 0


@dataclass(frozen=True)
class _Answer:
    """One landed answer of a list.

    Attributes:
        ids: the ids of its entries, in their order.
    """

    number: int
    shard: int
    offset: int
    asked: int
    total: int | None
    answer: int
    status: int
    ids: tuple[EntryId, ...]


@dataclass
class _Lists:
    """What was found of the lists so far."""

    windows: int = 0
    joints: int = 0
    moved: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    proven: set[int] = field(default_factory=set)
    short: list[tuple[int, int, Evidence, int]] = field(default_factory=list)
    trust: dict[int, Trust] = field(default_factory=lambda: defaultdict(Trust))
    ascends: bool = True
    descends: bool = True


def seal_lists(job: Audit, snapshot: Snapshot, files: LandedFiles) -> ListsSeal:
    """Proves the lists of a child resource.

    Args:
        job: the run, with the child resource and the folder of its parent's snapshot.
        snapshot: the landed answers.
        files: the landed files.

    Raises:
        SnapshotError: a list is not proven, or the lists were read for another snapshot of the parent.
    """
    resource, parent = job.resource, job.resource.parent
    assert parent is not None
    assert job.parent_landed is not None
    outcomes = _outcomes(snapshot, files)
    lists = _Lists()
    for number, answers in _lists(snapshot):
        lists.windows += sum(bool(one.ids) for one in answers)
        if outcomes.get(number, ("", ""))[0] == READ:
            _prove(number, answers, resource, lists)
    for number, shard, evidence, largest in lists.short:
        if lists.trust[shard].believes(evidence, largest=largest):
            lists.proven.add(number)
        else:
            lists.failed[number] = MOVED
    count = gone = 0
    failed: list[tuple[ListedParent, str]] = []
    for one in read_parents(job.parent_landed, resource.name):
        count += 1
        outcome, sync_id = outcomes.get(one.number, (UNREAD, one.sync_id))
        if sync_id != one.sync_id:
            raise SnapshotError(
                f"The lists of `{resource.name}` were read for another snapshot of `{parent.name}`. Nothing "
                f"was published. Clear the `extract` tasks of `{resource.name}`."
            )
        gone += outcome == GONE
        if outcome != GONE and one.number not in lists.proven:
            reason = outcome if outcome != READ else lists.failed.get(one.number, UNREAD)
            failed.append((one, reason))
    if failed:
        raise _failure(job, failed, count=count)
    job.landed.forget(FAILED_PARENTS)
    return ListsSeal(
        windows=lists.windows,
        joints=lists.joints,
        bridged=0,
        contradictions=0,
        displaced=lists.moved,
        doubled=snapshot.doubled_in_a_window(),
        order_is_observed=lists.ascends or lists.descends,
        proof=resource.pages.proof,
        lists=count,
        gone=gone,
    )


def loads_for_parent(
    job: Audit, database: duckdb.DuckDBPyConnection, loads: dict[str, int]
) -> dict[str, int]:
    """Returns the loads that hold lists of the parent's present snapshot.

    A shard that was cleared with its parent has no work if the parent has fewer entries now, so it lands
    nothing that would replace its former load.

    Args:
        job: the run, with the folder of the parent's snapshot.
        database: the scratch database.
        loads: the shard of each complete load.
    """
    wanted, files, found = parent_sync(job), job.landed.load_files(LISTS), dict[str, int]()
    for load_id, shard in loads.items():
        syncs: list[tuple[str]] = []
        if paths := files.get(load_id):
            with naming_damage("lists"):
                syncs = database.execute(
                    "SELECT DISTINCT parent_sync_id FROM read_parquet(?)", [paths]
                ).fetchall()
        if syncs == [(wanted,)]:
            found[load_id] = shard
        else:
            logger.warning("Load %s is left out: its lists are of another snapshot of the parent", load_id)
    return found


def gone_parents(job: Audit, files: LandedFiles) -> set[int]:
    """Returns the numbers of the parents that were gone when their lists were read.

    Args:
        job: the run of the child.
        files: the landed files of the child.
    """
    return {
        row["parent"]
        for path in files.lists
        for batch in job.landed.read_tables(
            job.landed.relative([path])[0], rows=10_000, columns=("parent", "outcome")
        )
        for row in batch.to_pylist()
        if row["outcome"] == GONE
    }


def _outcomes(snapshot: Snapshot, files: LandedFiles) -> dict[int, tuple[str, str]]:
    """Returns, by the number of the parent, how its list ended, and the parent's sync."""
    if not files.lists:
        return {}
    with naming_damage("lists"):
        rows = snapshot.database.execute(
            "SELECT parent, outcome, parent_sync_id FROM read_parquet(?)", [list(files.lists)]
        ).fetchall()
    return {number: (outcome, sync_id) for number, outcome, sync_id in rows}


def _lists(snapshot: Snapshot) -> Iterator[tuple[int, list[_Answer]]]:
    """Yields the answers of each list, in the order of their requests."""
    cursor = snapshot.database.execute(
        """SELECT w.parent, w.number, w.shard, w."window", w.asked, w.total, w.answer, w.status, p.id
           FROM windows AS w LEFT JOIN positions AS p USING (number)
           WHERE w.parent IS NOT NULL ORDER BY w.parent, w.answer, w.number, p.position"""
    )
    rows = chain.from_iterable(iter(lambda: cursor.fetchmany(10_000), []))
    for parent, of_list in groupby(rows, key=itemgetter(0)):
        answers = [
            _Answer(
                number=number,
                shard=first[2],
                offset=first[3],
                asked=first[4],
                total=first[5],
                answer=first[6],
                status=first[7],
                ids=tuple(row[8] for row in (first, *found) if row[8] is not None),
            )
            for number, found in ((n, iter(list(g))) for n, g in groupby(of_list, key=itemgetter(1)))
            for first in [next(found)]
        ]
        yield parent, answers


def _prove(number: int, answers: Sequence[_Answer], resource: Resource, lists: _Lists) -> None:
    """Proves one list, or notes why it is not proven."""
    moved: bool | None = False
    short = None
    match resource.pages:
        case OffsetPages() as pages:
            one = _offset_list(answers, limit=pages.limit)
            if one is not None:
                lists.trust[answers[0].shard].add(one)
                if one.evidence is Evidence.SHORT:
                    short = number, answers[0].shard, one.evidence, one.largest
            moved = one.moved if one else None
        case NumberedPages():
            joined = join_list(*_readings(answers))
            moved = None if joined is None else joined.has_moved or joined.has_holes
            # The API may leave out entries by mistake, so their order proves no absence.
            lists.ascends = lists.ascends and not (joined and joined.has_holes)
            lists.descends = lists.descends and not (joined and joined.has_holes)
        case LinkedPages():
            pass
        case pages:
            raise TypeError(f"{type(pages).__name__} has no seal")
    if moved is None:
        lists.failed[number] = MOVED
        return
    ids = dict.fromkeys(one for answer in answers for one in answer.ids)
    totals = {answer.total for answer in answers if answer.total is not None}
    if len(totals) == 1 and not moved and totals != {len(ids)} and not resource.total_is_approximate:
        lists.failed[number] = TOTAL
        return
    lists.moved += moved
    lists.joints += len(answers) - 1
    _note_order(ids, resource, lists)
    if short is None:
        lists.proven.add(number)
    else:
        lists.short.append(short)


def _offset_list(answers: Iterable[_Answer], *, limit: int) -> OffsetList | None:
    """Gives landed answers to an `OffsetList`; returns it once its end is seen, None where it is not."""
    found = None
    for _, attempt in groupby(answers, key=lambda one: one.answer // ANSWERS_PER_ATTEMPT):
        one = OffsetList(limit)
        try:
            for answer in attempt:
                if answer.offset != one.next:
                    break
                one.answered(answer.offset, answer.ids, status=answer.status)
        except UnreadableListError:
            continue
        if one.evidence is not Evidence.NONE:
            found = one
    return found


def _readings(answers: Sequence[_Answer]) -> tuple[list[Reading], set[tuple[int, int]]]:
    """Returns the answers of a list of numbered pages, and the pairs for one page that share an entry."""
    readings = [
        Reading(
            number=one.number,
            place=one.offset // max(one.asked, 1),
            entries=len(one.ids),
            content=hash(frozenset(one.ids)) if one.ids else 0,
            first_id=one.ids[0] if one.ids else None,
            last_id=one.ids[-1] if one.ids else None,
        )
        for one in answers
    ]
    places: dict[int, list[_Answer]] = defaultdict(list)
    for one in answers:
        places[one.offset].append(one)
    pairs = {
        (one.number, other.number)
        for of_place in places.values()
        for one, other in combinations(of_place, 2)
        if not set(one.ids).isdisjoint(other.ids)
    }
    return readings, pairs | {(other, one) for one, other in pairs}


def _note_order(ids: Iterable[EntryId], resource: Resource, lists: _Lists) -> None:
    """Notes whether the child's own keys ascend, or descend, over a list."""
    if not (lists.ascends or lists.descends) or resource.parent is None:
        return
    keys: list[Any] = [resource.parent.own_key_of(one) for one in ids]
    try:
        pairs = [(one < other, one > other) for one, other in pairwise(keys)]
    except TypeError:
        pairs = [(False, False)]
    lists.ascends = lists.ascends and all(ascends for ascends, _ in pairs)
    lists.descends = lists.descends and all(descends for _, descends in pairs)


def _failure(job: Audit, failed: Sequence[tuple[ListedParent, str]], *, count: int) -> SnapshotError:
    """Lands which parents failed; returns the error, which says only how many and why."""
    assert job.resource.parent is not None
    listed: list[Mapping[str, Any]] = [{"parent": one.id, "reason": reason} for one, reason in failed]
    job.landed.write_json(FAILED_PARENTS, {"of": count, "failed": listed})
    reasons = Counter(reason for _, reason in failed).most_common(REASONS_SHOWN)
    told = "; ".join(f"{number:,}: {reason}" for reason, number in reasons)
    logger.warning("The parents that failed are in %s", job.landed.file(FAILED_PARENTS))
    name, parent = job.resource.name, job.resource.parent.name
    return SnapshotError(
        f"{len(failed):,} of {count:,} lists of `{name}` are not complete ({told}). Nothing of `{parent}` or "
        f"`{name}` was published. Which entries of `{parent}` these are stands in `{FAILED_PARENTS}` in the "
        f"landing folder of the run. Clear the `extract` tasks of `{name}` to read them again; see "
        "docs/children.md#a-list-that-fails."
    )


def check_lists(seal: ListsSeal, resource: Resource) -> Iterator[Finding]:
    """Yields a warning where parents were gone when their lists were read; an error where most were.

    Some leave while the lists are read. If most of several seem to have left, `path` and `detail_path` of the
    form are more likely wrong: both answer 404 to everything.

    Args:
        seal: what was proven.
        resource: the child resource.
    """
    parent = resource.parent
    if parent is not None and seal.gone > max(1, seal.lists // 2):
        yield Finding(
            rule="gone_parents",
            level="error",
            message=(
                f"{seal.gone:,} of {seal.lists:,} lists of `{resource.name}` answered 404 or 410, and so did "
                f"the `detail_path` of their entries of `{parent.name}`. Check both paths in "
                f"{resource.form_file}."
            ),
        )
    elif parent is not None and seal.gone:
        yield Finding(
            rule="gone_parents",
            level="warning",
            message=(
                f"{seal.gone:,} of {seal.lists:,} entries of `{parent.name}` were gone, by their "
                f"`detail_path`, when their list was read. Their entries of `{resource.name}` stay until the "
                "next snapshot of the parent lacks these."
            ),
        )


def counts_of_lists(counts: Counts) -> Counts:
    """Returns the numbers of a pull of lists: the API's totals are those of single lists.

    A pull for a parent without entries requested nothing; it counts as of now.
    """
    now = datetime.now(UTC)
    return replace(
        counts,
        totals=(),
        first_requested_at=counts.first_requested_at or now,
        last_requested_at=counts.last_requested_at or now,
    )


def parent_sync(job: Audit) -> str | None:
    """Returns the sync of the parent's snapshot that a child was read for; None: it has no entry.

    Args:
        job: the run, with the folder of the parent's snapshot.
    """
    if job.parent_landed is None:
        return None
    first = next(read_parents(job.parent_landed, job.resource.name), None)
    return first.sync_id if first else (job.parent_landed.read_json(REPORT) or {}).get("sync_id")
