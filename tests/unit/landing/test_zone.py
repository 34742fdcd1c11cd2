"""The landed files: which of them count, and how long they stay."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from directory_sync.audit.scratch import open_scratch, shard_of_load
from directory_sync.errors import EnvelopeError
from directory_sync.landing.files import MANIFEST
from directory_sync.landing.place import LandingPlace
from directory_sync.landing.snapshot import LandedSnapshot, folder_name
from directory_sync.landing.tables import PageColumns
from directory_sync.landing.zone import Landing
from tests.simulation import page


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(LandingPlace(url=str(tmp_path)))


def land(snapshot: LandedSnapshot, load_id: str, shard: int, *, complete: bool = True) -> None:
    """Lands one load as dlt's filesystem destination does."""
    columns = PageColumns(shard)
    columns.add(page(0, [1, 2]))
    root = Path(snapshot.path) / "landed"
    for name, table in (
        ("windows", columns.windows()),
        ("fields", columns.fields()),
        ("entries", columns.take_entries()),
    ):
        (root / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, root / name / f"{load_id}.0a1b2c.parquet")
    (root / "_dlt_loads").mkdir(exist_ok=True)
    if complete:
        (root / "_dlt_loads" / f"directory__{load_id}.jsonl").write_text("{}")


def chosen(snapshot: LandedSnapshot, folder: Path) -> tuple[str, ...]:
    database = open_scratch(folder, memory_limit_mb=64, landed=snapshot)
    try:
        return snapshot.latest_files(shard_of_load(database, snapshot)).loads
    finally:
        database.close()


def test_a_load_without_its_entry_does_not_count(landing: Landing, tmp_path: Path) -> None:
    snapshot = landing.snapshot("r", "run")
    land(snapshot, "1700000000.5", 0)
    land(snapshot, "1700000001.5", 1, complete=False)
    assert chosen(snapshot, tmp_path) == ("1700000000.5",)


def test_the_latest_load_of_each_shard_counts(landing: Landing, tmp_path: Path) -> None:
    snapshot = landing.snapshot("r", "run")
    land(snapshot, "1700000000.5", 0)
    land(snapshot, "1700000001.25", 1)
    land(snapshot, "1700000002.125", 0)
    assert chosen(snapshot, tmp_path) == ("1700000001.25", "1700000002.125")


def test_the_latest_load_is_told_by_its_number_not_its_text(landing: Landing, tmp_path: Path) -> None:
    snapshot = landing.snapshot("r", "run")
    land(snapshot, "999999999.5", 0)
    land(snapshot, "1700000000.5", 0)
    assert chosen(snapshot, tmp_path) == ("1700000000.5",)


def test_an_interrupted_load_does_not_hide_the_complete_one_before_it(
    landing: Landing, tmp_path: Path
) -> None:
    snapshot = landing.snapshot("r", "run")
    land(snapshot, "1700000000.5", 0)
    land(snapshot, "1700000001.5", 0, complete=False)
    assert chosen(snapshot, tmp_path) == ("1700000000.5",)


def test_the_files_of_all_tables_are_of_the_chosen_load(landing: Landing, tmp_path: Path) -> None:
    snapshot = landing.snapshot("r", "run")
    land(snapshot, "1700000000.5", 0)
    land(snapshot, "1700000001.5", 0)
    files = snapshot.latest_files({"1700000000.5": 0, "1700000001.5": 0})
    for paths in (files.entries, files.windows, files.fields):
        assert [Path(path).name for path in paths] == ["1700000001.5.0a1b2c.parquet"]


def test_a_folder_that_does_not_exist_has_no_files(landing: Landing) -> None:
    assert landing.snapshot("r", "none").load_files("entries") == {}
    assert landing.snapshots("r") == []


def test_json_is_written_whole_or_not_at_all(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = landing.snapshot("r", "run")
    snapshot.write_json(MANIFEST, {"a": 1})

    def torn(path: str, value: bytes) -> None:
        Path(path).write_bytes(value[: len(value) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(snapshot._fs, "pipe_file", torn)
    with pytest.raises(OSError, match="disk full"):
        snapshot.write_json(MANIFEST, {"a": 2, "b": 3})
    assert snapshot.read_json(MANIFEST) == {"a": 1}


def test_a_first_manifest_that_is_torn_does_not_exist(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = landing.snapshot("r", "run")

    def torn(path: str, value: bytes) -> None:
        Path(path).write_bytes(value[:1])
        raise OSError("disk full")

    monkeypatch.setattr(snapshot._fs, "pipe_file", torn)
    with pytest.raises(OSError, match="disk full"):
        snapshot.write_json(MANIFEST, {"a": 2})
    assert snapshot.read_json(MANIFEST) is None


def test_tables_are_written_and_read_in_batches(landing: Landing) -> None:
    snapshot = landing.snapshot("r", "run")
    snapshot.write_tables("some.parquet", [pa.table({"a": [1, 2]}), pa.table({"a": [3]})])
    batches = list(snapshot.read_tables("some.parquet", rows=2))
    assert [value for batch in batches for value in batch.column("a").to_pylist()] == [1, 2, 3]
    assert max(batch.num_rows for batch in batches) <= 2


def test_no_tables_are_read_as_nothing(landing: Landing) -> None:
    snapshot = landing.snapshot("r", "run")
    assert list(snapshot.read_tables("none.parquet", rows=2)) == []
    snapshot.write_tables("empty.parquet", [])
    assert list(snapshot.read_tables("empty.parquet", rows=2)) == []


def sealed(landing: Landing, run_id: str) -> LandedSnapshot:
    snapshot = landing.snapshot("r", run_id)
    snapshot.write_json(MANIFEST, {})
    return snapshot


def test_a_snapshot_loses_its_manifest_first(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = sealed(landing, "run")

    def broken(path: str, *, recursive: bool) -> None:
        raise OSError("busy")

    monkeypatch.setattr(snapshot._fs, "rm", broken)
    with pytest.raises(OSError, match="busy"):
        snapshot.delete()
    assert snapshot.read_json(MANIFEST) is None


@pytest.mark.parametrize(
    ("run_id", "name"),
    [
        ("manual__2026-01-01T00:00:00+00:00", "manual__2026-01-01T00-00-00-00-00"),
        ("a b/c\\d", "a-b-c-d"),
        ("plain_1.2-3", "plain_1.2-3"),
    ],
)
def test_a_run_id_becomes_a_folders_name(run_id: str, name: str) -> None:
    assert folder_name(run_id) == name


@pytest.mark.parametrize("run_id", ["..", ".", "../other", "...", ".hidden"])
def test_no_run_id_leads_out_of_the_resources_folder(run_id: str) -> None:
    name = folder_name(run_id)
    assert "/" not in name
    assert not name.startswith(".")


def test_integers_and_text_among_the_ids_of_a_shard_are_refused() -> None:
    columns = PageColumns(0)
    columns.add(page(0, [1, 2]))
    with pytest.raises(EnvelopeError, match="mixed"):
        columns.add(page(2, ["3"]))


def test_entries_are_taken_once(landing: Landing) -> None:
    columns = PageColumns(3)
    columns.add(page(40, ["a", "b"]))
    taken = columns.take_entries()
    assert taken.select(["id", "shard", "window", "position"]).to_pylist() == [
        {"id": "a", "shard": 3, "window": 40, "position": 0},
        {"id": "b", "shard": 3, "window": 40, "position": 1},
    ]
    assert columns.take_entries().num_rows == columns.rows == 0
    assert columns.windows().num_rows == 1


def test_shards_that_begin_together_prepare_one_folder(landing: Landing) -> None:
    """Each sees the folder as dlt wants it, or not at all."""
    together = Barrier(8)

    def prepare(run: int) -> str:
        snapshot = landing.snapshot("r", str(run))
        together.wait(60)
        snapshot.prepare()
        return Path(snapshot.file("landed/init")).read_text()

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(prepare, [number // 8 for number in range(160)]))
    assert [json.loads(text) for text in found] == [{"initial_version": 2, "current_version": 2}]
    assert [path.name for path in Path(landing.snapshot("r", "0").file("landed")).iterdir()] == ["init"]


def test_json_that_was_written_is_read(landing: Landing) -> None:
    snapshot = landing.snapshot("r", "run")
    snapshot.write_json("report.json", {"b": [1, None]})
    assert snapshot.read_json("report.json") == {"b": [1, None]}
    assert json.loads(Path(snapshot.file("report.json")).read_text()) == {"b": [1, None]}
