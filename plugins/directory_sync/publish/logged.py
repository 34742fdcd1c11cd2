"""Makes change rows from the last logged state of entries that are removed or return unchanged."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from directory_sync.api.answer import EntryId
from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind
from directory_sync.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


def logged_rows(
    resource: Resource,
    warehouse: Warehouse,
    missing_since: Mapping[EntryId, datetime | None],
    *,
    kind: Literal[Kind.REMOVED, Kind.RETURNED],
    sync_id: str,
    at: datetime,
) -> "Iterator[pa.Table]":
    """Yields a change row for each entry, with its last logged record and hash.

    Args:
        resource: the resource of the entries.
        warehouse: open, and held by this process.
        missing_since: by id, since when the entry is missing; None: it is present.
        kind: the kind of all these changes.
        sync_id: the publication that the rows belong to.
        at: the time of its snapshot, which is also the time of the removal.
    """
    import pyarrow as pa

    types: dict[str, Any] = {column.name: column.arrow_type() for column in columns.CHANGES}
    for logged in warehouse.last_changes(resource, list(missing_since)):
        ids, rows = logged.column("id"), logged.num_rows
        new: dict[str, list[Any]] = {
            "sync_id": [sync_id] * rows,
            "kind": [kind.value] * rows,
            "changed_fields": [None] * rows,
            "snapshot_at": [at] * rows,
            "missing_since": [missing_since[one] for one in ids.to_pylist() if one is not None],
            "removed_at": [at if kind is Kind.REMOVED else None] * rows,
        }
        arrays: dict[str, Any] = {
            name: pa.array(new[name], type_) if name in new else logged.column(name).cast(type_ or ids.type)
            for name, type_ in types.items()
        }
        yield pa.table(arrays)
