"""The error for a landed file that cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager

from directory_sync.errors import SnapshotError, raise_alone


@contextmanager
def naming_damage(what: str) -> Iterator[None]:
    """Turns the errors of reading a landed file into a SnapshotError that names the file.

    The message has the class of the original error. The original is not chained: it may quote entries.

    Args:
        what: the name of the file, for the message.

    Raises:
        SnapshotError: the file is damaged, or has other content than expected.
    """
    import duckdb
    import pyarrow as pa

    failed_with = ""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError, ValueError, RecursionError) as e:
        # Too little memory or disk is no damage. DuckDB's message about a full disk quotes no entries.
        if isinstance(e, duckdb.OutOfMemoryException) or "No space left" in str(e):
            raise
        failed_with = type(e).__name__
    if failed_with:
        raise_alone(damaged(what, f"cannot be read ({failed_with})"))


def damaged(what: str, why: str) -> SnapshotError:
    """Returns the error for a landed file that is damaged.

    Args:
        what: the name of the file.
        why: the rest of the sentence, such as "cannot be read".
    """
    return SnapshotError(
        f"The landed {what} {why}. Nothing was published. Clear the run's `extract` tasks and let it run "
        "again; see docs/runbook.md#snapshoterror."
    )
