"""What the API says is left is followed before the first refusal, and used nevertheless."""

import math

import pytest

from directory_sync.api.allowance import Allowance
from directory_sync.api.rate import RequestRate
from directory_sync.api.told_rate import Place
from directory_sync.api.waits import RESET_MARGIN_SECONDS
from tests.rate_simulation import LimitedApi, pull


class FakeTime:
    """A clock that moves when somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def time():
    return FakeTime()


def rate_of(time, number=0, count=4, ceiling=None):
    return RequestRate(
        ceiling,
        place=Place(number, count),
        clock=time.clock,
        sleep=time.sleep,
        wall_clock=time.clock,
        jitter=lambda: 0.0,
    )


def short_window(remaining):
    return [Allowance(remaining=remaining, seconds=1.0, limit=400, window_seconds=1)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("rounds", [math.ceil, math.floor])
@pytest.mark.parametrize("per_second", [5, 20])
def test_shards_use_a_window_of_a_second_and_are_hardly_refused(per_second, rounds, seed):
    api = LimitedApi(per_second, 1.0, rounds=rounds, phase=seed / 3)
    pull(api, seconds=60, seed=seed, in_flight=2 + seed * 3)
    assert api.used(10, 60) >= 0.95
    assert api.refused_share < 0.01


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("per_second", [5, 20])
def test_shards_use_a_window_of_a_minute_up_and_are_hardly_refused(per_second, seed):
    api = LimitedApi(60 * per_second, 60.0, phase=20.0 * seed)
    pull(api, seconds=130, seed=seed, in_flight=2 + seed * 3)
    begin = 60.0 - api.phase
    assert api.used(begin, begin + 60) >= 0.95
    assert api.refused_share < 0.01


@pytest.mark.parametrize("seconds_to_fill", [1.0, 60.0])
@pytest.mark.parametrize("per_second", [5, 20])
def test_shards_use_what_a_token_bucket_lets_in_and_are_hardly_refused(per_second, seconds_to_fill):
    api = LimitedApi(int(per_second * seconds_to_fill), seconds_to_fill, is_bucket=True)
    pull(api, seconds=150, seed=1)
    assert api.used(100, 150) >= 0.95
    assert api.refused_share < 0.01


def test_one_shard_takes_what_the_others_leave_of_a_short_window():
    api = LimitedApi(20, 1.0)
    pull(api, seconds=120, running=1)
    assert api.used(60, 120) > 0.6
    assert api.refused_share < 0.01


def test_a_short_pull_is_not_slowed_by_a_long_window(time):
    rate = rate_of(time)
    for left in range(600, 550, -1):
        rate.wait()
        rate.told([Allowance(remaining=left, seconds=50.0, limit=600)])
    assert time.now < 1001.0


def test_what_is_nearly_used_up_holds_every_request_until_the_reset(time):
    rate = rate_of(time)
    rate.wait()
    rate.told([Allowance(remaining=3, seconds=30.0, limit=600)])
    assert rate.wait() == 1030.0 + RESET_MARGIN_SECONDS


def test_the_last_requests_of_a_window_are_left_to_all_shards(time):
    rate = rate_of(time)
    slots = []
    for _ in range(4):
        slots.append(rate.wait())
        rate.told([Allowance(remaining=16, seconds=30.0, limit=600)])
    # The slot after the first request was taken before its answer.
    assert slots[1:] == pytest.approx([slots[1], slots[1] + 0.5, slots[1] + 1.0])


def test_the_tightest_of_several_limits_counts(time):
    rate = rate_of(time)
    slots = []
    for _ in range(3):
        slots.append(rate.wait())
        rate.told(
            [
                Allowance(name="minute", remaining=4, seconds=30.0),
                Allowance(name="hour", remaining=900, seconds=60.0),
            ]
        )
    assert slots[2] - slots[1] == pytest.approx(2.0)


def test_a_number_left_that_is_always_0_is_not_believed(time):
    rate = rate_of(time)
    for _ in range(3):
        rate.wait()
        rate.told([Allowance(remaining=0, seconds=60.0)])
    assert time.now < 1020.0


@pytest.mark.parametrize("number", [0, 1, 3])
def test_shards_take_turns_in_a_short_window(time, number):
    rate = rate_of(time, number)
    for _ in range(30):
        at = rate.wait()
        rate.told([Allowance(remaining=0, seconds=1.0, limit=100, window_seconds=1)])
    gap = 4 / 97.0
    assert (at / gap) % 1 == pytest.approx(number / 4, abs=0.01)


def test_answers_without_headers_change_nothing(time):
    rate = rate_of(time)
    slots = []
    for _ in range(100):
        slots.append(rate.wait())
        rate.told([])
    assert slots[-1] - slots[0] < 0.5


def test_no_more_is_sent_than_the_user_allows(time):
    rate = rate_of(time, ceiling=9.0)
    at = [rate.wait() for _ in range(40) if not rate.told(short_window(3))]
    assert (len(at) - 10) / (at[-1] - at[9]) <= 9.1


def test_what_was_said_long_ago_does_not_hold(time):
    rate = rate_of(time)
    rate.wait()
    rate.told([Allowance(remaining=1, seconds=1.0, limit=1, window_seconds=1)])
    time.now += 3600
    first = [rate.wait() for _ in range(4)]
    assert first[-1] - first[0] < 1


def test_the_end_of_a_window_whose_limit_is_not_stated_says_nothing_of_the_next_one(time):
    rate = rate_of(time)
    rate.wait()
    rate.told([Allowance(remaining=8, seconds=20.0)])
    time.now += 22
    at = [rate.wait() for _ in range(4)]
    assert at[-1] - at[1] < 1


def test_an_api_that_always_says_that_nothing_is_left_and_answers_is_not_waited_for(time):
    rate = rate_of(time)
    at = [rate.wait() for _ in range(10) if not rate.told([Allowance(remaining=0, seconds=60.0, limit=100)])]
    assert at[-1] - at[0] < 5


def test_a_pull_bound_by_latency_for_hours_comes_back_when_the_window_is_used_up(time):
    rate = rate_of(time)
    for _ in range(2_000):
        rate.wait()
        rate.told(short_window(390))
        time.now += 5
    for _ in range(4_000):
        rate.wait()
        rate.told(short_window(0))
    at = [rate.wait() for _ in range(11)]
    assert 10 / (at[-1] - at[0]) <= 100


def test_what_is_said_goes_before_a_rate_that_was_found_once(time):
    rate = rate_of(time)
    rate.begin_at(0.5)
    left = [Allowance(remaining=500, seconds=50.0, limit=600)]
    at = [rate.wait() for _ in range(20) if not rate.told(left)]
    assert at[-1] - at[1] < 1
