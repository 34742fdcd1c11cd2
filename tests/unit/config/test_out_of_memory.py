"""DuckDB's lack of memory is told by its class, or by the text of a commit that failed for it."""

import duckdb
import pytest

from directory_sync.config.memory import is_out_of_memory


@pytest.mark.parametrize(
    ("error", "lacks_memory"),
    [
        (duckdb.OutOfMemoryException(), True),
        (RuntimeError("Failed to commit: could not allocate block of size 256.0 KiB"), True),
        (
            RuntimeError("Failed to commit: failed to pin block of size 256.0 KiB"),
            True,
        ),
        (RuntimeError("Failed to commit: constraint"), False),
    ],
)
def test_a_lack_of_memory_is_told_in_any_link_of_a_chain(error, lacks_memory):
    outer = ValueError("a step failed")
    outer.__cause__ = error
    assert is_out_of_memory(outer) is lacks_memory
