"""Stage 1: reads the directory into the landing zone, with one dlt resource per shard (`declared.py`).

Each shard is read by a task of its own (`decompose="parallel-isolated"`). It lands Arrow tables through dlt's
filesystem destination: `entries`, one row per entry and window; `windows`, one row per answer; `fields`, how
often each field had which JSON type. Nothing is requested before a resource is iterated.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import dlt

from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages, Pages
from directory_sync.extract.plan import Shard
from directory_sync.extract.reach import refuse_skipped_first
from directory_sync.extract.windows import ShardReader
from directory_sync.landing.tables import FIELDS, WINDOWS, PageColumns

if TYPE_CHECKING:
    import pyarrow as pa

    from directory_sync.api.client import DirectoryClient
    from directory_sync.api.page import Page
    from directory_sync.extract.progress import ReadFacts
    from directory_sync.landing.parents import ListedParent

BATCH_ROWS = 5_000


class Reading(Protocol):
    """What the shards of a resource need to read. It is used only inside a task."""

    @property
    def resource(self) -> Resource:
        """The resource to read."""

    def divided(self, count: int) -> int:
        """Returns into how many parts the list is divided in this run.

        Args:
            count: how many shards are declared: no run has more parts.
        """

    def client(self, *, share_of: int, number: int, connections: int) -> "DirectoryClient":
        """Opens an HTTP client.

        Args:
            share_of: how many tasks share the API's allowance of requests.
            number: which of them this is, from 0.
            connections: how many connections are kept alive.
        """

    @property
    def parent(self) -> Resource | None:
        """The parent of a child resource."""

    def parents(self, shard: Shard) -> "Iterator[ListedParent]":
        """Yields the parents whose lists a shard of a child resource reads."""

    def done(self, facts: "ReadFacts") -> None:
        """Receives the statistics of a shard after it was read; not called for a shard without work."""


class Reader(Protocol):
    """Reads the pages of a shard; there is one class for each kind of paging."""

    @property
    def expected(self) -> int | None:
        """About how many entries the shard reads; None: the API states no total."""

    def pages(self) -> "Iterator[Page]":
        """Requests the pages and yields the answers."""


def read_shard(shard: Shard, requests_in_flight: int, reading: Reading) -> Iterator[Any]:
    """Yields the Arrow tables that a shard lands, each marked with the name of its table.

    Args:
        shard: the shard to read.
        requests_in_flight: how many of its requests may wait for their answers at once.
        reading: gives the resource and the client.

    Raises:
        DirectorySyncError: an error of the client or of the reader. The load of the shard is not completed.
    """
    from directory_sync.extract.progress import Progress

    resource = reading.resource
    is_shared = resource.parent is not None or resource.pages.is_shared_out
    # One shard reads a list that is not shared out, with the whole allowance.
    share_of, number = (shard.count, shard.number) if is_shared else (1, 0)
    with closing(reading.client(share_of=share_of, number=number, connections=requests_in_flight)) as client:
        if resource.parent is not None:
            from directory_sync.extract.children import read_lists

            for table, name in read_lists(shard, requests_in_flight, reading, client):
                yield table if name is None else _marked(table, name)
            return
        if not resource.pages.is_shared_out:
            if shard.number:
                return
            shard = Shard(number=0, count=1)
        reader = _reader(client, resource, shard, requests_in_flight=requests_in_flight)
        columns = PageColumns(shard.number, resource.key)
        progress = Progress(f"Shard {shard.number + 1} of {shard.count}")
        for page in _pages(reader, client, shard, pages=resource.pages):
            columns.add(page)
            progress.add(page, expected=reader.expected)
            if columns.rows >= BATCH_ROWS:
                yield columns.take_entries()
        if columns.rows:
            yield columns.take_entries()
        if windows := columns.windows():
            yield _marked(windows, WINDOWS)
            yield _marked(columns.fields(), FIELDS)
        if (facts := progress.finish()).pages:
            reading.done(facts)


def read_with(client: "DirectoryClient", shard: Shard, *, requests_in_flight: int) -> "Iterator[Page]":
    """Yields the pages of a shard, without landing them.

    Args:
        client: reads the resource.
        shard: the shard to read; of a list that is not shared out, the first one reads all.
        requests_in_flight: how many requests may wait for their answers at once.

    Raises:
        DirectorySyncError: an error of the client or of the reader.
    """
    resource = client.resource
    if shard.number and not resource.pages.is_shared_out:
        return
    reader = _reader(client, resource, shard, requests_in_flight=requests_in_flight)
    yield from _pages(reader, client, shard, pages=resource.pages)


def _pages(reader: Reader, client: "DirectoryClient", shard: Shard, *, pages: Pages) -> "Iterator[Page]":
    """Yields the pages of a reader, between the checks of what the form says about the list."""
    if shard.number == 0 and isinstance(pages, OffsetPages) and pages.first:
        refuse_skipped_first(client.page)
    yield from reader.pages()
    if shard.number == 0:
        # All shards read the first window. One that has nothing to read besides may see no total.
        client.check_declared()


def _reader(
    client: "DirectoryClient", resource: Resource, shard: Shard, *, requests_in_flight: int
) -> Reader:
    """Returns the reader for the kind of paging."""
    match resource.pages:
        case OffsetPages() as pages:
            return ShardReader(client.page, shard, limit=pages.limit, in_flight=requests_in_flight)
        case NumberedPages() as pages:
            from directory_sync.extract.numbered import NumberedReader

            return NumberedReader(
                client.page, base_page=pages.base_page, page_param=pages.page_param, name=resource.name
            )
        case LinkedPages() as pages:
            from directory_sync.extract.linked import LinkedReader

            return LinkedReader(client, pages)
        case pages:
            raise TypeError(f"{type(pages).__name__} has no reader")


def _marked(table: "pa.Table", table_name: str) -> Any:
    hints = dlt.mark.make_hints(table_name=table_name, write_disposition="append")
    return dlt.mark.with_hints(table, hints, create_table_variant=True)
