"""The landed entries as tables: which version of an entry stands, what a snapshot counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from directory_sync.api.answer import Entry
from directory_sync.api.page import Page
from directory_sync.audit.scratch import Snapshot
from directory_sync.config.keys import ID, Key, as_text
from directory_sync.errors import ConfigError, EnvelopeError
from tests.simulation import START, land, page, snapshot_of


def standing(snapshot: Snapshot) -> dict[Any, str]:
    snapshot.create_present()
    return dict(snapshot.database.execute("SELECT id, row_hash FROM present").fetchall())


def test_the_version_requested_last_stands(tmp_path: Path) -> None:
    snapshot = snapshot_of(
        tmp_path,
        page(0, [1, 2], at=5, row_hash="later"),
        page(1, [2, 3], at=1, row_hash="earlier"),
    )
    assert standing(snapshot) == {1: "later", 2: "later", 3: "earlier"}


def test_of_versions_requested_at_once_the_greater_window_stands(tmp_path: Path) -> None:
    snapshot = snapshot_of(
        tmp_path, page(1, [2, 3], at=1, row_hash="greater"), page(0, [1, 2], at=1, row_hash="smaller")
    )
    assert standing(snapshot)[2] == "greater"


def test_of_versions_in_one_window_the_greater_position_stands(tmp_path: Path) -> None:
    twice = [Entry(1, "first", "{}", ()), Entry(2, "x", "{}", ()), Entry(1, "second", "{}", ())]
    snapshot = snapshot_of(tmp_path, Page(0, 20, twice, None, START))
    assert standing(snapshot)[1] == "second"


def test_what_the_audit_reads_itself_takes_part(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, page(0, [1, 2], at=1, row_hash="landed"))
    snapshot.add(page(1, [2, 3], at=2, row_hash="read"))
    assert standing(snapshot) == {1: "landed", 2: "read", 3: "read"}


def test_the_record_of_the_version_that_stands_is_found(tmp_path: Path) -> None:
    def one(at: float, record: str) -> Page:
        return page(0, [], at=at)._replace(entries=[Entry(1, record, record, ())])

    files = land(tmp_path, {0: [one(1, '{"v": 1}'), one(3, '{"v": 3}')], 1: [one(2, '{"v": 2}')]})
    snapshot = Snapshot(duckdb.connect(), files)
    snapshot.create_present()
    snapshot.create_records(files, ids="present")
    assert snapshot.database.execute("SELECT * FROM records").fetchall() == [(1, '{"v": 3}')]


def test_integers_in_one_shard_and_text_in_another_are_refused(tmp_path: Path) -> None:
    files = land(tmp_path, {0: [page(0, [1, 2])], 1: [page(2, ["3"])]})
    with pytest.raises(EnvelopeError, match="integer in one shard and a string in another"):
        Snapshot(duckdb.connect(), files)


def test_an_answer_with_ids_of_another_type_is_refused(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, page(0, [1, 2]))
    with pytest.raises(EnvelopeError, match="mixed"):
        snapshot.add(page(2, ["3"]))


@pytest.mark.parametrize(
    ("ids", "id_type"), [([1], "BIGINT"), (["a"], "VARCHAR"), ([], None)], ids=["int", "text", "none"]
)
def test_the_type_of_ids_is_told(tmp_path: Path, ids: Sequence[Any], id_type: str | None) -> None:
    assert snapshot_of(tmp_path, page(0, ids)).id_type == id_type


def test_a_first_answer_with_entries_gives_an_empty_snapshot_its_type(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, page(0, []))
    snapshot.add(page(0, ["a"]))
    assert snapshot.id_type == "VARCHAR"
    assert standing(snapshot) == {"a": "h"}


def test_a_shard_without_entries_does_not_hide_the_type_of_another(tmp_path: Path) -> None:
    files = land(tmp_path, {0: [page(0, ["a"])], 1: [page(20, [])]})
    assert Snapshot(duckdb.connect(), files).id_type == "VARCHAR"


def test_what_a_snapshot_took_is_counted(tmp_path: Path) -> None:
    snapshot = snapshot_of(
        tmp_path,
        page(0, [1, 2], at=4, total=5)._replace(retries=2, refused=1),
        page(1, [2, 3], at=1, total=3),
        page(9, [], at=2),
    )
    counts = snapshot.counts()
    assert (counts.answers, counts.entries, counts.retries, counts.refused) == (3, 4, 2, 1)
    assert counts.totals == (3, 5)
    assert counts.first_requested_at == page(0, [], at=1).requested_at
    assert counts.last_requested_at == page(0, [], at=4).requested_at
    assert snapshot.distinct_ids() == 3


def test_the_head_is_the_latest_answer_to_offset_zero(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, page(0, [5, 6], at=2), page(0, [1, 2], at=1), page(0, [], at=3))
    assert snapshot.head_ids() == [5, 6]


def test_an_answer_of_two_shards_is_kept_apart(tmp_path: Path) -> None:
    """Both shards asked for the same offset at the same moment."""
    files = land(tmp_path, {0: [page(0, [1, 2], at=1)], 1: [page(0, [1, 2], at=1)]})
    snapshot = Snapshot(duckdb.connect(), files)
    assert len(snapshot.windows()) == 2
    assert snapshot.doubled_in_a_window() == 0


TWO = Key((("site",), ("no",)))


def keyed(folder: Path, *ids: Any, key: Key = TWO) -> Snapshot:
    return Snapshot(duckdb.connect(), land(folder, {0: [page(0, ids)]}), key)


def test_the_text_of_a_key_of_several_fields_tells_no_order(tmp_path: Path) -> None:
    ids = [as_text(("a", n)) for n in range(1, 6)]
    assert keyed(tmp_path, *ids, key=ID).ids_ascend()
    assert not keyed(tmp_path, *ids).ids_ascend()


def test_each_field_of_a_key_has_one_type(tmp_path: Path) -> None:
    assert keyed(tmp_path, as_text(("7", -7)), as_text(("b", 2**63 - 1))).key_type() == "VARCHAR, BIGINT"
    assert keyed(tmp_path).key_type() is None
    with pytest.raises(
        EnvelopeError, match="The `no` of entries is an integer in some and a string in others"
    ):
        keyed(tmp_path, as_text(("a", 7)), as_text(("a", "7"))).key_type()


@pytest.mark.parametrize("ids", [[1, 2], ["a", '["a",7]'], ['["a",7]', '["a",7,8]'], ['{"a":7}']])
def test_entries_that_were_landed_by_another_key_are_refused(tmp_path: Path, ids: list[Any]) -> None:
    with pytest.raises(ConfigError, match="was read before `primary_key` was `site`, `no`"):
        keyed(tmp_path, *ids).key_type()


def test_a_page_of_another_type_names_the_key(tmp_path: Path) -> None:
    snapshot = keyed(tmp_path, 1, 2, key=Key((("sys_id",),)))
    with pytest.raises(
        EnvelopeError, match="The `sys_id` of entries at offset 2 has another type than before"
    ):
        snapshot.add(page(2, ["3"]))
