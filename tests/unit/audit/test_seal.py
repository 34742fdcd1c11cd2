"""Whenever a snapshot is sealed, nothing that lasted through the pull is missing from it."""

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from directory_sync.api.page import Page
from directory_sync.audit.bridge import SPARE_REQUESTS
from directory_sync.audit.proof import ReadPage, Seal
from directory_sync.audit.scratch import Snapshot
from directory_sync.audit.windows_seal import seal_windows as seal
from directory_sync.errors import ConfigError, SnapshotError
from directory_sync.extract.numbered import EMPTY_ANSWERS_NEEDED
from tests.simulation import (
    LIMIT,
    MovingList,
    StillList,
    Weather,
    ids_in,
    land,
    page,
    read_shards,
    snapshot_of,
)

SIXTY = tuple(range(1, 61))


def pull(weather: Weather, *, seed: int, shards: int, in_flight: int = 1) -> tuple[set[Any], Seal]:
    """Pulls and seals a moving list; returns what lasted and is missing, and the seal."""
    moving = MovingList(weather, seed=seed, shards=shards)
    lock = Lock()

    def fetch(offset: int, limit: int = LIMIT) -> Page:
        with lock:
            return moving(offset, limit)

    pages = read_shards(fetch, shards=shards, seed=seed, in_flight=in_flight)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as database:
        snapshot = Snapshot(database, land(Path(folder), pages))
        proof = seal(snapshot, moving)
        found = ids_in(snapshot)
    assert found <= moving.ever
    return moving.lasting - found, proof


def missing_unless_refused(weather: Weather, *, seed: int, shards: int, in_flight: int = 1) -> set[Any]:
    """What lasted and is missing from the sealed snapshot; nothing where it is not sealed."""
    try:
        return pull(weather, seed=seed, shards=shards, in_flight=in_flight)[0]
    except SnapshotError:
        return set()


WEATHERS = st.builds(
    Weather,
    entries=st.sampled_from([0, 2, 19, 20, 21, 60, 100, 150]),
    caps=st.sampled_from([(1_000,), (20,), (7,), (20, 9), (5, 30), (3, 20)]),
    churn=st.sampled_from([0.0, 0.2, 0.5, 1.0, 2.0]),
    where=st.sampled_from(["anywhere", "head", "seam"]),
    burst=st.sampled_from([1, 1, 30]),
    total=st.sampled_from(["right", "none", "stale"]),
    empty=st.sampled_from([0.0, 0.0, 0.05]),
)


# tests/chaos/test_pulls.py and test_ends.py pull hundreds of seeded lists beside these.
EXAMPLES = 40 if settings.get_current_profile_name() == "default" else 1_000


@given(WEATHERS, st.integers(0, 2**32), st.sampled_from([1, 2, 4]))
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
def test_no_entry_that_lasted_is_missing_from_a_sealed_snapshot(
    weather: Weather, seed: int, shards: int
) -> None:
    try:
        missing, _ = pull(weather, seed=seed, shards=shards)
    except SnapshotError:
        # Nothing is published then; only a list that is all churn may end so.
        assert weather.churn
        return
    except ConfigError:
        # A list of one entry, and another one a moment later, looks like a cap of one.
        assert weather.entries <= 2
        return
    assert not missing


@pytest.mark.parametrize("seed", range(12))
def test_a_burst_larger_than_a_page_loses_nobody(seed: int) -> None:
    weather = Weather(entries=150, churn=2.0, burst=35, total=("right", "none", "stale")[seed % 3])
    assert not missing_unless_refused(weather, seed=seed, shards=4)


@pytest.mark.parametrize("seed", range(8))
def test_edits_where_shards_meet_lose_nobody(seed: int) -> None:
    weather = Weather(entries=150, churn=1.5, where="seam")
    missing, proof = pull(weather, seed=seed, shards=4)
    assert not missing
    assert proof.displaced


@pytest.mark.parametrize("seed", range(6))
def test_requests_in_flight_lose_nobody(seed: int) -> None:
    weather = Weather(entries=150, churn=1.0, caps=(20, 12), total=("right", "none")[seed % 2])
    missing, _ = pull(weather, seed=seed, shards=2, in_flight=4)
    assert not missing


def test_a_still_list_is_sealed_with_nine_requests_of_the_audit() -> None:
    """Four show the last entries, two ask behind them, three far behind."""
    missing, proof = pull(Weather(entries=150), seed=1, shards=4)
    assert not missing
    assert (proof.requests, proof.bridged, proof.displaced) == (9, 0, 0)
    assert proof.end == 149


# ---- joints


def sealed(
    folder: Path, ids: Sequence[Any], windows: Sequence[tuple[int, int]], read: ReadPage | None = None
) -> tuple[set[Any], Seal, StillList]:
    """Seals a still list of which only these windows (offset, entries) were landed."""
    still = StillList(ids, total=lambda _: None)
    pages = [page(o, ids[o : o + count], at=o / 1e3) for o, count in windows]
    snapshot = snapshot_of(folder, *pages)
    proof = seal(snapshot, read or still)
    return ids_in(snapshot), proof, still


def chain(first: int, end: int) -> list[tuple[int, int]]:
    """Windows of a full page with an overlap of one, from an offset to another."""
    return [(at, min(LIMIT, end - at)) for at in range(first, end - 1, LIMIT - 1)]


def test_what_no_window_joins_is_read_again(tmp_path: Path) -> None:
    ids = range(1, 201)
    found, proof, still = sealed(tmp_path, ids, [(0, 20), *chain(100, 200)])
    assert found == set(ids)
    assert proof.bridged == 5
    assert still.asked[:5] == [19, 38, 57, 76, 95]


def test_windows_that_touch_without_sharing_an_entry_are_not_joined(tmp_path: Path) -> None:
    """What stood between them when the second was read may have moved left, unread."""
    found, proof, still = sealed(tmp_path, SIXTY, [(0, 20), (20, 20), (39, 20), (58, 2)])
    assert still.asked[0] == 19
    assert proof.bridged == 1
    assert found == set(SIXTY)


@pytest.mark.parametrize("doubled", [1, 2])
def test_an_id_that_stands_twice_far_apart_joins_nothing(tmp_path: Path, doubled: int) -> None:
    """The list holds the end of the first window again at offset 100: naively, both are neighbours."""
    ids = list(range(1, 201))
    ids[100 : 100 + doubled] = ids[20 - doubled : 20]
    found, proof, _ = sealed(tmp_path, ids, [(0, 20), *chain(100, 200)])
    assert found == set(ids)
    assert proof.rejected


def test_a_block_that_stands_twice_at_the_edges_of_far_windows_joins_nothing(tmp_path: Path) -> None:
    """Three ids end the first window and begin a far one, as those of two neighbours would."""
    ids = list(range(1, 201))
    ids[95:98] = ids[17:20]
    found, proof, _ = sealed(tmp_path, ids, [(0, 20), *chain(95, 200)])
    assert found == set(ids)
    assert proof.rejected


def test_doubled_ids_within_windows_join_nothing(tmp_path: Path) -> None:
    """Three ids of the first window stand in a far one, away from its edges."""
    ids = list(range(1, 201))
    ids[108:111] = ids[9:12]
    found, proof, _ = sealed(tmp_path, ids, [(0, 20), *chain(100, 200)])
    assert found == set(ids)
    assert proof.rejected


def test_an_id_twice_in_one_answer_joins_nothing_and_is_counted(tmp_path: Path) -> None:
    ids = list(range(1, 101))
    ids[40], ids[55] = 20, 20
    found, proof, _ = sealed(tmp_path, ids, [(0, 20), *chain(38, 100)])
    assert found == set(ids)
    assert proof.doubled == 1
    assert (proof.rejected, proof.contradictions) == (0, 0)
    assert not proof.order_is_observed


def test_a_list_of_doubled_ids_is_never_sealed(tmp_path: Path) -> None:
    """Every entry stands twice, one beside the other: no two windows can be joined."""
    ids = [n // 2 for n in range(2, 42)]
    with pytest.raises(SnapshotError):
        sealed(tmp_path, ids, chain(0, 40))


def with_doubled(how: str, *, entries: int, seed: int) -> tuple[list[int], set[int]]:
    """A list a tenth of whose ids stands twice; and these ids."""
    draw, ids = random.Random(seed), list(range(entries))
    doubled = draw.sample(ids, entries // 10)
    if how == "anywhere":
        for one in doubled:
            ids.insert(draw.randrange(len(ids) + 1), one)
    elif how == "side by side":
        ids = sorted([*ids, *doubled])
    else:
        ids += doubled if how == "behind" else sorted(doubled)
    return ids, set(doubled)


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("how", ["anywhere", "side by side", "behind", "behind in order"])
@pytest.mark.parametrize(("entries", "seed"), [(100, 21), (300, 12)])
def test_a_still_list_of_which_a_tenth_of_the_ids_is_doubled_is_sealed(
    tmp_path: Path, how: str, entries: int, seed: int, shards: int
) -> None:
    ids, doubled = with_doubled(how, entries=entries, seed=seed)
    still = StillList(ids)
    snapshot = Snapshot(duckdb.connect(), land(tmp_path, read_shards(still, shards=shards, seed=seed)))
    proof = seal(snapshot, still)
    assert ids_in(snapshot) == set(ids)
    assert proof.contradictions == 0
    # Some pairs of answers share so many of them, in order, that a piece of the list may have moved.
    assert 0.5 * len(doubled) <= proof.doubled <= len(doubled)
    assert proof.requests < 20 + entries // 20


@pytest.mark.parametrize("seed", range(8))
def test_a_lightly_edited_list_of_doubled_ids_misses_nobody_where_it_is_sealed(
    tmp_path: Path, seed: int
) -> None:
    """Ids that stood twice and lost one place are still in the list."""
    ids, _ = with_doubled(("anywhere", "behind")[seed % 2], entries=150, seed=seed)
    draw, lasting = random.Random(seed), set(ids)
    still = StillList(ids)

    def fetch(offset: int, limit: int = LIMIT) -> Page:
        if draw.random() < 0.1:
            ids.pop(draw.randrange(len(ids)))
            lasting.intersection_update(ids)
        return still(offset, limit)

    snapshot = Snapshot(duckdb.connect(), land(tmp_path, read_shards(fetch, shards=2, seed=seed)))
    try:
        seal(snapshot, fetch)
    except SnapshotError:
        return
    assert lasting <= ids_in(snapshot)


def test_windows_that_contradict_each_other_are_read_again(tmp_path: Path) -> None:
    """The first answer shows 20 before 19, a later one 19 before 20."""
    older = page(0, [*range(1, 19), 20, 19], at=0)
    later = [page(o, SIXTY[o : o + count], at=1 + o) for o, count in [(18, 20), (37, 20), (56, 4)]]
    still = StillList(SIXTY)
    snapshot = snapshot_of(tmp_path, older, *later)
    proof = seal(snapshot, still)
    assert proof.contradictions == 1
    assert 0 in still.asked
    assert ids_in(snapshot) == set(SIXTY)


def test_a_contradicted_answer_joins_its_neighbours_no_more(tmp_path: Path) -> None:
    """The second answer, which joins the first and the third, shows 31 before 30; a later one does not."""
    middle = page(15, [*range(16, 30), 31, 30, *range(32, 36)], at=1)
    pages = [page(o, SIXTY[o : o + n], at=2 + o) for o, n in [(0, 20), (29, 2), (31, 20), (50, 10)]]
    still = StillList(SIXTY)
    snapshot = snapshot_of(tmp_path, middle, *pages)
    proof = seal(snapshot, still)
    assert proof.contradictions == 1
    assert still.asked[0] == 19
    assert ids_in(snapshot) == set(SIXTY)


def test_a_contradiction_takes_the_order_as_unobserved(tmp_path: Path) -> None:
    older = page(0, [*range(1, 19), 20, 19], at=0)
    later = [page(o, SIXTY[o : o + count], at=1 + o) for o, count in [(18, 20), (37, 20), (56, 4)]]
    assert not seal(snapshot_of(tmp_path, older, *later), StillList(SIXTY)).order_is_observed


class ShuffledList(StillList):
    """A list in another order at every request."""

    def __call__(self, offset: int, limit: int | None = None) -> Page:
        self.ids = random.Random(f"{len(self.ids)}:{len(self.asked)}").sample(list(self.ids), len(self.ids))
        return super().__call__(offset, limit)


@pytest.mark.parametrize(("entries", "shards"), [(40, 1), (150, 4)])
def test_a_list_in_random_order_is_never_sealed(tmp_path: Path, entries: int, shards: int) -> None:
    shuffled = ShuffledList(range(entries))
    pages = read_shards(shuffled, shards=shards, seed=entries)
    snapshot = Snapshot(duckdb.connect(), land(tmp_path, pages))
    with pytest.raises(SnapshotError):
        seal(snapshot, shuffled)


# ---- the end


def test_a_short_window_is_not_the_end(tmp_path: Path) -> None:
    found, _, _ = sealed(tmp_path, SIXTY, [(0, 20), (19, 6)])
    assert found == set(SIXTY)


def test_a_total_is_not_the_end(tmp_path: Path) -> None:
    """The API states 20 where 60 entries stand."""
    lying = StillList(SIXTY, total=lambda _: 20)
    pages = read_shards(lying, shards=2, seed=1)
    snapshot = Snapshot(duckdb.connect(), land(tmp_path, pages))
    seal(snapshot, lying)
    assert ids_in(snapshot) == set(SIXTY)


def test_a_total_that_lies_low_for_the_last_shard_loses_nobody(tmp_path: Path) -> None:
    lying = StillList(SIXTY, total=lambda _: 35)
    pages = read_shards(lying, shards=4, seed=1)
    snapshot = Snapshot(duckdb.connect(), land(tmp_path, pages))
    seal(snapshot, lying)
    assert ids_in(snapshot) == set(SIXTY)


def test_an_empty_answer_is_not_the_end(tmp_path: Path) -> None:
    still = StillList(SIXTY)

    def stray(offset: int) -> Page:
        answer = still(offset)
        return answer._replace(entries=[]) if len(still.asked) <= 4 else answer

    found, _, _ = sealed(tmp_path, SIXTY, [(0, 20)], stray)
    assert found == set(SIXTY)


def test_one_entry_with_another_behind_it_is_not_the_end(tmp_path: Path) -> None:
    """For a moment the API gives one entry a page."""
    still = StillList(SIXTY)

    def capped(offset: int) -> Page:
        still.cap = 1 if len(still.asked) == 0 else 1_000
        return still(offset)

    found, _, _ = sealed(tmp_path, SIXTY, [(0, 20)], capped)
    assert found == set(SIXTY)


def test_one_entry_that_is_not_in_the_chain_is_not_the_end(tmp_path: Path) -> None:
    """All behind the twentieth entry moved left by one: the answer's only entry is a stranger."""
    landed, now = list(range(1, 21)), [*range(2, 21), 99]
    snapshot = snapshot_of(tmp_path, page(0, landed))
    still = StillList(now)
    seal(snapshot, still)
    assert len(still.asked) > 2
    assert 99 in ids_in(snapshot)


def test_the_end_is_where_the_last_entry_stands(tmp_path: Path) -> None:
    _, proof, _ = sealed(tmp_path, SIXTY, chain(0, 60))
    assert proof.end == 59


# ---- emptiness, budget, refusals


def test_an_empty_directory_is_believed_after_several_answers(tmp_path: Path) -> None:
    empty = StillList((), total=lambda _: None)
    proof = seal(snapshot_of(tmp_path, page(0, ())), empty)
    assert proof.end is None
    assert len(empty.asked) == EMPTY_ANSWERS_NEEDED >= 3


def test_an_empty_answer_whose_total_says_otherwise_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="total is 5"):
        seal(snapshot_of(tmp_path, page(0, ())), StillList((), total=lambda _: 5))


def test_an_empty_head_is_not_believed_while_windows_hold_entries(tmp_path: Path) -> None:
    landed = snapshot_of(tmp_path, page(20, range(21, 41)))
    with pytest.raises(SnapshotError, match="hold entries"):
        seal(landed, StillList((), total=lambda _: None))


def test_a_directory_that_was_empty_for_two_answers_is_read(tmp_path: Path) -> None:
    still = StillList(SIXTY, total=lambda _: None)

    def late(offset: int) -> Page:
        answer = still(offset)
        return answer._replace(entries=[]) if len(still.asked) < EMPTY_ANSWERS_NEEDED else answer

    snapshot = snapshot_of(tmp_path, page(0, ()))
    seal(snapshot, late)
    assert ids_in(snapshot) == set(SIXTY)


def test_a_seal_that_needs_too_many_requests_is_given_up(tmp_path: Path) -> None:
    silent = StillList((), total=lambda _: None)
    snapshot = snapshot_of(tmp_path, page(0, range(1, 21)), page(19, range(20, 31)))
    with pytest.raises(SnapshotError, match="not sealed"):
        seal(snapshot, silent)
    assert len(silent.asked) == 2 * 2 + SPARE_REQUESTS


def test_a_server_on_which_the_offset_has_no_effect_is_refused(tmp_path: Path) -> None:
    fixed = StillList(SIXTY)
    with pytest.raises(ConfigError, match="offset has no effect"):
        seal(snapshot_of(tmp_path, page(0, SIXTY[:20])), lambda offset: fixed(0)._replace(offset=offset))


def test_a_burst_that_shows_the_head_again_is_not_taken_for_a_fixed_answer(tmp_path: Path) -> None:
    """Twenty entries came before the head: the next answer is what the head was."""
    before, now = SIXTY[:20], [*range(-19, 1), *SIXTY]
    snapshot = snapshot_of(tmp_path, page(0, before))
    moved = StillList(now)

    def read(offset: int) -> Page:
        return moved(offset + 1 if len(moved.asked) == 0 else offset)

    seal(snapshot, read)
    assert set(SIXTY) <= ids_in(snapshot)


def test_a_list_that_shifted_by_more_than_a_page_is_sealed(tmp_path: Path) -> None:
    """How far the landed windows moved is told of them alone, not of what the audit reads itself."""
    snapshot = snapshot_of(tmp_path, page(0, SIXTY[:20]), page(19, SIXTY[19:39], at=1))
    moved = StillList([*range(-29, 1), *SIXTY])
    seal(snapshot, moved)
    assert set(SIXTY) <= ids_in(snapshot)
    assert len(moved.asked) < 20


def test_a_cap_of_one_entry_is_refused(tmp_path: Path) -> None:
    capped = StillList(SIXTY[:5], cap=1)
    with pytest.raises(ConfigError, match="one entry per page"):
        seal(snapshot_of(tmp_path, page(0, [1])), capped)


def test_a_list_that_grows_at_its_end_is_not_taken_for_a_cap_of_one(tmp_path: Path) -> None:
    growing = StillList(list(SIXTY))

    def read(offset: int) -> Page:
        answer = growing(offset)
        if len(answer.entries) == 1 and len(growing.ids) < 70:
            growing.ids = [*growing.ids, len(growing.ids) + 1]
        return answer

    snapshot = snapshot_of(tmp_path, *(page(o, SIXTY[o : o + n]) for o, n in chain(0, 60)))
    seal(snapshot, read)
    assert set(SIXTY) <= ids_in(snapshot)


# ---- the order


@pytest.mark.parametrize(
    ("ids", "is_observed"),
    [
        (SIXTY, True),
        (SIXTY[::-1], True),
        ((*SIXTY[:30], 99, *SIXTY[30:]), False),
        (tuple(f"{n:03}" for n in SIXTY), True),
        ((7,), False),
    ],
    ids=["ascending", "descending", "one out of order", "text", "a single entry"],
)
def test_an_order_is_observed_where_all_ids_ascend_or_descend(
    tmp_path: Path, ids: Sequence[Any], is_observed: bool
) -> None:
    windows = chain(0, len(ids)) or [(0, 1)]
    _, proof, _ = sealed(tmp_path, ids, windows)
    assert proof.order_is_observed is is_observed


def test_an_order_that_turns_between_windows_is_not_observed(tmp_path: Path) -> None:
    ids = (*range(101, 121), *range(100, 60, -1))
    _, proof, _ = sealed(tmp_path, ids, chain(0, len(ids)))
    assert not proof.order_is_observed
