"""Reads one shard of a moving list in offset windows that overlap, several in flight.

What to request next is a plan's matter (`plan.py`); here it is sent, from several threads. Entries shared by
two windows are what the seal (`seal.py`) joins them by. Nothing here proves anything: what a shard misses the
audit finds and reads.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from directory_sync.errors import ApiError, ConfigError
from directory_sync.extract.plan import OVERLAP, Plan, Shard, Wanted, after, began, next_windows

if TYPE_CHECKING:
    from directory_sync.api.page import Page

SINGLES_ASKED = (1, 2, 3)
SINGLE_ENTRIES = (
    "The API answers one entry a page although more follow: windows that overlap cannot advance. Nothing was "
    "published. Ask the vendor for larger pages."
)
FetchPage = Callable[[int, int], "Page"]
"""Answers (offset, limit) with a page; called from several threads."""


class ShardReader:
    """Reads the windows of one shard.

    Args:
        fetch: answers one page request.
        shard: which share to read.
        limit: entries to ask for in a window.
        in_flight: how many requests may wait for their answers at once.
    """

    def __init__(self, fetch: FetchPage, shard: Shard, *, limit: int, in_flight: int) -> None:
        """Requests nothing yet."""
        self._fetch, self._shard = fetch, shard
        self._limit, self._in_flight = limit, in_flight
        self._plan = Plan(limit=limit, size=limit)

    @property
    def total(self) -> int | None:
        """The API's count when the shard began; None where it states none."""
        return self._plan.total

    @property
    def expected(self) -> int | None:
        """About how many entries this shard reads; None where the API states no total."""
        return self._plan.expected

    def pages(self) -> "Iterator[Page]":
        """Yields the windows as they are answered, in no order.

        Raises:
            ConfigError: the page cap is not above the overlap, or `offset` has no effect.
            DirectorySyncError: what the client raises.
        """
        first = self._fetch_twice_if_empty(0)
        self._plan = began(first, self._shard, limit=self._limit)
        if len(first.entries) == OVERLAP and first.total != OVERLAP:
            self._refuse_single_entries(first)
        if self._shard.number == 0:
            yield first
        pool = ThreadPoolExecutor(self._in_flight, thread_name_prefix="window")
        flying: dict[Future[Page], Wanted] = {}
        try:
            while True:
                self._plan, windows = next_windows(self._plan, self._in_flight - len(flying))
                for window in windows:
                    flying[pool.submit(self._fetch_twice_if_empty, window.offset)] = window
                if not flying:
                    return
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    page, window = future.result(), flying.pop(future)
                    refuse_fixed_answer(page, head=first, read=self._fetch_limit)
                    self._plan = after(self._plan, page, reach=window.reach)
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

    def _refuse_single_entries(self, first: "Page") -> None:
        """One entry at offset 0 is the whole list, a large one, or the API's cap: those behind it tell."""
        ids = {entry.id for entry in first.entries}
        for offset in SINGLES_ASKED:
            page = self._fetch_twice_if_empty(offset)
            if len(page.entries) != OVERLAP or page.entries[0].id in ids:
                return
            ids.add(page.entries[0].id)
        raise ConfigError(SINGLE_ENTRIES)


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
