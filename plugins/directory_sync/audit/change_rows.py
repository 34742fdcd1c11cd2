"""Makes the change rows of a decided difference: what changed in each entry, and its new state.

A change row holds everything that the table's row needs, so a publication can be rolled forward from its
change rows alone.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from directory_sync.api.answer import EntryId, parse_record
from directory_sync.audit.landed import cursor_of
from directory_sync.audit.record_diff import APPEARED, VANISHED, differing
from directory_sync.audit.scratch import Snapshot
from directory_sync.config import columns
from directory_sync.config.fields import without_field
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind
from directory_sync.errors import ConfigError
from directory_sync.landing.files import LandedFiles
from directory_sync.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BATCH = 5_000
ROWS_PER_PIECE, BYTES_PER_PIECE, BYTES_BESIDE_A_RECORD = 50_000, 32 << 20, 200
MAX_SHARE_ASKED_FOR = 0.1


class ChangeRows:
    """Makes the change rows from the table `difference` of the scratch database.

    Args:
        snapshot: the sealed snapshot.
        files: the landed files of the snapshot.
        warehouse: the warehouse, whose change log has the last record of each entry.
        resource: the resource.
        id_type: DuckDB's type of the ids.
        fetches_all: fetch the last records of all entries, because unchanged entries are written again.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        files: LandedFiles,
        warehouse: Warehouse,
        *,
        resource: Resource,
        id_type: str,
        fetches_all: bool,
    ) -> None:
        """Makes nothing yet."""
        self._snapshot, self._files = snapshot, files
        self._warehouse, self._resource = warehouse, resource
        self._database, self._id_type, self._fetches_all = snapshot.database, id_type, fetches_all

    def describe(self, *, appeared: set[str], vanished: set[str], named: set[str]) -> Counter[str]:
        """Finds the changed fields against the last logged records; marks reshaped entries.

        Args:
            appeared: fields that no entry had before and all entries have now.
            vanished: fields that all entries had before and no entry has now.
            named: fields whose names may be shown; all others are counted as `*`.

        Returns:
            How many entries changed in each field.
        """
        self._load_logged()
        self._snapshot.create_records(self._files, ids="difference")
        self._database.execute(
            f"CREATE OR REPLACE TABLE described (id {self._id_type}, fields VARCHAR, reshaped BOOLEAN)"
        )
        changed: Counter[str] = Counter()
        shape = {(path, APPEARED) for path in appeared} | {(path, VANISHED) for path in vanished}
        for rows in self._pairs_of_records():
            described = []
            for entry_id, old, new in rows:
                # A path with a star stands for several keys, and these may differ in several ways.
                found = set(self._changed_fields(old, new))
                paths = {path for path, _ in found}
                changed.update({path if path in named else "*" for path in paths})
                described.append((entry_id, sorted(paths), bool(found) and shape.issuperset(found)))
            self._insert_described(described)
        self._database.execute(
            f"""UPDATE difference SET kind = '{Kind.RESHAPED}' FROM described AS d
               WHERE d.id = difference.id AND d.reshaped AND difference.kind = '{Kind.CHANGED}'"""
        )
        return changed

    def rows(self, *, sync_id: str, snapshot_at: datetime) -> "Iterator[pa.Table]":
        """Yields the change rows in batches, ordered by id.

        The record of a present entry comes from the snapshot, the record of an absent one from the log.
        A changed hash sets `changed_at`; a reshaped entry keeps its `changed_at`.

        Args:
            sync_id: the publication that the rows belong to.
            snapshot_at: the first request of the snapshot.
        """
        import pyarrow as pa

        for piece, bounds in self._pieces():
            # A further statement ends an open result of its connection; DuckDB 1.1 closes a nameless cursor.
            cursor = cursor_of(self._database)
            found = cursor.execute(
                f"""SELECT $sync_id AS sync_id, d.id, d.kind, e.fields AS changed_fields,
                     coalesce(r.record, l.record) AS record, d.row_hash, $at AS snapshot_at,
                     coalesce(l.first_seen_at, $at) AS first_seen_at,
                     CASE WHEN d.kind IN ('{Kind.ADDED}', '{Kind.CHANGED}') THEN $at
                          WHEN d.kind = '{Kind.RETURNED}' AND d.old_hash <> d.row_hash THEN $at
                          ELSE l.changed_at END AS changed_at,
                     CASE WHEN d.kind IN ('{Kind.MISSING}', '{Kind.REMOVED}')
                          THEN coalesce(d.missing_since, $at) END AS missing_since,
                     CASE WHEN d.kind = '{Kind.REMOVED}' THEN $at END AS removed_at
                   FROM (FROM difference WHERE {piece}) AS d
                   LEFT JOIN (FROM records WHERE {piece}) AS r ON r.id = d.id
                   LEFT JOIN (FROM logged WHERE {piece}) AS l ON l.id = d.id
                   LEFT JOIN (FROM described WHERE {piece}) AS e ON e.id = d.id
                   ORDER BY d.id""",
                {"sync_id": sync_id, "at": snapshot_at, **bounds},
            )
            # DuckDB 1.5 renamed it.
            read = found.to_arrow_reader if hasattr(found, "to_arrow_reader") else found.fetch_record_batch
            for batch in read(ROWS_PER_BATCH):
                yield pa.Table.from_batches([batch])

    def _changed_fields(self, old: str, new: str) -> Iterator[tuple[str, str]]:
        before: Mapping[str, Any] = parse_record(old)
        after: Mapping[str, Any] = parse_record(new)
        for path in self._resource.ignored_fields:
            before, after = without_field(before, path), without_field(after, path)
        return differing(before, after)

    def _insert_described(self, described: Sequence[tuple[Any, Sequence[str], bool]]) -> None:
        import pyarrow as pa

        table = pa.table(
            {
                "id": [entry_id for entry_id, _, _ in described],
                "fields": [json.dumps(names) if names else None for _, names, _ in described],
                "reshaped": [is_reshaped for _, _, is_reshaped in described],
            }
        )
        self._snapshot.insert_arrow("described", table)

    def _load_logged(self) -> None:
        """Loads the last change row of each entry that was known before."""
        self._database.execute(
            f"CREATE OR REPLACE TABLE logged ({columns.ddl(columns.LOGGED, id_type=self._id_type)})"
        )
        for batch in self._warehouse.last_changes(self._resource, self._known_ids()):
            self._snapshot.insert_arrow("logged", batch)
        lost = self._database.execute(
            f"""SELECT count(*) FROM difference WHERE kind <> '{Kind.ADDED}'
               AND id NOT IN (SELECT id FROM logged)"""
        ).fetchone()
        if lost and lost[0]:
            raise ConfigError(
                f"The change log `{self._resource.changes_table}` lacks {lost[0]:,} entries which the "
                f"table `{self._resource.name}` has. Nothing was published. Restore both from one "
                "backup, or drop both and sync again."
            )

    def _known_ids(self) -> list[EntryId] | None:
        """Returns the ids of changed entries that were known before; None where all rows must be fetched.

        Ids are queried in parts, and each part reads the whole log. For many ids, fetching all rows is
        faster.
        """
        row = self._database.execute(
            f"""SELECT count(*) > $share * (SELECT count(*) FROM states)
               FROM difference WHERE kind <> '{Kind.ADDED}'""",
            {"share": MAX_SHARE_ASKED_FOR},
        ).fetchone()
        if self._fetches_all or (row and row[0]):
            return None
        rows = self._database.execute(f"SELECT id FROM difference WHERE kind <> '{Kind.ADDED}' ORDER BY id")
        return [row[0] for row in rows.fetchall()]

    def _pairs_of_records(self) -> Iterator[list[tuple[Any, str, str]]]:
        cursor = self._database.cursor()
        was_there = f"kind IN ('{Kind.CHANGED}', '{Kind.RETURNED}')"
        for piece, bounds in self._pieces(was_there):
            cursor.execute(
                f"""SELECT d.id, l.record, r.record
                   FROM (FROM difference WHERE {piece} AND {was_there}) AS d
                   JOIN (FROM logged WHERE {piece}) AS l ON l.id = d.id
                   JOIN (FROM records WHERE {piece}) AS r ON r.id = d.id ORDER BY d.id""",
                bounds,
            )
            while rows := cursor.fetchmany(ROWS_PER_BATCH):
                yield rows

    def _pieces(self, condition: str = "true") -> Iterator[tuple[str, dict[str, EntryId]]]:
        """Yields conditions on ids that cut the difference into pieces, in order, with their values.

        Sorting all records at once would take memory in proportion to their number, although DuckDB spills.
        """
        found = self._database.execute(
            "SELECT coalesce(avg(strlen(record)), 0) FROM (SELECT record FROM records LIMIT 10_000)"
        ).fetchone()
        bytes_a_row = BYTES_BESIDE_A_RECORD + (found[0] if found else 0)
        rows = self._database.execute(
            f"""SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM difference
                               WHERE {condition})
               WHERE (place - 1) % $rows = 0 ORDER BY id""",
            {"rows": min(ROWS_PER_PIECE, 1 + int(BYTES_PER_PIECE / bytes_a_row))},
        ).fetchall()
        firsts = [row[0] for row in rows]
        for first, behind in zip_longest(firsts, firsts[1:]):
            if behind is None:
                yield "id >= $first", {"first": first}
            else:
                yield "id >= $first AND id < $behind", {"first": first, "behind": behind}
