"""### What changed in the directory

An example to copy into a Dags folder. It runs whenever a sync has published, reads the change rows of that
sync and hands them on: here it logs how many there are of each kind, and which entries left.

`read_changes` is for a DuckDB file. For PostgreSQL replace it with a query through your own hook, with
`sync_id = ANY(%s)`: there, readers need not wait for writers.

Syncs that follow each other quickly may start a single run. Its events list the ids of all these syncs.
"""

import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, task

DIRECTORY = Asset("directory_resource")
CHANGES = """
    SELECT id, kind FROM directory.directory_resource_changes
    WHERE list_contains(?, sync_id) ORDER BY snapshot_at, sync_id, id
"""
WAIT_SECONDS = 120

logger = logging.getLogger(__name__)


def read_changes(sync_ids: list[str]) -> list[tuple[Any, str]]:
    """Returns id and kind of each change. Closes the file at once, because an open reader blocks the sync."""
    import duckdb

    from directory_sync.airflow.scope import connection_fields
    from directory_sync.config.connections import WAREHOUSE_CONNECTION
    from directory_sync.config.settings import SyncSettings
    from directory_sync.warehouse.destinations import DuckDBFile

    connection = connection_fields(WAREHOUSE_CONNECTION)
    path = DuckDBFile(connection, SyncSettings.from_environment(), folder=Path()).path
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with duckdb.connect(path, read_only=True) as warehouse:
                return warehouse.execute(CHANGES, [sync_ids]).fetchall()
        except duckdb.IOException:
            # A sync is writing. After WAIT_SECONDS the task fails, and Airflow tries again.
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def forget(entry_ids: list[Any]) -> None:
    """Put here what your system does with removed entries. It must be idempotent: a retry calls it again."""
    logger.info("%d entries were removed: %s", len(entry_ids), entry_ids[:20])


with DAG(
    "consume_directory_changes",
    schedule=[DIRECTORY],
    catchup=False,
    # One run at a time, so that changes are handed on in the order of the syncs.
    max_active_runs=1,
    default_args={"retries": 5, "retry_delay": timedelta(minutes=1)},
    tags=["directory", "example"],
    doc_md=__doc__,
):

    @task
    def hand_on(*, triggering_asset_events: Any = None) -> dict[str, int]:
        """Hands the changes on. Returns only counts, because entries must not go into XCom."""
        events = triggering_asset_events[DIRECTORY]
        # An event that somebody created by hand names no sync.
        sync_ids = [sync_id for event in events for sync_id in event.extra.get("sync_ids", ())]
        by_kind: dict[str, list[Any]] = {}
        for entry_id, kind in read_changes(sync_ids):
            by_kind.setdefault(kind, []).append(entry_id)
        counts = {kind: len(ids) for kind, ids in by_kind.items()}
        logger.info("Syncs: %s; changes: %s", sync_ids, counts)
        forget(by_kind.get("removed", []))
        return counts

    hand_on()
