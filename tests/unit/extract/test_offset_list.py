"""One list of a child: which offset comes next, and what proves its end."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory_sync.extract.offset_list import Evidence, OffsetList, Trust, UnreadableListError


def read(entries, *, limit=100, cap=100, before=lambda at, entries: None, at_least=Evidence.FULL):
    """Reads a list to the evidence; returns the machine and the offsets it asked for."""
    one, asked = OffsetList(limit), []
    while one.next is not None and one.evidence < at_least:
        offset = one.next
        before(len(asked), entries)
        asked.append(offset)
        one.answered(offset, entries[offset : offset + min(limit, cap)])
    return one, asked


def test_a_short_list_is_proven_by_three_empty_answers_between_equal_ones():
    one, asked = read(list(range(20)))
    assert list(one.ids) == list(range(20))
    assert asked == [0, 20, 0, 20, 0, 20, 0, 120, 220, 420]


def test_where_the_api_is_trusted_three_requests_are_enough():
    one, asked = read(list(range(20)), at_least=Evidence.SHORT)
    assert (one.evidence, asked) == (Evidence.SHORT, [0, 20, 0])


def test_an_empty_list_is_proven_by_three_answers():
    assert read([])[1] == [0, 0, 0]


@pytest.mark.parametrize("cap", [2, 3, 7, 50])
def test_a_capped_list_is_read_whole(cap):
    one, _ = read(list(range(60)), cap=cap)
    assert list(one.ids) == list(range(60))
    assert one.cuts
    assert min(one.cuts) == cap


def test_an_empty_answer_that_is_followed_by_entries_proves_nothing():
    """The first answer is cut, and the first answer from behind it is empty by mistake."""
    entries, one = list(range(60)), OffsetList(100)
    asked = 0
    while one.next is not None:
        offset, asked = one.next, asked + 1
        one.answered(offset, [] if asked == 2 else entries[offset : offset + 30])
    assert list(one.ids) == entries
    assert one.refuted == 1


def test_an_offset_without_effect_is_told():
    one = OffsetList(100)
    one.answered(0, [1, 2, 3])
    with pytest.raises(UnreadableListError, match="no effect"):
        one.answered(3, [1, 2, 3])


def test_an_error_behind_a_list_that_ends_at_a_window_of_the_api_is_no_end():
    def read_to_the_end(one, entries):
        while one.next is not None:
            found = entries[one.next : one.next + 500]
            one.answered(one.next, found, status=200 if found else 400)

    with pytest.raises(UnreadableListError, match="limit of the API's offsets"):
        read_to_the_end(OffsetList(500), list(range(1000)))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 80), st.integers(3, 40), st.floats(0, 0.5))
def test_no_entry_that_lasts_is_missed_while_the_list_moves(seed, size, cap, churn):
    draw = random.Random(seed)
    entries = sorted(draw.sample(range(10_000), size))
    lasting = set(entries)

    def edit(_, listed):
        if draw.random() < churn:
            if draw.random() < 0.5 and listed:
                lasting.discard(listed.pop(draw.randrange(len(listed))))
            else:
                listed.append(draw.randrange(10_000, 10**9))
                listed.sort()

    for _ in range(5):
        try:
            one, _ = read(entries, limit=20, cap=cap, before=edit)
        except UnreadableListError:
            lasting.intersection_update(entries)
            continue
        assert lasting <= one.ids.keys()
        return


def test_trust_grows_with_the_lists_that_were_proven_and_ends_with_a_cut():
    trust = Trust()
    assert not trust.believes(Evidence.SHORT, largest=20)
    for _ in range(300):
        trust.add(read(list(range(20)))[0])
    assert trust.believes(Evidence.SHORT, largest=20)
    trust.add(read(list(range(60)), cap=15)[0])
    assert not trust.believes(Evidence.SHORT, largest=20)
    assert trust.believes(Evidence.SHORT, largest=14)


def test_trust_ends_where_empty_answers_were_wrong():
    trust = Trust(proven=300, empty=1200)
    assert trust.believes(Evidence.SHORT, largest=20)
    trust.refuted = 30
    assert not trust.believes(Evidence.SHORT, largest=20)
