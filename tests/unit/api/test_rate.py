"""The pace falls once a burst of refusals, grows with success, never passes the ceiling, finds a limit."""

import heapq
import math
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock

import pytest

from directory_sync.api.growth import DECREASE, DOUBLING_SECONDS, KNOWN_DECREASE, KNOWN_REFUSALS, KNOWN_STEP
from directory_sync.api.rate import FLOOR, HEADROOM, RequestRate
from sandbox.faults import TokenBucket


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
    return RequestRate(ceiling, clock=time.clock, sleep=time.sleep, jitter=lambda: 0.0)


def pass_by(time, rate, seconds):
    """So many seconds of requests that are all answered."""
    until = time.now + seconds
    while time.now < until:
        rate.wait()
        rate.succeeded()


def test_without_a_ceiling_the_pace_quickens_until_nobody_waits(time):
    rate = rate_of(time)
    slots = [rate.wait() for _ in range(200)]
    gaps = [later - earlier for earlier, later in pairwise(slots)]
    assert gaps[0] > 10 * gaps[50] > 20 * gaps[-1]
    assert slots[-1] - slots[0] < 0.5


def test_without_a_ceiling_the_first_requests_do_not_go_at_once(time):
    rate = rate_of(time)
    slots = [rate.wait() for _ in range(8)]
    assert slots[-1] - slots[0] > 0.1


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


def test_the_first_refusal_slows_the_pace(time):
    rate = rate_of(time, 8.0)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    assert rate.requests_per_second == 8.0 * DECREASE


def test_the_first_refusal_of_a_free_pace_sets_it_to_what_was_answered(time):
    rate = rate_of(time)
    for _ in range(50):
        sent_at = rate.wait()
        rate.succeeded()
        time.now = 1000.0 + 4.0
    rate.refused(sent_at=sent_at, wait_seconds=0)
    # 50 in four seconds and a burst of one second's worth.
    assert rate.requests_per_second == pytest.approx(10.0, rel=0.1)


def test_a_free_pace_that_is_refused_at_once_does_not_stop(time):
    rate = rate_of(time)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    assert rate.requests_per_second == pytest.approx(1.0)


def test_a_burst_of_refusals_slows_the_pace_once(time):
    rate = rate_of(time, 8.0)
    in_flight = [rate.wait() for _ in range(8)]
    for sent_at in in_flight:
        rate.refused(sent_at=sent_at, wait_seconds=2)
        time.now += 0.01
    assert rate.requests_per_second == 8.0 * DECREASE


def test_a_refusal_of_a_later_request_slows_the_pace_again(time):
    rate = rate_of(time, 8.0)
    rate.refused(sent_at=rate.wait(), wait_seconds=1)
    rate.refused(sent_at=rate.wait(), wait_seconds=1)
    assert rate.requests_per_second == 8.0 * DECREASE**2


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


def test_a_slowed_pace_doubles_slowly_first_and_then_ever_faster(time):
    rate = rate_of(time, 1000.0)
    for _ in range(10):
        rate.refused(sent_at=rate.wait(), wait_seconds=0)
    before = rate.requests_per_second
    grown = []
    for _ in range(3):
        pass_by(time, rate, DOUBLING_SECONDS / 2)
        grown.append(rate.requests_per_second / before)
    assert grown == pytest.approx([1 + 0.5**3, 2.0, 1 + 1.5**3], rel=0.02)


def test_success_never_passes_the_ceiling(time):
    rate = rate_of(time, 3.0)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    pass_by(time, rate, 60)
    assert rate.requests_per_second == 3.0


def test_a_pace_that_nobody_uses_does_not_grow_beyond_what_is_answered(time):
    rate = rate_of(time)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    for _ in range(300):
        rate.wait()
        time.now += 1.0
        rate.succeeded()
    assert rate.requests_per_second == pytest.approx(HEADROOM, rel=0.05)


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


def test_a_refusal_holds_a_thread_that_waits_for_its_slot_already(time):
    slept = time.sleep

    def sleep_and_be_refused(seconds):
        slept(seconds)
        if len(time.slept) == 1:
            rate.refused(sent_at=time.now, wait_seconds=7)

    time.sleep = sleep_and_be_refused
    rate = rate_of(time, 1.0)
    rate.wait()
    assert rate.wait() == 1001.0 + 7.0


def test_shards_that_were_held_alike_do_not_come_back_together(time):
    slots = []
    for jitter in (0.0, 0.5):
        time.now = 1000.0
        rate = RequestRate(4.0, clock=time.clock, sleep=time.sleep, jitter=lambda jitter=jitter: jitter)
        rate.refused(sent_at=rate.wait(), wait_seconds=2)
        slots.append(rate.wait())
    assert slots == pytest.approx([1002.0, 1002.0 + 0.5 / (4.0 * DECREASE)])


def known_rate(time, per_second=10.0):
    rate = rate_of(time)
    rate.begin_at(per_second)
    return rate


def test_a_known_pace_is_kept_from_the_first_request(time):
    rate = known_rate(time)
    slots = [rate.wait() for _ in range(4)]
    assert slots == pytest.approx([1000.0, 1000.1, 1000.2, 1000.3])


def test_a_known_pace_does_not_replace_a_ceiling(time):
    rate = rate_of(time, 4.0)
    rate.begin_at(100.0)
    assert rate.requests_per_second == 4.0


def test_a_known_pace_is_never_below_the_floor(time):
    assert known_rate(time, 0.001).requests_per_second == FLOOR


def test_a_known_pace_grows_slowly_first_and_finds_a_limit_that_has_risen(time):
    rate = known_rate(time)
    pass_by(time, rate, 20)
    assert 10.3 < rate.requests_per_second < 11
    pass_by(time, rate, 100)
    assert rate.requests_per_second > 30


def test_a_known_pace_that_has_grown_goes_back_by_a_refusal(time):
    rate = known_rate(time)
    pass_by(time, rate, 40)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    assert rate.requests_per_second == pytest.approx(10 * KNOWN_STEP)


def test_a_known_pace_that_is_refused_again_and_again_is_searched_for(time):
    rate = known_rate(time)
    for _ in range(KNOWN_REFUSALS):
        rate.refused(sent_at=rate.wait(), wait_seconds=0)
    before = rate.requests_per_second
    assert before == pytest.approx(10 * KNOWN_DECREASE**KNOWN_REFUSALS)
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    assert rate.requests_per_second == pytest.approx(before * DECREASE)
    pass_by(time, rate, DOUBLING_SECONDS)
    assert rate.requests_per_second == pytest.approx(2 * before * DECREASE, rel=0.05)


def test_a_known_pace_that_was_outgrown_is_not_gone_back_to(time):
    rate = known_rate(time)
    pass_by(time, rate, 100)
    before = rate.requests_per_second
    assert before > 20
    rate.refused(sent_at=rate.wait(), wait_seconds=0)
    assert rate.requests_per_second == pytest.approx(before * DECREASE, rel=0.02)


def ask(allowed, *, seconds, rates):
    """Lets shards that know nothing of each other ask an API, in virtual time.

    A shard has one request under way: the order of the slots is the order of the clock.

    Args:
        allowed: requests a second.
        seconds: how long.
        rates: answers (clock, sleep, jitter) with the rate of a shard, one for each.

    Returns:
        when the requests of each shard were let in; how many were refused.
    """
    api, draw = TokenBucket(), random.Random(1)
    clocks = [FakeTime() for _ in rates]
    shards = [make(clock.clock, clock.sleep, draw.random) for make, clock in zip(rates, clocks, strict=True)]
    due = [(shard.wait() + draw.random(), number) for number, shard in enumerate(shards)]
    heapq.heapify(due)
    let_in, refused = [[] for _ in shards], 0
    while (next_due := heapq.heappop(due))[0] < 1000.0 + seconds:
        now, number = next_due
        clocks[number].now = now
        if wait := api.wait_seconds(allowed, now):
            refused += 1
            shards[number].refused(sent_at=now, wait_seconds=math.ceil(wait))
        else:
            let_in[number].append(now - 1000.0)
            shards[number].succeeded()
        heapq.heappush(due, (shards[number].wait(), number))
    return let_in, refused


def unknown_limit(clock, sleep, jitter):
    return RequestRate(clock=clock, sleep=sleep, jitter=jitter)


def slowed_down(clock, sleep, jitter):
    rate = RequestRate(100.0, clock=clock, sleep=sleep, jitter=jitter)
    for _ in range(15):
        rate.refused(sent_at=rate.wait(), wait_seconds=0)
    return rate


@pytest.mark.parametrize(("allowed", "most_refused"), [(5.0, 0.2), (20.0, 0.06), (100.0, 0.02)])
def test_four_shards_find_a_limit_that_none_of_them_knows(allowed, most_refused):
    let_in, refused = ask(allowed, seconds=60, rates=[unknown_limit] * 4)
    assert sum(at >= 10 for shard in let_in for at in shard) / 50 / allowed > 0.9
    assert refused / (refused + sum(map(len, let_in))) < most_refused


def test_a_shard_takes_what_the_others_leave():
    let_in, _ = ask(20.0, seconds=60, rates=[slowed_down])
    assert sum(at >= 30 for at in let_in[0]) / 30 / 20.0 > 0.85


def test_shards_that_share_a_limit_converge():
    let_in, _ = ask(60.0, seconds=180, rates=[unknown_limit, slowed_down])
    first, second = (sum(at >= 90 for at in shard) for shard in let_in)
    assert first == pytest.approx(second, rel=0.4)
