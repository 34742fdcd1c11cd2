"""How much memory a task may use: according to the width of the rows, within the memory of the machine.

DuckDB keeps a block for each column that is written and works on 2,048 rows at once. So its memory grows with
the number of columns and with the size of a row, not with the number of rows.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from directory_sync.errors import ConfigError, raise_alone

if TYPE_CHECKING:
    import pyarrow.parquet as pq

SETTING = "DIRECTORY_SYNC_MEMORY_LIMIT_MB"
DEFAULT_MB = 128
MB_PER_COLUMN = 1.5
ROWS_AT_ONCE, COPIES_AT_ONCE = 2_048, 8
"""The rows of one of DuckDB's vectors, and how many vectors a statement holds: to read, to sort, to write."""
BYTES_PER_BATCH = 8 << 20
SHARE_OF_MACHINE = 0.5
_MACHINE = "/proc/meminfo"
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def duckdb_limit_mb(setting_mb: int, *, columns: int = 0, rows: int = 0, bytes_a_row: float = 0) -> int:
    """Returns DuckDB's memory limit, in MB.

    Args:
        setting_mb: the deployment's setting, in MB; 0: the limit is computed from the other arguments.
        columns: the number of columns of all tables that are written in one transaction.
        rows: the number of rows of the largest of these tables.
        bytes_a_row: the average size of a row, in bytes.
    """
    if setting_mb:
        return setting_mb
    at_once = COPIES_AT_ONCE * min(rows, ROWS_AT_ONCE) * bytes_a_row / (1 << 20)
    needed = int(MB_PER_COLUMN * columns + at_once)
    return max(DEFAULT_MB, min(needed, int(SHARE_OF_MACHINE * available_mb())))


def available_mb() -> int:
    """Returns the available memory of the machine in MB, or the container's limit if that is lower."""
    found = [int(text) >> 20 for text in map(_text_of, _CGROUP_LIMITS) if text.isdecimal()]
    found += [int(kilobytes) >> 10 for kilobytes in re.findall(r"MemAvailable: *(\d+)", _text_of(_MACHINE))]
    return min(found, default=2 * DEFAULT_MB)


def _text_of(path: str) -> str:
    return Path(path).read_text("ascii").strip() if Path(path).exists() else ""


def batch_rows(parquet: "pq.ParquetFile", *, at_most: int) -> int:
    """Returns how many rows of a file make a batch of at most BYTES_PER_BATCH.

    Args:
        parquet: the open file.
        at_most: the largest number of rows.
    """
    metadata = parquet.metadata
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return rows_of_a_batch(metadata.num_rows, size=size, at_most=at_most)


def rows_of_a_batch(rows: int, *, size: int, at_most: int) -> int:
    """Returns how many of some rows make a batch of at most BYTES_PER_BATCH; at least one.

    Args:
        rows: how many there are.
        size: the size of all of them, in bytes.
        at_most: the largest number of rows of a batch.
    """
    return max(1, min(at_most, int(BYTES_PER_BATCH * rows / max(size, 1))))


def out_of_memory(what: str) -> ConfigError:
    """Returns the error for a memory limit that is too low. It is permanent: a retry would fail as well.

    Args:
        what: the subject of the message: what does not fit.
    """
    return ConfigError(
        f"{what} does not fit into DuckDB's memory limit. Nothing was published. Set {SETTING} to more (here "
        f"{available_mb():,} MB are available), or let the task run where there is more memory."
    )


_OF_A_FAILED_COMMIT = ("could not allocate block", "failed to pin block")


def is_out_of_memory(exception: BaseException | None) -> bool:
    """Tells whether DuckDB ran out of memory, by any exception of a chain.

    A failed commit has another class than `OutOfMemoryException`; it is recognised by its message.
    """
    while exception:
        if type(exception).__name__ == "OutOfMemoryException" or any(
            text in str(exception) for text in _OF_A_FAILED_COMMIT
        ):
            return True
        exception = getattr(exception, "exception", None) or exception.__cause__ or exception.__context__
    return False


@contextmanager
def naming_limit(what: str) -> Iterator[None]:
    """Turns DuckDB's out-of-memory error into a ConfigError that names the setting.

    Args:
        what: the subject of the message: what does not fit.

    Raises:
        ConfigError: DuckDB ran out of memory within the block.
    """
    import duckdb

    failed = False
    try:
        yield
    except duckdb.OutOfMemoryException:
        # Its message may quote values.
        failed = True
    if failed:
        raise_alone(out_of_memory(what))
