"""The scratch database: the landed entries as tables of DuckDB, in the task's own folder.

A snapshot is queried in SQL over its Parquet files. `landed.py` creates the tables, and `records.py` reads
the records. This module has the queries of the seal: which ids stand in several windows, and where. Memory is
bounded; DuckDB spills to the task's folder.
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
from directory_sync.audit.found_rate import Answered
from directory_sync.audit.landed import Window
from directory_sync.audit.records import RecordTables
from directory_sync.config.memory import duckdb_limit_mb
from directory_sync.errors import SnapshotError
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.files import LandedFiles
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.tables import AUDIT_SHARD

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One answer to a page, which may be empty.

    Attributes:
        number: the number of the window within the snapshot.
        place: the place of its page in the list, counted from 0.
        entries: how many entries it has.
        content: a digest of the set of its ids; 0 where it is empty.
        first_id: the id of its first entry; None where it is empty.
        last_id: the id of its last entry; None where it is empty.
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
        inner: how many answers ended at least a page in front of the last entry.
        short: how many of them had fewer entries than the largest answer.
        empty: how many answers in front of the last entry were empty.
    """

    inner: int
    short: int
    empty: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The numbers of a pull, including the audit's own requests.

    Attributes:
        answers: how many answers there are.
        entries: how many entries they hold, with repetitions.
        retries: how many requests were repeated.
        refused: how many answers were 429, or a 403 that asks to wait.
        totals: the different totals that the API stated, in ascending order.
        first_requested_at: the time of the first request; None: there was none.
        last_requested_at: the time of the last request; None: there was none.
    """

    answers: int
    entries: int
    retries: int
    refused: int
    totals: tuple[int, ...]
    first_requested_at: datetime | None
    last_requested_at: datetime | None


def open_scratch(folder: Path, *, memory_limit_mb: int, landed: LandedSnapshot) -> duckdb.DuckDBPyConnection:
    """Opens a DuckDB database that can read the landing zone.

    It is never checkpointed: nobody reads its file after the task, so small tables stay in the file's log.

    Args:
        folder: the folder for its files; it is deleted with the task.
        memory_limit_mb: the deployment's limit in MB; 0: none is set.
        landed: a folder of the landing zone, which gives access to it.
    """
    database = duckdb.connect(
        folder / "audit.duckdb",
        config={
            "memory_limit": f"{duckdb_limit_mb(memory_limit_mb)}MB",
            # Not shared: databases that spill into one folder overwrite each other's files.
            "temp_directory": str(folder / "audit.spill"),
            "preserve_insertion_order": False,
            "threads": 2,
            # Checkpoints took a third of an audit's time; below, the last one is turned off.
            "checkpoint_threshold": "1TB",
            # A table name must never resolve to a Python variable.
            "python_enable_replacements": False,
        },
    )
    database.execute("PRAGMA disable_checkpoint_on_shutdown")
    database.execute("SET TimeZone = 'UTC'")
    landed.let_read(database)
    return database


def make_room(database: duckdb.DuckDBPyConnection, files: LandedFiles, *, memory_limit_mb: int) -> None:
    """Raises the memory limit for large records.

    Args:
        database: the scratch database.
        files: the landed files, with the entries.
        memory_limit_mb: the deployment's limit in MB, which is not raised; 0: none is set.
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
    """Returns the shard of each complete load of a snapshot.

    A load whose shard cannot be read is left out, because nothing tells which later load replaces it. The
    seal then finds its entries missing, and the audit reads them again.
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
    """The landed entries of one pull and those of the audit, with the queries of the seal."""

    def windows(self) -> list[Window]:
        """Returns all answers with entries."""
        rows = self.database.execute(
            'SELECT number, "window", entries, requested_at FROM windows WHERE entries > 0'
        ).fetchall()
        return [
            Window(number=number, offset=offset, entries=entries, requested_at=at)
            for number, offset, entries, at in rows
        ]

    def irregular(self) -> Irregular:
        """Returns how many answers in front of the last entries were short, or empty."""
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
        """Returns all answers to pages, in the order of their requests."""
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
        """Returns the pairs of answers to the same page that share an entry, each pair in both orders."""
        rows = self.database.execute(
            """SELECT DISTINCT a.number, b.number FROM positions AS a
               JOIN positions AS b ON a.id = b.id AND a."window" = b."window" AND a.number <> b.number"""
        ).fetchall()
        return set(rows)

    def shared_ids(self, *, at_most: int) -> Iterator[tuple[EntryId, list[tuple[int, int]]]]:
        """Yields each id that stands at several places, with its (window, position) pairs.

        Args:
            at_most: ids at more places than this are left out, because they join nothing.
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
        """Returns (id, window, position) for all places of these ids."""
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
        """Tells whether ids ascend, or descend, within every window.

        Of a key of several fields nothing is told: its text sorts otherwise than an API would.
        """
        if self._key.is_composite:
            return False
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
            ids: the absent ids; the snapshot's own ids ascend, or descend.

        Returns:
            By id, the offset half a page in front of its place; and whether ids descend.
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

    def answered(self) -> list[Answered]:
        """Returns when each shard was answered, and how often it had been refused."""
        rows = self.database.execute(
            "SELECT shard, requested_at, refused FROM windows WHERE shard <> ?", [AUDIT_SHARD]
        ).fetchall()
        return [Answered(shard=shard, at=at, refused=refused or 0) for shard, at, refused in rows]

    def counts(self) -> Counts:
        """Returns the numbers of the pull, including the audit's own requests."""
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
