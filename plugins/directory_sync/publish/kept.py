"""Keeps the rows for dlt in a file of the task until all rows are checked."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROWS_IN_MEMORY = 2_000


class KeptRows:
    """Batches of rows. At most `ROWS_IN_MEMORY` rows stay in memory; the rest go to a file.

    Args:
        path: the file, written when rows exceed the memory; it is deleted with the task's folder.
    """

    def __init__(self, path: Path) -> None:
        """Keeps nothing yet."""
        self._path = path
        self._batches: list[list[dict[str, Any]]] = []
        self._rows = 0

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Keeps a batch."""
        if not rows:
            return
        self._batches.append(rows)
        self._rows += len(rows)
        if self._rows > ROWS_IN_MEMORY:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                for batch in self._batches:
                    pickle.dump(batch, file, protocol=pickle.HIGHEST_PROTOCOL)
            self._batches, self._rows = [], 0

    def clear(self) -> None:
        """Deletes all kept rows."""
        self._batches, self._rows = [], 0
        self._path.unlink(missing_ok=True)

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Yields the batches in their order. dlt handles a list as fast as a single row."""
        if self._path.exists():
            with self._path.open("rb") as file:
                while file.peek(1):
                    # Written by this task into its own folder.
                    yield pickle.load(file)  # noqa: S301
        yield from self._batches
