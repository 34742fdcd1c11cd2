"""The planner: a function of a plan and an answer, whatever order the answers come in."""

import random
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from directory_sync.api.answer import Entry
from directory_sync.api.page import Page
from directory_sync.extract.plan import OVERLAP, Plan, Shard, Wanted, after, began, next_windows

AT = datetime(2025, 1, 1, tzinfo=UTC)

PLANS = st.builds(
    Plan,
    limit=st.just(20),
    size=st.integers(2, 20),
    sizes=st.lists(st.integers(2, 20), max_size=8).map(tuple),
    next=st.integers(0, 100),
    stop=st.none() | st.integers(0, 120),
    is_last=st.booleans(),
    last_ids=st.frozensets(st.integers(0, 120), max_size=3),
    gaps=st.lists(st.builds(Wanted, st.integers(0, 100), st.integers(0, 120)), max_size=4).map(tuple),
    short_windows=st.integers(0, 25),
    total=st.none() | st.integers(0, 120),
)


def answer(offset: int, *, of: int, size: int, total: int | None) -> Page:
    entries = [Entry(i, "", "", ()) for i in range(min(offset, of), min(offset + size, of))]
    return Page(offset, size, entries, total, AT)


PAGES = st.builds(
    answer,
    st.integers(0, 120),
    of=st.integers(0, 120),
    size=st.integers(2, 20),
    total=st.none() | st.integers(0, 120),
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    entries=st.integers(0, 200),
    size=st.integers(2, 30),
    limit=st.integers(2, 30),
    shards=st.integers(1, 4),
    room=st.integers(1, 8),
    has_total=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_a_still_list_is_asked_for_whole_in_whatever_order_its_answers_come(
    entries: int, size: int, limit: int, shards: int, room: int, has_total: bool, order: random.Random
) -> None:
    total, size = entries if has_total else None, min(size, limit)
    first = answer(0, of=entries, size=size, total=total)
    read: set[object] = {entry.id for entry in first.entries}
    sent = 0
    for number in range(shards):
        plan, flying = began(first, Shard(number=number, count=shards), limit=limit), list[Wanted]()
        while True:
            plan, windows = next_windows(plan, room - len(flying))
            flying += windows
            if not flying:
                break
            window = flying.pop(order.randrange(len(flying)))
            page = answer(window.offset, of=entries, size=size, total=total)
            read |= {entry.id for entry in page.entries}
            plan, sent = after(plan, page, reach=window.reach), sent + 1
    assert read == set(range(entries))
    assert sent <= entries / (size - OVERLAP) + shards * (4 + 2 * room)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(plan=PLANS, room=st.integers(0, 8))
def test_windows_taken_one_by_one_are_those_taken_at_once(plan: Plan, room: int) -> None:
    whole, windows = next_windows(plan, room)
    taken: list[Wanted] = []
    for _ in range(room):
        plan, one = next_windows(plan, 1)
        taken += one
    assert (plan, tuple(taken)) == (whole, windows)
    assert len(windows) <= room


@settings(derandomize=True, max_examples=300, deadline=None)
@given(plan=PLANS, page=PAGES, beyond=st.integers(1, 30))
def test_what_is_left_of_a_short_answer_begins_with_its_last_entry(
    plan: Plan, page: Page, beyond: int
) -> None:
    reach = page.end + beyond
    added = after(plan, page, reach=reach).gaps[len(plan.gaps) :]
    assert added in ((), (Wanted(page.end - OVERLAP, reach),))
    if page.total and page.end < page.total and len(page.entries) > OVERLAP and plan.total is not None:
        assert added


@settings(derandomize=True, max_examples=300, deadline=None)
@given(plan=PLANS, page=PAGES, reach=st.integers(0, 120))
def test_no_answer_changes_a_plan_that_is_in_use(plan: Plan, page: Page, reach: int) -> None:
    before = repr(plan)
    assert after(plan, page, reach=reach) == after(plan, page, reach=reach)
    assert repr(plan) == before


def test_an_end_that_moves_on_with_every_answer_is_left_to_the_audit() -> None:
    plan = Plan(limit=20, size=20, next=19, stop=None, is_last=True)
    asked = 0
    plan, [window] = next_windows(plan, 1)
    while asked < 100 and plan.stop is None:
        page = answer(window.offset, of=window.offset + 2, size=2, total=None)
        plan, asked = after(plan, page, reach=window.reach + asked * 40), asked + 1
        window = plan.gaps[-1] if plan.gaps else window
    assert asked == 21
