"""What the log says while a reader reads, by a clock of the tests' own."""

import logging
from pathlib import Path

import pytest

from directory_sync.audit.bridge import REQUESTS_NOT_LOGGED
from directory_sync.audit.windows_seal import seal_windows as seal_it
from directory_sync.extract.numbered import NumberedReader
from directory_sync.extract.plan import Shard
from directory_sync.extract.progress import SECONDS_BETWEEN_LINES, Progress, ReadFacts
from directory_sync.extract.windows import ShardReader
from tests.simulation import LIMIT, StillList, page, snapshot_of


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "directory_sync.extract.progress")
    return lambda: [
        record.message for record in caplog.records if record.name == "directory_sync.extract.progress"
    ]


def windows(count: int, *, first: int = 0):
    """Windows of 100 entries that overlap by one."""
    return [page(at, range(at, at + 100), limit=100) for at in range(first, first + 99 * count, 99)]


def test_a_line_says_pages_entries_percent_rate_and_the_time_left(clock, lines):
    progress = Progress("Shard 2 of 4", clock=clock)
    for window in windows(10, first=5_000):
        clock.seconds += 1
        progress.add(window, expected=1_982)
    assert lines() == [
        "Shard 2 of 4: 5 pages, 496 of about 1,982 entries (25 %), 99 entries/s, 15 s left",
        "Shard 2 of 4: 10 pages, 991 of about 1,982 entries (50 %), 99 entries/s, 10 s left",
    ]


def test_between_two_lines_nothing_is_said(clock, lines):
    progress = Progress("Shard 1 of 1", clock=clock)
    for window in windows(200):
        clock.seconds += SECONDS_BETWEEN_LINES / 50
        progress.add(window)
    assert len(lines()) in (3, 4)


def test_without_a_total_there_is_no_percentage_and_no_time_left(clock, lines):
    progress = Progress("Shard 1 of 1", clock=clock)
    clock.seconds += 10
    progress.add(*windows(1))
    assert lines() == ["Shard 1 of 1: 1 page, 100 entries, 10 entries/s"]


def test_a_list_beyond_its_total_has_no_percentage(clock, lines):
    progress = Progress("Shard 1 of 1", clock=clock)
    clock.seconds += 10
    progress.add(windows(1)[0], expected=99)
    assert lines() == ["Shard 1 of 1: 1 page, 100 entries, 10 entries/s"]


def test_a_clock_that_stands_still_gives_no_rate(clock, lines):
    progress = Progress("Shard 1 of 1", clock=clock)
    progress.add(windows(1)[0], expected=1_000)
    progress.finish()
    assert lines() == ["Shard 1 of 1: 1 page, 100 entries in 0 s (0/s); 0 retries, 0 refused"]


def test_the_last_line_says_what_it_took(clock, lines):
    progress = Progress("Shard 1 of 4", clock=clock)
    for window in windows(30):
        progress.add(window._replace(retries=2, refused=1))
    clock.seconds += 4
    facts = progress.finish()
    assert lines() == ["Shard 1 of 4: 30 pages, 2,971 entries in 4 s (743/s); 60 retries, 30 refused"]
    assert facts == ReadFacts(pages=30, entries=2_971, seconds=4.0, retries=60, refused=30)


def test_a_reader_without_work_says_nothing(clock, lines):
    clock.seconds += 100
    assert Progress("Shard 4 of 4", clock=clock).finish().pages == 0
    assert lines() == []


def test_a_page_that_is_read_again_counts_its_entries_once(clock):
    progress = Progress("Shard 1 of 1", clock=clock)
    for at in (0, 100, 0, 200, 100):
        progress.add(page(at, range(at, at + 100), limit=100))
    assert progress.facts.entries == 300
    assert progress.facts.pages == 5


@pytest.mark.parametrize("shards", [1, 3, 4, 40])
def test_what_shards_expect_is_what_they_read_windows_overlap_aside(shards):
    for number in range(shards):
        still = StillList(range(500))
        reader = ShardReader(still, Shard(number=number, count=shards), limit=LIMIT, in_flight=1)
        progress = Progress("a shard")
        for window in reader.pages():
            progress.add(window, expected=reader.expected)
        assert abs(progress.facts.entries - (reader.expected or 0)) <= LIMIT


def test_a_list_without_a_total_has_no_expectation_before_its_end():
    reader = ShardReader(
        StillList(range(500), total=lambda _: None), Shard(number=0, count=1), limit=LIMIT, in_flight=1
    )
    expected = [reader.expected for _ in reader.pages()]
    assert expected[0] is None


def test_numbered_pages_expect_each_entry_once():
    def read(number: int):
        ids = range((number - 1) * 10, min(number * 10, 45)) if number < 6 else ()
        return page(0, ids, total=5)

    reader = NumberedReader(read, base_page=1, page_param="page", name="people")
    progress = Progress("Shard 1 of 1")
    for one in reader.pages():
        progress.add(one, expected=reader.expected)
    assert (progress.facts.entries, reader.expected) == (45, 50)


def sealed_from(folder: Path, still: StillList, *landed: tuple[int, int]) -> None:
    ids = list(range(300))
    snapshot = snapshot_of(folder, *(page(at, ids[at:end]) for at, end in landed))
    seal_it(snapshot, lambda offset: still(offset, None))


def test_an_audit_that_bridges_much_says_so(tmp_path, lines):
    sealed_from(tmp_path, StillList(range(300)), (0, 20), (280, 300))
    [line] = lines()
    assert line.startswith("The audit reads what does not join: ")


def test_an_audit_that_reads_the_end_alone_says_nothing(tmp_path, lines):
    still = StillList(range(300))
    sealed_from(tmp_path, still, *((at, at + 20) for at in range(0, 285, 19)))
    assert 0 < len(still.asked) <= REQUESTS_NOT_LOGGED
    assert lines() == []
