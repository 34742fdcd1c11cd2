"""Every entry is in some window, with no more requests than the windows need."""

from datetime import UTC, datetime
from itertools import pairwise
from threading import Event, Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory_sync.api.answer import Entry
from directory_sync.api.page import Page
from directory_sync.errors import ApiError, ApiUnavailableError, ConfigError
from directory_sync.extract.plan import OVERLAP, Shard
from directory_sync.extract.windows import ShardReader, refuse_fixed_answer

AT = datetime(2025, 1, 1, tzinfo=UTC)
RUNAWAY = 5_000


def page(offset, limit, ids, total):
    return Page(offset, limit, [Entry(i, "", "", ()) for i in ids], total, AT)


class List:
    """A directory of the ids 0 to n-1 that gives `cap` entries a page at most.

    Args:
        n: how many entries.
        cap: a number, or a function of how many requests came before.
        total: what is stated: "right", "absent", or a number.
        empty: how often an offset is answered by an empty page first.
    """

    def __init__(self, n, *, cap=10**9, total="right", empty=None) -> None:
        self.ids = list(range(n))
        self.cap = cap
        self.total = total
        self.empty = dict(empty or {})
        self.asked: list[int] = []
        self._lock = Lock()

    def page(self, offset, limit):
        with self._lock:
            number = len(self.asked)
            self.asked.append(offset)
            is_empty = self.empty.get(offset, 0) > 0
            if is_empty:
                self.empty[offset] -= 1
        assert number < RUNAWAY, "the reader never ends"
        cap = self.cap(number) if callable(self.cap) else self.cap
        total = {"right": len(self.ids), "absent": None}.get(self.total, self.total)
        found = [] if is_empty else self.answer(offset, min(limit, cap))
        return page(offset, limit, found, total)

    def answer(self, offset, count):
        return self.ids[offset : offset + count]


def read(directory, *, limit=10, shards=1, in_flight=4):
    """The windows of all shards, shard by shard."""
    return [
        list(
            ShardReader(
                directory.page, Shard(number=number, count=shards), limit=limit, in_flight=in_flight
            ).pages()
        )
        for number in range(shards)
    ]


def ids_of(windows):
    return {entry.id for pages in windows for one in pages for entry in one.entries}


def is_joined(windows):
    """Whether the windows cover the list without a gap, each sharing an entry with another."""
    spans = sorted((one.offset, one.end) for pages in windows for one in pages if one.entries)
    reached = spans[0][1]
    for start, end in spans[1:]:
        if start >= reached:
            return False
        reached = max(reached, end)
    return True


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    n=st.integers(0, 300),
    cap=st.integers(2, 60),
    limit=st.integers(2, 60),
    shards=st.integers(1, 5),
    in_flight=st.integers(1, 8),
    total=st.sampled_from(["right", "absent"]),
)
def test_every_entry_is_read_with_bounded_requests(n, cap, limit, shards, in_flight, total):
    directory = List(n, cap=cap, total=total)
    windows = read(directory, limit=limit, shards=shards, in_flight=in_flight)
    assert ids_of(windows) == set(range(n))
    assert n == 0 or is_joined(windows)
    size = min(cap, limit)
    # The list in steps of one window less the overlap, and for each shard: the head, twice if it is
    # empty, the overlap with the next, the windows that feel for the end, each asked twice.
    per_shard = 4 + 2 * in_flight
    assert len(directory.asked) <= n / (size - OVERLAP) + shards * per_shard


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    n=st.integers(0, 300),
    caps=st.lists(st.integers(3, 60), min_size=1, max_size=6),
    limit=st.integers(3, 60),
    shards=st.integers(1, 4),
    in_flight=st.integers(1, 8),
    total=st.sampled_from(["right", "absent"]),
)
def test_every_entry_is_read_while_the_cap_moves(n, caps, limit, shards, in_flight, total):
    directory = List(n, cap=lambda number: caps[number // 3 % len(caps)], total=total)
    windows = read(directory, limit=limit, shards=shards, in_flight=in_flight)
    assert ids_of(windows) == set(range(n))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    n=st.integers(0, 200),
    stated=st.integers(0, 400),
    limit=st.integers(2, 40),
    shards=st.integers(1, 4),
)
def test_a_total_that_is_wrong_ends_the_reading_all_the_same(n, stated, limit, shards):
    directory = List(n, total=stated)
    try:
        read(directory, limit=limit, shards=shards)
    except ConfigError:
        assert n == 1


def test_entries_after_a_total_that_is_late_are_read():
    directory = List(100, total=60)
    assert ids_of(read(directory, limit=10, shards=3)) == set(range(100))


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
@pytest.mark.parametrize("total", [0, 1, 6, 100, 101])
def test_the_shares_of_the_shards_are_the_whole(shards, total):
    shares = [Shard(number=number, count=shards).share(total) for number in range(shards)]
    assert shares[0][0] == 0
    assert shares[-1][1] == total
    assert all(left[1] == right[0] for left, right in pairwise(shares))


def test_neighbours_share_an_entry():
    assert is_joined(read(List(100), limit=10))


def test_shards_overlap_by_a_window():
    first, second = read(List(200), limit=10, shards=2)
    assert max(one.end for one in first) - min(one.offset for one in second) >= 10


def test_a_list_of_one_page_is_one_request_for_the_first_shard():
    directory = List(7)
    windows = read(directory, limit=10, shards=3)
    assert [len(pages) for pages in windows] == [1, 0, 0]
    assert directory.asked == [0, 0, 0]


def test_an_empty_list_is_asked_twice():
    directory = List(0)
    ((only,),) = read(directory)
    assert (only.entries, directory.asked) == ([], [0, 0])


@pytest.mark.parametrize("total", ["right", "absent"])
def test_a_cap_below_the_limit_is_learnt(total):
    directory = List(400, cap=20, total=total)
    windows = read(directory, limit=100, in_flight=1)
    assert ids_of(windows) == set(range(400))
    assert len(directory.asked) <= 400 / 19 + 4


def test_a_cap_that_comes_later_is_learnt():
    directory = List(400, cap=lambda number: 100 if number < 2 else 20)
    windows = read(directory, limit=100, in_flight=1)
    assert ids_of(windows) == set(range(400))
    assert len(directory.asked) <= 2 + 300 / 19 + 4


def test_the_full_limit_is_asked_for_under_a_cap():
    windows = read(List(100, cap=20), limit=50)
    assert {one.limit for pages in windows for one in pages} == {50}


def test_a_cap_of_one_is_refused():
    with pytest.raises(ConfigError, match="returns one entry per page although more follow"):
        read(List(50, cap=1))


class Fixed(List):
    """A directory on which `offset` has no effect."""

    def answer(self, offset, count):
        return self.ids[:count]


@pytest.mark.parametrize("total", ["right", "absent"])
@pytest.mark.parametrize("in_flight", [1, 8])
def test_an_offset_without_effect_is_refused(total, in_flight):
    directory = Fixed(50, total=total)
    with pytest.raises(ConfigError, match="the offset has no effect"):
        read(directory, in_flight=in_flight)
    assert len(directory.asked) <= 3 + 2 * in_flight + 4


def test_every_shard_refuses_an_offset_without_effect():
    reader = ShardReader(Fixed(50).page, Shard(number=2, count=3), limit=10, in_flight=2)
    with pytest.raises(ConfigError, match="the offset has no effect"):
        list(reader.pages())


def test_a_head_that_came_again_by_an_edit_is_no_fixed_answer():
    head = page(0, 10, range(10), 50)
    shifted = page(9, 10, range(10), 50)
    # Raises nothing: asked again, the two differ.
    refuse_fixed_answer(shifted, head=head, read=_ten(List(50)))


def _ten(directory):
    return lambda offset: directory.page(offset, 10)


@pytest.mark.parametrize("total", ["right", "absent"])
def test_an_empty_page_in_the_middle_is_asked_again(total):
    directory = List(100, empty={27: 1}, total=total)
    windows = read(directory, limit=10, in_flight=2)
    assert ids_of(windows) == set(range(100))
    assert directory.asked.count(27) == 2


@pytest.mark.parametrize("total", ["right", "absent"])
def test_an_empty_head_is_asked_again(total):
    directory = List(100, empty={0: 1}, total=total)
    assert ids_of(read(directory, limit=10)) == set(range(100))


def test_an_empty_page_that_stays_ends_nothing_but_its_window():
    directory = List(100, empty={27: 2})
    missed = set(range(100)) - ids_of(read(directory, limit=10))
    assert missed == set(range(28, 36))


def test_without_a_total_one_shard_reads_all():
    windows = read(List(95, total="absent"), limit=10, shards=3)
    assert ids_of(windows[:1]) == set(range(95))
    assert windows[1:] == [[], []]


def test_the_total_is_told():
    reader = ShardReader(List(42).page, Shard(number=0, count=1), limit=10, in_flight=2)
    list(reader.pages())
    assert reader.total == 42


def test_only_the_first_shard_yields_the_head():
    windows = read(List(200), limit=10, shards=2)
    assert [any(one.offset == 0 for one in pages) for pages in windows] == [True, False]


class Failing(List):
    """Fails at an offset; the others in flight are answered only then."""

    def __init__(self, n, *, fails_at, in_flight) -> None:
        super().__init__(n)
        self.fails_at, self.in_flight = fails_at, in_flight
        self.is_full, self.has_failed = Event(), Event()

    def page(self, offset, limit):
        answer = super().page(offset, limit)
        if len(self.asked) >= 1 + self.in_flight:
            self.is_full.set()
        if offset == 0:
            return answer
        assert self.is_full.wait(10)
        if offset == self.fails_at:
            self.has_failed.set()
            raise ApiUnavailableError("status 503")
        assert self.has_failed.wait(10)
        return answer


@pytest.mark.parametrize("in_flight", [1, 4, 8])
def test_a_failure_ends_the_shard_with_the_requests_in_flight(in_flight):
    directory = Failing(10_000, fails_at=9, in_flight=in_flight)
    with pytest.raises(ApiUnavailableError):
        read(directory, in_flight=in_flight)
    # The head, those in flight, and one more for each that was answered before the failure.
    assert len(directory.asked) <= 1 + 2 * in_flight


class Counting(List):
    """Knows how many requests it had at once."""

    def __init__(self, n) -> None:
        super().__init__(n)
        self.now = self.most = 0
        self._count_lock = Lock()

    def page(self, offset, limit):
        with self._count_lock:
            self.now += 1
            self.most = max(self.most, self.now)
        answer = super().page(offset, limit)
        with self._count_lock:
            self.now -= 1
        return answer


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_requests_are_in_flight_than_allowed(in_flight):
    directory = Counting(2000)
    read(directory, limit=10, in_flight=in_flight)
    assert directory.most <= in_flight


def test_a_reader_that_is_left_asks_no_further():
    directory = List(10_000)
    reader = ShardReader(directory.page, Shard(number=0, count=1), limit=10, in_flight=2)
    pages = reader.pages()
    next(pages)
    next(pages)
    pages.close()
    asked = len(directory.asked)
    assert asked <= 1 + 2 + 2
    assert list(pages) == []
    assert len(directory.asked) == asked


@pytest.mark.parametrize("has_total", [True, False])
def test_reading_ends_where_the_server_repeats_its_last_page_for_offsets_behind_the_end(has_total):
    entries, limit = 95, 10

    def fetch(offset, asked):
        assert offset < 10 * entries, "reading goes on behind the end"
        start = min(offset, entries - limit)
        found = [Entry(i, "hash", "{}", ()) for i in range(start, start + limit)]
        return Page(offset, asked, found, entries if has_total else None, datetime.now(UTC))

    reader = ShardReader(fetch, Shard(number=0, count=1), limit=limit, in_flight=4)
    read = {entry.id for page in reader.pages() for entry in page.entries}
    assert read == set(range(entries))


def test_a_late_total_over_a_list_of_one_entry_is_no_cap():
    def fetch(offset, asked):
        found = [Entry(1, "hash", "{}", ())] if offset == 0 else []
        return Page(offset, asked, found, 5, datetime.now(UTC))

    reader = ShardReader(fetch, Shard(number=0, count=1), limit=10, in_flight=4)
    assert {entry.id for page in reader.pages() for entry in page.entries} == {1}


def test_a_cap_of_one_is_refused_without_a_total():
    def fetch(offset, asked):
        return Page(offset, asked, [Entry(offset, "hash", "{}", ())], None, datetime.now(UTC))

    with pytest.raises(ConfigError, match="one entry per page"):
        list(ShardReader(fetch, Shard(number=0, count=1), limit=10, in_flight=4).pages())


def refusing(total: int | None, refused: int) -> ShardReader:
    """A list of sixty that answers 400 to one offset, and to all behind its end."""

    def fetch(offset: int, limit: int) -> Page:
        if offset == refused or offset >= 60:
            raise ApiError("400", status=400)
        entries = [Entry(n, "h", "{}", ()) for n in range(offset, min(60, offset + limit))]
        return Page(offset, limit, entries, total, datetime.now(UTC))

    return ShardReader(fetch, Shard(number=0, count=1), limit=20, in_flight=1)


def test_an_error_in_front_of_the_stated_total_fails_the_shard() -> None:
    with pytest.raises(ApiError):
        list(refusing(60, 19).pages())


@pytest.mark.parametrize("total", [None, 60, 40])
def test_an_error_behind_the_end_is_left_to_the_seal(total: int | None) -> None:
    found = {entry.id for one in refusing(total, 80).pages() for entry in one.entries}
    assert found >= set(range(40))
