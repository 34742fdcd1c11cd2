"""The landed entries as tables of a DuckDB database in the task's own folder.

All questions to a snapshot are asked in SQL over the Parquet files. `landed.py` makes the tables,
`records.py` reads the records; here is what the seal asks: which ids stand in several windows, and where.
Memory is bounded; what does not fit goes to the task's folder.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import duckdb

from directory_sync.api.answer import EntryId
from directory_sync.audit.landed import Window
from directory_sync.audit.records import RecordTables
from directory_sync.config.memory import duckdb_limit_mb
from directory_sync.errors import SnapshotError
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.files import LandedFiles
from directory_sync.landing.snapshot import LandedSnapshot

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One answer of a walk, empty ones too.

    Attributes:
        number: names the window within the snapshot.
        place: which page it is of, by its place in the list, counted from 0.
        content: a digest of the set of its ids; 0 where it is empty.
    """

    number: int
    place: int
    entries: int
    content: int = 0
    first_id: EntryId | None = None
    last_id: EntryId | None = None


@dataclass(frozen=True, kw_only=True)
class Irregular:
    """How regular the pages of a pull are.

    Attributes:
        inner: answers that ended at least a page in front of the last entry.
        short: how many of them had fewer entries than the largest answer.
        empty: answers without entries in front of the last entry.
    """

    inner: int
    short: int
    empty: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a snapshot took."""

    answers: int
    entries: int
    retries: int
    refused: int
    totals: tuple[int, ...]
    first_requested_at: datetime | None
    last_requested_at: datetime | None


def open_scratch(folder: Path, *, memory_limit_mb: int, landed: LandedSnapshot) -> duckdb.DuckDBPyConnection:
    """Opens a DuckDB database in a folder that goes with the task; it can read what is landed."""
    database = duckdb.connect(
        folder / "audit.duckdb",
        config={
            "memory_limit": f"{duckdb_limit_mb(memory_limit_mb)}MB",
            # Of its own: two databases that spill into one folder write over each other's files.
            "temp_directory": str(folder / "audit.spill"),
            "preserve_insertion_order": False,
            "threads": 2,
            # No table is taken from Python's variables.
            "python_enable_replacements": False,
        },
    )
    database.execute("SET TimeZone = 'UTC'")
    landed.let_read(database)
    return database


def make_room(database: duckdb.DuckDBPyConnection, files: LandedFiles, *, memory_limit_mb: int) -> None:
    """Raises the memory limit for large records.

    Args:
        database: the scratch database.
        files: the entries.
        memory_limit_mb: what the deployment sets; 0: it leaves it to us.
    """
    if memory_limit_mb or not files.entries:
        return
    with naming_damage("entries"):
        [(rows, size)] = database.execute(
            """SELECT coalesce(sum(num_values), 0), coalesce(sum(total_uncompressed_size), 0)
               FROM parquet_metadata(?) WHERE path_in_schema = 'record'""",
            [list(files.entries)],
        ).fetchall()
    limit = duckdb_limit_mb(0, rows=int(rows), bytes_a_row=float(size) / max(int(rows), 1))
    database.execute(f"SET memory_limit = '{limit}MB'")


def shard_of_load(database: duckdb.DuckDBPyConnection, snapshot: LandedSnapshot) -> dict[str, int]:
    """Returns which shard each complete load of a snapshot is of.

    A load that does not say so is left out: the seal misses what it held, and a later load of its shard
    cannot be told to stand for it.
    """
    shards: dict[str, int] = {}
    for load_id, files in snapshot.load_files("windows").items():
        try:
            with naming_damage("windows"):
                [(shard,)] = database.execute(
                    "SELECT CAST(any_value(shard) AS INTEGER) FROM read_parquet(?)", [files]
                ).fetchall()
        except SnapshotError:
            logger.warning("The windows of load %s cannot be read: it is left out", load_id)
            continue
        if shard is not None:
            shards[load_id] = shard
    return shards


class Snapshot(RecordTables):
    """The landed entries of one pull, and those the audit adds: what the seal and a further reading ask."""

    def windows(self) -> list[Window]:
        """Returns all answers that were not empty."""
        rows = self.database.execute(
            'SELECT number, "window", entries, requested_at FROM windows WHERE entries > 0'
        ).fetchall()
        return [
            Window(number=number, offset=offset, entries=entries, requested_at=at)
            for number, offset, entries, at in rows
        ]

    def irregular(self) -> Irregular:
        """Returns how often answers in front of the last entries were short, or empty."""
        row = self.database.execute(
            """WITH last AS (SELECT max("window" + entries) AS "end", max(entries) AS size FROM windows)
               SELECT count(*) FILTER (entries > 0 AND "window" + entries + size < last."end"),
                      count(*) FILTER (entries BETWEEN 1 AND size - 1
                                       AND "window" + entries + size < last."end"),
                      count(*) FILTER (entries = 0 AND "window" < last."end")
               FROM windows, last"""
        ).fetchone()
        assert row is not None
        return Irregular(inner=row[0], short=row[1], empty=row[2])

    def readings(self) -> list[Reading]:
        """Returns all answers of a walk in the order of their requests."""
        rows = self.database.execute(
            """SELECT w.number, w."window" // w.asked, w.entries, coalesce(s.content, 0),
                      s.first_id, s.last_id
               FROM windows AS w LEFT JOIN (
                 SELECT number, hash(bit_xor(hash(id)), sum(hash(id))) AS content,
                        arg_min(id, first) AS first_id, arg_max(id, last) AS last_id
                 FROM (SELECT number, id, min(position) AS first, max(position) AS last
                       FROM positions GROUP BY number, id)
                 GROUP BY number) AS s USING (number)
               ORDER BY w.requested_at, w.number"""
        ).fetchall()
        names = ("number", "place", "entries", "content", "first_id", "last_id")
        return [Reading(**dict(zip(names, row, strict=True))) for row in rows]

    def overlapping_readings(self) -> set[tuple[int, int]]:
        """Returns the pairs of answers to one page's request that share an entry, each pair both ways."""
        rows = self.database.execute(
            """SELECT DISTINCT a.number, b.number FROM positions AS a
               JOIN positions AS b ON a.id = b.id AND a."window" = b."window" AND a.number <> b.number"""
        ).fetchall()
        return set(rows)

    def shared_ids(self, *, at_most: int) -> Iterator[tuple[EntryId, list[tuple[int, int]]]]:
        """Yields each id that stands in several places, with its (window, position) pairs.

        Ids in more than `at_most` places are left out: they join nothing.
        """
        cursor = self.database.execute(
            """SELECT id, number, position
               FROM positions SEMI JOIN (
                 SELECT id FROM positions GROUP BY id HAVING count(*) BETWEEN 2 AND ?) AS shared USING (id)
               ORDER BY id, number, position""",
            [at_most],
        )
        rows = chain.from_iterable(iter(lambda: cursor.fetchmany(10_000), []))
        for entry_id, places in groupby(rows, key=itemgetter(0)):
            yield entry_id, [(number, position) for _, number, position in places]

    def places(self, ids: Sequence[EntryId]) -> list[tuple[EntryId, int, int]]:
        """Returns (id, window, position) of all places where these ids stand."""
        return self.database.execute(
            "SELECT id, number, position FROM positions WHERE id IN (SELECT unnest(?))", [list(ids)]
        ).fetchall()

    def head_ids(self) -> list[EntryId]:
        """Returns the ids of the latest answer to offset 0, in order."""
        rows = self.database.execute(
            """SELECT id FROM positions WHERE number = (
                 SELECT arg_max(number, requested_at) FROM windows
                 WHERE "window" = 0 AND entries > 0)
               ORDER BY position"""
        ).fetchall()
        return [row[0] for row in rows]

    def distinct_ids(self) -> int:
        """Returns how many entries the snapshot holds."""
        return self._one("SELECT count(DISTINCT id) FROM positions")

    def doubled_in_a_window(self) -> int:
        """Returns how many ids stand twice in one answer."""
        return self._one(
            """SELECT count(DISTINCT id) FROM
               (SELECT id FROM positions GROUP BY id, number HAVING count(*) > 1)"""
        )

    def ids_ascend(self) -> bool:
        """Tells whether ids ascend, or descend, within every window."""
        row = self.database.execute(
            """SELECT coalesce(bool_and(id > before), false), coalesce(bool_and(id < before), false)
               FROM (SELECT id, lag(id) OVER (PARTITION BY number ORDER BY position) AS before
                     FROM positions)
               WHERE before IS NOT NULL"""
        ).fetchone()
        return row is not None and (row[0] or row[1])

    def places_of_absent(self, ids: Sequence[EntryId]) -> tuple[dict[EntryId, int], bool]:
        """Returns offsets of answers that would hold the neighbours of absent entries.

        Args:
            ids: absent ones; the snapshot's own ids ascend, or descend.

        Returns:
            The offset for each, half a page in front of its place; and whether ids descend.
        """
        self.database.execute(f"CREATE OR REPLACE TABLE absent (id {self._id_type or 'BIGINT'})")
        self.database.execute("INSERT INTO absent SELECT unnest(?)", [list(ids)])
        self.database.execute(
            """CREATE OR REPLACE TABLE standing AS
               SELECT id, max(w."window" + position) AS place, max(w.asked) AS asked
               FROM positions AS p JOIN windows AS w USING (number) GROUP BY id"""
        )
        descends = bool(
            self._one(
                "SELECT coalesce(arg_max(id, place) < arg_min(id, place), false)::INTEGER FROM standing"
            )
        )
        rows = self.database.execute(
            f"""SELECT a.id, greatest(0, coalesce(s.place - s.asked // 2, 0))
                FROM absent AS a ASOF LEFT JOIN standing AS s ON a.id {"<" if descends else ">"} s.id"""
        ).fetchall()
        return dict(rows), descends

    def counts(self) -> Counts:
        """Returns what the snapshot took, the audit's own requests included."""
        row = self.database.execute(
            """SELECT count(*), coalesce(sum(entries), 0), coalesce(sum(retries), 0),
                      coalesce(sum(refused), 0), min(requested_at), max(requested_at) FROM windows"""
        ).fetchone()
        assert row is not None
        totals = self.database.execute(
            "SELECT DISTINCT total FROM windows WHERE total IS NOT NULL ORDER BY total"
        ).fetchall()
        return Counts(
            answers=row[0],
            entries=int(row[1]),
            retries=int(row[2]),
            refused=int(row[3]),
            totals=tuple(total for (total,) in totals),
            first_requested_at=row[4],
            last_requested_at=row[5],
        )
