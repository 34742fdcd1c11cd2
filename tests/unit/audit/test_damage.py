"""Whatever stands in the landing zone is read, or refused with an error of ours that quotes nothing."""

import copy
import json
import shutil
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_sync.api.answer import Entry, parse_record
from directory_sync.audit.manifest import read_manifest
from directory_sync.audit.report import AuditReport
from directory_sync.audit.scratch import Snapshot, open_scratch, shard_of_load
from directory_sync.config import columns
from directory_sync.errors import SnapshotError
from directory_sync.landing.files import DIFFERENCE, MANIFEST, REPORT
from directory_sync.landing.place import LandingPlace
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.tables import ENTRIES, FIELDS, WINDOWS, PageColumns
from directory_sync.landing.zone import Landing
from tests.simulation import page
from tests.unit.audit.test_report import REPORT as A_REPORT

MARKER = "SENTINEL-ENTRY"
LOAD = "1700000000.5"
CURE = "Clear the run's `extract` tasks"
TABLES = (ENTRIES, WINDOWS, FIELDS)
AS_MANIFEST: dict[str, Any] = {
    "sync_id": "20260101T000000-0a1b2c3d",
    "loads": [LOAD],
    "files": {table: [f"landed/{table}/{LOAD}.0a1b2c.parquet"] for table in TABLES},
    "seal": {"windows": 2, "joints": 1, "bridged": 0, "contradictions": 0, "proof": "chain"},
    "api": {"answers": 2, "retries": 0, "refused": 0, "totals": [3]},
    "order_is_observed": True,
    "first_requested_at": "2026-01-01T00:00:00+00:00",
    "last_requested_at": "2026-01-01T00:00:01+00:00",
    "findings": [{"rule": "size", "level": "warning", "message": "It is small."}],
}


def land(snapshot: LandedSnapshot) -> None:
    """Lands three entries as one shard does: two answers that share one."""
    columns = PageColumns(0)
    for at, ids in ((0, [1, 2]), (1, [2, 3])):
        entries = [Entry(i, f"hash {i}", json.dumps({"id": i, "n": MARKER}), (("n", "string"),)) for i in ids]
        columns.add(page(at, [], at=at)._replace(entries=entries))
    root = Path(snapshot.path) / "landed"
    for name, table in (
        (WINDOWS, columns.windows()),
        (FIELDS, columns.fields()),
        (ENTRIES, columns.take_entries()),
    ):
        (root / name).mkdir(parents=True)
        pq.write_table(table, root / name / f"{LOAD}.0a1b2c.parquet")
    (root / "_dlt_loads").mkdir()
    (root / "_dlt_loads" / f"directory__{LOAD}.jsonl").write_text("{}")


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> LandedSnapshot:
    snapshot = Landing(LandingPlace(url=str(tmp_path_factory.mktemp("intact")))).snapshot("r", "run")
    land(snapshot)
    return snapshot


@pytest.fixture
def landed(intact: LandedSnapshot, tmp_path: Path) -> LandedSnapshot:
    shutil.copytree(intact.path, tmp_path / "r" / "run")
    return Landing(LandingPlace(url=str(tmp_path))).snapshot("r", "run")


def file_of(snapshot: LandedSnapshot, table: str) -> Path:
    return Path(snapshot.file(f"landed/{table}/{LOAD}.0a1b2c.parquet"))


def read_all(snapshot: LandedSnapshot) -> dict[Any, Any]:
    """All that the audit asks a snapshot: its entries by id."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_scratch(Path(folder), memory_limit_mb=64, landed=snapshot)
        try:
            files = snapshot.latest_files(shard_of_load(database, snapshot))
            tables = Snapshot(database, files)
            tables.create_present()
            tables.create_records(files, ids="present")
            tables.windows(), tables.readings(), tables.counts(), tables.ids_ascend()
            tables.field_types(files), tables.field_ascends(files, ["n"])
            list(tables.shared_ids(at_most=9))
            rows = database.execute("SELECT id, record FROM records").fetchall()
            return {entry_id: parse_record(text) for entry_id, text in rows}
        finally:
            database.close()


def refusal_of(read: Any, *arguments: Any) -> str:
    """What our error says; it names the cure, and neither it nor what hangs on it quotes an entry."""
    with pytest.raises(SnapshotError) as caught:
        read(*arguments)
    assert_hides(caught.value)
    assert CURE in str(caught.value)
    return str(caught.value)


def assert_hides(error: BaseException) -> None:
    assert MARKER not in "".join(traceback.format_exception(error))
    assert error.__context__ is None


def rewrite(path: Path, change: Any) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def with_column(name: str, values: list[Any]) -> Any:
    def change(table: pa.Table) -> pa.Table:
        return table.set_column(table.schema.get_field_index(name), name, pa.array(values))

    return change


def test_what_was_landed_is_read(landed: LandedSnapshot) -> None:
    assert read_all(landed) == {i: {"id": i, "n": MARKER} for i in (1, 2, 3)}


BYTES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "without its end": lambda content: content[:-1],
    "garbage": lambda content: MARKER.encode() * 100,
    "garbage between its marks": lambda content: b"PAR1" + MARKER.encode() * 20 + b"PAR1",
    "JSON": lambda content: json.dumps([{"id": MARKER}]).encode(),
}


@pytest.mark.parametrize("table", [ENTRIES, FIELDS])
@pytest.mark.parametrize("damage", BYTES.values(), ids=BYTES)
def test_a_damaged_file_is_refused(landed: LandedSnapshot, table: str, damage: Any) -> None:
    path = file_of(landed, table)
    path.write_bytes(damage(path.read_bytes()))
    assert f"The landed {table} cannot be read" in refusal_of(read_all, landed)


@pytest.mark.parametrize("damage", BYTES.values(), ids=BYTES)
def test_a_load_whose_windows_are_damaged_is_left_out(
    landed: LandedSnapshot, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = file_of(landed, WINDOWS)
    path.write_bytes(damage(path.read_bytes()))
    assert read_all(landed) == {}
    assert f"windows of load {LOAD} cannot be read" in caplog.text
    assert MARKER not in caplog.text


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *((ENTRIES, name) for name in ("id", "shard", "window", "position", "row_hash", "record")),
        *((WINDOWS, name) for name in ("window", "asked", "entries", "total", "requested_at", "retries")),
        *((FIELDS, name) for name in ("field", "json_type", "entries")),
    ],
)
def test_a_file_without_a_column_is_refused(landed: LandedSnapshot, table: str, column: str) -> None:
    rewrite(file_of(landed, table), lambda found: found.drop_columns([column]))
    assert f"The landed {table} cannot be read" in refusal_of(read_all, landed)


@pytest.mark.parametrize(
    ("table", "column", "values", "named"),
    [
        (ENTRIES, "id", [1.5] * 4, "neither an integer nor a string"),
        (ENTRIES, "id", [None] * 4, "neither"),
        (ENTRIES, "id", [1, None, 2, 3], "ConstraintException"),
        (ENTRIES, "window", [MARKER] * 4, "ConversionException"),
        (ENTRIES, "window", [7] * 4, "are not those of their windows (2 differ)"),
        (ENTRIES, "position", [MARKER] * 4, "ConversionException"),
        (WINDOWS, "window", [MARKER] * 2, "ConversionException"),
        (WINDOWS, "requested_at", [None, None], "ConstraintException"),
        (WINDOWS, "entries", [2, 3], "are not those of their windows (1 differ)"),
        (FIELDS, "entries", [MARKER], "BinderException"),
    ],
)
def test_a_column_of_something_else_is_refused(
    landed: LandedSnapshot, table: str, column: str, values: list[Any], named: str
) -> None:
    rewrite(file_of(landed, table), with_column(column, values))
    assert named in refusal_of(read_all, landed)


def test_entries_that_are_lost_are_missed(landed: LandedSnapshot) -> None:
    file_of(landed, ENTRIES).unlink()
    assert "are not those of their windows (2 differ)" in refusal_of(read_all, landed)


@pytest.mark.parametrize("text", [MARKER, "", "[]", "null", "7", "[" * 100_000, None])
def test_a_record_that_is_no_object_is_refused(text: Any) -> None:
    assert "not a JSON object" in refusal_of(parse_record, text)


def test_a_load_with_another_name_than_a_time_does_not_count(landed: LandedSnapshot) -> None:
    folder = Path(landed.file("landed"))
    for table in TABLES:
        shutil.copy(file_of(landed, table), folder / table / "not.a-time.parquet")
    (folder / "_dlt_loads" / "directory__not.a-time.jsonl").write_text("{}")
    assert len(read_all(landed)) == 3


# -- JSON


@pytest.mark.parametrize(
    "content", [b"", b"{", MARKER.encode(), b"[]", b"null", b"\xff\xfe", b"7", b"[" * 100_000, b"NaN"]
)
def test_json_that_is_no_object_is_refused(landed: LandedSnapshot, content: bytes) -> None:
    Path(landed.file(REPORT)).write_bytes(content)
    assert "The landed report.json" in refusal_of(landed.read_json, REPORT)


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a JSON value but the root."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    )
    for key, inner in members:
        yield (*path, key)
        yield from nodes(inner, (*path, key))


def replaced(document: Mapping[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The document with another value at a path; without it where the value is `...`."""
    changed = copy.deepcopy(dict(document))
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return changed


NEEDED = ["sync_id", "loads", "files", "seal", "api", "order_is_observed", "first_requested_at", "findings"]


def test_a_manifest_is_read(landed: LandedSnapshot) -> None:
    assert read_manifest(landed) is None
    landed.write_json(MANIFEST, {**AS_MANIFEST, "more": 1})
    manifest = read_manifest(landed)
    assert manifest is not None
    content = json.loads(json.dumps(manifest.as_json()))
    assert content["seal"].items() >= AS_MANIFEST["seal"].items()
    assert {name: content[name] for name in AS_MANIFEST} == {**AS_MANIFEST, "seal": content["seal"]}


@pytest.mark.parametrize("key", NEEDED)
@pytest.mark.parametrize("value", [..., None, 7.5, {"a": MARKER}])
def test_a_manifest_that_lacks_something_is_refused(landed: LandedSnapshot, key: str, value: Any) -> None:
    landed.write_json(MANIFEST, replaced(AS_MANIFEST, (key,), value))
    assert "manifest.json" in refusal_of(read_manifest, landed)


@pytest.mark.parametrize("key", ["sync_id", "resource", "snapshot_at", "entries", "findings", "changes"])
@pytest.mark.parametrize("value", [None, 7.5, MARKER, [MARKER]])
def test_a_report_of_something_else_is_refused(key: str, value: Any) -> None:
    content = replaced(A_REPORT.as_json(), (key,), value)
    if not (value == MARKER and key in ("sync_id", "resource")):
        assert "report.json cannot be read" in refusal_of(AuditReport.from_json, content)


def test_a_moment_without_a_zone_is_refused() -> None:
    content = replaced(A_REPORT.as_json(), ("snapshot_at",), "2026-01-01T00:00:00")
    assert "report.json cannot be read" in refusal_of(AuditReport.from_json, content)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("chain"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
def test_any_manifest_is_one_or_a_snapshot_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(nodes(AS_MANIFEST), key=str)))
    changed = replaced(AS_MANIFEST, path, data.draw(JSON_VALUES | st.just(...)))
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Landing(LandingPlace(url=folder)).snapshot("r", "run")
        snapshot.write_json(MANIFEST, changed)
        try:
            manifest = read_manifest(snapshot)
        except SnapshotError as error:
            assert_hides(error)
        else:
            assert manifest is not None
            assert all(name for table in TABLES for name in [manifest.files[table]] if name)


@given(data=st.data())
def test_any_report_is_one_or_a_snapshot_error(data: st.DataObject) -> None:
    content = json.loads(json.dumps(A_REPORT.as_json()))
    path = data.draw(st.sampled_from(sorted(nodes(content), key=str)))
    try:
        report = AuditReport.from_json(replaced(content, path, data.draw(JSON_VALUES | st.just(...))))
    except SnapshotError as error:
        assert_hides(error)
    else:
        assert report.lines()
        assert report.summary()
        assert report.sync_values()


# -- Parquet


@st.composite
def damages(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with some replaced, cut out, doubled or put in."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        length = draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["replace", "cut", "double", "put in", "end"]))
        if kind == "replace":
            changed[at : at + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "cut":
            del changed[at : at + length]
        elif kind == "double":
            changed[at:at] = changed[at : at + length]
        elif kind == "put in":
            changed[at:at] = draw(st.binary(max_size=length))
        else:
            del changed[at:]
    return bytes(changed)


@given(data=st.data())
def test_any_bytes_in_a_landed_file_are_entries_or_a_snapshot_error(
    intact: LandedSnapshot, data: st.DataObject
) -> None:
    table = data.draw(st.sampled_from(TABLES))
    content = data.draw(damages(file_of(intact, table).read_bytes()) | st.binary(max_size=60))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(intact.path, f"{folder}/r/run")
        snapshot = Landing(LandingPlace(url=folder)).snapshot("r", "run")
        file_of(snapshot, table).write_bytes(content)
        try:
            found = read_all(snapshot)
        except SnapshotError as error:
            assert_hides(error)
        else:
            assert all(isinstance(record, dict) for record in found.values())


def difference_in(snapshot: LandedSnapshot, *, rows: int = 2) -> Path:
    table = pa.table({name: [f"{MARKER} {name}"] * rows for name in columns.names(columns.CHANGES)})
    return Path(snapshot.write_tables(DIFFERENCE, [table]))


def read_difference(snapshot: LandedSnapshot) -> int:
    read = snapshot.read_tables(DIFFERENCE, rows=10, columns=columns.names(columns.CHANGES), expected=2)
    return sum(batch.num_rows for batch in read)


@pytest.mark.parametrize("damage", BYTES.values(), ids=BYTES)
def test_a_damaged_difference_is_refused(landed: LandedSnapshot, damage: Any) -> None:
    path = difference_in(landed)
    assert read_difference(landed) == 2
    path.write_bytes(damage(path.read_bytes()))
    assert "The landed difference.parquet" in refusal_of(read_difference, landed)


def test_a_difference_with_other_rows_than_the_report_says_is_refused(landed: LandedSnapshot) -> None:
    difference_in(landed, rows=3)
    assert "has 3 rows instead of 2" in refusal_of(read_difference, landed)


def test_a_difference_that_is_gone_is_refused(landed: LandedSnapshot) -> None:
    assert "has 0 rows instead of 2" in refusal_of(read_difference, landed)


@pytest.mark.parametrize("column", columns.names(columns.CHANGES))
def test_a_difference_without_a_column_is_refused(landed: LandedSnapshot, column: str) -> None:
    rewrite(difference_in(landed), lambda found: found.drop_columns([column]))
    assert f"lacks the column `{column}`" in refusal_of(read_difference, landed)


@given(data=st.data())
def test_any_bytes_of_a_difference_are_rows_or_a_snapshot_error(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Landing(LandingPlace(url=folder)).snapshot("r", "run")
        path = difference_in(snapshot)
        path.write_bytes(data.draw(damages(path.read_bytes())))
        try:
            assert read_difference(snapshot) == 2
        except SnapshotError as error:
            assert_hides(error)
