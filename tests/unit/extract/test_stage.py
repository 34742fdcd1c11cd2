"""Stage 1 declares a dlt resource a shard, asks for nothing before it is iterated, closes what it opened."""

import logging
from typing import Any

import pytest

from directory_sync.api.page import Page
from directory_sync.config.form import Resource
from directory_sync.config.paging import OffsetPages
from directory_sync.errors import ApiUnavailableError
from directory_sync.extract.declared import directory_source
from directory_sync.extract.plan import Shard
from directory_sync.extract.stage import BATCH_ROWS, read_shard
from tests.simulation import LIMIT, StillList


class StillClient:
    """A client of a list that does not change."""

    def __init__(self, still: StillList) -> None:
        self._still = still
        self.is_closed = False

    @property
    def requests(self) -> int:
        return len(self._still.asked)

    def page(self, offset: int, limit: int | None = None) -> Page:
        return self._still(offset, limit)

    def check_declared(self) -> None:
        """The list declares no total."""

    def close(self) -> None:
        self.is_closed = True


class StillReading:
    """What the shards of such a list read with; `told`: the statistics of those that were read."""

    def __init__(self, client: StillClient, *, limit: int = LIMIT) -> None:
        pages = OffsetPages(limit=limit)
        self.resource = Resource(name="people", path="/people", selector=("data",), pages=pages)
        self._client, self.told = client, []

    def client(self, **_: int) -> StillClient:
        return self._client

    def done(self, facts: Any) -> None:
        self.told.append(facts)


def tables_of(items: list[Any]) -> dict[str, list[Any]]:
    """The Arrow tables by the table they are marked for."""
    found: dict[str, list[Any]] = {"entries": [], "windows": [], "fields": []}
    for item in items:
        meta = getattr(item, "meta", None)
        table = getattr(item, "data", item) if hasattr(item, "meta") else item
        name = meta.hints["table_name"] if meta else "entries"
        found[name].append(table)
    return found


def read(client: StillClient, shard: Shard, *, limit: int = LIMIT) -> dict[str, list[Any]]:
    return tables_of(list(read_shard(shard, 2, StillReading(client, limit=limit))))


def test_a_source_has_one_resource_a_shard() -> None:
    source = directory_source(StillReading(StillClient(StillList([]))), shards=3, requests_in_flight=2)
    assert list(source.resources) == ["shard_0", "shard_1", "shard_2"]


def test_nothing_is_requested_before_a_resource_is_iterated() -> None:
    still = StillList(range(60))
    directory_source(StillReading(StillClient(still)), shards=3, requests_in_flight=2).decompose("scc")
    assert still.asked == []


@pytest.mark.parametrize("shards", [1, 3])
def test_all_shards_together_land_every_entry(shards: int) -> None:
    landed: set[int] = set()
    for number in range(shards):
        tables = read(StillClient(StillList(range(150))), Shard(number=number, count=shards))
        landed |= {i for table in tables["entries"] for i in table.column("id").to_pylist()}
        assert {s for table in tables["windows"] for s in table.column("shard").to_pylist()} == {number}
    assert landed == set(range(150))


def test_entries_are_landed_in_batches() -> None:
    entries = 2 * BATCH_ROWS + 1_000
    tables = read(StillClient(StillList(range(entries))), Shard(number=0, count=1), limit=1_000)
    rows = [table.num_rows for table in tables["entries"]]
    assert len(rows) == 3
    assert max(rows) < BATCH_ROWS + 1_000
    [windows] = tables["windows"]
    assert sum(windows.column("entries").to_pylist()) == sum(rows)


def test_a_shard_without_a_share_lands_nothing() -> None:
    tables = read(StillClient(StillList(range(5))), Shard(number=3, count=4))
    assert tables == {"entries": [], "windows": [], "fields": []}


def test_an_empty_directory_lands_its_answers() -> None:
    tables = read(StillClient(StillList([])), Shard(number=0, count=1))
    assert tables["entries"] == []
    assert tables["windows"][0].column("entries").to_pylist() == [0]


def test_the_client_is_closed_at_the_end_and_after_a_failure() -> None:
    client = StillClient(StillList(range(60)))
    read(client, Shard(number=0, count=1))
    assert client.is_closed

    class Broken(StillClient):
        def page(self, offset: int, limit: int | None = None) -> Page:
            if offset:
                raise ApiUnavailableError("gone")
            return super().page(offset, limit)

    broken = Broken(StillList(range(60)))
    with pytest.raises(ApiUnavailableError):
        read(broken, Shard(number=0, count=1))
    assert broken.is_closed


def test_what_was_read_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "directory_sync.extract.progress")
    reading = StillReading(StillClient(StillList(range(60))))
    list(read_shard(Shard(number=0, count=1), 2, reading))
    assert caplog.messages[-1].startswith("Shard 1 of 1: 4 pages, 60 entries in ")
    assert [(facts.pages, facts.entries) for facts in reading.told] == [(4, 60)]


def test_a_shard_without_a_share_says_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "directory_sync.extract.progress")
    reading = StillReading(StillClient(StillList(range(5))))
    list(read_shard(Shard(number=3, count=4), 2, reading))
    assert (caplog.messages, reading.told) == ([], [])
