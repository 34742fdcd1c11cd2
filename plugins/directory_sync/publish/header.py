"""The copy of the sync's row that is written before a publication, where it is not one transaction.

An interrupted publication has change rows, but no row in `directory_syncs`. A later run finishes it from the
copy in `_directory_publications`. Earlier releases wrote the copy into the first change row.
"""

import json
from typing import TYPE_CHECKING, Any

import dlt

from directory_sync.config import columns
from directory_sync.config.kinds import Kind
from directory_sync.config.tables import PUBLICATIONS
from directory_sync.publish.rows import SyncContent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from dlt.extract import DltResource

    from directory_sync.config.form import Resource
    from directory_sync.warehouse.warehouse import Warehouse

CHANGE_COLUMNS = columns.names(columns.CHANGES)
SYNC_HEADER = columns.SYNC_HEADER.name


def logged_sync_values(
    resource: "Resource", sync_id: str, *, warehouse: "Warehouse"
) -> dict[str, Any] | None:
    """Reads the sync's row that was written before a publication.

    Args:
        resource: the resource whose log is read.
        sync_id: the publication.
        warehouse: open, and held by this process.

    Returns:
        The values of the row; None where there is none.
    """
    header = warehouse.begun(sync_id)
    if header is None and warehouse.has_column(resource.changes_table, SYNC_HEADER):
        headers = (
            header
            for batch in warehouse.changes(resource, sync_id, (SYNC_HEADER,))
            for header in batch.column(0).to_pylist()
            if header
        )
        header = next(headers, None)
    return _parse(header) if header else None


def publications_resource(contents: "Sequence[SyncContent]") -> "DltResource":
    """Returns the copies of the syncs' rows as a resource of dlt.

    Args:
        contents: what is published together.
    """
    rows = [
        {
            "sync_id": content.sync_values["sync_id"],
            "resource": content.sync_values["resource"],
            "content": json.dumps(dict(content.sync_values), default=_as_text, sort_keys=True),
        }
        for content in contents
    ]
    return dlt.resource(
        rows,
        name=PUBLICATIONS,
        primary_key="sync_id",
        write_disposition="merge",
        columns=columns.hints(columns.PUBLICATIONS),
        max_table_nesting=0,
    )


def logged_rows(content: SyncContent) -> "Iterator[pa.Table]":
    """Yields the change rows for the log."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in content.rows():
        logged = batch.filter(pc.not_equal(batch.column("kind"), pa.scalar(Kind.REWRITTEN.value)))
        if logged.num_rows:
            yield logged.select(CHANGE_COLUMNS)


def _as_text(value: Any) -> str:
    return str(value.isoformat())


def _parse(header: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(header)
    if json.loads(values["report"]).get("rewritten"):
        # Rewritten rows are not in the log, so the next audit must compute the table's hashes again.
        values["settings_fingerprint"] = ""
    return values
