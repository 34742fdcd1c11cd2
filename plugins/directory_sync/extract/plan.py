"""What a shard requests next: a pure function of what was answered.

A plan is a value: what is known of the list, and which part of the shard's share is still to be requested.
`began`, `after` and `next_windows` make the next plan of it; they do no I/O and know of no threads. The
reader (`windows.py`) sends what a plan says.

Windows overlap by one entry within a shard and by one window where shards meet. Totals only share out the
work. The step follows what the server returns.
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
    """Which part of the list a task reads: number `number` of `count`."""

    number: int
    count: int

    def share(self, total: int) -> tuple[int, int]:
        """Returns the first offset of this shard's share of `total` entries, and the one after."""
        return self.number * total // self.count, (self.number + 1) * total // self.count


class Wanted(NamedTuple):
    """A window to request: its offset, and the offset that its answer is to reach."""

    offset: int
    reach: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is known of the list, and what of a shard's share is still to be requested.

    Attributes:
        limit: entries to ask for in a window.
        size: how many entries a window is expected to have.
        sizes: how many the latest capped windows had.
        next: the offset of the next window.
        start: the first offset of the shard's share.
        stop: the offset the shard reads to; None: to the end of the list.
        is_last: the shard reads the end of the list.
        last_ids: the last entries of windows at the end; one that comes again shows that nothing follows.
        gaps: windows whose answers were too short: the rest of each.
        short_windows: how many short windows came in a row, where there is no total.
        total: the API's count when the shard began; None where it states none.
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
        """About how many entries the shard reads; None where the API states no total."""
        return None if self.stop is None else max(0, self.stop - self.start)


def began(first: "Page", shard: Shard, *, limit: int) -> Plan:
    """Returns the plan of a shard; without a total, shard 0 walks to the end.

    Args:
        first: the answer to offset 0.
        shard: which share.
        limit: entries to ask for in a window.
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
    """Returns up to `room` windows to request, and the plan without them."""
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
    """Returns the plan after an answer that was to reach an offset."""
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
    """Totals are late: as long as windows come back full, and new, the list goes on."""
    last_id, stop = page.entries[-1].id if page.entries else None, plan.stop
    if last_id in plan.last_ids:
        # The server answers offsets behind the end with the list's last page.
        stop = page.offset if stop is None else min(stop, page.end)
    elif stop is not None and page.end >= stop:
        stop = page.end + (plan.size if len(page.entries) >= plan.size else 0)
    return replace(plan, stop=stop, last_ids=plan.last_ids | {last_id})


def _after_short_window(plan: Plan, page: "Page", reach: int) -> Plan:
    """A short window is the end, or the cap moved: the rest of it is asked for.

    Not for ever: an end that moves on with every answer is left to the audit.
    """
    count = len(page.entries)
    is_short = count <= max(3 * OVERLAP, plan.size // 8)
    plan = replace(plan, short_windows=plan.short_windows + 1 if is_short else 0)
    if count > OVERLAP and plan.short_windows <= SHORT_WINDOWS_ALLOWED:
        return replace(plan, gaps=(*plan.gaps, Wanted(page.end - OVERLAP, reach)))
    return replace(plan, stop=min(plan.next if plan.stop is None else plan.stop, page.offset))


def _with_cap(plan: Plan, count: int) -> Plan:
    """A window that cannot be the end was short: pages hold as much as the largest of late.

    One page may be short for its own entries' sake, as where pages are cut by bytes.
    """
    sizes = (*plan.sizes, count)[-SIZES_REMEMBERED:]
    if max(sizes) == plan.size:
        return replace(plan, sizes=sizes)
    logger.info("The API gives %d entries a page, not %d", max(sizes), plan.limit)
    return replace(plan, sizes=sizes, size=max(sizes))
