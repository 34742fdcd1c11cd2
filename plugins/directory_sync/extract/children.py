"""Reads the lists of a child resource: one list for each entry of its parent.

A shard has its share of the parents. Several of its lists are read at once, each by one thread and by its own
kind of paging, through one client: connections, token and rate are shared. Everything that was answered is
landed, with the number of the parent and of the answer, so that the audit can prove each list from it
(`audit/lists_seal.py`).

A list that changes while it is read is read again from its start. One that cannot be read is landed with the
reason, and the others are read on; if many fail in a row, the API fails, and so does the shard.
"""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import TYPE_CHECKING, Protocol

from directory_sync.api.client import DirectoryClient
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages
from directory_sync.errors import (
    ApiError,
    ApiUnavailableError,
    AuthError,
    DirectorySyncError,
    EnvelopeError,
    SnapshotError,
)
from directory_sync.extract.offset_list import MAX_CHANCE, Evidence, OffsetList, Trust, UnreadableListError
from directory_sync.extract.plan import Shard
from directory_sync.extract.progress import SECONDS_BETWEEN_LINES, ReadFacts
from directory_sync.extract.reach import refuse_skipped_first
from directory_sync.extract.windows import read_or_refusal
from directory_sync.landing.parents import ListedParent
from directory_sync.landing.tables import FIELDS, LISTS, WINDOWS, PageColumns, landing_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from directory_sync.api.page import Page

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a list is read from its start."""
ANSWERS_PER_ATTEMPT = 10_000_000
"""The answers of a list are numbered; each attempt begins at a multiple of this."""
FAILURES_IN_A_ROW = 20
"""After this many failed lists in a row the error is the API's, not the list's."""
READ, GONE = "read", "gone"
"""How a list ended: it was read to its end; the API has its parent no more. Any other outcome is a reason."""
GONE_STATUSES = frozenset({404, 410})
_ROWS, _QUEUE = 5_000, 200


class ReadsLists(Protocol):
    """What the shards of a child resource need to read."""

    @property
    def resource(self) -> Resource:
        """The child resource."""

    @property
    def parent(self) -> Resource | None:
        """The parent resource."""

    def parents(self, shard: Shard) -> Iterator[ListedParent]:
        """Yields the parents whose lists a shard reads."""

    def done(self, facts: ReadFacts) -> None:
        """Receives the statistics of a shard after it was read."""


@dataclass(frozen=True, kw_only=True)
class _Answer:
    parent: ListedParent
    number: int
    page: "Page"


@dataclass(frozen=True, kw_only=True)
class _Ended:
    parent: ListedParent
    outcome: str


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
    pool = _Pool(reading, client, reading.parents(shard), threads=requests_in_flight)
    facts = _Facts(f"Shard {shard.number + 1} of {shard.count}")
    for one in pool.results():
        if isinstance(one, _Answer):
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


class _Pool:
    """The threads that read lists.

    Args:
        reading: the child resource and its parent.
        client: the client of the child resource.
        parents: the parents whose lists are read.
        threads: how many lists are read at once.
    """

    def __init__(
        self, reading: ReadsLists, client: DirectoryClient, parents: Iterator[ListedParent], *, threads: int
    ) -> None:
        self._reading, self._client, self._threads = reading, client, threads
        self._parents = parents
        self._queue: Queue[_Answer | _Ended | BaseException | None] = Queue(_QUEUE)
        self._lock, self._is_stopped = threading.Lock(), threading.Event()
        self._trust = Trust()
        self._believed: list[tuple[ListedParent, Evidence, int]] = []
        self._failed_in_a_row = 0
        self._trust_nothing = self._is_checked = False

    def results(self) -> "Iterator[_Answer | _Ended]":
        """Yields the answers as they come, and the end of each list."""
        yield from self._run(self._parents)
        again = [
            parent
            for parent, evidence, largest in self._believed
            if not self._trust.believes(evidence, largest=largest, at_most=MAX_CHANCE / 2)
        ]
        if again:
            logger.info("%s lists are read again: the API cuts pages or answers empty", f"{len(again):,}")
            self._believed, self._trust_nothing = [], True
            yield from self._run(iter(again))

    def _run(self, parents: Iterator[ListedParent]) -> "Iterator[_Answer | _Ended]":
        threads = [
            threading.Thread(target=self._work, args=(parents,), name=f"list-{number}", daemon=True)
            for number in range(self._threads)
        ]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                one = self._queue.get()
                if isinstance(one, BaseException):
                    raise one
                if one is None:
                    running -= 1
                else:
                    yield one
        finally:
            self._is_stopped.set()
            self._drain(threads)
            self._is_stopped.clear()

    def _drain(self, threads: "list[threading.Thread]") -> None:
        """Lets threads that wait for room in the queue see that they are stopped."""
        while any(thread.is_alive() for thread in threads):
            try:
                self._queue.get(timeout=0.05)
            except Empty:
                continue
        while not self._queue.empty():
            self._queue.get()

    def _work(self, parents: Iterator[ListedParent]) -> None:
        try:
            while not self._is_stopped.is_set():
                with self._lock:
                    parent = next(parents, None)
                if parent is None:
                    break
                outcome = self._read(parent)
                if outcome is not None:
                    self._queue.put(_Ended(parent=parent, outcome=outcome))
        except BaseException as e:  # noqa: BLE001  raised by the thread that takes the results
            self._queue.put(e)
        else:
            self._queue.put(None)

    def _read(self, parent: ListedParent) -> str | None:
        """Reads one list; returns how it ended, None where the threads are stopped."""
        child = self._reading.resource
        assert child.parent is not None
        client = self._client.of(child.parent.list_of(child, parent.values, parent.fields))
        begin = ANSWERS_PER_ATTEMPT * ATTEMPTS if self._trust_nothing else 0
        outcome = ""
        for attempt in range(ATTEMPTS):
            pages = self._pages(client, parent)
            try:
                for number, page in enumerate(pages, start=begin + attempt * ANSWERS_PER_ATTEMPT):
                    if self._is_stopped.is_set():
                        return None
                    self._queue.put(_Answer(parent=parent, number=number, page=page))
            except UnreadableListError as e:
                outcome = str(e)
            except SnapshotError:
                outcome = "it changed each time while it was read"
            except ApiError as e:
                return self._refused(client, parent, e)
            except (AuthError, EnvelopeError, ApiUnavailableError) as e:
                return self._failed(e)
            else:
                self._succeeded()
                return READ
        return outcome

    def _pages(self, client: DirectoryClient, parent: ListedParent) -> "Iterator[Page]":
        """Yields the answers to the requests for one list, from its start to its end."""
        resource = self._reading.resource
        match resource.pages:
            case OffsetPages() as pages:
                yield from self._windows(client, parent, limit=pages.limit)
            case NumberedPages() as pages:
                from directory_sync.extract.numbered import NumberedReader

                yield from NumberedReader(
                    client.page, base_page=pages.base_page, page_param=pages.page_param, name=resource.name
                ).pages()
            case LinkedPages() as pages:
                from directory_sync.extract.linked import LinkedReader

                yield from LinkedReader(client, pages).pages()
            case pages:
                raise TypeError(f"{type(pages).__name__} has no reader")

    def _windows(self, client: DirectoryClient, parent: ListedParent, *, limit: int) -> "Iterator[Page]":
        one = OffsetList(limit)
        while (offset := one.next) is not None and not self._believes(one):
            page = read_or_refusal(lambda at: client.page(at, limit), offset, limit=limit)
            yield page
            one.answered(offset, [entry.id for entry in page.entries], status=page.status)
        pages = self._reading.resource.pages
        with self._lock:
            # The first list with entries shows whether the API counts from 1, as the form says.
            checks = isinstance(pages, OffsetPages) and pages.first and one.ids and not self._is_checked
            self._is_checked |= bool(checks)
        if checks:
            refuse_skipped_first(client.page)
        with self._lock:
            self._trust.add(one)
            if one.evidence is Evidence.SHORT:
                self._believed.append((parent, one.evidence, one.largest))

    def _believes(self, one: OffsetList) -> bool:
        if self._trust_nothing or one.evidence is not Evidence.SHORT:
            return False
        with self._lock:
            return self._trust.believes(one.evidence, largest=one.largest, at_most=MAX_CHANCE / 2)

    def _refused(self, client: DirectoryClient, parent: ListedParent, error: ApiError) -> str:
        """Returns how a list ended whose first page was refused with a status."""
        of_parent = self._reading.parent
        if error.status in GONE_STATUSES and of_parent is not None and of_parent.detail_path:
            try:
                is_there = client.of(of_parent).has_entry(parent.id)
            except (ApiError, AuthError, ApiUnavailableError) as e:
                return self._failed(e)
            if not is_there:
                self._succeeded()
                return GONE
        return self._failed(error)

    def _failed(self, error: DirectorySyncError) -> str:
        """Returns the reason why a list cannot be read.

        Raises:
            DirectorySyncError: the error itself: too many lists failed in a row, or the API asks to wait.
        """
        with self._lock:
            self._failed_in_a_row += 1
            is_general = self._failed_in_a_row >= FAILURES_IN_A_ROW
        if is_general or getattr(error, "retry_after_seconds", None):
            raise error
        if isinstance(error, ApiError) and error.status is not None:
            return f"the API answered {error.status}"
        if isinstance(error, AuthError):
            return "the API refused it (401 or 403)"
        if isinstance(error, EnvelopeError):
            return "the answer has another form than the resource says"
        return "the API did not answer"

    def _succeeded(self) -> None:
        with self._lock:
            self._failed_in_a_row = 0


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
