"""The copy of the sync's row that the first change row of a publication carries.

An interrupted publication has change rows, but no row in `directory_syncs`. A later run finishes it from
this copy.
"""

import json
from typing import TYPE_CHECKING, Any

from directory_sync.config import columns
from directory_sync.config.kinds import Kind
from directory_sync.publish.rows import SyncContent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from directory_sync.config.form import Resource
    from directory_sync.warehouse.warehouse import Warehouse

CHANGE_COLUMNS = columns.names(columns.CHANGES)
SYNC_HEADER = columns.SYNC_HEADER.name


def logged_sync_values(
    resource: "Resource", sync_id: str, *, warehouse: "Warehouse"
) -> dict[str, Any] | None:
    """Reads the sync's row that the change rows of a publication carry.

    Args:
        resource: the resource whose log is read.
        sync_id: the publication.
        warehouse: open, and held by this process.

    Returns:
        The values of the row; None where no change row carries one.
    """
    headers = (
        header
        for batch in warehouse.changes(resource, sync_id, (SYNC_HEADER,))
        for header in batch.column(0).to_pylist()
        if header
    )
    return _parse(header) if (header := next(headers, None)) else None


def with_sync_values(content: SyncContent) -> "Iterator[pa.Table]":
    """Yields the change rows for the log; the first of them carries the sync's row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    header: str | None = json.dumps(dict(content.sync_values), default=_as_text, sort_keys=True)
    for batch in content.rows():
        logged = batch.filter(pc.not_equal(batch.column("kind"), pa.scalar(Kind.REWRITTEN.value)))
        if not logged.num_rows:
            continue
        logged = logged.select(CHANGE_COLUMNS)
        headers = pa.array([header] + [None] * (logged.num_rows - 1), pa.string())
        yield logged.append_column(SYNC_HEADER, headers)
        header = None


def _as_text(value: Any) -> str:
    return str(value.isoformat())


def _parse(header: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(header)
    if json.loads(values["report"]).get("rewritten"):
        # Rewritten rows are not in the log, so the next audit must compute the table's hashes again.
        values["settings_fingerprint"] = ""
    return values
