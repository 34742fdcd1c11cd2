"""An audit takes no more memory the more entries there are: what does not fit goes to the task's folder.

The limit is as small for these entries as the default is for millions.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from directory_sync.audit.job import Audit, Run
from directory_sync.audit.scratch import Snapshot, open_scratch
from directory_sync.audit.stage import compare_sealed, sealed
from directory_sync.config.form import parse_form
from directory_sync.config.settings import SyncSettings
from directory_sync.landing.files import DIFFERENCE, LandedFiles
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.warehouse.warehouse import open_warehouse
from tests.simulation import StillList

pytestmark = [pytest.mark.duckdb, pytest.mark.serial]

PAGE = 100
FORM = {
    "client": {
        "base_url": "https://api.example.com",
        "auth": {"type": "oauth2"},
    },
    "resources": [
        {
            "name": "people",
            "primary_key": "id",
            "write_disposition": "merge",
            "endpoint": {
                "path": "/people",
                "data_selector": "data",
                "paginator": {"type": "offset", "limit": PAGE},
            },
        }
    ],
}


def land(folder: Path, entries: int, *, readings: int = 1) -> LandedFiles:
    """Lands a list in pages that overlap by an entry; `readings`: how often each page was read."""
    landed = folder / "landed"
    for table in ("entries", "windows", "_dlt_loads"):
        (landed / table).mkdir(parents=True)
    (landed / "_dlt_loads" / "directory__1.5.jsonl").touch()
    rows, windows = landed / "entries" / "1.5.a.parquet", landed / "windows" / "1.5.a.parquet"
    step = PAGE - 1
    with duckdb.connect() as database:
        database.execute(
            f"""SET TimeZone = 'UTC'; CREATE TABLE entries AS
                SELECT CAST(place AS BIGINT) AS id, 0::INTEGER AS shard, "window",
                       CAST(place - "window" AS INTEGER) AS position,
                       sha256(CAST(place AS VARCHAR)) AS row_hash,
                       '{{"id": ' || place || ', "name": "' || md5(CAST(place AS VARCHAR)) || '"}}' AS record,
                       TIMESTAMPTZ '2026-01-01' + to_milliseconds(2 * "window" + reading) AS requested_at
                FROM (SELECT unnest(range(0, {entries}, {step})) AS "window"),
                     (SELECT unnest(range({readings})) AS reading),
                     LATERAL (SELECT unnest(range("window", least("window" + {PAGE}, {entries}))) AS place)"""
        )
        database.execute(f"COPY entries TO '{rows}' (ROW_GROUP_SIZE 5000)")
        database.execute(
            f"""COPY (SELECT shard, "window", {PAGE}::INTEGER AS asked, count(*)::INTEGER AS entries,
                             {entries}::BIGINT AS total, requested_at, 0::INTEGER AS retries,
                             0::INTEGER AS refused
                      FROM entries GROUP BY ALL) TO '{windows}'"""
        )
    return LandedFiles(loads=("1.5",), entries=(str(rows),), windows=(str(windows),))


def test_an_audit_keeps_to_its_memory_limit(tmp_path: Path) -> None:
    entries = 400_000
    land(tmp_path, entries)
    settings = replace(SyncSettings(home=tmp_path), memory_limit_mb=48)
    job = Audit(
        resource=parse_form(FORM)[0],
        landed=LandedSnapshot.local(tmp_path),
        run=Run(run_id="r"),
        settings=settings,
        limits=settings.removal_limits,
        folder=tmp_path,
    )
    still = StillList(range(entries), limit=PAGE)
    with (
        sealed(job, read_page=still) as snapshot,
        open_warehouse(None, settings, folder=tmp_path) as warehouse,
    ):
        report = compare_sealed(snapshot, warehouse=warehouse, read_page=still)
    assert report.changes["added"] == entries
    found = str(tmp_path / report.sync_id / DIFFERENCE)
    in_order = "SELECT count(*), bool_and(id = file_row_number) FROM read_parquet(?, file_row_number = true)"
    assert duckdb.execute(in_order, [found]).fetchone() == (entries, True)


def test_pages_that_were_read_twice_keep_to_the_memory_limit(tmp_path: Path) -> None:
    entries = 200_000
    files = land(tmp_path, entries, readings=2)
    landed = LandedSnapshot.local(tmp_path)
    with closing(open_scratch(tmp_path, memory_limit_mb=32, landed=landed)) as database:
        snapshot = Snapshot(database, files)
        readings = snapshot.readings()
        assert len({reading.content for reading in readings}) == len(readings) / 2
        snapshot.create_present()
        snapshot.create_records(files, ids="present")
        assert snapshot.distinct_ids() == entries
        found = database.execute("SELECT count(*), count(DISTINCT id) FROM records").fetchone()
        assert found == (entries, entries)


def test_the_audit_and_the_warehouse_spill_into_folders_of_their_own(tmp_path: Path) -> None:
    """DuckDB names these files alike in every database: two in one folder write over each other's."""
    settings = SyncSettings(home=tmp_path)
    asked = "SELECT current_setting('temp_directory')"
    with closing(
        open_scratch(tmp_path, memory_limit_mb=64, landed=LandedSnapshot.local(tmp_path))
    ) as database:
        [(ours,)] = database.execute(asked).fetchall()
    with open_warehouse(None, settings, folder=tmp_path) as warehouse:
        [(its,)] = warehouse._query(asked)
    assert ours != its


def test_the_scratch_database_is_never_checkpointed(tmp_path: Path) -> None:
    """Its file is deleted with the task; DuckDB would write it at each 16 MB of its log and at the end."""
    landed = LandedSnapshot.local(tmp_path)
    file, log = tmp_path / "audit.duckdb", tmp_path / "audit.duckdb.wal"
    with closing(open_scratch(tmp_path, memory_limit_mb=64, landed=landed)) as database:
        empty = file.stat().st_size
        for number in range(4):
            database.execute(
                f"CREATE TABLE some_{number} AS SELECT sha256(CAST(id AS VARCHAR)) AS row_hash "
                "FROM (SELECT unnest(range(100_000)) AS id)"
            )
        assert log.stat().st_size > 16 * 1024**2
        assert file.stat().st_size == empty
    assert log.exists()
    assert file.stat().st_size == empty
