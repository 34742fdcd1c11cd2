"""Loads the landed answers into tables of a DuckDB database.

`windows` has one row per answer, `positions` one row per entry of an answer. Records stay in the Parquet
files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from directory_sync.api.page import Page
from directory_sync.config.keys import ID, Key
from directory_sync.errors import ConfigError, EnvelopeError
from directory_sync.landing.damage import damaged, naming_damage
from directory_sync.landing.files import LandedFiles
from directory_sync.landing.tables import AUDIT_SHARD, PageColumns, mixed_ids

if TYPE_CHECKING:
    import pyarrow as pa

ID_TYPES = {"BIGINT", "VARCHAR"}


def cursor_of(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Returns a cursor with a result of its own: a connection has room for one, and DuckDB 2 insists on it.

    A cursor does not inherit the time zone.
    """
    return database.cursor().execute("SET TimeZone = 'UTC'")


@dataclass(frozen=True, kw_only=True)
class Window:
    """One answer as the seal sees it: the piece of the list that it showed, and when.

    Attributes:
        number: the number of the window within the snapshot.
        offset: the offset of the request.
        entries: how many entries the answer had; never 0.
        requested_at: the time of the request.
    """

    number: int
    offset: int
    entries: int
    requested_at: datetime

    @property
    def end(self) -> int:
        """The offset after the last entry, at the time of the request."""
        return self.offset + self.entries


class LandedTables:
    """The landed entries of one pull, and the entries that the audit adds.

    Args:
        database: the scratch database, in which the tables are created.
        files: the landed files.
        key: the fields that name an entry.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, files: LandedFiles, key: Key = ID) -> None:
        """Creates the tables and numbers the windows.

        Raises:
            EnvelopeError: integers and strings are mixed among the ids of the shards.
            SnapshotError: a file is damaged.
        """
        self.database, self._key = database, key
        self.added = PageColumns(AUDIT_SHARD, key)
        # Only a child resource has lists: one for each parent.
        self._has_parents = bool(files.lists)
        self._of_list = ", parent, answer" if self._has_parents else ""
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

    def key_type(self) -> str | None:
        """Returns the type of the key: `id_type`, or of several fields that of each; None: it is empty.

        Raises:
            EnvelopeError: a field has integers in some entries and strings in others.
            ConfigError: the entries were landed with another key.
        """
        if not self._key.is_composite or self._id_type is None:
            return self._id_type
        count = len(self._key.paths)
        kinds = ", ".join(f"json_type(id, '$[{number}]') = 'VARCHAR'" for number in range(count))
        is_key = f"CASE WHEN json_valid(id) THEN json_array_length(id) = {count} ELSE false END"
        if self._id_type != "VARCHAR" or self._one(f"SELECT count(*) FROM positions WHERE NOT {is_key}"):
            raise ConfigError(
                f"The snapshot was read before `primary_key` was {self._key}. Nothing was published. Clear "
                "the run's `extract` tasks."
            )
        found = self.database.execute(f"SELECT DISTINCT {kinds} FROM positions").fetchall()
        for name, of_field in zip(self._key.names, zip(*found, strict=True), strict=True):
            if len(set(of_field)) > 1:
                raise EnvelopeError(
                    f"The `{name}` of entries is an integer in some and a string in others. Nothing was "
                    "published. Ask the API's vendor."
                )
        return ", ".join("VARCHAR" if is_text else "BIGINT" for is_text in found[0])

    def _create_windows(self, files: LandedFiles) -> None:
        self.database.execute(
            """CREATE OR REPLACE TABLE windows (
                 number BIGINT, shard INTEGER NOT NULL, "window" BIGINT NOT NULL, asked INTEGER NOT NULL,
                 entries INTEGER NOT NULL, total BIGINT, requested_at TIMESTAMPTZ NOT NULL,
                 retries INTEGER, refused INTEGER, parent BIGINT, answer INTEGER, status INTEGER)"""
        )
        if files.windows:
            of_list = "parent, answer, status" if self._has_parents else "NULL, NULL, NULL"
            self.database.execute(
                f"""INSERT INTO windows
                    SELECT row_number() OVER (ORDER BY "window", requested_at, shard), shard, "window",
                           asked, entries, total, requested_at, retries, refused, {of_list}
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
                f"The {self._key} of entries is an integer in one shard and a string in another. Nothing was "
                "published. Ask the API's vendor."
            )
        found = types.pop() if types else None
        self._make_positions(found or "BIGINT")
        if files.entries:
            self.database.execute(
                f"""INSERT INTO positions
                    SELECT e.id, w.number, e.position, e.row_hash, e.requested_at, e."window"
                    FROM read_parquet(?) AS e
                    JOIN windows AS w USING (shard, "window", requested_at{self._of_list})""",
                [list(files.entries)],
            )
        return found

    def take_ids_as(self, id_type: str) -> None:
        """Gives an empty snapshot the id type of the table, so that the two can be compared."""
        if self._id_type is None:
            self._make_positions(id_type)

    def _make_positions(self, id_type: str) -> None:
        self.database.execute(
            f"""CREATE OR REPLACE TABLE positions (
                  id {id_type} NOT NULL, number BIGINT, position INTEGER NOT NULL, row_hash VARCHAR NOT NULL,
                  requested_at TIMESTAMPTZ, "window" BIGINT)"""
        )

    def _check_positions(self) -> None:
        """Checks that each window has as many entries as its answer had, so that no file is lost."""
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

    def add(self, page: Page) -> Window | None:
        """Adds an answer that the audit read; returns its window, None where the answer is empty.

        Raises:
            EnvelopeError: its ids have another type than the snapshot's.
        """
        number, self._next_number = self._next_number, self._next_number + 1
        self.added.add(page)
        self.database.execute(
            "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
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
            raise mixed_ids(page, self._key)

    def insert_arrow(self, table: str, rows: "pa.Table") -> None:
        """Appends Arrow rows to a table of the scratch database."""
        with cursor_of(self.database) as cursor:
            cursor.register("incoming", rows)
            cursor.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
            cursor.unregister("incoming")

    def _one(self, sql: str, values: Sequence[Any] = ()) -> int:
        row = self.database.execute(sql, list(values)).fetchone()
        return int(row[0]) if row else 0
