"""The columns of our tables and views, each once: its name, its type, and what it is for.

Select lists, dlt's hints, Arrow schemas and the audit's scratch tables are derived from these definitions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from directory_sync.config.kinds import KINDS, Proof

if TYPE_CHECKING:
    from dlt.common.schema.typing import TColumnSchema

ColumnType = Literal["id", "text", "timestamp", "bigint", "bool"]
"""dlt's name of the type. `id` is text or bigint, as the API's ids are."""

_SCRATCH_TYPES = {"text": "VARCHAR", "timestamp": "TIMESTAMPTZ", "bigint": "BIGINT", "bool": "BOOLEAN"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table that this package writes.

    Attributes:
        name: the column's name in the table.
        type: the type of its values.
        purpose: what it holds, in words for people.
        is_nullable: whether it may hold null.
        source: the name of its source, if that differs from `name`: a column of the change rows (for the
            table and the history), or a field of the report (for `directory_syncs`).
        is_later: whether tables made by the first release may lack the column.
    """

    name: str
    type: ColumnType
    purpose: str
    is_nullable: bool = True
    source: str = ""
    is_later: bool = False

    @property
    def taken_from(self) -> str:
        """The name of the source of the column's values."""
        return self.source or self.name

    def arrow_type(self) -> Any:
        """Returns the column's Arrow type; None for an id, whose type the API's values decide."""
        import pyarrow as pa

        types = {
            "text": pa.string(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "bigint": pa.int64(),
            "bool": pa.bool_(),
        }
        return types.get(self.type)


def _of(name: str, columns: Iterable[Column]) -> Column:
    return next(column for column in columns if column.name == name)


CHANGES = (
    Column(name="sync_id", type="text", is_nullable=False, purpose="the publication that wrote the row"),
    Column(name="id", type="id", is_nullable=False, purpose="the entry's key"),
    Column(name="kind", type="text", purpose=f"what became of the entry: {', '.join(KINDS)}"),
    Column(name="changed_fields", type="text", purpose="the paths of the fields that differ, as a JSON list"),
    Column(name="record", type="text", purpose="the entry as the API gave it, as JSON"),
    Column(name="row_hash", type="text", purpose="the hash of the record less its ignored fields"),
    Column(name="snapshot_at", type="timestamp", purpose="the first request of the snapshot"),
    Column(name="first_seen_at", type="timestamp", purpose="the first snapshot that had the entry"),
    Column(name="changed_at", type="timestamp", purpose="the snapshot in which its record last changed"),
    Column(
        name="missing_since", type="timestamp", purpose="the first snapshot that lacked it; null: present"
    ),
    Column(name="removed_at", type="timestamp", purpose="the snapshot that removed it; null: not removed"),
)
"""`<resource>_changes`: one row for each entry that a publication changed, with the entry's new state."""

PUBLICATIONS = (
    Column(name="sync_id", type="text", is_nullable=False, purpose="the publication"),
    Column(name="resource", type="text", is_nullable=False, purpose="the resource that is published"),
    Column(name="content", type="text", purpose="its row of `directory_syncs`, as JSON"),
)
"""`_directory_publications`: publications begun, only where a warehouse writes table by table."""

SYNC_HEADER = Column(name="sync", type="text", purpose="the row of `directory_syncs`, as JSON")
"""A column that the change log of earlier releases has: an interrupted publication is finished from it."""

LOGGED = tuple(_of(name, CHANGES) for name in ("id", "record", "row_hash", "first_seen_at", "changed_at"))
"""The columns of an entry's last change row that its next one is made from."""

TABLE = (
    replace(_of("row_hash", CHANGES), name="_row_hash", source="row_hash", is_nullable=False),
    *(
        replace(_of(name, CHANGES), name=f"_{name}", source=name)
        for name in ("first_seen_at", "changed_at", "missing_since", "removed_at")
    ),
)
"""`<resource>`: the columns beside the entry's own fields. Each is taken from a column of the change rows."""

KEY = Column(
    name="_key",
    type="text",
    source="id",
    is_nullable=False,
    purpose="the entry's key as in the change log; only where the key has several fields",
)
"""One more column of `<resource>` where the key has several fields: a JSON array of their values."""

STATES = (
    _of("id", CHANGES),
    *(_of(name, TABLE) for name in ("_row_hash", "_missing_since", "_removed_at")),
)
"""The columns of the table that a snapshot is compared with."""

CURRENT = tuple(one for one in (KEY, *TABLE) if one.name not in ("_row_hash", "_removed_at"))
"""`<resource>_current`: the columns of ours beside the entry's fields."""

IS_CURRENT = Column(name="is_current", type="bool", purpose="whether it still holds")

HISTORY = (
    _of("id", CHANGES),
    _of("kind", CHANGES),
    Column(name="valid_from", type="timestamp", source="snapshot_at", purpose="the snapshot that began it"),
    Column(name="valid_to", type="timestamp", purpose="the snapshot that ended it; null: it still holds"),
    *(_of(name, CHANGES) for name in ("record", "changed_fields", "sync_id")),
    IS_CURRENT,
)
"""`<resource>_history`: one row for each version of an entry (SCD type 2)."""

FIELD_CHANGES = (
    _of("id", CHANGES),
    Column(name="field", type="text", purpose="the path of the field, such as `attributes.email`"),
    Column(name="old", type="text", purpose="its value before, as text; null: it had none"),
    Column(name="new", type="text", purpose="its value after, as text; null: it has none"),
    *(_of(name, CHANGES) for name in ("kind", "snapshot_at", "sync_id")),
)
"""`<resource>_field_changes`: one row for each field of an entry that a publication changed."""

_ITEM = (
    Column(name="entry_id", type="id", purpose="the key of the entry that has the list"),
    Column(name="item_index", type="bigint", purpose="the place of the item in the list, from 0"),
)
LIST_CURRENT = _ITEM
"""`<resource>_current__<list>`: one row for each item of a list of an entry that is there now."""

LIST_HISTORY = (
    *_ITEM,
    *(_of(name, HISTORY) for name in ("valid_from", "valid_to", "sync_id", "is_current")),
)
"""`<resource>_history__<list>`: one row for each item of a list in each version of an entry."""

REJECTED = (
    _of("sync_id", CHANGES),
    Column(name="id", type="text", is_nullable=False, purpose="the entry's key, as text"),
    Column(name="field", type="text", purpose="the field that cannot be stored"),
    Column(name="reason", type="text", purpose="why it cannot be stored"),
    _of("record", CHANGES),
    _of("snapshot_at", CHANGES),
)
"""`<resource>_rejected`: entries that the warehouse cannot hold."""

PUBLICATION_ORDER = Column(
    name="publication_order", type="bigint", is_later=True, purpose="the number of the publication"
)

FORMAT_VERSION = Column(
    name="format_version", type="bigint", is_later=True, purpose="the format of the tables; null: the first"
)

SYNCS = (
    Column(name="sync_id", type="text", is_nullable=False, purpose="names the publication"),
    Column(name="base_sync_id", type="text", purpose="the publication before it; null: the first"),
    PUBLICATION_ORDER,
    Column(
        name="directory", type="text", is_later=True, purpose="the directory that the resource belongs to"
    ),
    Column(name="resource", type="text", purpose="the resource that was published"),
    Column(
        name="parent_sync_id",
        type="text",
        is_later=True,
        purpose="of a child resource: the sync of its parent whose entries it was read for; else null",
    ),
    Column(name="run_id", type="text", purpose="the Dag run"),
    Column(name="mode", type="text", purpose="the mode of the run"),
    Column(
        name="snapshot_at", type="timestamp", is_nullable=False, purpose="the first request of the snapshot"
    ),
    Column(name="last_requested_at", type="timestamp", is_nullable=False, purpose="the last request of it"),
    Column(name="settings_fingerprint", type="text", purpose="the settings that the hashes depend on"),
    Column(name="id_type", type="text", purpose="the type of the key's fields, each BIGINT or VARCHAR"),
    Column(name="entries", type="bigint", purpose="entries of the snapshot"),
    Column(
        name="current_entries",
        type="bigint",
        source="current",
        is_later=True,
        purpose="rows of `<resource>_current` after this publication",
    ),
    Column(name="unchanged", type="bigint", purpose="entries that are as they were"),
    *(Column(name=kind.value, type="bigint", purpose=f"change rows of the kind {kind}") for kind in KINDS),
    Column(name="held", type="bigint", purpose="entries that wait for a person's decision"),
    Column(name="newly_held", type="bigint", purpose="those of them that went missing in this snapshot"),
    Column(name="held_digest", type="text", purpose="SHA-256 over the held absences"),
    Column(name="asks", type="bool", purpose="a person is asked about them after this publication"),
    Column(
        name="decided_by",
        type="text",
        is_later=True,
        purpose="of an approved removal: who approved; else null",
    ),
    Column(name="decided_at", type="timestamp", is_later=True, purpose="when; null: no decision"),
    Column(
        name="decision_reason", type="text", is_later=True, purpose="the reason that was given; else null"
    ),
    Column(name="rejected", type="bigint", purpose="entries that the warehouse cannot hold"),
    Column(name="sort_order", type="text", source="order", purpose="observed, declared or assumed"),
    Column(name="proof", type="text", purpose=f"of completeness: {', '.join(Proof)}"),
    Column(name="windows", type="bigint", purpose="answers of which the snapshot is made"),
    Column(name="joints", type="bigint", purpose="overlaps of windows that were verified"),
    Column(name="bridged", type="bigint", purpose="gaps between windows that the audit read again"),
    Column(name="requests", type="bigint", purpose="requests to the API"),
    Column(name="retries", type="bigint", purpose="requests that were repeated"),
    Column(name="refused", type="bigint", purpose="answers 429, or 403 with a request to wait"),
    Column(name="report", type="text", purpose="the audit's report, as JSON"),
    FORMAT_VERSION,
)
"""`directory_syncs`: one row for each publication, written last."""


def of_table(*, is_composite: bool) -> tuple[Column, ...]:
    """Returns the columns that we add to the table of a resource.

    Args:
        is_composite: whether the key of the resource has several fields.
    """
    return (KEY, *TABLE) if is_composite else TABLE


def names(columns: Iterable[Column]) -> tuple[str, ...]:
    """Returns the columns' names."""
    return tuple(column.name for column in columns)


def hints(columns: Iterable[Column]) -> "dict[str, TColumnSchema]":
    """Returns dlt's hints for columns; an id has none, because the API decides its type."""
    return {
        column.name: {"data_type": column.type, "nullable": column.is_nullable}
        for column in columns
        if column.type != "id"
    }


def ddl(columns: Iterable[Column], *, id_type: str) -> str:
    """Returns the column list of a CREATE TABLE in the scratch database, with the names of the sources.

    Args:
        columns: the columns, in their order.
        id_type: DuckDB's type of the ids: BIGINT or VARCHAR.
    """
    types = _SCRATCH_TYPES | {"id": id_type}
    return ", ".join(f"{column.taken_from} {types[column.type]}" for column in columns)
