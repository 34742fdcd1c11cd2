"""Ids of rows: as many as asked for, all different, ascending, of the form of dlt's."""

import re
from itertools import islice

import pytest
from dlt.common.normalizers import utils

from directory_sync.publish import row_ids
from directory_sync.publish.row_ids import RowIds


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1_024, 1_025, 5_000])
def test_ids_are_all_different_and_as_long_as_dlts(count: int) -> None:
    ids = RowIds().new(count).to_pylist()
    assert len(set(ids)) == len(ids) == count
    form = re.compile(rf"[A-Za-z0-9+/]{{{len(utils.generate_dlt_id())}}}")
    assert [one for one in ids if not form.fullmatch(one)] == []


def test_each_id_is_greater_than_all_before_it() -> None:
    maker = RowIds()
    ids = [one for count in (3, 5_000, 0, 40_000, 1) for one in maker.new(count).to_pylist()]
    assert ids == sorted(set(ids))
    assert len(ids) == 45_004


def test_ids_of_two_loads_begin_differently() -> None:
    begins = {RowIds().new(1).to_pylist()[0][:8] for _ in range(1_000)}
    assert len(begins) == 1_000


@pytest.mark.parametrize(("length_bytes", "length"), [(4, 14), (10, 14), (16, 22)])
def test_another_length_of_dlts_ids_never_leaves_too_little_to_draw(
    monkeypatch: pytest.MonkeyPatch, length_bytes: int, length: int
) -> None:
    monkeypatch.setattr(utils, "DLT_ID_LENGTH_BYTES", length_bytes)
    ids = RowIds().new(2_000).to_pylist()
    assert {len(one) for one in ids} == {length}
    assert len(set(ids)) == 2_000


def test_a_new_beginning_is_drawn_when_the_numbers_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_ids, "_DIGITS_BEFORE", 1)
    begins = list(islice(row_ids._begins(), 33))
    assert len(set(begins)) == 33
    assert len({one[:8] for one in begins}) == 2
