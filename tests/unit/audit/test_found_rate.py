"""Which rate the next run begins at, by the answers of a pull; and what the next run makes of it."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from directory_sync.audit.found_rate import HIGHER, LOWER, MARGIN, Answered, found_rate
from directory_sync.landing.known_rate import KnownRate
from tests.rate_simulation import LimitedApi, nights

BEGAN = datetime(2026, 3, 1, 2, tzinfo=UTC)
KNOWN = KnownRate(requests_per_second=10.0, confirmed_at=BEGAN - timedelta(days=2))


def answers(per_second, seconds, *, begin=0.0, shard=0, refused=()):
    """Answers at an even rate; `refused` are the numbers of those that had been refused before."""
    return [
        Answered(
            shard=shard,
            at=BEGAN + timedelta(seconds=begin + number / per_second),
            refused=int(number in refused),
        )
        for number in range(int(per_second * seconds))
    ]


def test_a_first_pull_that_was_never_refused_tells_nothing():
    assert found_rate(answers(50, 60), None) is None


def test_a_pull_without_answers_tells_nothing():
    assert found_rate([], None) is None
    assert found_rate([], KNOWN) is None


def test_what_was_let_in_after_a_refusal_is_the_limit():
    found = found_rate(answers(20, 30, refused=(100, 400)), None)
    assert found is not None
    assert found.requests_per_second == pytest.approx(20 * MARGIN, rel=0.02)
    assert found.confirmed_at == BEGAN + timedelta(seconds=20)


def test_shards_are_added_up_and_their_order_does_not_matter():
    pull = [one for shard in range(4) for one in answers(5, 30, shard=shard, refused=(50,))]
    found = found_rate(pull[::-1], None)
    assert found is not None
    assert found.requests_per_second == pytest.approx(20 * MARGIN, rel=0.05)


def test_a_shard_that_ends_last_and_alone_does_not_count():
    pull = answers(5, 40, shard=0, refused=(50, 190)) + answers(5, 30, shard=1)
    found = found_rate(pull, None)
    assert found is not None
    assert found.requests_per_second == pytest.approx(10 * MARGIN, rel=0.05)


def test_a_shard_that_was_read_again_hours_later_does_not_stretch_the_pull():
    pull = answers(5, 30, shard=0, refused=(50,)) + answers(5, 30, shard=1, begin=7_200, refused=(50,))
    found = found_rate(pull, None)
    assert found is not None
    assert found.requests_per_second == pytest.approx(5 * MARGIN, rel=0.05)


def test_a_short_pull_tells_nothing():
    assert found_rate(answers(20, 2, refused=(10, 20)), None) is None
    assert found_rate(answers(20, 2, refused=(10, 20)), KNOWN) is None


def test_a_known_rate_that_was_never_refused_is_raised_and_not_confirmed():
    found = found_rate(answers(10, 30), KNOWN)
    assert found == KnownRate(requests_per_second=10 * HIGHER, confirmed_at=KNOWN.confirmed_at)


def test_a_known_rate_that_was_refused_at_the_end_is_lowered_and_confirmed():
    found = found_rate(answers(10, 30, refused=(290,)), KNOWN)
    assert found == KnownRate(requests_per_second=10 * LOWER, confirmed_at=BEGAN + timedelta(seconds=29))


def test_a_pull_that_the_known_rate_did_not_hold_back_tells_nothing():
    assert found_rate(answers(5, 60), KNOWN) is None


def test_a_limit_that_has_fallen_is_learned_in_one_night():
    found = found_rate(answers(4, 60, refused=(10, 40, 100, 200)), KNOWN)
    assert found is not None
    assert found.requests_per_second == pytest.approx(4 * MARGIN, rel=0.05)


def pulls(per_second, *, seed, count, pages=None, **how):
    def of_night(night):
        return LimitedApi(int(per_second), 1.0, is_bucket=True, rounds=None, **how)

    pages = pages or int(per_second * 30 / 4)
    return nights(of_night, count=count, seed=seed, in_flight=8, latency=0.05, pages=pages)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("per_second", [5, 20, 100])
def test_from_the_second_night_shards_use_an_unknown_limit_and_are_hardly_refused(per_second, seed):
    first, *later = pulls(per_second, seed=seed, count=3)
    for api, known in later:
        assert known is not None
        assert api.used_steadily >= 0.95
        assert api.used_of_all >= 0.9
        assert api.refused_share < min(0.03, first[0].refused_share / 4)


def pulls_before_and_after(before, after, *, count, pages):
    """The pulls of some nights; the limit changes after the first one."""
    return nights(
        lambda night: LimitedApi(after if night else before, 1.0, is_bucket=True, rounds=None),
        count=count,
        seed=1,
        in_flight=8,
        latency=0.05,
        pages=pages,
    )


def test_a_limit_that_has_fallen_slows_the_shards_down_within_the_pull():
    told = pulls_before_and_after(40, 10, count=3, pages=150)
    assert told[1][0].used_of_all > 0.85
    assert told[2][0].refused_share < 0.03


def test_a_limit_that_has_risen_is_used_in_a_pull_of_minutes():
    told = pulls_before_and_after(10, 40, count=2, pages=4_000)
    api = told[1][0]
    assert api.used(240, math.floor(api.let_in[-1])) > 0.9
