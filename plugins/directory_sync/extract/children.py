"""Reads the lists of a child resource: one list for each entry of its parent.

A shard has its share of the parents. Several of its lists are read at once, each by one thread and by its own
kind of paging (`list_threads.py`). Everything that was answered is landed, with the number of the parent and
of the answer, so that the audit can prove each list from it (`audit/lists_seal.py`).
"""

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from directory_sync.api.client import DirectoryClient
from directory_sync.extract.list_threads import GONE, READ, Answered, ListThreads, ReadsLists
from directory_sync.extract.plan import Shard
from directory_sync.extract.progress import SECONDS_BETWEEN_LINES, ReadFacts
from directory_sync.landing.tables import FIELDS, LISTS, WINDOWS, PageColumns, landing_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from directory_sync.api.page import Page

logger = logging.getLogger(__name__)

_ROWS = 5_000


def read_lists(
    shard: Shard, requests_in_flight: int, reading: ReadsLists, client: DirectoryClient
) -> "Iterator[tuple[pa.Table, str | None]]":
    """Yields the tables that a shard lands, each with its name; None: ENTRIES.

    Args:
        shard: the shard to read.
        requests_in_flight: how many lists are read at once.
        reading: gives the resource and the parents.
        client: the client of the child resource.

    Raises:
        DirectorySyncError: the API fails, or the form does not fit it.
    """
    import pyarrow as pa

    columns = PageColumns(shard.number, reading.resource.key, has_parents=True)
    lists: dict[int, dict[str, object]] = {}
    pool = ListThreads(reading, client, reading.parents(shard), threads=requests_in_flight)
    facts = _Facts(f"Shard {shard.number + 1} of {shard.count}")
    for one in pool.results():
        if isinstance(one, Answered):
            columns.add(one.page, parent=one.parent.number, answer=one.number)
            facts.answered(one.page)
            if columns.rows >= _ROWS:
                yield columns.take_entries(), None
            continue
        facts.ended(one.outcome)
        lists[one.parent.number] = {
            "shard": shard.number,
            "parent": one.parent.number,
            "parent_sync_id": one.parent.sync_id,
            "outcome": one.outcome,
        }
    if columns.rows:
        yield columns.take_entries(), None
    if lists:
        yield columns.windows(), WINDOWS
        yield columns.fields(), FIELDS
        yield pa.Table.from_pylist(list(lists.values()), schema=landing_schema(LISTS)), LISTS
        client.check_declared()
        reading.done(facts.finish())


@dataclass
class _Facts:
    """The statistics of a shard, which it logs every few seconds."""

    who: str
    started: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)
    pages: int = 0
    entries: int = 0
    retries: int = 0
    refused: int = 0
    lists: int = 0
    failed: int = 0

    def answered(self, page: "Page") -> None:
        self.pages += 1
        self.entries += len(page.entries)
        self.retries += page.retries
        self.refused += page.refused

    def ended(self, outcome: str) -> None:
        self.lists += 1
        self.failed += outcome not in (READ, GONE)
        if time.monotonic() - self.last >= SECONDS_BETWEEN_LINES:
            self.last = time.monotonic()
            self._log()

    def finish(self) -> ReadFacts:
        self._log()
        return ReadFacts(
            pages=self.pages,
            entries=self.entries,
            seconds=time.monotonic() - self.started,
            retries=self.retries,
            refused=self.refused,
        )

    def _log(self) -> None:
        logger.info(
            "%s: %s lists in %s answers, %s failed, %.0f s",
            self.who,
            f"{self.lists:,}",
            f"{self.pages:,}",
            f"{self.failed:,}",
            time.monotonic() - self.started,
        )
