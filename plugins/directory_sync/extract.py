"""Stage 1: the directory into the landing zone, one dlt resource per shard.

Each shard is read by a task of its own (`decompose="parallel-isolated"`) and lands Arrow tables through
dlt's filesystem destination: `entries`, one row an entry and window; `windows`, one row an answer;
`fields`, how often each field had which JSON type. Nothing is requested before a resource is iterated.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import dlt

from directory_sync.client import DirectoryClient, Page
from directory_sync.columns import ENTRIES, FIELDS, WINDOWS, PageColumns
from directory_sync.form import Resource
from directory_sync.links import LinkedReader
from directory_sync.pagination import Shard, ShardReader
from directory_sync.paging_form import NumberedPages, OffsetPages
from directory_sync.walks import NumberedReader

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource, DltSource

logger = logging.getLogger(__name__)

SCHEMA_NAME = "directory"
BATCH_ROWS = 5_000
PROGRESS_SECONDS = 5.0

OpenClient = Callable[[int, int], tuple[DirectoryClient, Resource]]
"""Answers (shards, requests in flight) with a client and the resource, inside the task."""


def directory_source(*, shards: int, requests_in_flight: int, open_client: OpenClient) -> "DltSource":
    """Declares one dlt resource per shard; does no I/O.

    Args:
        shards: how many tasks share out the directory.
        requests_in_flight: how many requests of a shard wait for their answers at once.
        open_client: opens the client when a shard begins.
    """

    @dlt.source(name=SCHEMA_NAME)
    def source() -> list["DltResource"]:
        return [
            dlt.resource(
                read_shard,
                name=f"shard_{number}",
                table_name=ENTRIES,
                write_disposition="append",
            )(Shard(number=number, count=shards), requests_in_flight, open_client)
            for number in range(shards)
        ]

    return source()


def read_shard(shard: Shard, requests_in_flight: int, open_client: OpenClient) -> Iterator[Any]:
    """Yields what one shard lands: Arrow tables, each marked with the table it belongs to.

    Raises:
        DirectorySyncError: what the client and the reader raise; nothing of the shard counts then.
    """
    client, resource = open_client(shard.count, requests_in_flight)
    with closing(client):
        if not isinstance(resource.pages, OffsetPages):
            if shard.number:
                return
            # Such pages follow each other: one task reads them all.
            shard = Shard(number=0, count=1)
        reader = _reader(client, resource, shard, requests_in_flight=requests_in_flight)
        columns = PageColumns(shard.number)
        progress = _Progress(shard, reader, resource.name)
        for page in reader.pages():
            columns.add(page)
            progress.add(page)
            if columns.rows >= BATCH_ROWS:
                yield columns.take_entries()
        if columns.rows:
            yield columns.take_entries()
        if windows := columns.windows():
            yield _marked(windows, WINDOWS)
            yield _marked(columns.fields(), FIELDS)
        progress.finish(requests=client.requests)


def _reader(
    client: DirectoryClient, resource: Resource, shard: Shard, *, requests_in_flight: int
) -> ShardReader | NumberedReader | LinkedReader:
    """The reader for how the API pages."""
    pages = resource.pages
    if isinstance(pages, OffsetPages):
        return ShardReader(client.page, shard, limit=pages.limit, in_flight=requests_in_flight)
    if isinstance(pages, NumberedPages):
        return NumberedReader(
            client.numbered_page, base_page=pages.base_page, page_param=pages.page_param, name=resource.name
        )
    return LinkedReader(client, resource)


def _marked(table: "pa.Table", table_name: str) -> Any:
    hints = dlt.mark.make_hints(table_name=table_name, write_disposition="append")
    return dlt.mark.with_hints(table, hints, create_table_variant=True)


class _Progress:
    """Logs pages, entries, percent and rate every few seconds."""

    def __init__(
        self, shard: Shard, reader: ShardReader | NumberedReader | LinkedReader, resource: str
    ) -> None:
        self._name = f"{resource}, shard {shard.number + 1} of {shard.count}"
        self._shard, self._reader = shard, reader
        self._started = self._last = time.monotonic()
        self._pages = self._entries = self._retries = self._refused = 0

    def add(self, page: Page) -> None:
        self._pages += 1
        self._entries += len(page.entries)
        self._retries += page.retries
        self._refused += page.refused
        if time.monotonic() - self._last >= PROGRESS_SECONDS:
            self._last = time.monotonic()
            self._log()

    def _log(self) -> None:
        elapsed = time.monotonic() - self._started
        rate = self._entries / elapsed if elapsed else 0.0
        share = (self._reader.total or 0) / self._shard.count
        percent = f"{min(100.0, 100 * self._entries / share):.0f} %" if share else "of an unknown total"
        logger.info(
            "%s: %d pages, %d entries (%s), %.0f entries/s",
            self._name,
            self._pages,
            self._entries,
            percent,
            rate,
        )

    def finish(self, *, requests: int) -> None:
        self._log()
        logger.info(
            "%s: read; %d requests, %d retries, %d of them refused (429)",
            self._name,
            requests,
            self._retries,
            self._refused,
        )
