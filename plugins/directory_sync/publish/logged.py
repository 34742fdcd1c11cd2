"""Change rows of entries as they were logged last: of those that leave, or come back, with nothing new."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from directory_sync.api.answer import EntryId
from directory_sync.config.form import Resource
from directory_sync.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


def logged_rows(
    resource: Resource,
    warehouse: Warehouse,
    missing_since: Mapping[EntryId, datetime | None],
    *,
    kind: Literal["removed", "returned"],
    sync_id: str,
    at: datetime,
) -> "Iterator[pa.Table]":
    """Yields a change row for each entry, with its last logged record and hash.

    Args:
        resource: whose entries.
        warehouse: open.
        missing_since: of each entry, since when it is missing; None: it is there.
        kind: of all the changes.
        sync_id: the publication.
        at: the time of its snapshot, at which removed entries are removed.
    """
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    for logged in warehouse.last_changes(resource, list(missing_since)):
        ids, rows = logged.column("id"), logged.num_rows
        since = [missing_since[entry_id] for entry_id in ids.to_pylist() if entry_id is not None]
        yield pa.table(
            {
                "sync_id": pa.array([sync_id] * rows, pa.string()),
                "id": ids,
                "kind": pa.array([kind] * rows, pa.string()),
                "changed_fields": pa.array([None] * rows, pa.string()),
                "record": logged.column("record").cast(pa.string()),
                "row_hash": logged.column("row_hash").cast(pa.string()),
                "snapshot_at": pa.array([at] * rows, moment),
                "first_seen_at": logged.column("first_seen_at").cast(moment),
                "changed_at": logged.column("changed_at").cast(moment),
                "missing_since": pa.array(since, moment),
                "removed_at": pa.array([at if kind == "removed" else None] * rows, moment),
            }
        )
