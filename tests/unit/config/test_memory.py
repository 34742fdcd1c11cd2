"""How much memory DuckDB is given, how large a batch is, and how a lack of memory is told."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from directory_sync.config.memory import (
    BYTES_PER_BATCH,
    DEFAULT_MB,
    available_mb,
    batch_rows,
    duckdb_limit_mb,
    is_out_of_memory,
)


def test_narrow_rows_are_given_the_default_however_many_there_are() -> None:
    assert duckdb_limit_mb(0, columns=70, rows=10_000_000, bytes_a_row=600) == DEFAULT_MB


@pytest.mark.parametrize("width", [{"columns": 600}, {"columns": 10, "rows": 5_000, "bytes_a_row": 40_000}])
def test_wide_rows_are_given_more_within_half_of_the_machine(width: dict[str, int]) -> None:
    assert DEFAULT_MB < duckdb_limit_mb(0, **width) <= max(DEFAULT_MB, available_mb() // 2)
    assert duckdb_limit_mb(0, columns=10**9) == max(DEFAULT_MB, available_mb() // 2)


def test_what_is_set_holds_whatever_the_rows_are() -> None:
    assert duckdb_limit_mb(48, columns=1_000, rows=5_000, bytes_a_row=40_000) == 48


@pytest.mark.parametrize("length", [10, 20_000])
def test_a_batch_has_fewer_rows_where_they_are_large(tmp_path: Path, length: int) -> None:
    texts = [str(number).ljust(length, "x") for number in range(3_000)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"record": texts}), path, use_dictionary=False)
    with pq.ParquetFile(path) as file:
        rows = batch_rows(file, at_most=1_000)
    assert rows == 1_000 if length == 10 else rows <= 1.1 * BYTES_PER_BATCH / length


@pytest.mark.parametrize(
    ("error", "lacks_memory"),
    [
        (duckdb.OutOfMemoryException(), True),
        (RuntimeError("Failed to commit: could not allocate block of size 256.0 KiB"), True),
        (RuntimeError("Failed to commit: failed to pin block of size 256.0 KiB"), True),
        (RuntimeError("Failed to commit: constraint"), False),
    ],
)
def test_a_lack_of_memory_is_told_in_any_link_of_a_chain(error: Exception, *, lacks_memory: bool) -> None:
    outer = ValueError("a step failed")
    outer.__cause__ = error
    assert is_out_of_memory(outer) is lacks_memory
