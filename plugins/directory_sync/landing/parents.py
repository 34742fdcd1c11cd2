"""The parents of a child resource, as the parent's audit lands them for the child's shards.

One file for each child, one row for each entry of the parent's sealed snapshot. The rows are numbered in the
order of the parent's keys; a shard reads every n-th row, so the lists are shared out evenly.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from directory_sync.errors import SnapshotError

if TYPE_CHECKING:
    import pyarrow as pa

    from directory_sync.landing.folder import LandedFolder

ROWS = 5_000
PARENTS = "parents"
"""The folder of these files, in that of the parent's snapshot."""


@dataclass(frozen=True, kw_only=True)
class ListedParent:
    """One entry of the parent, with what the child takes from it.

    Attributes:
        number: its number in the file, from 0.
        sync_id: the sync of the parent's snapshot.
        id: its key.
        values: the values of the placeholders in the child's path and parameters.
        fields: the fields that each entry of its list gets.
    """

    number: int
    sync_id: str
    id: int | str
    values: dict[str, str]
    fields: dict[str, Any]


def file_of(child: str) -> str:
    """Returns the name of the file of a child, in the folder of the parent's snapshot."""
    return f"{PARENTS}/{child}.parquet"


def write_parents(landed: "LandedFolder", child: str, parents: Iterable[ListedParent]) -> None:
    """Writes the parents of a child.

    Args:
        landed: the folder of the parent's snapshot.
        child: the name of the child resource.
        parents: the parents, in the order of their numbers.
    """
    landed.write_tables(file_of(child), _tables(parents))


def _tables(parents: Iterable[ListedParent]) -> "Iterator[pa.Table]":
    import pyarrow as pa

    text = pa.string()
    columns: list[tuple[str, pa.DataType]] = [
        ("number", pa.int64()), ("sync_id", text), ("id", text), ("values", text), ("fields", text)
    ]  # fmt: skip
    schema = pa.schema(columns)
    rows: list[dict[str, Any]] = []
    # A file without rows has its columns all the same.
    yield schema.empty_table()
    for one in parents:
        rows.append(
            {
                "number": one.number,
                "sync_id": one.sync_id,
                "id": json.dumps(one.id),
                "values": json.dumps(one.values),
                "fields": json.dumps(one.fields),
            }
        )
        if len(rows) == ROWS:
            yield pa.Table.from_pylist(rows, schema=schema)
            rows = []
    if rows:
        yield pa.Table.from_pylist(rows, schema=schema)


def read_parents(
    landed: "LandedFolder", child: str, *, shard: int = 0, count: int = 1
) -> Iterator[ListedParent]:
    """Yields the parents of a child, or a shard's share of them.

    Args:
        landed: the folder of the parent's snapshot.
        child: the name of the child resource.
        shard: the number of the shard, from 0.
        count: the number of shards.

    Raises:
        SnapshotError: the parent's audit has not landed them, or the file is damaged.
    """
    if file_of(child).rsplit("/", 1)[1] not in landed.names(PARENTS):
        raise SnapshotError(
            f"The landing zone has no parents of `{child}` in this run: its parent was not audited. Nothing "
            "was published. Clear the task `audit` of the parent, and the tasks after it."
        )
    for batch in landed.read_tables(file_of(child), rows=ROWS, columns=("number", "sync_id", "id")):
        for row in batch.to_pylist():
            if row["number"] % count == shard:
                yield ListedParent(
                    number=row["number"],
                    sync_id=row["sync_id"],
                    id=json.loads(row["id"]),
                    values=json.loads(row["values"]),
                    fields=json.loads(row["fields"]),
                )
