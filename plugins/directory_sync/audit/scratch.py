"""The landed entries as tables of a DuckDB database in the task's own folder.

All questions to a snapshot are asked here, in SQL over the Parquet files: which ids stand in several
windows, which version of an entry stands, how fields are filled. Memory is bounded; what does not fit goes
to the task's folder.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from directory_sync.api.answer import EntryId
from directory_sync.api.page import Page
from directory_sync.config.fields import readings
from directory_sync.config.memory import duckdb_limit_mb
from directory_sync.errors import EnvelopeError, SnapshotError
from directory_sync.landing.tables import AUDIT_SHARD, PageColumns, mixed_ids
from directory_sync.landing.zone import LandedFiles, LandedSnapshot, damaged, naming_damage

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

ID_TYPES = {"BIGINT", "VARCHAR"}


@dataclass(frozen=True, kw_only=True)
class Window:
    """One answer, as the seal sees it: which piece of the list it showed, and when.

    Attributes:
        number: names the window within the snapshot.
        entries: how many entries the answer had; never 0.
    """

    number: int
    offset: int
    entries: int
    requested_at: datetime

    @property
    def end(self) -> int:
        """The offset after the last entry, at the time of the request."""
        return self.offset + self.entries


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


class Snapshot:
    """The landed entries of one pull, and those the audit adds.

    Args:
        database: the scratch database; tables are made in it.
        files: what was landed.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, files: LandedFiles) -> None:
        """Numbers the windows; reads the records not at all.

        Raises:
            EnvelopeError: integers and strings are mixed among the ids of the shards.
            SnapshotError: a file is damaged.
        """
        self.database = database
        self.added = PageColumns(AUDIT_SHARD)
        with naming_damage("windows"):
            self._create_windows(files)
        with naming_damage("entries"):
            self._id_type = self._create_positions(files)
        self._check_positions()
        self._next_number = self._count_windows() + 1

    @property
    def id_type(self) -> str | None:
        """`BIGINT` or `VARCHAR`; None in an empty snapshot."""
        return self._id_type

    def _create_windows(self, files: LandedFiles) -> None:
        self.database.execute(
            """CREATE OR REPLACE TABLE windows (
                 number BIGINT, shard INTEGER NOT NULL, "window" BIGINT NOT NULL, asked INTEGER NOT NULL,
                 entries INTEGER NOT NULL, total BIGINT, requested_at TIMESTAMPTZ NOT NULL,
                 retries INTEGER, refused INTEGER)"""
        )
        if files.windows:
            self.database.execute(
                """INSERT INTO windows
                   SELECT row_number() OVER (ORDER BY "window", requested_at, shard), shard, "window",
                          asked, entries, total, requested_at, retries, refused
                   FROM read_parquet(?)""",
                [list(files.windows)],
            )

    def _create_positions(self, files: LandedFiles) -> str | None:
        types = {
            row[1]
            for path in files.entries
            for row in self.database.execute("DESCRIBE SELECT id FROM read_parquet(?)", [path]).fetchall()
        }
        if types - ID_TYPES:
            raise damaged("entries", "have an `id` which is neither an integer nor a string")
        if len(types) > 1:
            raise EnvelopeError(
                "The `id` of entries is an integer in one shard and a string in another. Nothing was "
                "published. Ask the API's vendor."
            )
        found = types.pop() if types else None
        self._make_positions(found or "BIGINT")
        if files.entries:
            self.database.execute(
                """INSERT INTO positions
                   SELECT e.id, w.number, e.position, e.row_hash, e.requested_at, e."window"
                   FROM read_parquet(?) AS e
                   JOIN windows AS w USING (shard, "window", requested_at)""",
                [list(files.entries)],
            )
        return found

    def take_ids_as(self, id_type: str) -> None:
        """Gives the ids of an empty snapshot the type of the table's: the two are compared."""
        if self._id_type is None:
            self._make_positions(id_type)

    def _make_positions(self, id_type: str) -> None:
        self.database.execute(
            f"""CREATE OR REPLACE TABLE positions (
                  id {id_type} NOT NULL, number BIGINT, position INTEGER NOT NULL, row_hash VARCHAR NOT NULL,
                  requested_at TIMESTAMPTZ, "window" BIGINT)"""
        )

    def _check_positions(self) -> None:
        """Every window has the entries that it had: no file of them is lost."""
        lacking = self._one(
            """SELECT count(*) FROM windows AS w
               LEFT JOIN (SELECT number, count(*) AS entries FROM positions GROUP BY number) AS p
               USING (number)
               WHERE w.entries <> coalesce(p.entries, 0)"""
        )
        if lacking:
            raise damaged("entries", f"are not those of their windows ({lacking:,} differ)")

    def _count_windows(self) -> int:
        return self._one("SELECT coalesce(max(number), 0) FROM windows")

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

    def add(self, page: Page) -> Window | None:
        """Adds an answer which the audit read; returns its window, None where it is empty.

        Raises:
            EnvelopeError: its ids are of another type than the snapshot's.
        """
        number, self._next_number = self._next_number, self._next_number + 1
        self.added.add(page)
        self.database.execute(
            "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                number,
                AUDIT_SHARD,
                page.offset,
                page.limit,
                len(page.entries),
                page.total,
                page.requested_at,
                page.retries,
                page.refused,
            ],
        )
        if not page.entries:
            return None
        self._check_type(page)
        ids, hashes = [e.id for e in page.entries], [e.row_hash for e in page.entries]
        self.database.execute(
            """INSERT INTO positions
               SELECT unnest(?), ?, unnest(?), unnest(?), ?, ?""",
            [ids, number, list(range(len(ids))), hashes, page.requested_at, page.offset],
        )
        return Window(
            number=number,
            offset=page.offset,
            entries=len(page.entries),
            requested_at=page.requested_at,
        )

    def _check_type(self, page: Page) -> None:
        found = "BIGINT" if isinstance(page.entries[0].id, int) else "VARCHAR"
        if self._id_type is None:
            self._id_type = found
            self._make_positions(found)
        elif found != self._id_type:
            raise mixed_ids(page)

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

    def entries_before(
        self, files: LandedFiles, path: Sequence[str], moment: datetime
    ) -> tuple[int, int, int]:
        """Counts entries: all, those of which a field holds a time, those of which it is an earlier time.

        A field that holds dates is compared by the day.
        """
        if not files.entries:
            return 0, 0, 0
        with naming_damage("entries"):
            row = self.database.execute(
                f"""WITH entries AS (
                     SELECT id, {_at(path, "json_extract_string")} AS text FROM read_parquet($files)),
                   timed AS (
                     SELECT id, TRY_CAST(text AS TIMESTAMPTZ) AS told, length(text) <= 10 AS is_date
                     FROM entries)
                   SELECT count(DISTINCT id), count(DISTINCT id) FILTER (told IS NOT NULL),
                          count(DISTINCT id) FILTER (told < CASE WHEN is_date THEN date_trunc('day', $moment)
                                                               ELSE date_trunc('second', $moment) END)
                   FROM timed""",
                {"moment": moment, "files": list(files.entries), **_pointers(path)},
            ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1]), int(row[2])

    def field_ascends(self, files: LandedFiles, path: Sequence[str]) -> bool:
        """Tells whether a field of the records strictly ascends, or descends, within every window.

        Numbers are compared as numbers, all else as text by its code points.
        """
        if not files.entries:
            return False
        with naming_damage("entries"):
            row = self.database.execute(
                f"""WITH keyed AS (
                     SELECT w.number, e.position, {_at(path, "json_extract_string")} AS text,
                            {_at(path, "json_type")} IN ('BIGINT', 'UBIGINT', 'DOUBLE') AS is_number
                     FROM read_parquet($files) AS e JOIN windows AS w USING (shard, "window", requested_at)),
                   typed AS (
                     SELECT number, position, text,
                            CASE WHEN is_number THEN CAST(text AS DOUBLE) END AS value,
                            (SELECT coalesce(bool_and(is_number), false) FROM keyed) AS all_numbers
                     FROM keyed),
                   pairs AS (
                     SELECT all_numbers, text, lag(text) OVER w AS text_before, value,
                            lag(value) OVER w AS value_before, row_number() OVER w AS place
                     FROM typed WINDOW w AS (PARTITION BY number ORDER BY position))
                   SELECT coalesce(bool_and(coalesce(
                            CASE WHEN all_numbers THEN value > value_before ELSE text > text_before END,
                            false)), false),
                          coalesce(bool_and(coalesce(
                            CASE WHEN all_numbers THEN value < value_before ELSE text < text_before END,
                            false)), false)
                   FROM pairs WHERE place > 1""",
                {"files": list(files.entries), **_pointers(path)},
            ).fetchone()
        return row is not None and (row[0] or row[1])

    def has_field(self, files: LandedFiles, path: Sequence[str]) -> bool:
        """Tells whether any entry has something at a path."""
        if not files.entries:
            return False
        with naming_damage("entries"):
            row = self.database.execute(
                f"""SELECT 1 FROM read_parquet($files)
                    WHERE {_at(path, "json_type")} IS NOT NULL LIMIT 1""",
                {"files": list(files.entries), **_pointers(path)},
            ).fetchone()
        return row is not None

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

    def create_present(self) -> None:
        """Creates `present`: one row an entry, the version that was requested last.

        Ties go to the greater window, then to the greater position. Of what is aggregated by entry each value
        is a number: texts and structs stay in memory however many entries there are.
        """
        self.database.execute(
            """CREATE OR REPLACE TABLE ranks AS
               SELECT number, row_number() OVER (ORDER BY requested_at, "window", number) << 32 AS rank
               FROM windows"""
        )
        self.database.execute(
            """CREATE OR REPLACE TABLE shared AS
               SELECT id, max(rank + position) AS latest
               FROM positions
               SEMI JOIN (SELECT id FROM positions GROUP BY id HAVING count(*) > 1) AS several USING (id)
               JOIN ranks USING (number) GROUP BY id"""
        )
        self.database.execute(
            """CREATE OR REPLACE TABLE present AS
               SELECT id, row_hash, number, position FROM positions ANTI JOIN shared USING (id)"""
        )
        self.database.execute(
            """INSERT INTO present
               SELECT p.id, row_hash, number, position FROM positions AS p JOIN ranks USING (number)
               JOIN shared AS s ON p.id = s.id AND rank + position = latest"""
        )

    def create_records(self, files: LandedFiles, *, ids: str) -> None:
        """Creates `records` (id, record): the standing version of the entries in the table `ids`."""
        self.database.execute(
            f"""CREATE OR REPLACE TABLE wanted AS
                SELECT p.id, w.shard, w."window", w.requested_at, p.position
                FROM present AS p JOIN windows AS w ON w.number = p.number
                WHERE p.id IN (SELECT id FROM {ids})"""
        )
        self.database.execute(
            "CREATE OR REPLACE TABLE records AS SELECT id, NULL::VARCHAR AS record FROM wanted LIMIT 0"
        )
        # Where nothing is wanted the column would be read nevertheless: most of the snapshot's bytes.
        if files.entries and self._one("SELECT count(*) FROM wanted"):
            with naming_damage("entries"):
                self.database.execute(
                    """INSERT INTO records SELECT e.id, e.record FROM read_parquet(?) AS e
                       JOIN wanted USING (id, shard, "window", requested_at, position)""",
                    [list(files.entries)],
                )

    def field_types(self, files: LandedFiles) -> dict[str, dict[str, int]]:
        """Returns how often each field had which JSON type, over all windows."""
        profile: dict[str, dict[str, int]] = {}
        if files.fields:
            with naming_damage("fields"):
                rows = self.database.execute(
                    """SELECT CAST(field AS VARCHAR), CAST(json_type AS VARCHAR),
                              coalesce(CAST(sum(entries) AS BIGINT), 0)
                       FROM read_parquet(?) WHERE field IS NOT NULL AND json_type IS NOT NULL
                       GROUP BY ALL ORDER BY ALL""",
                    [list(files.fields)],
                ).fetchall()
            for name, kind, count in rows:
                profile.setdefault(name, {})[kind] = int(count)
        return profile

    def insert_arrow(self, table: str, rows: "pa.Table") -> None:
        """Appends Arrow rows to a table of the scratch database."""
        self.database.register("incoming", rows)
        self.database.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
        self.database.unregister("incoming")

    def _one(self, sql: str, values: Sequence[Any] = ()) -> int:
        row = self.database.execute(sql, list(values)).fetchone()
        return int(row[0]) if row else 0


def _pointers(path: Sequence[str]) -> dict[str, str]:
    """DuckDB's paths to a field, by the names of their parameters: one for each way to read the dots."""
    return {
        f"pointer_{number}": "$" + "".join(f'."{key}"' for key in keys)
        for number, keys in enumerate(readings(path))
    }


def _at(path: Sequence[str], function: str) -> str:
    """SQL that asks a JSON function of DuckDB for the value at a path of `record`."""
    return f"coalesce({', '.join(f'{function}(record, ${name})' for name in _pointers(path))})"
