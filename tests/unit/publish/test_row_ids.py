"""Ids of rows: as many as asked for, all different, of the form of dlt's."""

import re

import pytest
from dlt.common.normalizers.utils import generate_dlt_id

from directory_sync.publish.row_ids import new_ids


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5_000])
def test_ids_are_all_different_and_as_long_as_dlts(count: int) -> None:
    ids = new_ids(count).to_pylist()
    assert len(set(ids)) == len(ids) == count
    form = re.compile(rf"[A-Za-z0-9+/]{{{len(generate_dlt_id())}}}")
    assert [one for one in ids if not form.fullmatch(one)] == []
