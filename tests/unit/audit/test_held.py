"""When a person is asked about held removals, and what names the set that they decide on."""

from datetime import UTC, datetime, timedelta

import pytest

from directory_sync.audit.held import HeldSet, asks_now
from directory_sync.config.limits import RemovalLimits

NOW = datetime(2026, 3, 8, 3, tzinfo=UTC)


def asks(*, held: int = 600, grown_by: int = 0, population: int = 10_000, days: float | None = 1.0) -> bool:
    return asks_now(
        held=held,
        grown_by=grown_by,
        population=population,
        last_asked_at=None if days is None else NOW - timedelta(days=days),
        at=NOW,
        limits=RemovalLimits(),
        ask_again_days=7,
    )


@pytest.mark.parametrize(
    ("case", "is_asked"),
    [
        ({"held": 0, "days": None}, False),
        ({"held": 1, "days": None}, True),
        ({}, False),
        ({"grown_by": 500}, False),
        ({"grown_by": 501}, True),
        ({"population": 1_000, "grown_by": 50}, False),
        ({"population": 1_000, "grown_by": 51}, True),
        ({"population": 99, "grown_by": 5}, False),
        ({"population": 99, "grown_by": 6}, True),
        ({"days": 6.99}, False),
        ({"days": 7}, True),
        ({"held": 0, "days": 30}, False),
    ],
)
def test_a_person_is_asked_at_first_for_growth_and_after_days(case: dict[str, float], is_asked: bool) -> None:
    assert asks(**case) is is_asked


def test_a_set_growing_slowly_for_many_nights_is_asked_for_once_a_week() -> None:
    asked, last, grown = [], None, 0
    for night in range(21):
        at, grown = NOW + timedelta(days=night), grown + 40
        if asks_now(
            held=40 * (night + 1),
            grown_by=grown,
            population=10_000,
            last_asked_at=last,
            at=at,
            limits=RemovalLimits(),
            ask_again_days=7,
        ):
            asked.append(night)
            last, grown = at, 0
    assert asked == [0, 7, 14]


def test_a_digest_names_the_absences_and_nothing_else() -> None:
    pairs = [(1, NOW), (2, NOW)]
    one = HeldSet.of(pairs)
    assert one == HeldSet.of(iter(pairs))
    others = [
        [(1, NOW)],
        [(1, NOW), (3, NOW)],
        [(1, NOW), (2, NOW + timedelta(seconds=1))],
        [("1", NOW), (2, NOW)],
    ]
    assert one.digest not in {HeldSet.of(other).digest for other in others}


def test_a_digest_does_not_depend_on_the_time_zone_a_database_answers_in() -> None:
    from zoneinfo import ZoneInfo

    assert HeldSet.of([(1, NOW)]) == HeldSet.of([(1, NOW.astimezone(ZoneInfo("Asia/Kolkata")))])


def test_an_empty_set_has_no_digest() -> None:
    assert HeldSet.of([]) == HeldSet(count=0, digest=None)
