"""How much memory a task may take: by the rows' width, within what the machine has.

DuckDB keeps a block for each column that is written and works on 2,048 rows at once, so what it needs grows
with the number of columns and with the size of a row, not with the number of rows.
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
"""A vector of DuckDB's, and how many of them a statement holds: those it reads, sorts, writes."""
BYTES_PER_BATCH = 8 << 20
SHARE_OF_MACHINE = 0.5
_MACHINE = "/proc/meminfo"
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def duckdb_limit_mb(setting_mb: int, *, columns: int = 0, rows: int = 0, bytes_a_row: float = 0) -> int:
    """Returns DuckDB's memory limit.

    Args:
        setting_mb: what the deployment sets; 0: it leaves it to us.
        columns: of all tables that are written in one transaction.
        rows: of the largest of them.
        bytes_a_row: on average.
    """
    if setting_mb:
        return setting_mb
    at_once = COPIES_AT_ONCE * min(rows, ROWS_AT_ONCE) * bytes_a_row / (1 << 20)
    needed = int(MB_PER_COLUMN * columns + at_once)
    return max(DEFAULT_MB, min(needed, int(SHARE_OF_MACHINE * available_mb())))


def available_mb() -> int:
    """Returns the machine's memory that is available, or the container's limit where that is less."""
    found = [int(text) >> 20 for text in map(_text_of, _CGROUP_LIMITS) if text.isdecimal()]
    found += [int(kilobytes) >> 10 for kilobytes in re.findall(r"MemAvailable: *(\d+)", _text_of(_MACHINE))]
    return min(found, default=2 * DEFAULT_MB)


def _text_of(path: str) -> str:
    return Path(path).read_text("ascii").strip() if Path(path).exists() else ""


def batch_rows(parquet: "pq.ParquetFile", *, at_most: int) -> int:
    """Returns how many rows of a file make a batch: fewer where they are large."""
    metadata = parquet.metadata
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return max(1, min(at_most, int(BYTES_PER_BATCH * metadata.num_rows / max(size, 1))))


def out_of_memory(what: str) -> ConfigError:
    """The error for a limit that is too small: a retry would meet it again."""
    return ConfigError(
        f"{what} does not fit into DuckDB's memory limit. Nothing was published. Set {SETTING} to more (here "
        f"{available_mb():,} MB are available), or let the task run where there is more memory."
    )


def is_out_of_memory(exception: BaseException | None) -> bool:
    """Tells whether DuckDB's limit ended it: a commit that fails so has another class, and these words."""
    while exception:
        if type(exception).__name__ == "OutOfMemoryException" or "could not allocate block" in str(exception):
            return True
        exception = getattr(exception, "exception", None) or exception.__cause__ or exception.__context__
    return False


@contextmanager
def naming_limit(what: str) -> Iterator[None]:
    """Raises a ConfigError that names the setting where DuckDB runs out of memory."""
    import duckdb

    failed = False
    try:
        yield
    except duckdb.OutOfMemoryException:
        # Its message may quote values.
        failed = True
    if failed:
        raise_alone(out_of_memory(what))
