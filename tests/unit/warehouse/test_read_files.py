"""A merge on DuckDB reads the package's files where they are."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.storages.load_package import ParsedLoadJobFileName

from directory_sync.warehouse.destinations.read_files import reading_views, view_of, views_of

TABLE = '"staging"."things"'


def job(file_name: str) -> ParsedLoadJobFileName:
    return ParsedLoadJobFileName.parse(file_name)


def made(folder: Path, *jobs: tuple[str, str]) -> dict[str, str]:
    """The views of a package whose files are in a folder."""

    def info(load_id: str, state: str, one: ParsedLoadJobFileName) -> Any:
        assert (load_id, state) == ("1", "completed_jobs")
        return SimpleNamespace(file_path=str(folder / one.file_name()))

    client = SimpleNamespace(
        with_staging_dataset=nullcontext, make_qualified_table_name=lambda name: f'"staging"."{name}"'
    )
    package = SimpleNamespace(load_id="1", storage=SimpleNamespace(job_to_job_info=info))
    return views_of(client, package, [(state, job(name)) for state, name in jobs])


def test_a_view_shows_the_rows_of_all_files_of_a_table_in_the_types_of_its_columns(tmp_path: Path) -> None:
    folder = tmp_path / "it's; %s here"
    folder.mkdir()
    names = [f"things.{number}.0.parquet" for number in ("a", "b")]
    pq.write_table(pa.table({"code": ["x"], "id": [1], "raw": ['{"a": 1}']}), folder / names[0])
    pq.write_table(pa.table({"id": [2], "at": ["2024-01-01"], "more": [1]}), folder / names[1])
    views = made(folder, *(("completed_jobs", name) for name in names))
    with duckdb.connect() as database:
        database.execute("CREATE SCHEMA staging")
        database.execute(f"CREATE TABLE {TABLE} (id BIGINT, code TEXT, raw JSON)")
        for statement in views.values():
            database.execute(statement)
        script = reading_views(f'SELECT "id", "code" FROM {TABLE} ORDER BY {TABLE}."id"', views)
        assert database.execute(script).fetchall() == [(1, "x"), (2, None)]
        [(kind, raw)] = database.execute(
            f"SELECT typeof(id), raw FROM {view_of(TABLE)} WHERE id = 1"
        ).fetchall()
        assert (kind, raw) == ("BIGINT", '{"a": 1}')


def test_only_files_that_are_loaded_by_now_are_read(tmp_path: Path) -> None:
    views = made(
        tmp_path,
        ("started_jobs", "things.a.0.parquet"),
        ("new_jobs", "things.b.0.parquet"),
        ("completed_jobs", "things.c.0.insert_values"),
        ("new_jobs", "others.d.0.parquet"),
    )
    assert list(views) == [TABLE]
    assert [name for name in "abc" if f"things.{name}." in views[TABLE]] == ["a"]
