"""The places of absent entries are asked for again; what another answer shows is not removed."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from directory_sync.api.page import Page
from directory_sync.audit.reread import MAX_REREADS, Reread, check_reread, reread
from directory_sync.audit.scratch import Snapshot
from tests.simulation import LIMIT, StillList, page, snapshot_of

HUNDRED = tuple(range(10, 1_010, 10))


def landed(folder: Path, ids: Sequence[int | str]) -> Snapshot:
    return snapshot_of(folder, *(page(o, ids[o : o + LIMIT], at=o / 1e3) for o in range(0, 99, LIMIT - 1)))


class Replicas:
    """Two lists that take turns; the first one answers `fresh` times, then the other once."""

    def __init__(self, fresh: Sequence[int], lagging: Sequence[int], *, every: int) -> None:
        self.lists, self.every, self.asked = (StillList(fresh), StillList(lagging)), every, 0

    def __call__(self, offset: int) -> Page:
        self.asked += 1
        return self.lists[self.asked % self.every == 0](offset)


@pytest.mark.parametrize("ids", [HUNDRED, HUNDRED[::-1], tuple(f"{n:04}" for n in HUNDRED)])
def test_an_entry_that_no_answer_shows_is_absent(tmp_path: Path, ids: tuple[int | str, ...]) -> None:
    still = StillList([i for i in ids if i not in (ids[0], ids[50], ids[99])])
    absent = [ids[0], ids[50], ids[99]]
    found = reread(landed(tmp_path, still.ids), absent, still, answers_needed=2)
    assert found == Reread(absent=3)
    assert len(still.asked) == 6


def test_an_entry_that_another_answer_shows_is_seen(tmp_path: Path) -> None:
    """The pull met the replica that lags; it lacks two entries, one of which has left meanwhile."""
    lagging = [i for i in HUNDRED if i not in (500, 510)]
    fresh = [i for i in HUNDRED if i != 510]
    found = reread(landed(tmp_path, lagging), [500, 510], StillList(fresh), answers_needed=1)
    assert found.seen == {500}
    assert not found.unconfirmed
    [finding] = check_reread(found)
    assert finding.rule == "replicas"


def test_a_replica_that_answers_one_request_in_six_hides_nothing_from_four_answers(tmp_path: Path) -> None:
    lagging = [i for i in HUNDRED if i not in range(400, 500)]
    replicas = Replicas(HUNDRED, lagging, every=6)
    absent = list(range(400, 500, 10))
    found = reread(landed(tmp_path, lagging), absent, replicas, answers_needed=4)
    assert found.seen | found.unconfirmed == set(absent)
    assert len(found.seen) > 5


def test_neighbours_share_an_answer(tmp_path: Path) -> None:
    still = StillList([i for i in HUNDRED if i not in (500, 510, 520)])
    assert reread(landed(tmp_path, still.ids), [500, 510, 520], still, answers_needed=1) == Reread(absent=3)
    assert len(still.asked) == 1


def test_answers_that_hold_no_neighbours_confirm_nothing(tmp_path: Path) -> None:
    still = StillList([i for i in HUNDRED if i != 500])
    found = reread(
        landed(tmp_path, still.ids), [500], lambda offset: still(0)._replace(offset=offset), answers_needed=1
    )
    assert found.unconfirmed == {500}
    [finding] = check_reread(found)
    assert finding.rule == "unconfirmed"


def test_requests_are_bounded(tmp_path: Path) -> None:
    still = StillList(HUNDRED)
    snapshot = landed(tmp_path, [i for i in HUNDRED if i > 500])
    empty = [n + 1 for n in HUNDRED]
    asked: list[int] = []

    def silent(offset: int) -> Page:
        asked.append(offset)
        return still(offset)._replace(entries=[])

    found = reread(snapshot, empty, silent, answers_needed=4)
    assert len(asked) == MAX_REREADS
    assert found.unconfirmed == set(empty)
