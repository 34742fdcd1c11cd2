"""Decides which windows a shard requests next: a pure function of the answers so far.

A plan is a value: the facts about the list, and the part of the shard's share that is still to be requested.
`began`, `after` and `next_windows` return a new plan; they do no I/O and use no threads. The reader
(`windows.py`) sends the requests of a plan.

Windows overlap by one entry within a shard, and by one window where two shards meet. The API's total is used
only to divide the list into shares. The step from window to window follows the size of the answers.
"""

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from directory_sync.api.answer import EntryId
    from directory_sync.api.page import Page

logger = logging.getLogger(__name__)

OVERLAP = 1
SHORT_WINDOWS_ALLOWED = 20
SIZES_REMEMBERED = 8


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The part of the list that one task reads.

    Attributes:
        number: the shard's number, from 0.
        count: the number of shards.
    """

    number: int
    count: int

    def share(self, total: int) -> tuple[int, int]:
        """Returns the first offset of this shard's share of `total` entries, and the one after the last."""
        return self.number * total // self.count, (self.number + 1) * total // self.count


class Wanted(NamedTuple):
    """A window to request: its offset, and the offset that its answer must reach."""

    offset: int
    reach: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The facts about the list, and the part of a shard's share that is still to be requested.

    Attributes:
        limit: how many entries a request asks for.
        size: how many entries a window is expected to have.
        sizes: the sizes of the latest windows that the API cut short.
        next: the offset of the next window.
        start: the first offset of the shard's share.
        stop: the offset up to which the shard reads; None: the end of the list.
        is_last: whether the shard reads the end of the list.
        last_ids: the last ids of windows at the end. If one repeats, nothing follows.
        gaps: the missing rests of windows whose answers were too short.
        short_windows: without a total, how many short windows came in a row.
        total: the API's count when the shard began; None: it states none.
    """

    limit: int
    size: int
    sizes: tuple[int, ...] = ()
    next: int = 0
    start: int = 0
    stop: int | None = 0
    is_last: bool = False
    last_ids: "frozenset[EntryId | None]" = frozenset()
    gaps: tuple[Wanted, ...] = ()
    short_windows: int = 0
    total: int | None = None

    @property
    def expected(self) -> int | None:
        """About how many entries the shard reads; None: the API states no total."""
        return None if self.stop is None else max(0, self.stop - self.start)


def began(first: "Page", shard: Shard, *, limit: int) -> Plan:
    """Returns the first plan of a shard. Without a total, shard 0 reads the whole list alone.

    Args:
        first: the answer at offset 0.
        shard: the shard.
        limit: how many entries a request asks for.
    """
    total, count = first.total, len(first.entries)
    plan = Plan(limit=limit, size=limit, total=total)
    if total is None:
        if shard.number or not count:
            return plan
        size, after_head = max(count, OVERLAP + 1), max(count - OVERLAP, OVERLAP)
        return replace(plan, size=size, next=after_head, stop=None, is_last=True)
    if OVERLAP < count < min(limit, total):
        plan = _with_cap(plan, count)
    shards = min(shard.count, max(1, -(-total // limit)))
    if shard.number >= shards:
        return plan
    is_last = shard.number == shards - 1
    start, stop = Shard(number=shard.number, count=shards).share(total)
    stop = stop if is_last else min(stop + plan.size, total)
    plan = replace(plan, is_last=is_last, next=start, start=start, stop=stop)
    if shard.number == 0:
        plan = after(replace(plan, next=count), first, reach=min(plan.size, stop))
        plan = replace(plan, next=plan.next - min(OVERLAP, count))
    return plan


def next_windows(plan: Plan, room: int) -> tuple[Plan, tuple[Wanted, ...]]:
    """Returns the plan after the next windows, and these windows.

    Args:
        plan: the present plan.
        room: how many windows to return at most.
    """
    wanted: list[Wanted] = []
    while len(wanted) < room:
        if plan.gaps:
            wanted.append(plan.gaps[-1])
            plan = replace(plan, gaps=plan.gaps[:-1])
        elif plan.stop is not None and plan.next + OVERLAP >= plan.stop:
            break
        else:
            reach = plan.next + plan.size
            wanted.append(Wanted(plan.next, reach if plan.stop is None else min(reach, plan.stop)))
            plan = replace(plan, next=reach - OVERLAP)
    return plan, tuple(wanted)


def after(plan: Plan, page: "Page", *, reach: int) -> Plan:
    """Returns the plan after an answer.

    Args:
        plan: the present plan.
        page: the answer.
        reach: the offset that the answer had to reach; if it did not, the rest is a gap or the end.
    """
    count = len(page.entries)
    if page.end >= reach:
        return _after_end(plan, page) if plan.is_last and page.end >= (plan.total or 0) else plan
    if plan.total is None:
        return _after_short_window(plan, page, reach)
    if count > OVERLAP and page.end < (page.total or 0):
        plan = _with_cap(plan, count)
        return replace(plan, gaps=(*plan.gaps, Wanted(page.end - OVERLAP, reach)))
    return plan


def _after_end(plan: Plan, page: "Page") -> Plan:
    """Returns the plan after a window at the end. A total may be outdated: full windows continue the list."""
    last_id, stop = page.entries[-1].id if page.entries else None, plan.stop
    if last_id in plan.last_ids:
        # The server answers offsets behind the end with the list's last page.
        stop = page.offset if stop is None else min(stop, page.end)
    elif stop is not None and page.end >= stop:
        stop = page.end + (plan.size if len(page.entries) >= plan.size else 0)
    return replace(plan, stop=stop, last_ids=plan.last_ids | {last_id})


def _after_short_window(plan: Plan, page: "Page", reach: int) -> Plan:
    """Returns the plan after a short window: it is the end, or the API's cap changed, so the rest is a gap.

    After SHORT_WINDOWS_ALLOWED of them in a row the shard stops; the audit reads an end that keeps moving.
    """
    count = len(page.entries)
    is_short = count <= max(3 * OVERLAP, plan.size // 8)
    plan = replace(plan, short_windows=plan.short_windows + 1 if is_short else 0)
    if count > OVERLAP and plan.short_windows <= SHORT_WINDOWS_ALLOWED:
        return replace(plan, gaps=(*plan.gaps, Wanted(page.end - OVERLAP, reach)))
    return replace(plan, stop=min(plan.next if plan.stop is None else plan.stop, page.offset))


def _with_cap(plan: Plan, count: int) -> Plan:
    """Returns the plan after a window that was short but not the end: the API caps the size of its pages.

    The cap is the largest of the latest sizes: one page may be shorter, if the API limits pages by bytes.
    """
    sizes = (*plan.sizes, count)[-SIZES_REMEMBERED:]
    if max(sizes) == plan.size:
        return replace(plan, sizes=sizes)
    logger.info("The API gives %d entries a page, not %d", max(sizes), plan.limit)
    return replace(plan, sizes=sizes, size=max(sizes))
