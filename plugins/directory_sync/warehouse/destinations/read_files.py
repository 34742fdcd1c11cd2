"""Lets DuckDB merge a package from its Parquet files, without a copy of them in staging tables.

dlt inserts each file into a staging table, and merges that. DuckDB can read the files where they are: a view
for each staging table shows its rows (it has none) and those of the files. The copies were half of DuckDB's
time of a first load, and a third of the file that it left.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt.common.storages.load_package import ParsedLoadJobFileName

Jobs = Iterable[tuple[str, "ParsedLoadJobFileName"]]
"""The jobs of a package, each with its state."""
_DONE = ("completed_jobs", "started_jobs")


def view_of(table: str) -> str:
    """Returns the name of the view that stands for a staging table.

    Args:
        table: the staging table, as a qualified and quoted name.
    """
    name = table.replace('"', "")
    return f'"temp"."main"."{name}"'


def views_of(client: Any, package: Any, jobs: Jobs) -> dict[str, str]:
    """Returns the statement that makes the view of each staging table that has files, by the table's name.

    Args:
        client: dlt's SQL client.
        package: dlt's context of the load package; when the views are read, its files are completed jobs.
        jobs: its jobs.
    """
    files: dict[str, list[str]] = {}
    with client.with_staging_dataset():
        for state, job in jobs:
            if state in _DONE and job.file_format == "parquet":
                info = package.storage.job_to_job_info(package.load_id, "completed_jobs", job)
                files.setdefault(client.make_qualified_table_name(job.table_name), []).append(info.file_path)
    return {table: _statement(table, paths) for table, paths in files.items()}


def reading_views(script: str, views: Mapping[str, str]) -> str:
    """Returns a script that reads the views where it read the staging tables.

    Args:
        script: SQL of dlt's.
        views: see `views_of`.
    """
    for table in views:
        script = script.replace(table, view_of(table))
    return script


def _statement(table: str, paths: Sequence[str]) -> str:
    # The types are those of the staging table: of the same kind, its own are the wider ones.
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return (
        f"CREATE OR REPLACE TEMPORARY VIEW {view_of(table)} AS SELECT * FROM {table} "
        f"UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true)"
    )
