"""A simulated directory that changes between reads, and what a snapshot of it is made of.

Only the network's edge is simulated: the shards' own reader asks, the pages are landed as Parquet and the
snapshot is made of these files, as in a run.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from directory_sync.api.answer import Entry, EntryId
from directory_sync.api.page import Page
from directory_sync.audit.scratch import Snapshot
from directory_sync.extract.plan import Shard
from directory_sync.extract.windows import ShardReader
from directory_sync.landing.files import LandedFiles
from directory_sync.landing.tables import PageColumns

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = 1 << 20
LIMIT = 20


def entry(entry_id: EntryId, row_hash: str = "h", record: str = "{}") -> Entry:
    return Entry(entry_id, row_hash, record, ())


def page(
    offset: int,
    ids: Iterable[EntryId],
    *,
    limit: int = LIMIT,
    total: int | None = None,
    at: float = 0.0,
    row_hash: str = "h",
) -> Page:
    """An answer, requested `at` seconds after the start."""
    entries = [entry(i, row_hash) for i in ids]
    return Page(offset, limit, entries, total, START + timedelta(seconds=at))


def land(folder: Path, pages: Mapping[int, Iterable[Page]]) -> LandedFiles:
    """Lands the pages of each shard as the extract stage does."""
    files: dict[str, list[str]] = {"entries": [], "windows": [], "fields": []}
    for shard, of_shard in pages.items():
        columns = PageColumns(shard)
        for one in of_shard:
            columns.add(one)
        tables = {"windows": columns.windows(), "fields": columns.fields()}
        if columns.rows:
            tables["entries"] = columns.take_entries()
        for name, table in tables.items():
            path = folder / f"{name}-{shard}.parquet"
            pq.write_table(table, path)
            files[name].append(str(path))
    return LandedFiles(**{name: tuple(paths) for name, paths in files.items()})


def snapshot_of(folder: Path, *pages: Page) -> Snapshot:
    """A snapshot landed by one shard."""
    return Snapshot(duckdb.connect(), land(folder, {0: pages}))


def ids_in(snapshot: Snapshot) -> set[EntryId]:
    rows = snapshot.database.execute("SELECT DISTINCT id FROM positions").fetchall()
    return {row[0] for row in rows}


@dataclass
class StillList:
    """A list that does not change.

    Attributes:
        cap: the largest page it gives.
        asked: the offsets that were asked for.
    """

    ids: Sequence[EntryId]
    limit: int = LIMIT
    cap: int = 1_000_000
    total: Callable[["StillList"], int | None] = lambda still: len(still.ids)
    asked: list[int] = field(default_factory=list)

    def __call__(self, offset: int, limit: int | None = None) -> Page:
        limit = limit or self.limit
        self.asked.append(offset)
        ids = self.ids[offset : offset + min(limit, self.cap)]
        return page(offset, ids, limit=limit, total=self.total(self), at=1.0 + len(self.asked) / 1e3)


@dataclass(frozen=True, kw_only=True)
class Weather:
    """How a simulated list behaves.

    Attributes:
        churn: edits before each answer, on average.
        where: at which place of the list they are made; `seam`: where two shards meet.
        burst: how many edits of one kind come at once.
        total: right, none, or that of so many answers ago.
        empty: the share of answers that are empty although they should not be.
        caps: the page caps; the next one holds from time to time.
    """

    entries: int = 100
    caps: tuple[int, ...] = (1_000,)
    churn: float = 0.0
    where: str = "anywhere"
    burst: int = 1
    total: str = "right"
    empty: float = 0.0


class MovingList:
    """A list in a strict order by an id that never changes, edited before each answer.

    Attributes:
        lasting: the ids that were there at the start and still are.
        ever: all ids there ever were.
    """

    def __init__(self, weather: Weather, *, seed: int, shards: int = 1) -> None:
        self._weather, self._random, self._shards = weather, random.Random(seed), shards
        self.ids = [STEP * (n + 1) for n in range(weather.entries)]
        self.lasting, self.ever = set(self.ids), set(self.ids)
        self._totals = [len(self.ids)]
        self.answers = 0

    def __call__(self, offset: int, limit: int = LIMIT) -> Page:
        weather, draw = self._weather, self._random
        self.answers += 1
        edits = weather.churn / weather.burst
        while edits > 0:
            if draw.random() < edits:
                self._edit()
            edits -= 1
        self._totals.append(len(self.ids))
        cap = weather.caps[(self.answers // 7) % len(weather.caps)]
        ids = self.ids[offset : offset + min(limit, cap)]
        if draw.random() < weather.empty:
            ids = []
        return page(offset, ids, limit=limit, total=self._total(), at=self.answers / 1e3)

    def _total(self) -> int | None:
        if self._weather.total == "stale":
            return self._totals[max(0, len(self._totals) - 30)]
        return self._totals[-1] if self._weather.total == "right" else None

    def _edit(self) -> None:
        inserts, share = self._random.random() < 0.5, self._place()
        for _ in range(self._weather.burst):
            at = int(share * len(self.ids))
            if inserts:
                self._insert(at)
            elif self.ids:
                self.lasting.discard(self.ids.pop(min(at, len(self.ids) - 1)))

    def _place(self) -> float:
        if self._weather.where == "head":
            return 0.0
        if self._weather.where == "seam":
            return self._random.randrange(self._shards + 1) / self._shards
        return self._random.random()

    def _insert(self, at: int) -> None:
        low = self.ids[at - 1] if at else 0
        high = self.ids[at] if at < len(self.ids) else low + STEP
        if high - low > 1 and (middle := (low + high) // 2) not in self.ever:
            self.ids.insert(at, middle)
            self.ever.add(middle)


def read_shards(
    fetch: Callable[[int, int], Page], *, shards: int, seed: int, in_flight: int = 1
) -> dict[int, list[Page]]:
    """Reads all shards of a list, an answer of this and an answer of that one, as the seed has it."""
    draw = random.Random(seed)
    readers: dict[int, Iterator[Page]] = {
        number: ShardReader(
            fetch, Shard(number=number, count=shards), limit=LIMIT, in_flight=in_flight
        ).pages()
        for number in range(shards)
    }
    pages: dict[int, list[Page]] = {number: [] for number in readers}
    while readers:
        number = draw.choice(sorted(readers))
        answer = next(readers[number], None)
        if answer is None:
            del readers[number]
        else:
            pages[number].append(answer)
    return pages
