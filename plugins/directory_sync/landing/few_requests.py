"""Reads landed files of a bucket with few requests.

DuckDB and pyarrow open a file once for each query, and ask for its size, its time and its footer. In
a bucket each of these is a request. Landed files are never replaced, so one listing tells their sizes, and
parts that were read are kept for the next query.
"""

from collections import defaultdict
from datetime import datetime, timezone
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

MAX_KEPT_PART, MAX_KEPT = 2 << 20, 32 << 20
"""How many bytes of one part, and of all parts, are kept. Ids, hashes and footers are small."""
_NEVER_CHANGED = datetime(2000, 1, 1, tzinfo=timezone.utc)


class FewRequests(AbstractFileSystem):  # type: ignore[misc]
    """A read-only view of a bucket, for as long as its files do not change.

    Args:
        fs: the fsspec file system of the bucket.
        root: the folder to list; other files are asked for one by one.
    """

    cachable = False  # codespell:ignore

    def __init__(self, fs: Any, root: str) -> None:
        """Lists nothing yet."""
        super().__init__()
        self.protocol = fs.protocol
        self._fs, self._root = fs, root
        self._infos: dict[str, dict[str, Any]] | None = None
        self._parts: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self._room = MAX_KEPT

    def _strip_protocol(self, path: Any) -> Any:
        return self._fs._strip_protocol(path)  # noqa: SLF001  fsspec's own way to the name of a file

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Returns what the listing says of a file.

        Raises:
            FileNotFoundError: the file does not exist.
        """
        if self._infos is None:
            self._infos = dict(self._fs.find(self._root, detail=True))
        name = self._strip_protocol(path)
        if name not in self._infos:
            self._infos[name] = self._fs.info(name)
        return self._infos[name]

    def modified(self, path: str) -> datetime:  # noqa: ARG002
        """Returns one time for every file: none is replaced."""
        return _NEVER_CHANGED

    def _open(self, path: str, mode: str = "rb", **options: Any) -> "_File":
        return _File(
            self,
            path,
            mode,
            options.get("block_size"),
            size=self.info(path)["size"],
            cache_type=options.get("cache_type", "none"),
        )

    def part(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes of a file from `start` to before `end`."""
        for at, kept in self._parts[path]:
            if at <= start and end <= at + len(kept):
                return kept[start - at : end - at]
        found: bytes = self._fs.cat_file(path, start=start, end=end)
        if len(found) <= min(MAX_KEPT_PART, self._room):
            self._room -= len(found)
            self._parts[path].append((start, found))
        return found


class _File(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> Any:
        return self.fs.part(self.path, start, end)
