"""Reads one shard of a moving list in offset windows that overlap, several in flight.

Windows overlap by one entry within a shard and by one window where shards meet; entries shared by two
windows are what the seal (`seal.py`) joins them by. Nothing here proves anything: totals only share out
the work, and what a shard misses the audit finds and reads.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from directory_sync.errors import ApiError, ConfigError

if TYPE_CHECKING:
    from directory_sync.api.answer import EntryId
    from directory_sync.api.page import Page

logger = logging.getLogger(__name__)

OVERLAP = 1
SHORT_WINDOWS_ALLOWED = 20
SINGLES_ASKED = (1, 2, 3)
SIZES_REMEMBERED = 8
SINGLE_ENTRIES = (
    "The API answers one entry a page although more follow: windows that overlap cannot advance. Nothing was "
    "published. Ask the vendor for larger pages."
)
FetchPage = Callable[[int, int], "Page"]
"""Answers (offset, limit) with a page; called from several threads."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Which part of the list a task reads: number `number` of `count`."""

    number: int
    count: int

    def share(self, total: int) -> tuple[int, int]:
        """Returns the first offset of this shard's share of `total` entries, and the one after."""
        return self.number * total // self.count, (self.number + 1) * total // self.count


class ShardReader:
    """Reads the windows of one shard.

    Args:
        fetch: answers one page request.
        shard: which share to read.
        limit: entries to ask for in a window.
        in_flight: how many requests may wait for their answers at once.

    Attributes:
        total: the API's count when the shard began; None where it states none.
        stop: the offset this shard reads to; None: to the end of the list.
    """

    def __init__(self, fetch: FetchPage, shard: Shard, *, limit: int, in_flight: int) -> None:
        """Requests nothing yet."""
        self._fetch, self._shard = fetch, shard
        self._limit, self._in_flight = limit, in_flight
        self._size, self._sizes = limit, list[int]()
        self._next = self._start = 0
        self._is_last = False
        self._last_ids: set[EntryId | None] = set()
        self._gaps: list[tuple[int, int]] = []
        self._short_windows = 0
        self.total: int | None = None
        self.stop: int | None = 0

    @property
    def expected(self) -> int | None:
        """About how many entries this shard reads; None where the API states no total."""
        return None if self.stop is None else max(0, self.stop - self._start)

    def pages(self) -> "Iterator[Page]":
        """Yields the windows as they are answered, in no order.

        Raises:
            ConfigError: the page cap is not above the overlap, or `offset` has no effect.
            DirectorySyncError: what the client raises.
        """
        first = self._fetch_twice_if_empty(0)
        self._plan(first)
        if self._shard.number == 0:
            yield first
        pool = ThreadPoolExecutor(self._in_flight, thread_name_prefix="window")
        flying: dict[Future[Page], int] = {}
        try:
            while True:
                while len(flying) < self._in_flight and (window := self._take()):
                    offset, reach = window
                    flying[pool.submit(self._fetch_twice_if_empty, offset)] = reach
                if not flying:
                    return
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    page, reach = future.result(), flying.pop(future)
                    refuse_fixed_answer(page, head=first, read=self._fetch_limit)
                    self._learn(page, reach)
                    yield page
        finally:
            # A failure ends the shard now, not after the windows that still wait for a thread.
            pool.shutdown(wait=True, cancel_futures=True)

    def _fetch_twice_if_empty(self, offset: int) -> "Page":
        """An empty answer proves nothing: it is asked for once more before it is believed."""
        page = self._fetch_limit(offset)
        return page if page.entries else self._fetch_limit(offset)

    def _fetch_limit(self, offset: int) -> "Page":
        if self.total is not None and offset < self.total:
            return self._fetch(offset, self._limit)
        return read_or_refusal(lambda at: self._fetch(at, self._limit), offset, limit=self._limit)

    def _plan(self, first: "Page") -> None:
        """Shares out the list by its total; without one, shard 0 walks to the end."""
        self.total, count = first.total, len(first.entries)
        if count == OVERLAP and self.total != count:
            self._refuse_single_entries(first)
        if self.total is None:
            if self._shard.number == 0 and count:
                self._size, self._next = max(count, OVERLAP + 1), max(count - OVERLAP, OVERLAP)
                self.stop, self._is_last = None, True
            return
        if OVERLAP < count < min(self._limit, self.total):
            self._learn_cap(count)
        shards = min(self._shard.count, max(1, -(-self.total // self._limit)))
        if self._shard.number >= shards:
            return
        self._is_last = self._shard.number == shards - 1
        self._next, stop = Shard(number=self._shard.number, count=shards).share(self.total)
        self._start = self._next
        self.stop = stop if self._is_last else min(stop + self._size, self.total)
        if self._shard.number == 0:
            self._next = count
            self._learn(first, min(self._size, self.stop))
            self._next -= min(OVERLAP, count)

    def _refuse_single_entries(self, first: "Page") -> None:
        """One entry at offset 0 is the whole list, a large one, or the API's cap: those behind it tell."""
        ids = {entry.id for entry in first.entries}
        for offset in SINGLES_ASKED:
            page = self._fetch_twice_if_empty(offset)
            if len(page.entries) != OVERLAP or page.entries[0].id in ids:
                return
            ids.add(page.entries[0].id)
        raise ConfigError(SINGLE_ENTRIES)

    def _take(self) -> tuple[int, int] | None:
        """The next window to request: its offset, and the offset which it is to reach."""
        if self._gaps:
            return self._gaps.pop()
        if self.stop is not None and self._next + OVERLAP >= self.stop:
            return None
        offset = self._next
        self._next = offset + self._size - OVERLAP
        reach = offset + self._size
        return offset, reach if self.stop is None else min(reach, self.stop)

    def _learn(self, page: "Page", reach: int) -> None:
        """Draws from one answer what is left to ask for."""
        count = len(page.entries)
        if page.end >= reach:
            if self._is_last and page.end >= (self.total or 0):
                self._learn_end(page)
        elif self.total is None:
            self._learn_without_total(page, reach)
        elif count > OVERLAP and page.end < (page.total or 0):
            self._learn_cap(count)
            self._gaps.append((page.end - OVERLAP, reach))

    def _learn_end(self, page: "Page") -> None:
        """Totals are late: as long as windows come back full, and new, the list goes on."""
        last_id = page.entries[-1].id if page.entries else None
        if last_id in self._last_ids:
            # The server answers offsets behind the end with the list's last page.
            self.stop = page.offset if self.stop is None else min(self.stop, page.end)
        elif self.stop is not None and page.end >= self.stop:
            self.stop = page.end + (self._size if len(page.entries) >= self._size else 0)
        self._last_ids.add(last_id)

    def _learn_without_total(self, page: "Page", reach: int) -> None:
        """A short window is the end, or the cap moved: the rest of it is asked for.

        Not for ever: an end that moves on with every answer is left to the audit.
        """
        is_short = len(page.entries) <= max(3 * OVERLAP, self._size // 8)
        self._short_windows = self._short_windows + 1 if is_short else 0
        if len(page.entries) > OVERLAP and self._short_windows <= SHORT_WINDOWS_ALLOWED:
            self._gaps.append((page.end - OVERLAP, reach))
        else:
            self.stop = min(self._next if self.stop is None else self.stop, page.offset)

    def _learn_cap(self, count: int) -> None:
        """A window that cannot be the end was short: pages hold as much as the largest of late.

        One page may be short for its own entries' sake, as where pages are cut by bytes.
        """
        self._sizes = [*self._sizes, count][-SIZES_REMEMBERED:]
        if max(self._sizes) != self._size:
            logger.info("The API gives %d entries a page, not %d", max(self._sizes), self._limit)
            self._size = max(self._sizes)


def read_or_refusal(read: "Callable[[int], Page]", offset: int, *, limit: int) -> "Page":
    """Returns the answer at an offset; an error of the client's at a later one as an empty page.

    APIs answer offsets behind their list with an error, and some do so from a fixed offset on. Which it is
    the seal decides.

    Raises:
        ApiError: of any other status, or at the first offset.
    """
    from directory_sync.api.page import Page

    try:
        return read(offset)
    except ApiError as e:
        if not offset or e.status is None or not 400 <= e.status < 500:
            raise
        return Page(offset, limit, [], None, datetime.now(UTC), status=e.status)


def refuse_fixed_answer(page: "Page", *, head: "Page", read: "Callable[[int], Page]") -> None:
    """Refuses a server that answers every offset with the head of the list.

    An answer that equals an earlier head can also be a burst of edits that shifted the list, so both are
    asked for again, one right after the other.

    Raises:
        ConfigError: `offset` has no effect.
    """
    if not _shows_the_same(page, head):
        return
    if _shows_the_same(read(page.offset), read(0)) and _shows_the_same(read(page.offset), read(0)):
        raise ConfigError(
            f"The answer at offset {page.offset} is the first page again: the offset has no effect "
            "there. Nothing was published. Check `offset_param` of the resource's paginator."
        )


def _shows_the_same(page: "Page", head: "Page") -> bool:
    ids = [entry.id for entry in page.entries]
    return page.offset > 0 and len(ids) > OVERLAP and ids == [entry.id for entry in head.entries]
