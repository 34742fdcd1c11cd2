"""Reads one shard of a changing list in offset windows that overlap, with several requests in flight.

A plan (`plan.py`) decides which windows to request; this module sends the requests from several threads. The
seal (`audit/windows_seal.py`) joins windows by the entries that they share. Reading proves nothing: the audit
finds gaps and reads them.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from directory_sync.config.older_python import UTC
from directory_sync.errors import ApiError, ConfigError
from directory_sync.extract.plan import OVERLAP, Plan, Shard, Wanted, after, began, next_windows
from directory_sync.extract.reach import is_refusal, reach_error

if TYPE_CHECKING:
    from directory_sync.api.page import Page

SINGLES_ASKED = (1, 2, 3)
"""The offsets that show whether the API returns one entry per page."""
SINGLE_ENTRIES = (
    "The API returns one entry per page although more follow, so windows that overlap cannot advance. "
    "Nothing was published. Ask the vendor for larger pages."
)
FetchPage = Callable[[int, int], "Page"]
"""Returns the window at (offset, limit); called from several threads."""


class ShardReader:
    """Reads the windows of one shard.

    Args:
        fetch: requests one window.
        shard: the shard to read.
        limit: how many entries a request asks for.
        in_flight: how many requests may wait for their answers at once.
    """

    def __init__(self, fetch: FetchPage, shard: Shard, *, limit: int, in_flight: int) -> None:
        """Requests nothing yet."""
        self._fetch, self._shard = fetch, shard
        self._limit, self._in_flight = limit, in_flight
        self._plan = Plan(limit=limit, size=limit)
        self._one_at_a_time = Lock()
        self._reach: ApiError | None = None

    @property
    def total(self) -> int | None:
        """The API's count when the shard began; None: it states none."""
        return self._plan.total

    @property
    def expected(self) -> int | None:
        """About how many entries this shard reads; None: the API states no total."""
        return self._plan.expected

    def pages(self) -> "Iterator[Page]":
        """Yields the windows as they are answered, in no particular order.

        Raises:
            ConfigError: the API returns one entry per page, or the offset has no effect.
            DirectorySyncError: an error of the client.
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
            # After a failure, windows that still wait for a thread are not requested.
            pool.shutdown(wait=True, cancel_futures=True)

    def _fetch_twice_if_empty(self, offset: int) -> "Page":
        """Requests a window, and once more if the answer is empty: one empty answer proves nothing."""
        page = self._fetch_limit(offset)
        return page if page.entries else self._fetch_limit(offset)

    def _fetch_limit(self, offset: int) -> "Page":
        if self.total is None or offset >= self.total:
            return read_or_refusal(lambda at: self._fetch(at, self._limit), offset, limit=self._limit)
        try:
            return self._fetch(offset, self._limit)
        except ApiError as e:
            if not offset or not is_refusal(e):
                raise
            with self._one_at_a_time:
                # Many requests are refused at once, and one search is enough.
                self._reach = self._reach or reach_error(
                    lambda at: self._fetch(at, self._limit), offset, limit=self._limit, said=str(e.status)
                )
                raise self._reach from None

    def _refuse_single_entries(self, first: "Page") -> None:
        """Refuses an API that returns one entry per page.

        A single entry at offset 0 can also be the whole list, or a page that the API cut by its size in
        bytes. The next offsets show which it is.
        """
        ids = {entry.id for entry in first.entries}
        for offset in SINGLES_ASKED:
            page = self._fetch_twice_if_empty(offset)
            if len(page.entries) != OVERLAP or page.entries[0].id in ids:
                return
            ids.add(page.entries[0].id)
        raise ConfigError(SINGLE_ENTRIES)


def read_or_refusal(read: "Callable[[int], Page]", offset: int, *, limit: int) -> "Page":
    """Returns the answer at an offset. A 4xx answer at another offset than 0 becomes an empty page.

    Some APIs answer offsets behind the end of their list with an error; others do so from a fixed offset on.
    The seal decides which it is, by the status of the page.

    Args:
        read: requests the window at an offset.
        offset: the offset.
        limit: recorded on the empty page.

    Raises:
        ApiError: any other status, or any error at offset 0.
    """
    from directory_sync.api.page import Page

    try:
        return read(offset)
    except ApiError as e:
        if not offset or not is_refusal(e):
            raise
        return Page(offset, limit, [], None, datetime.now(UTC), status=e.status or 0)


def refuse_fixed_answer(page: "Page", *, head: "Page", read: "Callable[[int], Page]") -> None:
    """Refuses an API that answers every offset with the first page.

    An answer can also equal the first page because many edits shifted the list meanwhile. So both are
    requested again twice, one right after the other.

    Args:
        page: the answer to check.
        head: the answer at offset 0.
        read: requests the window at an offset.

    Raises:
        ConfigError: the offset has no effect.
    """
    if not _shows_the_same(page, head):
        return
    if _shows_the_same(read(page.offset), read(0)) and _shows_the_same(read(page.offset), read(0)):
        raise ConfigError(
            f"The answer at offset {page.offset} is the first page again: the offset has no effect. Nothing "
            "was published. Check `offset_param` of the resource's paginator."
        )


def _shows_the_same(page: "Page", head: "Page") -> bool:
    ids = [entry.id for entry in page.entries]
    return page.offset > 0 and len(ids) > OVERLAP and ids == [entry.id for entry in head.entries]
