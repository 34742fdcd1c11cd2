"""What each kind of paging says of itself; nobody else has to know the kind."""

import pytest

from directory_sync.config.kinds import Proof
from directory_sync.config.paginator import TYPES, parse_pages
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages, Pages

KINDS = [OffsetPages(), NumberedPages(), LinkedPages(type="cursor")]


def test_each_kind_has_a_proof_of_its_own() -> None:
    assert {type(parse_pages(kind, where="`people`")) for kind in TYPES} == {type(kind) for kind in KINDS}
    assert sorted(kind.proof for kind in KINDS) == sorted(Proof)


@pytest.mark.parametrize("pages", KINDS)
def test_the_first_page_is_asked_for_with_the_parameters_that_page(pages: Pages) -> None:
    first = pages.address()
    assert (first.offset, first.before) == (0, 0)
    assert first.params.keys() <= pages.own_params
    assert first.place is None or first.place[0] in first.params


def test_a_window_is_asked_for_by_its_offset() -> None:
    address = OffsetPages(limit=30, offset_param="skip", limit_param="take").address(60)
    assert (address.params, address.words) == ({"skip": 60, "take": 30}, " at offset 60")
    assert (address.offset, address.limit, address.before, address.place) == (60, 30, 60, ("skip", 60))
    assert OffsetPages().address(60, 7).params == {"offset": 60, "limit": 7}


def test_a_page_is_asked_for_by_its_number_and_counts_pages_before_it() -> None:
    address = NumberedPages(base_page=1, page_param="p").address(3)
    assert (address.params, address.words) == ({"p": 3}, ", page 3")
    assert (address.offset, address.before, address.place) == (0, 2, ("p", 3))


def test_only_links_lead_to_a_page_behind_the_first_of_linked_ones() -> None:
    with pytest.raises(ValueError, match="links"):
        LinkedPages(type="cursor").address(20)
