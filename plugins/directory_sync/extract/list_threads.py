"""The threads that read the lists of a child resource, several at once through one client.

A list that changes while it is read is read again from its start. One that cannot be read ends with the
reason, and the others are read on; if many fail in a row, the API fails.
"""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TYPE_CHECKING, Protocol

from directory_sync.api.client import DirectoryClient
from directory_sync.config.endpoint import GONE_STATUSES
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages
from directory_sync.errors import (
    ApiError,
    ApiUnavailableError,
    AuthError,
    ConfigError,
    DirectorySyncError,
    EnvelopeError,
    SnapshotError,
)
from directory_sync.extract.offset_list import MAX_CHANCE, Evidence, OffsetList, Trust, UnreadableListError
from directory_sync.extract.plan import Shard
from directory_sync.extract.progress import ReadFacts
from directory_sync.extract.reach import refuse_skipped_first
from directory_sync.extract.windows import read_or_refusal
from directory_sync.landing.parents import ListedParent

if TYPE_CHECKING:
    from directory_sync.api.page import Page

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a list is read from its start."""
ANSWERS_PER_ATTEMPT = 10_000_000
"""The answers of a list are numbered; each attempt begins at a multiple of this."""
FAILURES_IN_A_ROW = 20
"""After this many failed lists in a row the error is the API's, not the list's."""
FAILURES_LOGGED = 3
READ, GONE = "read", "gone"
"""How a list ended: it was read to its end; the API has its parent no more. Any other outcome is a reason."""
_QUEUE = 200
_OFFSET_IDLE = (
    "Each answer of a list is its first page again: the offset has no effect. Nothing was published. If the "
    "API gives each list in one answer, use the paginator `single_page`; if not, correct `offset_param`, in"
)


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
class Answered:
    """An answer of a list, with its number in it."""

    parent: ListedParent
    number: int
    page: "Page"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a list: READ, GONE, or why it cannot be read."""

    parent: ListedParent
    outcome: str


class ListThreads:
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
        self._queue: Queue[Answered | Ended | BaseException | None] = Queue(_QUEUE)
        self._lock, self._is_stopped = threading.Lock(), threading.Event()
        self._trust = Trust()
        self._believed: list[tuple[ListedParent, Evidence, int]] = []
        self._failed_in_a_row = 0
        self._trust_nothing = self._is_checked = False

    def results(self) -> "Iterator[Answered | Ended]":
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

    def _run(self, parents: Iterator[ListedParent]) -> "Iterator[Answered | Ended]":
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
                    self._queue.put(Ended(parent=parent, outcome=outcome))
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
                    self._queue.put(Answered(parent=parent, number=number, page=page))
            except UnreadableListError as e:
                outcome = str(e)
                if e.is_form:
                    return self._failed(ConfigError(f"{_OFFSET_IDLE} {client.form_file}."), outcome)
            except SnapshotError:
                outcome = "it changed each time while it was read"
            except ApiError as e:
                return self._refused(client, parent, e)
            except (AuthError, EnvelopeError, ApiUnavailableError) as e:
                return self._failed(e)
            else:
                self._succeeded()
                return READ
        return self._failed(SnapshotError(f"A list of `{child.name}` cannot be read: {outcome}."), outcome)

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
        says_more = None
        while (offset := one.next) is not None and not self._believes(one):
            page = read_or_refusal(lambda at: client.page(at, limit), offset, limit=limit)
            yield page
            one.answered(offset, [entry.id for entry in page.entries], status=page.status)
            if page.entries or not one.ids:
                says_more = page.has_more
        if says_more:
            raise UnreadableListError("its last answer with entries says that more follow")
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

    def _failed(self, error: DirectorySyncError, reason: str = "") -> str:
        """Returns the reason why a list cannot be read.

        Args:
            error: the error of the list.
            reason: the reason; empty: that of the error's class.

        Raises:
            DirectorySyncError: the error itself: too many lists failed in a row, or the API asks to wait.
        """
        with self._lock:
            self._failed_in_a_row += 1
            is_general = self._failed_in_a_row >= FAILURES_IN_A_ROW
            is_new = self._failed_in_a_row <= FAILURES_LOGGED
        if is_general or getattr(error, "retry_after_seconds", None):
            raise error
        if is_new:
            logger.warning("A list cannot be read: %s", error)
        if reason:
            return reason
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
