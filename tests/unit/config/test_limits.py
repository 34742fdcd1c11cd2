"""How many removals are too many: at once, over time, in directories of any size, and for one run."""

from datetime import timedelta
from typing import Any

import pytest

from directory_sync.audit.checks import check_removals
from directory_sync.config.limits import RemovalLimits
from directory_sync.errors import ConfigError

LIMITS = RemovalLimits()
WEEK, MONTH = LIMITS.over_time


@pytest.mark.parametrize(
    ("missing", "known", "is_exceeded"),
    [
        (0, 0, False),
        (0, 1_000, False),
        (50, 1_000, False),
        (51, 1_000, True),
        (5, 100, False),
        (6, 100, True),
        (500, 9_999, True),
        (500, 10_000, False),
        (501, 100_000, True),
        (100, 100, True),
        (3, 2, True),
    ],
)
def test_exactly_at_a_limit_is_allowed_and_one_above_is_not(
    missing: int, known: int, is_exceeded: bool
) -> None:
    assert LIMITS.exceeded_by(missing=missing, population=known) is is_exceeded


@pytest.mark.parametrize(
    ("known", "most"),
    [(99, 5), (50, 5), (25, 5), (24, 4), (20, 4), (10, 2), (9, 1), (5, 1), (2, 1), (1, 0)],
)
def test_a_small_directory_may_lose_a_handful_and_no_more_than_a_fifth(known: int, most: int) -> None:
    allowed = [n for n in range(known + 1) if not LIMITS.exceeded_by(missing=n, population=known)]
    assert allowed == list(range(most + 1))


@pytest.mark.parametrize("limit", [LIMITS.of_one_run, WEEK, MONTH], ids=["run", "week", "month"])
def test_a_larger_directory_may_lose_as_many_as_a_smaller_one(limit: Any) -> None:
    most = [
        max(n for n in range(known + 1) if not limit.exceeded_by(missing=n, population=known))
        for known in range(1, 300)
    ]
    assert most == sorted(most)


def test_a_share_of_zero_holds_every_removal() -> None:
    limits = RemovalLimits(max_removed_share=0.0)
    assert [limits.exceeded_by(missing=1, population=n) for n in (2, 50, 1_000)] == [True] * 3
    assert not limits.exceeded_by(missing=0, population=1_000)


@pytest.mark.parametrize("known", [10, 1_000])
def test_a_share_of_all_still_holds_the_loss_of_all(known: int) -> None:
    limits = RemovalLimits(max_removed_share=1.0, max_removed_count=10_000)
    assert not limits.exceeded_by(missing=known - 1, population=known)
    assert limits.exceeded_by(missing=known, population=known)


@pytest.mark.parametrize(
    ("limit", "population", "most"),
    [(WEEK, 2_000, 200), (MONTH, 2_000, 400), (WEEK, 100_000, 1_000), (MONTH, 100_000, 2_000), (WEEK, 10, 4)],
)
def test_limits_over_time(limit: Any, population: int, most: int) -> None:
    assert not limit.exceeded_by(missing=most, population=population)
    assert limit.exceeded_by(missing=most + 1, population=population)


def test_a_window_allows_no_less_than_one_run() -> None:
    """Whoever lifts the limit of one run need not know of the windows."""
    limits = RemovalLimits(max_removed_share=0.5, max_removed_count=9_000)
    assert {(limit.share, limit.count) for limit in limits.over_time} == {(0.5, 9_000)}
    assert [limit.period for limit in limits.over_time] == [timedelta(days=7), timedelta(days=30)]


@pytest.mark.parametrize(
    "limits",
    [
        {"max_removed_share": 1.01},
        {"max_removed_share": -0.01},
        {"max_removed_share": float("nan")},
        {"max_removed_share_7_days": 2.0},
        {"max_removed_share_30_days": -1.0},
        {"max_small_share": 1.5},
        {"max_removed_count": -1},
        {"max_removed_count_7_days": -1},
        {"max_removed_count_30_days": -1},
        {"min_population": -1},
    ],
    ids=str,
)
def test_limits_outside_their_range_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(limits))):
        RemovalLimits(**limits)


# ---- what a run may say


@pytest.mark.parametrize(
    "given", [{}, {"max_removed_share": 0.05}, {"max_removed_share": 0.01, "max_removed_count": 0}]
)
def test_a_run_may_tighten_the_limits(given: dict[str, float]) -> None:
    tightened = LIMITS.of_run(given, may_raise=False)
    assert {name: getattr(tightened, name) for name in given} == given
    assert LIMITS.raised_by(given) == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"max_removed_share": 0.051}, "max_removed_share"),
        ({"max_removed_share": 1.0}, "max_removed_share"),
        ({"max_removed_count": 501}, "max_removed_count"),
        ({"max_removed_share": 0.01, "max_removed_count": 9_999}, "max_removed_count"),
    ],
)
def test_a_run_that_would_lift_a_limit_is_refused_by_name(given: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=rf"parameter `{named}` .* a run may only lower it. Nothing was"):
        LIMITS.of_run(given, may_raise=False)


def test_a_run_may_lift_the_limits_where_the_deployment_says_so() -> None:
    lifted = LIMITS.of_run({"max_removed_share": 0.5}, may_raise=True)
    assert not lifted.exceeded_by(missing=500, population=1_000)
    assert not lifted.over_time[0].exceeded_by(missing=500, population=1_000)
    assert LIMITS.raised_by({"max_removed_share": 0.5}) == ["max_removed_share"]


# ---- what it says of a snapshot


def said(**found: Any) -> list[tuple[str, str]]:
    findings = list(check_removals(**found))
    assert {finding.level for finding in findings} <= {"hold"}
    return [(finding.rule, finding.message) for finding in findings]


def test_what_exceeds_the_limit_of_a_run_is_told_with_the_numbers() -> None:
    [(rule, message)] = said(missing=51, population=1_000, limit=LIMITS.of_one_run)
    assert rule == "removals"
    assert message.startswith(
        "51 of 1,000 entries went missing (limits 5.0%, 500): they wait for a decision."
    )


def test_what_exceeds_a_window_is_told_with_the_numbers() -> None:
    [(rule, message)] = said(missing=5, population=1_000, limit=WEEK, before=96)
    assert rule == "removals_7_days"
    assert message == (
        "5 entries went missing, 101 of 1,000 within 7 days (limits 10.0%, 1,000): the 5 wait for a "
        "decision. Nothing was removed."
    )


def test_a_window_that_is_full_holds_nothing_where_nothing_went_missing() -> None:
    assert said(missing=0, population=1_000, limit=WEEK, before=900) == []


def test_an_empty_snapshot_is_held_whatever_the_limits() -> None:
    limit = RemovalLimits(max_removed_share=1.0, max_removed_count=10_000).of_one_run
    assert [rule for rule, _ in said(missing=0, population=0, limit=limit, is_empty=True)] == ["removals"]
