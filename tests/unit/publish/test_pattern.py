"""What held entries have in common: fields and counts, and no value of an entry."""

from typing import Any

import pytest

from directory_sync.publish.pattern import neighbours, shared_values, values_of

HALL = {"id": 1, "building": "SECRET-B", "created_at": "2026-03-01T08:15:00Z", "open": True}


def halls(count: int, **fields: Any) -> list[Any]:
    return [values_of({**HALL, "id": n, **fields}) for n in range(count)]


def others(count: int = 300) -> list[Any]:
    return [
        values_of(
            {**HALL, "id": -n, "building": f"B{n % 20}", "created_at": f"2025-{1 + n % 12:02}-01T00:00:00Z"}
        )
        for n in range(count)
    ]


def test_a_value_that_all_absent_entries_share_and_the_others_do_not_is_named_by_its_field() -> None:
    said = list(shared_values(halls(90, created_at=None), others()))
    assert said == ["90 of 90 have the same `building`; of 300 others that were compared, 0 have it too."]


def test_entries_of_one_day_are_told_though_their_times_differ() -> None:
    held = [
        values_of({"id": n, "building": f"B{n % 20}", "created_at": f"2026-03-01T{n % 24:02}:00:00Z"})
        for n in range(48)
    ]
    assert list(shared_values(held, others())) == [
        "48 of 48 have the same day in `created_at`; of 300 others that were compared, 0 have it too."
    ]


def test_a_field_of_an_object_within_an_entry_is_named_by_its_path() -> None:
    held = [values_of({"site": {"code": "X"}}) for _ in range(9)]
    rest = [values_of({"site": {"code": f"{n}"}}) for n in range(50)]
    [said] = shared_values(held, rest)
    assert "the same `site.code`" in said


def test_a_few_that_left_besides_hide_no_pattern() -> None:
    held = halls(95, created_at=None) + halls(5, building="elsewhere", created_at=None)
    [said] = shared_values(held, others())
    assert said.startswith("95 of 100 have the same `building`")


def test_what_the_others_have_too_is_no_pattern() -> None:
    assert list(shared_values(halls(90), halls(300))) == []


def test_no_value_and_no_key_that_is_data_is_told() -> None:
    held = [values_of({**HALL, "hall of fame@example": "x", "id": n}) for n in range(9)]
    said = " ".join(shared_values(held, others()))
    assert said
    assert "SECRET" not in said
    assert "fame" not in said


@pytest.mark.parametrize("as_id", [int, lambda n: f"{n:05}"], ids=["numbers", "texts"])
def test_a_range_of_ids_is_told_as_neighbours(as_id: Any) -> None:
    held, rest = [as_id(n) for n in range(100, 200)], [as_id(n) for n in (*range(100), *range(200, 1000))]
    [said] = neighbours(held, rest)
    assert said == (
        "They are neighbours: 0 of the others stand between the first and the last of them in the order of "
        "ids. A range of the list may not have been read."
    )


def test_entries_from_everywhere_are_no_neighbours() -> None:
    assert list(neighbours(range(0, 1000, 10), [n for n in range(1000) if n % 10])) == []
