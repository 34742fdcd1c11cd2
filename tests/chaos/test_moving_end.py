"""A list whose end moves between all requests is read to its end, and given up where it never holds still."""

from pathlib import Path

import pytest

from directory_sync.api.page import Page
from directory_sync.audit.windows_seal import seal_windows as seal
from directory_sync.errors import SnapshotError
from directory_sync.extract.plan import Shard
from directory_sync.extract.windows import ShardReader
from tests.simulation import LIMIT, StillList, ids_in, page, snapshot_of

SIXTY = tuple(range(1, 61))


class Shifted(StillList):
    """A list of which so many entries come or go at its head before each answer."""

    moves = 0

    def __call__(self, offset: int, limit: int | None = None) -> Page:
        if self.moves > 0:
            self.ids = [*range(self.ids[0] - self.moves, self.ids[0]), *self.ids]
        else:
            self.ids = self.ids[-self.moves :]
        return super().__call__(offset, limit)


MANY = tuple(range(1, 301))


def landed() -> list[Page]:
    return [page(o, MANY[o : o + LIMIT], at=o / 1e3) for o in range(0, 299, LIMIT - 1)]


@pytest.mark.parametrize("moves", [-3, -1, 1, 2, 3])
def test_an_end_that_moves_with_every_request_is_found(tmp_path: Path, moves: int) -> None:
    moving = Shifted(MANY, total=lambda _: None)
    moving.moves = moves
    snapshot = snapshot_of(tmp_path, *landed())
    seal(snapshot, moving)
    assert ids_in(snapshot) >= set(MANY) & set(moving.ids)
    assert len(moving.asked) < 40


def test_a_page_cap_of_one_that_comes_and_goes_is_not_taken_for_the_end(tmp_path: Path) -> None:
    """Caps of one and of five take turns; the end is not where they happen to meet."""
    still = StillList(range(1, 201), total=lambda _: None)

    def read(offset: int) -> Page:
        still.cap = (1, 1, 5, 20)[len(still.asked) % 4]
        return still(offset)

    snapshot = snapshot_of(tmp_path, page(0, range(1, 21)))
    try:
        seal(snapshot, read)
    except SnapshotError:
        return
    assert ids_in(snapshot) == set(range(1, 201))


def test_a_shard_without_a_total_ends_although_the_list_grows_with_every_answer() -> None:
    growing = StillList(list(SIXTY), total=lambda _: None)

    def fetch(offset: int, limit: int) -> Page:
        growing.ids = [*growing.ids, len(growing.ids) + 1]
        assert len(growing.asked) < 200, "the shard walks for ever"
        return growing(offset, limit)

    pages = list(ShardReader(fetch, Shard(number=0, count=1), limit=LIMIT, in_flight=1).pages())
    assert {entry.id for one in pages for entry in one.entries} >= set(SIXTY)
