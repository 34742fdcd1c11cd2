"""Computes what publishing a snapshot would change: which entries, and how.

The snapshot and the table are joined over (id, hash). An entry that a `filter` of the form does not let
through counts as absent, and as proven gone. Kinds:

    added      not in the table
    changed    another hash
    reshaped   differs only in fields that appeared or vanished throughout the snapshot
    missing    absent, but not yet proven gone, or held for a decision
    removed    proven absent
    returned   was missing or removed, and is present
    rewritten  unchanged; written to the table again, but not to the change log
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from directory_sync.api.answer import EntryId, hash_record, parse_record
from directory_sync.audit.change_rows import ChangeRows
from directory_sync.audit.decisions import Order, decisions
from directory_sync.audit.held import HeldSet
from directory_sync.audit.parents import Fate
from directory_sync.audit.scratch import Snapshot
from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind
from directory_sync.config.mode import Mode
from directory_sync.config.parent import Parent
from directory_sync.config.steps import lets_through
from directory_sync.landing.files import LandedFiles
from directory_sync.warehouse.warehouse import Warehouse

ROWS_PER_BATCH = 5_000


@dataclass(frozen=True, kw_only=True)
class Population:
    """The entries of a snapshot against those of the table, before any decision.

    Attributes:
        known: entries that the table holds as present.
        entries: entries of the snapshot.
        changed: entries with another hash.
        newly_missing: entries present in the table, and absent from a snapshot for the first time.
        held: entries absent for longer, waiting for a decision.
        unchanged: entries with the same hash.
    """

    known: int
    entries: int
    changed: int
    newly_missing: int
    held: int
    unchanged: int

    @property
    def is_suspiciously_empty(self) -> bool:
        """Tells whether the snapshot is empty although the table has entries."""
        return self.entries == 0 and self.known > 0


class Difference:
    """Compares a snapshot with the table, in the scratch database.

    Args:
        snapshot: the sealed snapshot.
        files: the landed files of the snapshot.
        warehouse: the warehouse with the table.
        resource: the resource.
        rehash: the settings of the hashes changed, so the table's hashes are computed again from the log.
        at: the time of the snapshot; entries published from later snapshots are left alone.
        mode: the mode of the run. `rewrite`, and a rehash, write unchanged entries to the table again. In
            `interval`, an absence means nothing.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        files: LandedFiles,
        warehouse: Warehouse,
        *,
        resource: Resource,
        rehash: bool,
        at: datetime,
        mode: Mode = Mode.SYNC,
    ) -> None:
        """Reads ids and hashes, and joins them."""
        self._snapshot, self._files = snapshot, files
        self._warehouse, self._resource = warehouse, resource
        self._database = snapshot.database
        self._id_type = snapshot.id_type or self._table_id_type()
        self._rehash, self._rewrites = rehash, rehash or mode.rewrites
        self._load_states()
        snapshot.take_ids_as(self._id_type)
        snapshot.create_present()
        self._leave_out()
        self._classify()
        self._leave_alone(at, is_partial=mode.is_partial)

    def _table_id_type(self) -> str:
        batch = next(self._warehouse.states(self._resource), None)
        is_text = batch is not None and "string" in str(batch.schema.field("id").type)
        return "VARCHAR" if is_text else "BIGINT"

    def _load_states(self) -> None:
        self._database.execute(
            f"CREATE OR REPLACE TABLE states ({columns.ddl(columns.STATES, id_type=self._id_type)})"
        )
        for batch in self._warehouse.states(self._resource):
            self._snapshot.insert_arrow("states", batch)
        self._database.execute("CREATE OR REPLACE TABLE held_moments (moment TIMESTAMPTZ)")
        for moment in self._warehouse.held_moments(self._resource):
            self._database.execute("INSERT INTO held_moments VALUES (?)", [moment])
        if self._rehash:
            self._rehash_states()

    def _rehash_states(self) -> None:
        import pyarrow as pa

        self._database.execute(f"CREATE OR REPLACE TABLE rehashed (id {self._id_type}, row_hash VARCHAR)")
        for batch in self._warehouse.last_changes(self._resource):
            hashes = [
                hash_record(parse_record(str(text)), self._resource.ignored_fields)
                for text in batch.column("record").to_pylist()
            ]
            rows = pa.table({"id": batch.column("id"), "row_hash": hashes})
            self._snapshot.insert_arrow("rehashed", rows)
        self._database.execute(
            "UPDATE states SET row_hash = r.row_hash FROM rehashed AS r WHERE r.id = states.id"
        )

    def _leave_out(self) -> None:
        """Takes the entries that a `filter` of the form does not let through out of `present`."""
        self._database.execute(f"CREATE OR REPLACE TABLE left_out (id {self._id_type})")
        steps, form_file = self._resource.steps, self._resource.form_file
        if not any(step.kind == "filter" for step in steps):
            return
        for rows in self._snapshot.records_of_present(self._files, rows=ROWS_PER_BATCH):
            ids = [
                entry_id
                for entry_id, record in rows
                if not lets_through(parse_record(record), steps, form_file=form_file)
            ]
            self._database.execute("INSERT INTO left_out SELECT unnest(?)", [ids])
        self._database.execute("DELETE FROM present WHERE id IN (SELECT id FROM left_out)")

    def _classify(self) -> None:
        self._database.execute(
            """CREATE OR REPLACE TABLE compared AS
               SELECT coalesce(p.id, s.id) AS id,
                 CASE WHEN s.id IS NULL THEN 'added'
                      WHEN p.id IS NOT NULL AND coalesce(s.missing_since, s.removed_at) IS NOT NULL
                        THEN 'returned'
                      WHEN p.id IS NOT NULL AND p.row_hash <> s.row_hash THEN 'changed'
                      WHEN p.id IS NOT NULL THEN 'unchanged'
                      WHEN s.removed_at IS NOT NULL THEN 'gone'
                      WHEN s.missing_since IS NULL THEN 'newly_missing'
                      WHEN s.missing_since IN (SELECT moment FROM held_moments) THEN 'held'
                      ELSE 'still_missing' END AS finding,
                 coalesce(p.row_hash, s.row_hash) AS row_hash, s.row_hash AS old_hash,
                 s.missing_since
               FROM present AS p FULL OUTER JOIN states AS s ON p.id = s.id"""
        )

    def _leave_alone(self, at: datetime, *, is_partial: bool) -> None:
        """Leaves out entries that later snapshots published, and in an interval run the absent ones."""
        self._database.execute(f"CREATE OR REPLACE TABLE newer (id {self._id_type})")
        for batch in self._warehouse.changed_after(self._resource, at):
            self._snapshot.insert_arrow("newer", batch)
        self._database.execute(
            """UPDATE compared SET finding = 'left' WHERE id IN (SELECT id FROM newer)
               OR ($partial AND finding IN ('newly_missing', 'still_missing'))""",
            {"partial": is_partial},
        )

    def left_out(self) -> tuple[int, int]:
        """Returns how many entries a `filter` does not let through, and how many of these go missing now."""
        row = self._database.execute(
            """SELECT count(*), count(*) FILTER (finding = 'newly_missing')
               FROM left_out LEFT JOIN compared USING (id)"""
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def follow_parents(
        self, parent: Parent, fates: "Callable[[Iterable[EntryId]], Mapping[EntryId, Fate]]"
    ) -> None:
        """Lets absent entries whose parent has left follow it: they go with it, or stay with it.

        Args:
            parent: the parent of the resource.
            fates: returns what becomes of entries of the parent; those that are present may be left out.
        """
        absent = "FROM compared WHERE finding IN ('newly_missing', 'still_missing', 'held')"
        of: dict[EntryId, EntryId] = {
            entry_id: parent.parent_of(entry_id)
            for (entry_id,) in self._database.execute(f"SELECT id {absent}").fetchall()
        }
        found = fates(of.values()) if of else {}
        self._database.execute(f"CREATE OR REPLACE TABLE followers (id {self._id_type}, fate VARCHAR)")
        followers = [(one, found[of[one]]) for one in of if found.get(of[one], Fate.PRESENT) != Fate.PRESENT]
        for start in range(0, len(followers), ROWS_PER_BATCH):
            ids, of_parents = zip(*followers[start : start + ROWS_PER_BATCH], strict=True)
            self._database.execute(
                "INSERT INTO followers SELECT unnest(?), unnest(?)", [list(ids), list(of_parents)]
            )
        self._database.execute(
            f"""UPDATE compared
               SET finding = CASE f.fate WHEN '{Fate.STAYS}' THEN 'carried' ELSE 'with_parent' END
               FROM followers AS f WHERE f.id = compared.id"""
        )

    @property
    def leaving_with_parents(self) -> int:
        """How many entries leave because this run removes their parent."""
        row = self._database.execute(
            f"SELECT count(*) FROM followers WHERE fate = '{Fate.REMOVED}'"
        ).fetchone()
        return int(row[0]) if row else 0

    def hold_followers(self) -> None:
        """Lets entries stay that would go with their parents, because a person decides.

        Those of parents that this run removes wait with these. Those of parents that left before are
        absences of their own.
        """
        self._database.execute(
            f"""UPDATE compared SET
                 finding = CASE WHEN f.fate = '{Fate.REMOVED}' THEN 'carried'
                                WHEN missing_since IN (SELECT moment FROM held_moments) THEN 'held'
                                ELSE 'newly_missing' END,
                 missing_since = CASE WHEN f.fate = '{Fate.REMOVED}'
                                        OR missing_since IN (SELECT moment FROM held_moments)
                                      THEN missing_since END
               FROM followers AS f WHERE f.id = compared.id AND finding = 'with_parent'"""
        )
        self.__dict__.pop("population", None)

    def miss_anew(self, ids: Iterable[EntryId]) -> None:
        """Counts missing entries as newly missing, so that a person is asked about them.

        Args:
            ids: the entries; those that are not missing stay as they are.
        """
        self._database.execute(
            """UPDATE compared SET finding = 'newly_missing', missing_since = NULL
               WHERE finding = 'still_missing' AND id IN (SELECT unnest(?))""",
            [list(ids)],
        )

    @cached_property
    def population(self) -> Population:
        """The numbers of entries by finding."""
        rows = self._database.execute("SELECT finding, count(*) FROM compared GROUP BY ALL").fetchall()
        counts: dict[str, int] = dict(rows)
        there = ("added", "returned", "changed", "unchanged")
        return Population(
            known=sum(
                counts.get(k, 0) for k in ("changed", "unchanged", "newly_missing", "with_parent", "carried")
            ),
            entries=sum(counts.get(k, 0) for k in there),
            changed=counts.get("changed", 0),
            newly_missing=counts.get("newly_missing", 0) + counts.get("with_parent", 0),
            held=counts.get("held", 0),
            unchanged=counts.get("unchanged", 0),
        )

    def absent(self, *, at_most: int) -> list[EntryId]:
        """Returns ids of entries that the API's list lacks, the newly missing ones first.

        The others come in another order with each snapshot, so that each is asked for in turn.

        Args:
            at_most: how many to return.
        """
        rows = self._database.execute(
            """SELECT id FROM compared WHERE finding IN ('newly_missing', 'still_missing')
                 AND id NOT IN (SELECT id FROM left_out)
               ORDER BY finding, md5(concat(id, (SELECT min(requested_at) FROM windows))) LIMIT ?""",
            [at_most],
        ).fetchall()
        return [row[0] for row in rows]

    def present_spread(self) -> list[EntryId]:
        """Returns up to five ids of the snapshot: the first, the last, and three between."""
        row = self._database.execute(
            "SELECT quantile_disc(id, [0.0, 1.0, 0.5, 0.25, 0.75]) FROM present"
        ).fetchone()
        return list(dict.fromkeys((row and row[0]) or ()))

    def present_like(self, pattern: str, *, at_most: int) -> list[EntryId]:
        """Returns ids of the snapshot that match a pattern, in order.

        Args:
            pattern: a regular expression for the values of the id, each between U+0002 and U+0003.
            at_most: how many to return.
        """
        if self._id_type != "VARCHAR":
            return []
        values = "array_to_string(json_extract_string(id, '$[*]'), chr(3) || chr(2))"
        text = values if self._resource.key.is_composite else "id"
        rows = self._database.execute(
            f"SELECT id FROM present WHERE regexp_matches(chr(2) || {text} || chr(3), ?) ORDER BY id LIMIT ?",
            [pattern, at_most],
        ).fetchall()
        return [row[0] for row in rows]

    def left_since(self, moment: datetime, *, asked: bool) -> int:
        """Returns how many entries went missing between a moment and this snapshot, and have not returned.

        Args:
            moment: the start of the period.
            asked: count the entries held for a person's decision; False: count the others.
        """
        row = self._database.execute(
            """SELECT count(*) FROM compared WHERE missing_since > $moment AND finding <> 'returned'
                 AND $asked = (missing_since IN (SELECT moment FROM held_moments))""",
            {"moment": moment, "asked": asked},
        ).fetchone()
        return int(row[0]) if row else 0

    def decide(
        self,
        *,
        order: Order,
        is_held: bool,
        at: datetime,
        details: Mapping[EntryId, bool] | None = None,
        needs_details: bool = False,
    ) -> None:
        """Turns findings into kinds of change, by the table in `decisions`.

        Args:
            order: whether the order of the list proves an absence, see `decisions`.
            is_held: newly missing entries wait for a decision, and no absence is a removal.
            at: the time of the snapshot, which is `missing_since` of its newly missing entries.
            details: by id, whether `detail_path` still finds an absent entry; reliable answers only.
            needs_details: there is a `detail_path`, so an entry without an answer stays missing.
        """
        self._database.execute(f"CREATE OR REPLACE TABLE details (id {self._id_type}, is_there BOOLEAN)")
        for entry_id, is_there in (details or {}).items():
            self._database.execute("INSERT INTO details VALUES (?, ?)", [entry_id, is_there])
        # The form itself says that these are gone.
        self._database.execute("INSERT INTO details SELECT id, false FROM left_out")
        self._database.execute(
            "CREATE OR REPLACE TABLE decisions (finding VARCHAR, detail VARCHAR, kind VARCHAR)"
        )
        table = decisions(order, is_held=is_held, rewrites=self._rewrites)
        findings, outcomes, kinds = zip(*table, strict=True)
        self._database.execute(
            "INSERT INTO decisions SELECT unnest(?), unnest(?), unnest(?)",
            [list(findings), list(outcomes), [kind.value for kind in kinds]],
        )
        self._database.execute(
            """CREATE OR REPLACE TABLE difference AS
               SELECT c.id, old_hash, row_hash, missing_since, k.kind
               FROM compared AS c LEFT JOIN details AS d ON d.id = c.id
               JOIN decisions AS k ON k.finding = c.finding
                 AND k.detail = CASE WHEN d.is_there THEN 'there' WHEN NOT d.is_there THEN 'gone'
                                     ELSE $otherwise END""",
            {"otherwise": "unasked" if needs_details else "no_path"},
        )
        self._database.execute(
            """CREATE OR REPLACE TABLE held AS
               SELECT id, coalesce(missing_since, $at) AS missing_since FROM compared
               WHERE finding = 'held' OR (finding = 'newly_missing' AND $held)""",
            {"held": is_held, "at": at},
        )

    def held(self) -> HeldSet:
        """Returns the entries that wait for a decision once this snapshot is published."""
        cursor = self._database.execute("SELECT id, missing_since FROM held ORDER BY id")
        return HeldSet.of(row for rows in iter(lambda: cursor.fetchmany(ROWS_PER_BATCH), []) for row in rows)

    def held_since(self, moment: datetime) -> int:
        """Returns how many of the held entries went missing after a moment."""
        row = self._database.execute("SELECT count(*) FROM held WHERE missing_since > ?", [moment]).fetchone()
        return int(row[0]) if row else 0

    def counts(self) -> dict[str, int]:
        """Returns how many entries there are of each kind of change, `rewritten` included."""
        rows = self._database.execute(
            "SELECT kind, count(*) FROM difference GROUP BY kind ORDER BY kind"
        ).fetchall()
        return dict(rows)

    @property
    def current(self) -> int:
        """How many entries are not marked as removed once this snapshot is published."""
        row = self._database.execute(
            f"""SELECT (SELECT count(*) FROM states WHERE removed_at IS NULL)
                 + count(*) FILTER (d.kind = '{Kind.ADDED}')
                 + count(*) FILTER (d.kind = '{Kind.RETURNED}' AND s.removed_at IS NOT NULL)
                 - count(*) FILTER (d.kind = '{Kind.REMOVED}' AND s.removed_at IS NULL)
               FROM difference AS d LEFT JOIN states AS s ON s.id = d.id"""
        ).fetchone()
        assert row is not None
        return int(row[0])

    def change_rows(self) -> ChangeRows:
        """Returns the maker of the change rows; call it after `decide`."""
        return ChangeRows(
            self._snapshot,
            self._files,
            self._warehouse,
            resource=self._resource,
            id_type=self._id_type,
            fetches_all=self._rewrites,
        )
