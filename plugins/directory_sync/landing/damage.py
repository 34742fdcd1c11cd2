"""The error for a landed file that cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager

from directory_sync.errors import SnapshotError, raise_alone


@contextmanager
def naming_damage(what: str) -> Iterator[None]:
    """Names a landed file that cannot be read, and why by the class of the reader's error.

    The error itself may quote entries: it does not hang on ours.

    Raises:
        SnapshotError: the file is damaged, or holds something else.
    """
    import duckdb
    import pyarrow as pa

    failed_with = ""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError, ValueError, RecursionError) as e:
        # Want of memory or disk is no damage; what DuckDB says of a full disk quotes nothing.
        if isinstance(e, duckdb.OutOfMemoryException) or "No space left" in str(e):
            raise
        failed_with = type(e).__name__
    if failed_with:
        raise_alone(damaged(what, f"cannot be read ({failed_with})"))


def damaged(what: str, why: str) -> SnapshotError:
    """The error for a landed file that is not what was written."""
    return SnapshotError(
        f"The landed {what} {why}. Nothing was published. Clear the run's `extract` tasks and let it run "
        "again; see docs/runbook.md#snapshoterror."
    )
