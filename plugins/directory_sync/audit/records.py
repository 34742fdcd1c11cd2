"""Queries the records of entries in their Parquet files."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from directory_sync.audit.landed import LandedTables
from directory_sync.config.fields import readings
from directory_sync.config.keys import EntryId
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.files import LandedFiles
from directory_sync.landing.tables import AUDIT_SHARD


class RecordTables(LandedTables):
    """The tables of a snapshot, and the tables that are made from its records."""

    def entries_before(
        self, files: LandedFiles, path: Sequence[str], moment: datetime
    ) -> tuple[int, int, int]:
        """Counts entries by the time in a field. A field that holds dates is compared by the day.

        Args:
            files: the landed files.
            path: the path of the field.
            moment: the time to compare with.

        Returns:
            How many entries there are, how many have a time in the field, and how many an earlier time.
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

        Numbers are compared as numbers, other values as text by code points.
        """
        if not files.entries:
            return False
        with naming_damage("entries"):
            row = self.database.execute(
                f"""WITH keyed AS (
                     SELECT w.number, e.position, {_at(path, "json_extract_string")} AS text,
                            {_at(path, "json_type")} IN ('BIGINT', 'UBIGINT', 'DOUBLE') AS is_number
                     FROM read_parquet($files) AS e
                     JOIN windows AS w USING (shard, "window", requested_at{self._of_list})),
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
        """Tells whether any entry has a value at a path."""
        if not files.entries:
            return False
        with naming_damage("entries"):
            row = self.database.execute(
                f"""SELECT 1 FROM read_parquet($files)
                    WHERE {_at(path, "json_type")} IS NOT NULL LIMIT 1""",
                {"files": list(files.entries), **_pointers(path)},
            ).fetchone()
        return row is not None

    def create_present(self) -> None:
        """Creates `present`: one row per entry, its version from the latest request.

        Ties go to the greater window, then to the greater position. Only numbers are aggregated by entry,
        because DuckDB does not spill aggregates of texts and structs.
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
        """Creates `records` (id, record): the present version of the entries in the table `ids`."""
        self._create_wanted(ids)
        self.database.execute(
            "CREATE OR REPLACE TABLE records AS SELECT id, NULL::VARCHAR AS record FROM wanted LIMIT 0"
        )
        # Without this check DuckDB would read the column, most of the snapshot's bytes, for no rows.
        if files.entries and self._one("SELECT count(*) FROM wanted"):
            with naming_damage("entries"):
                self.database.execute(
                    """INSERT INTO records SELECT e.id, e.record FROM read_parquet(?) AS e
                       JOIN wanted USING (id, shard, "window", requested_at, position)""",
                    [list(files.entries)],
                )

    def records_of_present(self, files: LandedFiles, *, rows: int) -> Iterator[list[tuple[EntryId, str]]]:
        """Yields (id, record) of all entries of `present`, in batches.

        Args:
            files: the landed files.
            rows: how many entries a batch has at most.
        """
        self._create_wanted("present")
        if not files.entries:
            return
        with naming_damage("entries"):
            cursor = self.database.cursor().execute(
                """SELECT e.id, e.record FROM read_parquet(?) AS e
                   JOIN wanted USING (id, shard, "window", requested_at, position)""",
                [list(files.entries)],
            )
            while batch := cursor.fetchmany(rows):
                yield batch

    def _create_wanted(self, ids: str) -> None:
        """Creates `wanted`: where the present versions of the entries in the table `ids` stand."""
        self.database.execute(
            f"""CREATE OR REPLACE TABLE wanted AS
                SELECT p.id, w.shard, w."window", w.requested_at, p.position
                FROM present AS p JOIN windows AS w ON w.number = p.number
                WHERE p.id IN (SELECT id FROM {ids})"""
        )

    def profiled(self) -> int:
        """Returns how many entries the shards read, with repetitions; without shards, the audit."""
        return self._one(
            f"""SELECT CAST(coalesce(nullif(sum(entries) FILTER (shard <> {AUDIT_SHARD}), 0),
                                     sum(entries), 0) AS BIGINT) FROM windows"""
        )

    def field_types(self, files: LandedFiles) -> dict[str, dict[str, int]]:
        """Returns, by field and JSON type, how many entries had it, over all windows."""
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


def _pointers(path: Sequence[str]) -> dict[str, str]:
    """Returns DuckDB's paths to a field by parameter name, one for each way to read dots in keys."""
    return {
        f"pointer_{number}": "$" + "".join(f'."{key}"' for key in keys)
        for number, keys in enumerate(readings(path))
    }


def _at(path: Sequence[str], function: str) -> str:
    """Returns SQL that applies a JSON function of DuckDB to the value at a path of `record`."""
    return f"coalesce({', '.join(f'{function}(record, ${name})' for name in _pointers(path))})"
