"""Stage 1: the directory into the landing zone, one dlt resource per shard.

Each shard is read by a task of its own (`decompose="parallel-isolated"`) and lands Arrow tables through
dlt's filesystem destination: `entries`, one row an entry and window; `windows`, one row an answer;
`fields`, how often each field had which JSON type. Nothing is requested before a resource is iterated.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import dlt

from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages
from directory_sync.extract.plan import Shard
from directory_sync.extract.windows import ShardReader
from directory_sync.landing.tables import ENTRIES, FIELDS, WINDOWS, PageColumns

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource, DltSource

    from directory_sync.api.client import DirectoryClient
    from directory_sync.api.page import Page
    from directory_sync.extract.progress import ReadFacts

SCHEMA_NAME = "directory"
BATCH_ROWS = 5_000

OpenClient = Callable[[int, int], tuple["DirectoryClient", Resource]]
"""Answers (shards, requests in flight) with a client and the resource, inside the task."""

Tell = Callable[["ReadFacts"], None]
"""Takes what a shard did, inside the task; not called for a shard without work."""


class Reader(Protocol):
    """Reads the pages of a shard, however the API pages."""

    @property
    def expected(self) -> int | None:
        """About how many entries the shard reads; None where the API states no total."""

    def pages(self) -> "Iterator[Page]":
        """Yields the answers."""


def directory_source(
    *, shards: int, requests_in_flight: int, open_client: OpenClient, tell: Tell = lambda _: None
) -> "DltSource":
    """Declares one dlt resource per shard; does no I/O.

    Args:
        shards: how many tasks share out the directory.
        requests_in_flight: how many requests of a shard wait for their answers at once.
        open_client: opens the client when a shard begins.
        tell: is told what a shard did when all of it was read.
    """

    @dlt.source(name=SCHEMA_NAME)
    def source() -> list["DltResource"]:
        return [
            dlt.resource(
                read_shard,
                name=f"shard_{number}",
                table_name=ENTRIES,
                write_disposition="append",
            )(Shard(number=number, count=shards), requests_in_flight, open_client, tell)
            for number in range(shards)
        ]

    return source()


def read_shard(
    shard: Shard, requests_in_flight: int, open_client: OpenClient, tell: Tell = lambda _: None
) -> Iterator[Any]:
    """Yields what one shard lands: Arrow tables, each marked with the table it belongs to.

    Raises:
        DirectorySyncError: what the client and the reader raise; nothing of the shard counts then.
    """
    from directory_sync.extract.progress import Progress

    client, resource = open_client(shard.count, requests_in_flight)
    with closing(client):
        if not resource.pages.is_shared_out:
            if shard.number:
                return
            shard = Shard(number=0, count=1)
        reader = _reader(client, resource, shard, requests_in_flight=requests_in_flight)
        columns = PageColumns(shard.number)
        progress = Progress(f"Shard {shard.number + 1} of {shard.count}")
        for page in reader.pages():
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
            tell(facts)


def _reader(
    client: "DirectoryClient", resource: Resource, shard: Shard, *, requests_in_flight: int
) -> Reader:
    """The reader for how the API pages."""
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
