"""The pace falls once a burst of refusals, grows with success, and never passes the ceiling."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock

import pytest

from directory_sync.rate import DECREASE, FLOOR, RequestRate


class FakeTime:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture
def time():
    return FakeTime()


def rate_of(time, ceiling=None):
    return RequestRate(ceiling, clock=time.clock, sleep=time.sleep)


def test_without_a_ceiling_nobody_waits(time):
    rate = rate_of(time)
    for _ in range(50):
        rate.wait()
    assert (time.slept, rate.requests_per_second) == ([], None)


def test_success_leaves_a_free_pace_free(time):
    rate = rate_of(time)
    rate.succeeded()
    assert rate.requests_per_second is None


def test_the_pace_starts_at_the_ceiling(time):
    rate = rate_of(time, 4.0)
    slots = [rate.wait() for _ in range(5)]
    assert slots == pytest.approx([1000.0, 1000.25, 1000.5, 1000.75, 1001.0])


def test_a_slot_that_nobody_took_is_not_saved_up(time):
    rate = rate_of(time, 1.0)
    rate.wait()
    time.now += 10
    assert [rate.wait(), rate.wait()] == [1010.0, 1011.0]


def test_the_first_refusal_halves_the_pace(time):
    rate = rate_of(time, 8.0)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    assert rate.requests_per_second == 4.0


def test_the_first_refusal_of_a_free_pace_halves_what_was_seen(time):
    rate = rate_of(time)
    for _ in range(40):
        sent_at = rate.wait()
        time.now += 0.1
    rate.refused(sent_at=sent_at, wait_seconds=0)
    assert rate.requests_per_second == pytest.approx(5.0)


def test_a_burst_of_refusals_halves_the_pace_once(time):
    rate = rate_of(time, 8.0)
    in_flight = [rate.wait() for _ in range(8)]
    for sent_at in in_flight:
        rate.refused(sent_at=sent_at, wait_seconds=2)
        time.now += 0.01
    assert rate.requests_per_second == 4.0


def test_a_refusal_of_a_later_request_halves_the_pace_again(time):
    rate = rate_of(time, 8.0)
    rate.refused(sent_at=rate.wait(), wait_seconds=1)
    rate.refused(sent_at=rate.wait(), wait_seconds=1)
    assert rate.requests_per_second == 2.0


def test_the_pace_never_falls_below_the_floor(time):
    rate = rate_of(time, 8.0)
    for _ in range(30):
        rate.refused(sent_at=rate.wait(), wait_seconds=1)
    assert rate.requests_per_second == FLOOR


@pytest.mark.parametrize("ceiling", [0.01, 0.125, FLOOR, 0.3, 5.0])
def test_a_refusal_never_quickens_the_pace(time, ceiling):
    rate = rate_of(time, ceiling)
    for _ in range(5):
        rate.refused(sent_at=rate.wait(), wait_seconds=1)
        assert rate.requests_per_second <= ceiling


def test_success_quickens_by_one_request_a_second_every_second(time):
    rate = rate_of(time, 100.0)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    before = rate.requests_per_second
    until = time.now + 1
    while time.now < until:
        rate.wait()
        rate.succeeded()
    assert rate.requests_per_second == pytest.approx(before + 1, abs=0.1)


def test_success_never_passes_the_ceiling(time):
    rate = rate_of(time, 3.0)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    for _ in range(20):
        rate.succeeded()
    assert rate.requests_per_second == 3.0


def test_a_refusal_holds_every_thread(time):
    rate = rate_of(time, 1000.0)
    rate.refused(sent_at=rate.wait(), wait_seconds=7)
    refused_at = time.now
    with ThreadPoolExecutor(8) as pool:
        slots = list(pool.map(lambda _: rate.wait(), range(8)))
    assert min(slots) >= refused_at + 7


def test_a_refusal_of_a_free_pace_holds_every_thread(time):
    rate = rate_of(time)
    rate.refused(sent_at=rate.wait(), wait_seconds=7)
    assert rate.wait() == 1007.0


def test_a_later_refusal_of_a_burst_can_still_ask_for_a_longer_wait(time):
    rate = rate_of(time, 8.0)
    first, second = rate.wait(), rate.wait()
    rate.refused(sent_at=first, wait_seconds=1)
    rate.refused(sent_at=second, wait_seconds=30)
    assert rate.wait() == pytest.approx(time.now)
    assert time.slept[-1] == pytest.approx(30)


def test_a_shorter_wait_does_not_undo_a_longer_one(time):
    rate = rate_of(time, 8.0)
    first, second = rate.wait(), rate.wait()
    rate.refused(sent_at=first, wait_seconds=30)
    rate.refused(sent_at=second, wait_seconds=1)
    rate.wait()
    assert time.slept[-1] == pytest.approx(30)


def test_no_two_threads_get_the_same_slot(time):
    rate = rate_of(time, 50.0)
    with ThreadPoolExecutor(16) as pool:
        slots = sorted(pool.map(lambda _: rate.wait(), range(64)))
    gaps = [later - earlier for earlier, later in pairwise(slots)]
    assert min(gaps) >= 1 / 50 - 1e-9


def test_shards_that_share_a_limit_converge(time):
    fast, slow = rate_of(time, 100.0), rate_of(time, 100.0)
    for _ in range(4):
        slow.refused(sent_at=slow.wait(), wait_seconds=0)
    assert slow.requests_per_second == 100 * DECREASE**4
    for _ in range(2000):
        if fast.requests_per_second + slow.requests_per_second > 60:
            for rate in (fast, slow):
                rate.refused(sent_at=time.now + 1, wait_seconds=0)
            time.now += 2
        for rate in (fast, slow):
            for _ in range(max(1, round(rate.requests_per_second / 10))):
                rate.succeeded()
    assert fast.requests_per_second == pytest.approx(slow.requests_per_second, rel=0.2)
