"""The tables that a shard lands: their columns, and their rows, collected page by page."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from directory_sync.config.keys import ID, Key
from directory_sync.errors import EnvelopeError

if TYPE_CHECKING:
    import pyarrow as pa

    from directory_sync.api.page import Page

DATASET = "landed"
"""The folder that dlt loads into."""
LAYOUT = "{table_name}/{load_id}.{file_id}.{ext}"
"""The layout of dlt's filesystem destination."""
ENTRIES, WINDOWS, FIELDS, LISTS = "entries", "windows", "fields", "lists"
AUDIT_SHARD = -1
"""The shard number of pages that the audit read itself."""
MAX_FIELDS = 20_000
"""How many pairs of field and JSON type are counted at most."""


def landing_schema(table: str, *, id_type: type | None = None, has_parents: bool = False) -> "pa.Schema":
    """Returns the Arrow schema of a landed table, as its files have it.

    Args:
        table: ENTRIES: one row per entry and window; WINDOWS: one row per answer; FIELDS: one row per field
            and JSON type; LISTS: of a child resource, one row per parent.
        id_type: the type of the entries' ids, int or str; None: str.
        has_parents: the table is of a child resource. An answer belongs to the list of a parent then, and
            has a number in that list.
    """
    import pyarrow as pa

    shard, requested_at = ("shard", pa.int32()), ("requested_at", pa.timestamp("us", tz="UTC"))
    columns: dict[str, list[tuple[str, pa.DataType]]] = {
        ENTRIES: [
            ("id", pa.int64() if id_type is int else pa.string()),
            shard,
            ("window", pa.int64()),
            ("position", pa.int32()),
            ("row_hash", pa.string()),
            ("record", pa.string()),
            requested_at,
        ],
        WINDOWS: [
            shard,
            ("window", pa.int64()),
            ("asked", pa.int32()),
            ("entries", pa.int32()),
            ("total", pa.int64()),
            requested_at,
            ("retries", pa.int32()),
            ("refused", pa.int32()),
        ],
        FIELDS: [shard, ("field", pa.string()), ("json_type", pa.string()), ("entries", pa.int64())],
        LISTS: [shard, ("parent", pa.int64()), ("parent_sync_id", pa.string()), ("outcome", pa.string())],
    }
    if has_parents:
        of_list = [("parent", pa.int64()), ("answer", pa.int32())]
        columns[ENTRIES] += of_list
        columns[WINDOWS] += [*of_list, ("status", pa.int32())]
    return pa.schema(columns[table])


class PageColumns:
    """Collects pages as columns of the landed tables.

    Args:
        shard: the number of the shard that read the pages, or AUDIT_SHARD.
        key: the fields that name an entry, for messages.
        has_parents: the pages are of a child resource.

    Attributes:
        rows: how many entries were collected since the last `take_entries`.
    """

    def __init__(self, shard: int, key: Key = ID, *, has_parents: bool = False) -> None:
        """Holds nothing yet."""
        self._shard, self._key, self._has_parents = shard, key, has_parents
        self._id_type: type | None = None
        self._fields: Counter[tuple[str, str]] = Counter()
        self._windows: list[dict[str, Any]] = []
        self._clear()

    def _clear(self) -> None:
        self._columns: dict[str, list[Any]] = {
            name: [] for name in landing_schema(ENTRIES, has_parents=self._has_parents).names
        }
        self.rows = 0

    def add(self, page: "Page", *, parent: int | None = None, answer: int | None = None) -> None:
        """Adds the entries of a page, and its row of WINDOWS.

        Args:
            page: the page.
            parent: the number of the parent to whose list it belongs; None: it is of no child resource.
            answer: its number within that list.

        Raises:
            EnvelopeError: the ids are integers and strings mixed.
        """
        self._check_id_types(page)
        columns, entries = self._columns, page.entries
        columns["id"] += [entry.id for entry in entries]
        columns["shard"] += [self._shard] * len(entries)
        columns["window"] += [page.offset] * len(entries)
        columns["position"] += range(len(entries))
        columns["row_hash"] += [entry.row_hash for entry in entries]
        columns["record"] += [entry.record for entry in entries]
        columns["requested_at"] += [page.requested_at] * len(entries)
        if self._has_parents:
            columns["parent"] += [parent] * len(entries)
            columns["answer"] += [answer] * len(entries)
        # Most entries share one tuple of fields, so these are counted once for all of them.
        shapes = {id(entry.fields): entry.fields for entry in entries}
        for shape, count in Counter(id(entry.fields) for entry in entries).items():
            for field in shapes[shape]:
                self._fields[field] += count
        if len(self._fields) > MAX_FIELDS:
            # The keys of some object are data. The rare ones are dropped: they are never reported.
            self._fields = Counter(dict(self._fields.most_common(MAX_FIELDS // 2)))
        self.rows += len(entries)
        self._windows.append(
            {
                "shard": self._shard,
                "window": page.offset,
                "asked": page.limit,
                "entries": len(entries),
                "total": page.total,
                "requested_at": page.requested_at,
                "retries": page.retries,
                "refused": page.refused,
                **({"parent": parent, "answer": answer, "status": page.status} if self._has_parents else {}),
            }
        )

    def _check_id_types(self, page: "Page") -> None:
        types = {type(entry.id) for entry in page.entries}
        self._id_type = self._id_type or next(iter(types), None)
        if types - {self._id_type}:
            raise mixed_ids(page, self._key)

    def take_entries(self) -> "pa.Table":
        """Returns the collected entries as a table of ENTRIES, and clears them."""
        import pyarrow as pa

        table = pa.table(self._columns, schema=self._schema(ENTRIES))
        self._clear()
        return table

    def windows(self) -> "pa.Table":
        """Returns the table WINDOWS: for each answer what was requested, what came, and the retries."""
        import pyarrow as pa

        return pa.Table.from_pylist(self._windows, schema=self._schema(WINDOWS))

    def _schema(self, table: str) -> "pa.Schema":
        return landing_schema(table, id_type=self._id_type, has_parents=self._has_parents)

    def fields(self) -> "pa.Table":
        """Returns the table FIELDS: for each field and JSON type, how many entries had it."""
        import pyarrow as pa

        rows = [
            {"shard": self._shard, "field": field, "json_type": kind, "entries": count}
            for (field, kind), count in self._fields.items()
        ]
        return pa.Table.from_pylist(rows, schema=landing_schema(FIELDS))


def mixed_ids(page: "Page", key: Key) -> EnvelopeError:
    """Returns the error for a page whose ids are of another type than those of the pages before it."""
    return EnvelopeError(
        f"The {key} of entries at offset {page.offset} has another type than before: integers and strings "
        "are mixed. Nothing was published. Ask the API's vendor."
    )
