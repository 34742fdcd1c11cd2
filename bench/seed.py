"""The seed's configuration, run by dlt: with dlt's defaults, tuned by hand, and in fixed ranges at once."""

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.sources.rest_api import rest_api_source

from bench.server import CLIENT_ID, CLIENT_SECRET

if TYPE_CHECKING:
    from dlt.extract import DltSource
    from dlt.pipeline.pipeline import Pipeline

RESOURCE = "directory_resource"
DATASET = "directory"
LIMIT = 100
RANGES = 8

TUNED = {
    # What dlt's performance guide and its issues advise for a list of this kind.
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    "DATA_WRITER__FILE_MAX_ITEMS": "50000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__START_METHOD": "fork",
    "NORMALIZE__RUN_SLEEP": "0",
    "LOAD__RUN_SLEEP": "0",
    "EXTRACT__WORKERS": str(RANGES),
    "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
}


def source(url: str, paginators: dict[str, dict[str, Any]] | None = None) -> "DltSource":
    """The seed's source; the auth type and its URL by the names which dlt knows.

    Args:
        url: where the API is.
        paginators: resources by their names, all into one table; None: the one of the seed.
    """
    offset = {"type": "offset", "limit": LIMIT}
    several = {"table_name": RESOURCE} if paginators else {}
    config: Any = {
        "client": {
            "base_url": url,
            "auth": {
                "type": "oauth2_client_credentials",
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "access_token_url": f"{url}/oauth/token",
            },
        },
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [
            {
                "name": name,
                **several,
                "endpoint": {"path": "/v1/directory", "data_selector": "data", "paginator": paginator},
            }
            for name, paginator in (paginators or {RESOURCE: offset}).items()
        ],
    }
    return rest_api_source(config, parallelized=bool(paginators))


def source_in_ranges(url: str, entries: int) -> "DltSource":
    """The same in ranges that are read at once, by someone who knows how many entries there are."""
    pages = -(-entries // LIMIT)
    starts = [LIMIT * (number * pages // RANGES) for number in range(RANGES + 1)]
    return source(
        url,
        {
            f"range_{number}": {
                "type": "offset",
                "limit": LIMIT,
                "offset": first,
                "maximum_offset": end,
                "total_path": None,
            }
            for number, (first, end) in enumerate(pairwise(starts))
        },
    )


def pipeline(home: Path, pipelines: Path | None = None) -> "Pipeline":
    """The pipeline into a DuckDB file."""
    return dlt.pipeline(
        "directory",
        destination=dlt.destinations.duckdb(str(home / "warehouse.duckdb")),
        dataset_name=DATASET,
        pipelines_dir=str(pipelines) if pipelines else None,  # type: ignore[arg-type]
    )


def run(url: str, home: Path, *, how: str, entries: int) -> None:
    """The pipeline without Airflow; `how`: `defaults`, `tuned` or `ranges`."""
    if how == "defaults":
        pipeline(home, home / "dlt").run(source(url))
        return
    os.environ |= TUNED
    tuned = source_in_ranges(url, entries) if how == "ranges" else source(url)
    pipeline(home, home / "dlt").run(tuned, loader_file_format="parquet")
