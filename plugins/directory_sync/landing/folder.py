"""A folder of the landing zone, on a disk or in a bucket: reads and writes its files."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

from directory_sync.config.memory import batch_rows
from directory_sync.config.older_python import Self
from directory_sync.landing.damage import damaged, naming_damage
from directory_sync.landing.durable import is_local, put, put_in_place

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

READ_AHEAD = 8 << 20
"""How much of a file in a bucket one request reads, in bytes, where it is read from its begin to its end."""


class LandedFolder:
    """One folder of the landing zone.

    Attributes:
        path: the folder's path. In a bucket it begins with the protocol, as dlt and DuckDB need it.
        name: the folder's own name, the last part of `path`.
    """

    @classmethod
    def local(cls, folder: Path) -> Self:
        """Returns a folder on this machine's disk, for files that are needed during the task only."""
        return cls(fsspec.filesystem("file"), str(folder))

    def __init__(self, fs: Any, path: str) -> None:
        """Does no I/O.

        Args:
            fs: the fsspec file system.
            path: the folder's path; in a bucket with its protocol.
        """
        self._fs, self.path = fs, path.rstrip("/")
        self.name = self.path.rsplit("/", 1)[-1]

    def file(self, name: str) -> str:
        """Returns the path of a file in this folder."""
        return f"{self.path}/{name}"

    def forget(self, name: str) -> None:
        """Deletes a file, if it exists."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self.file(name))

    def write_tables(self, name: str, tables: "Iterable[pa.Table]") -> str:
        """Writes tables as one Parquet file; returns its path.

        Args:
            name: the name of the file.
            tables: the tables, all with the same schema; without any, the file is empty.
        """
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
        """Yields a Parquet file in batches; nothing if it has no rows or does not exist.

        Args:
            name: the name of the file.
            rows: the largest number of rows of a batch.
            columns: columns that the file must have.
            expected: how many rows the file must have; None: any number.

        Raises:
            SnapshotError: the file cannot be read, or lacks a column or rows.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.file(name)
        fs = self._reading(path)
        if not fs.exists(path) or not fs.size(path):
            _expect_rows(name, 0, expected)
            return
        with naming_damage(name), fs.open(path, "rb", cache_type="readahead", block_size=READ_AHEAD) as file:
            parquet = pq.ParquetFile(file)
            _expect_rows(name, parquet.metadata.num_rows, expected)
            if missing := set(columns) - set(parquet.schema_arrow.names):
                raise damaged(name, f"lacks the column `{min(missing)}`")
            for batch in parquet.iter_batches(batch_rows(parquet, at_most=rows)):
                yield pa.Table.from_batches([batch])

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON file atomically; it is durable when this returns."""
        self._fs.makedirs(self.path, exist_ok=True)
        put(self._fs, self.file(name), json.dumps(content, indent=1, sort_keys=True).encode())

    def create_json(self, name: str, content: Mapping[str, Any]) -> bool:
        """Writes a JSON file unless it exists; returns whether it was written.

        On a disk exactly one of several processes writes it. In a bucket two can, within one request.
        """
        path, text = self.file(name), json.dumps(content, indent=1, sort_keys=True).encode()
        self._fs.makedirs(self.path, exist_ok=True)
        if not is_local(self._fs):
            if self._fs.exists(path):
                return False
            self._fs.pipe_file(path, text)
            return True
        try:
            with Path(path).open("xb") as file:
                file.write(text)
        except FileExistsError:
            return False
        return True

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Returns the content of a JSON file; None: the file does not exist.

        Raises:
            SnapshotError: the file cannot be read, or does not hold a JSON object.
        """
        with naming_damage(name):
            try:
                # Not asked first whether it exists: in a bucket that is a request.
                content = json.loads(self._fs.cat_file(self.file(name)))
            except FileNotFoundError:
                return None
        if not isinstance(content, dict):
            raise damaged(name, "does not hold a JSON object")
        return content

    def modified_at(self) -> datetime:
        """Returns when a file in this folder was last written."""
        times = self._times_by(lambda _: "")
        # Only a disk can have a folder without files; its own time counts then.
        latest: datetime = times[""] if times else self._fs.modified(self.path)
        return latest

    def modified_each(self) -> dict[str, datetime]:
        """Returns when a file was last written in each folder directly below this one; one listing of all."""
        below = len(self._fs._strip_protocol(self.path)) + 1  # noqa: SLF001  as `find` names files
        return self._times_by(lambda name: name[below:].split("/")[0])

    def _times_by(self, group: Callable[[str], str]) -> dict[str, datetime]:
        """Returns the latest time of the files of each group; files without a time are left out."""
        from dlt.common.storages.fsspec_filesystem import MTIME_DISPATCH

        modified = MTIME_DISPATCH[self.path.split("://")[0] if "://" in self.path else "file"]
        latest: dict[str, datetime] = {}
        for name, info in self._fs.find(self.path, detail=True).items():
            if (at := modified(info)) is not None:
                latest[group(name)] = max(at, latest.get(group(name), at))
        return latest

    def names(self, folder: str = "") -> list[str]:
        """Returns the names of the files and folders in this folder, or in one below it, sorted."""
        found = self._list(self.file(folder).rstrip("/"))
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def _list(self, folder: str) -> list[str]:
        try:
            return [path_of(self._fs, name) for name in self._fs.ls(folder, detail=False)]
        except FileNotFoundError:
            return []

    def let_read(self, database: "duckdb.DuckDBPyConnection") -> None:
        """Lets a DuckDB database read the files in place; a bucket sends only the columns that are read."""
        if "://" in self.path:
            database.execute("SET parquet_metadata_cache = true")
            database.register_filesystem(self._reading(self.path))

    def _reading(self, root: str) -> Any:
        """Returns the file system to read files with that are not replaced."""
        if is_local(self._fs):
            return self._fs
        # A parse of the Dag reads no file.
        from directory_sync.landing.few_requests import FewRequests

        return FewRequests(self._fs, root)


def _expect_rows(name: str, found: int, expected: int | None) -> None:
    if expected is not None and found != expected:
        raise damaged(name, f"has {found:,} rows instead of {expected:,}")


def path_of(fs: Any, name: str) -> str:
    """Returns a file system's name of a file in the form of `LandedFolder.path`."""
    return name if is_local(fs) else str(fs.unstrip_protocol(name))
