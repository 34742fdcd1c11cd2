"""A folder of the landing zone: it reads and writes its files, on a disk or in a bucket."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import fsspec

from directory_sync.config.memory import batch_rows
from directory_sync.landing.damage import damaged, naming_damage
from directory_sync.landing.durable import is_local, put_in_place

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class LandedFolder:
    """One folder of the landing zone.

    Attributes:
        path: the folder's path. In a bucket it begins with the protocol, as dlt and DuckDB need it.
        name: the folder's own name, the last part of `path`.
    """

    @classmethod
    def local(cls, folder: Path) -> Self:
        """Returns one on this machine's disk, for what goes with the task."""
        return cls(fsspec.filesystem("file"), str(folder))

    def __init__(self, fs: Any, path: str) -> None:
        """Touches nothing yet."""
        self._fs, self.path = fs, path.rstrip("/")
        self.name = self.path.rsplit("/", 1)[-1]

    def file(self, name: str) -> str:
        """The path of a file of this snapshot."""
        return f"{self.path}/{name}"

    def forget(self, name: str) -> None:
        """Deletes a file, where there is one."""
        if self._fs.exists(self.file(name)):
            self._fs.rm_file(self.file(name))

    def write_tables(self, name: str, tables: "Iterable[pa.Table]") -> str:
        """Writes tables of one schema, one or more, as a Parquet file; returns its path."""
        import pyarrow.parquet as pq

        path, writer = self.file(name), None
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with self._fs.open(f"{path}.part", "wb") as file:
            for table in tables:
                writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
                writer.write_table(table)
            if writer:
                writer.close()
        put_in_place(self._fs, f"{path}.part", path)
        return path

    def read_tables(
        self, name: str, *, rows: int, columns: Sequence[str] = (), expected: int | None = None
    ) -> "Iterator[pa.Table]":
        """Yields a Parquet file in batches; nothing where it has no rows or does not exist.

        Args:
            name: of the file.
            rows: of a batch, at most.
            columns: what it must have.
            expected: how many rows it must have; None: any number.

        Raises:
            SnapshotError: it cannot be read, or is not what is expected.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.file(name)
        if not self._fs.exists(path) or not self._fs.size(path):
            _expect_rows(name, 0, expected)
            return
        with naming_damage(name), self._fs.open(path, "rb") as file:
            parquet = pq.ParquetFile(file)
            _expect_rows(name, parquet.metadata.num_rows, expected)
            if missing := set(columns) - set(parquet.schema_arrow.names):
                raise damaged(name, f"lacks the column `{min(missing)}`")
            for batch in parquet.iter_batches(batch_rows(parquet, at_most=rows)):
                yield pa.Table.from_batches([batch])

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON file, whole or not at all; it is durable when this returns."""
        path = self.file(name)
        part = f"{path}.{uuid4().hex}.part"
        self._fs.makedirs(self.path, exist_ok=True)
        self._fs.pipe_file(part, json.dumps(content, indent=1, sort_keys=True).encode())
        put_in_place(self._fs, part, path)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Returns a JSON file's content, or None where there is no such file.

        Raises:
            SnapshotError: it cannot be read, or holds no object.
        """
        path = self.file(name)
        if not self._fs.exists(path):
            return None
        with naming_damage(name):
            content = json.loads(self._fs.cat_file(path))
        if not isinstance(content, dict):
            raise damaged(name, "holds no JSON object")
        return content

    def modified_at(self) -> datetime:
        """When a file of this snapshot was last written."""
        from dlt.common.storages.fsspec_filesystem import MTIME_DISPATCH

        modified = MTIME_DISPATCH[self.path.split("://")[0] if "://" in self.path else "file"]
        infos = self._fs.find(self.path, detail=True).values()
        times = [at for at in map(modified, infos) if at is not None]
        # A bucket has no folders without files.
        latest: datetime = max(times) if times else self._fs.modified(self.path)
        return latest

    def names(self, folder: str = "") -> list[str]:
        """Returns the names of what lies in this folder, or in one below it."""
        found = self._list(self.file(folder).rstrip("/"))
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def _list(self, folder: str) -> list[str]:
        if not self._fs.isdir(folder):
            return []
        return [path_of(self._fs, name) for name in self._fs.ls(folder, detail=False)]

    def let_read(self, database: "duckdb.DuckDBPyConnection") -> None:
        """Makes a database read this snapshot's files where they are: the columns it asks for."""
        if "://" in self.path:
            database.register_filesystem(self._fs)


def _expect_rows(name: str, found: int, expected: int | None) -> None:
    if expected is not None and found != expected:
        raise damaged(name, f"has {found:,} rows instead of {expected:,}")


def path_of(fs: Any, name: str) -> str:
    """What a file system calls a file, as `LandedSnapshot.path` is written."""
    return name if is_local(fs) else str(fs.unstrip_protocol(name))
