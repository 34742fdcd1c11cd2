"""Pages that do not overlap: what is read, what joins them, and what is refused."""

import random
import traceback
from dataclasses import dataclass, field

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory_sync.api.client import DirectoryClient
from directory_sync.api.page import Page
from directory_sync.audit.pages_seal import accept_walk, verify_rereads
from directory_sync.audit.proof import Seal
from directory_sync.audit.scratch import Snapshot
from directory_sync.config.access import ApiSettings
from directory_sync.config.form import Resource
from directory_sync.config.paginator import parse_pages
from directory_sync.config.paging import LinkedPages
from directory_sync.errors import ConfigError, DirectorySyncError, EnvelopeError, SnapshotError
from directory_sync.extract.linked import LinkedReader
from directory_sync.extract.numbered import NumberedReader
from tests.paged_api import LINKED, PAGINATORS, SENTINEL, PagedApi
from tests.simulation import ids_in, land, page, snapshot_of

SIZE = 5
SIZES = [0, 1, 4, 5, 6, 9, 10, 11, 37, 100]


@dataclass
class NumberedList:
    """A list in numbered pages, edited before answers.

    Attributes:
        edits: what happens before the answer of this number, counted from 1.
        empty: numbers of answers that are empty whatever there is.
        hidden: entries that the API leaves out after it has cut the page.
    """

    ids: list[int]
    size: int = SIZE
    base: int = 0
    edits: dict[int, object] = field(default_factory=dict)
    empty: tuple[int, ...] = ()
    hidden: frozenset[int] = frozenset()
    stated_pages: int | None = None
    asked: list[int] = field(default_factory=list)

    def __call__(self, number: int) -> Page:
        self.asked.append(number)
        if edit := self.edits.get(len(self.asked)):
            edit(self.ids)
        at = (number - self.base) * self.size
        ids = [] if len(self.asked) in self.empty else self.ids[at : at + self.size]
        ids = [one for one in ids if one not in self.hidden]
        return page(0, ids, total=self.stated_pages, at=float(len(self.asked)))


def read(numbered, base=0) -> list[Page]:
    reader = NumberedReader(numbered, base_page=base, page_param="page", name="people")
    return list(reader.pages())


def verified(tmp_path_factory, pages) -> tuple[Seal, set]:
    snapshot = Snapshot(duckdb.connect(), land(tmp_path_factory.mktemp("landed"), {0: pages}))
    return verify_rereads(snapshot, base_page=0), ids_in(snapshot)


# ---- numbered pages


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("count", SIZES)
def test_a_still_list_in_numbered_pages_is_read_whole(count, base, tmp_path_factory):
    numbered = NumberedList(list(range(count)), base=base)
    seal, ids = verified(tmp_path_factory, read(numbered, base))
    assert ids == set(range(count))
    assert (seal.proof, seal.end) == ("reread", count - 1 if count else None)
    assert seal.joints == max(0, -(-count // SIZE) - 1)
    assert seal.order_is_observed == (count > 1)


def test_each_page_is_read_again_after_the_one_behind_it():
    numbered = NumberedList(list(range(2 * SIZE)))
    read(numbered)
    assert numbered.asked[:7] == [0, 1, 0, 2, 1, 2, 1]


@pytest.mark.parametrize(("count", "ahead"), [(1, (1, 2, 4)), (7, (1, 2, 4)), (8, (1, 2, 4, 8))])
def test_behind_two_empty_answers_a_few_pages_further_are_asked_for(count, ahead):
    numbered = NumberedList(list(range(count * SIZE)))
    read(numbered)
    assert numbered.asked[-len(ahead) :] == [count + far for far in ahead]
    assert len(numbered.asked) == 2 * count + 3 + len(ahead)


def test_an_empty_directory_is_asked_for_several_times(tmp_path_factory):
    numbered = NumberedList([])
    assert verified(tmp_path_factory, read(numbered))[1] == set()
    assert numbered.asked == [0, 0, 0]


@pytest.mark.parametrize("stray", range(1, 12))
def test_a_stray_empty_answer_loses_nobody(stray, tmp_path_factory):
    numbered = NumberedList(list(range(3 * SIZE)), empty=(stray,))
    try:
        pages = read(numbered)
    except SnapshotError:
        return
    assert verified(tmp_path_factory, pages)[1] == set(range(3 * SIZE))


def test_a_removal_before_the_border_is_seen_and_read_over(tmp_path_factory):
    # Between page 0 and page 1 the first entry goes: entry 5 slides to page 0 unread.
    numbered = NumberedList(list(range(12)), edits={2: lambda ids: ids.remove(0)})
    seal, ids = verified(tmp_path_factory, read(numbered))
    assert ids == set(range(12))
    assert (seal.displaced, seal.rejected) == (1, 1)


def test_edits_that_cancel_out_between_two_readings_of_a_page_are_not_seen(tmp_path_factory):
    """Not proven, and why a removal takes two absences: entry 5 is there all the time and is not read."""

    def leave(ids: list[int]) -> None:
        ids.remove(4)

    def come_back(ids: list[int]) -> None:
        ids.insert(4, 4)

    # Entry 4 is away while page 1 is read, is back when page 0 is read again, and leaves for good.
    numbered = NumberedList(list(range(12)), edits={2: leave, 3: come_back, 4: leave})
    seal, ids = verified(tmp_path_factory, read(numbered))
    assert 5 in numbered.ids
    assert ids == set(range(12)) - {5}
    assert seal.proof == "reread"


class Edited:
    """A list in a strict order, edited at random before answers, each edit of another entry for good."""

    def __init__(self, seed: int, count: int, churn: float) -> None:
        self._random, self._churn = random.Random(seed), churn
        self.ids = [1000 * n for n in range(count)]
        self.lasting = set(self.ids)
        self.answers = 0

    def __call__(self, number: int) -> Page:
        self.answers += 1
        while self._random.random() < self._churn:
            if self.ids and self._random.random() < 0.5:
                self.lasting.discard(self.ids.pop(self._random.randrange(len(self.ids))))
            else:
                # Ids that end in 500 to 999 come in between and were never there before.
                new = 1000 * self._random.randrange(60) + 500 + self.answers % 500
                if new not in self.ids:
                    self.ids = sorted([*self.ids, new])
        ids = self.ids[number * SIZE : (number + 1) * SIZE]
        return page(0, ids, at=float(self.answers))


def test_of_numbered_pages_that_are_edited_nobody_who_lasted_is_missed(tmp_path_factory):
    passed = refused = 0
    for seed in range(60):
        edited = Edited(seed, count=seed, churn=(0.02, 0.1, 0.3)[seed % 3])
        try:
            pages = read(edited)
        except SnapshotError:
            refused += 1
            continue
        _, ids = verified(tmp_path_factory, pages)
        assert edited.lasting <= ids, seed
        passed += 1
    assert passed > 30
    assert refused > 0


@settings(max_examples=40)
@given(st.data())
def test_the_audit_does_not_trust_the_shard(tmp_path_factory, data):
    """Where an answer that matters is taken away, the pages do not join."""
    pages = read(NumberedList(list(range(23))))
    kept = [one for one in pages if data.draw(st.booleans())]
    try:
        _, ids = verified(tmp_path_factory, kept)
    except SnapshotError:
        return
    assert ids == set(range(23))


def test_a_missing_joint_is_named(tmp_path):
    pages = read(NumberedList(list(range(23))))
    kept = [one for one in pages if one.offset != 2 * SIZE]
    with pytest.raises(SnapshotError, match=r"Page 3 is not joined .* clear the run's `extract` tasks"):
        verify_rereads(snapshot_of(tmp_path, *kept), base_page=1)


def test_pages_that_moved_in_between_are_no_joint_for_the_audit(tmp_path):
    answers = [(0, [1, 2]), (2, [4, 5]), (0, [1, 3]), (4, []), (2, [4, 5]), (4, []), (2, [4, 5])]
    pages = [page(at, ids, limit=2, at=float(time)) for time, (at, ids) in enumerate(answers)]
    with pytest.raises(SnapshotError, match="Page 1 is not joined"):
        verify_rereads(snapshot_of(tmp_path, *pages), base_page=0)


def test_a_page_that_ends_with_another_entry_is_no_joint(tmp_path):
    answers = [(0, [1, 2]), (2, [3, 4]), (0, [2, 1]), (4, []), (2, [3, 4]), (4, []), (2, [3, 4])]
    pages = [page(at, ids, limit=2, at=float(time)) for time, (at, ids) in enumerate(answers)]
    with pytest.raises(SnapshotError, match="Page 1 is not joined"):
        verify_rereads(snapshot_of(tmp_path, *pages), base_page=0)
    numbered = NumberedList(list(range(12)), edits={3: lambda ids: ids.insert(3, ids.pop(4))})
    read(numbered)
    assert numbered.asked[:5] == [0, 1, 0, 1, 0]


def test_a_page_that_moved_whole_after_it_was_joined_joins_nothing(tmp_path):
    # Page 1 was 3, 4 when it was joined, and 7, 8 when page 2 was read: 5 and 6 stood between.
    answers = [(0, [1, 2]), (2, [3, 4]), (0, [1, 2]), (2, [7, 8]), (4, [9]), (2, [7, 8])]
    answers += [(6, []), (4, [9]), (6, []), (4, [9])]
    pages = [page(at, ids, limit=2, at=float(time)) for time, (at, ids) in enumerate(answers)]
    with pytest.raises(SnapshotError, match="Page 2 is not joined"):
        verify_rereads(snapshot_of(tmp_path, *pages), base_page=0)


def test_a_first_empty_answer_alone_is_no_empty_directory(tmp_path):
    with pytest.raises(SnapshotError):
        verify_rereads(snapshot_of(tmp_path, page(0, [], limit=2)), base_page=0)


def test_no_answer_at_all_is_no_snapshot(tmp_path):
    for verify in (lambda snapshot: verify_rereads(snapshot, base_page=0), accept_walk):
        with pytest.raises(SnapshotError, match="holds no answer"):
            verify(snapshot_of(tmp_path))


def test_ids_that_ascend_on_each_page_and_not_from_page_to_page_are_no_order(tmp_path_factory):
    numbered = NumberedList([6, 7, 8, 9, 10, 1, 2, 3, 4, 5])
    assert not verified(tmp_path_factory, read(numbered))[0].order_is_observed


def test_a_list_that_moves_all_the_time_is_given_up():
    numbered = NumberedList(list(range(30)))
    numbered.edits = {n: lambda ids: ids.pop(0) for n in range(1, 30)}
    with pytest.raises(SnapshotError, match="Page 0 of `people` changed each time while page 1 was read"):
        read(numbered)
    assert len(numbered.asked) == 11


def test_a_list_that_moved_by_a_whole_page_is_given_up_at_once():
    numbered = NumberedList(list(range(30)), edits={3: lambda ids: ids.__delitem__(slice(0, SIZE))})
    with pytest.raises(SnapshotError):
        read(numbered)
    assert len(numbered.asked) == 3


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda number: 0, id="the number has no effect"),
        pytest.param(lambda number: min(number, 3), id="the last page again"),
        pytest.param(lambda number: number % 4, id="the first page again"),
        pytest.param(lambda number: max(number, 1), id="the first number is not base_page"),
    ],
)
def test_an_api_that_never_ends_is_refused(answer):
    numbered = NumberedList(list(range(4 * SIZE)))
    with pytest.raises(ConfigError, match=r"read before\. Either `page` has no effect"):
        read(lambda number: numbered(answer(number)))


def test_an_api_that_states_more_pages_than_it_gives_is_not_believed():
    with pytest.raises(SnapshotError, match="states 4 pages of `people`, but only 3 have entries"):
        read(NumberedList(list(range(15)), stated_pages=4))
    assert len(read(NumberedList(list(range(15)), stated_pages=3))) == 12


# ---- numbered pages that are filtered after they are cut


def of_pages(*numbers: int) -> frozenset[int]:
    """What stands on these pages."""
    return frozenset(one for number in numbers for one in range(number * SIZE, (number + 1) * SIZE))


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("hidden", [(3,), (1,), (3, 4), (2, 3, 4), (2, 3, 4, 5), (2, 4, 6), (1, 2, 5, 6, 8)])
def test_pages_that_are_wholly_hidden_are_not_the_end(hidden, base, tmp_path_factory):
    numbered = NumberedList(list(range(10 * SIZE)), base=base, hidden=of_pages(*hidden))
    seal, ids = verified(tmp_path_factory, read(numbered, base))
    assert ids == set(range(10 * SIZE)) - numbered.hidden
    assert (seal.hidden, seal.end) == (len(hidden), len(ids) - 1)
    assert not seal.order_is_observed


def test_long_runs_of_hidden_pages_are_passed_in_long_lists_and_where_the_api_counts_them(tmp_path_factory):
    long = NumberedList(list(range(30 * SIZE)), hidden=of_pages(*range(9, 16)))
    counted = NumberedList(list(range(30 * SIZE)), hidden=of_pages(*range(2, 29)), stated_pages=30)
    for numbered in (long, counted):
        _, ids = verified(tmp_path_factory, read(numbered))
        assert ids == set(range(30 * SIZE)) - numbered.hidden


@pytest.mark.parametrize("last", [(9,), (8, 9), (3, 9), (1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_of_a_list_whose_last_pages_are_hidden_the_end_stays_the_end(last, tmp_path_factory):
    numbered = NumberedList(list(range(10 * SIZE)), hidden=of_pages(*last))
    seal, ids = verified(tmp_path_factory, read(numbered))
    assert ids == set(range(10 * SIZE)) - numbered.hidden
    assert seal.hidden == (1 if 3 in last and 4 not in last else 0)


def test_a_page_that_is_shown_in_part_is_no_hole(tmp_path_factory):
    numbered = NumberedList(list(range(6 * SIZE)), hidden=frozenset({3, 4, 5, 6, 7, 8, 16, 29}))
    seal, ids = verified(tmp_path_factory, read(numbered))
    assert ids == set(range(6 * SIZE)) - numbered.hidden
    assert seal.hidden == 0


def test_an_entry_that_slides_into_a_hole_is_read_there(tmp_path_factory):
    """A hidden entry goes right before the page behind the hole is read: 15 slides into the hole, unread."""
    for at in range(1, 30, 2):
        numbered = NumberedList(list(range(6 * SIZE)), hidden=of_pages(2))
        numbered.edits = {at: lambda ids: ids.remove(11)}
        _, ids = verified(tmp_path_factory, read(numbered))
        assert ids == set(range(6 * SIZE)) - numbered.hidden, at


@pytest.mark.parametrize("seed", range(30))
def test_of_hidden_pages_that_are_edited_nobody_visible_who_lasted_is_missed(seed, tmp_path_factory):
    draw = random.Random(seed)
    edited = Edited(seed, count=60, churn=(0.02, 0.1)[seed % 2])
    first = SIZE * draw.randrange(1, 9)
    hidden = set(edited.ids[first : first + SIZE * draw.choice((1, 2))])
    hidden |= set(draw.sample(edited.ids, 10))

    def filtered(number: int) -> Page:
        answer = edited(number)
        return answer._replace(entries=[one for one in answer.entries if one.id not in hidden])

    try:
        pages = read(filtered)
    except SnapshotError:
        return
    assert edited.lasting - hidden <= verified(tmp_path_factory, pages)[1]


@pytest.mark.parametrize("stray", range(1, 40, 2))
def test_beside_hidden_pages_a_stray_empty_answer_loses_nobody(stray, tmp_path_factory):
    numbered = NumberedList(list(range(8 * SIZE)), hidden=of_pages(2, 5), empty=(stray,))
    try:
        pages = read(numbered)
    except SnapshotError:
        return
    assert verified(tmp_path_factory, pages)[1] == set(range(8 * SIZE)) - numbered.hidden


def test_a_list_that_grows_with_every_answer_ends(tmp_path_factory):
    numbered = NumberedList(list(range(4 * SIZE)))
    numbered.edits = {n: lambda ids: ids.append(len(ids)) for n in range(1, 200)}
    assert verified(tmp_path_factory, read(numbered))[1] >= set(range(4 * SIZE))


@pytest.mark.parametrize("again", [0, 3], ids=["the first page", "the last page"])
def test_numbers_far_behind_the_end_that_show_a_page_again_are_no_pages(again, tmp_path_factory):
    """The page right behind the last one is empty, and those further behind are a page that was read."""
    numbered = NumberedList(list(range(4 * SIZE)))
    seal, ids = verified(tmp_path_factory, read(lambda number: numbered(again if number > 4 else number)))
    assert (seal.hidden, ids) == (0, set(range(4 * SIZE)))


def test_the_audit_wants_to_have_seen_what_stands_further_behind(tmp_path):
    pages = read(NumberedList(list(range(2 * SIZE))))
    for far in (1, 2, 4):
        kept = [one for one in pages if one.offset != (2 + far) * SIZE]
        with pytest.raises(SnapshotError, match="nothing shows that the list ends there"):
            verify_rereads(snapshot_of(tmp_path, *kept), base_page=0)


def test_a_hole_that_was_not_read_again_joins_nothing(tmp_path):
    pages = read(NumberedList(list(range(6 * SIZE)), hidden=of_pages(2)))
    ahead = next(at for at, one in enumerate(pages) if one.offset == 3 * SIZE)
    kept = [one for at, one in enumerate(pages) if at < ahead or one.offset != 2 * SIZE]
    with pytest.raises(SnapshotError, match="Page 3 is not joined"):
        verify_rereads(snapshot_of(tmp_path, *kept), base_page=0)


# ---- linked pages


@pytest.fixture
def open_reader():
    """Readers of an API's links, as a shard has them."""
    clients = []

    def open_one(api: PagedApi, **paginator) -> LinkedReader:
        pages = parse_pages({**api.paginator, **paginator}, where="resource `people`")
        resource = Resource(name="people", path="/v1/directory", selector=("data",), pages=pages)
        access = ApiSettings(base_url=api.url, client_id="one", client_secret="secret", timeout_seconds=5.0)
        clients.append(DirectoryClient(access, resource, sleep=lambda seconds: None))
        return LinkedReader(clients[-1], resource.pages)

    yield open_one
    for client in clients:
        client.close()


def ids_of(pages) -> list:
    return [one.id for answer in pages for one in answer.entries]


def refusal(reader: LinkedReader) -> DirectorySyncError:
    with pytest.raises(EnvelopeError) as caught:
        list(reader.pages())
    shown = "".join(traceback.format_exception(caught.value))
    error: BaseException | None = caught.value
    while error is not None:
        shown += repr(error) + str(error.args)
        error = error.__context__
    assert SENTINEL not in shown
    assert "elsewhere" not in shown
    return caught.value


@pytest.mark.parametrize("style", LINKED)
@pytest.mark.parametrize("count", SIZES)
def test_a_still_list_is_read_whole_along_its_links(style, count, open_reader):
    with PagedApi(list(range(count)), style=style) as api:
        pages = list(open_reader(api).pages())
    assert ids_of(pages) == list(range(count))
    assert [one.offset for one in pages] == [10 * n for n in range(len(pages))]
    assert {one.limit for one in pages} == {max(2, min(count, 10) if style != "single_page" else count)}
    assert len(pages) == (1 if style == "single_page" else max(1, -(-count // 10)))


@pytest.mark.parametrize("style", LINKED)
def test_a_refused_token_in_the_middle_is_renewed(style, open_reader):
    with PagedApi(list(range(35)), style=style, refused=[1 if style == "single_page" else 3]) as api:
        assert ids_of(open_reader(api).pages()) == list(range(35))
        assert api.tokens == 2


@pytest.mark.parametrize("style", LINKED[:4])
def test_an_empty_page_in_the_middle_is_not_the_end(style, open_reader):
    with PagedApi(list(range(35)), style=style, empty=[10]) as api:
        pages = list(open_reader(api).pages())
    assert ids_of(pages) == [*range(10), *range(20, 35)]
    assert [one.offset for one in pages] == [0, 10, 10, 20]


@pytest.mark.parametrize("style", ["json_link", "header_link"])
@pytest.mark.parametrize(
    "link",
    [
        "http://elsewhere.example.org/v1/directory?after=10",
        "//elsewhere.example.org/v1/directory?after=10",
        "https://{host}/v1/directory?after=10",
        "http://127.0.0.1:1/v1/directory?after=10",
        "http://{host}@elsewhere.example.org/?after=10",
        "http://elsewhere.example.org\\@{host}/?after=10",
        "file:///elsewhere",
    ],
)
def test_a_link_to_another_host_is_refused(style, link, open_reader):
    with PagedApi(list(range(35)), style=style) as api:
        api.reference = lambda offset: link.format(host=api.url.removeprefix("http://"))
        error = refusal(open_reader(api))
        assert len(api.asked) == 1
    assert "another host, scheme or port than the base URL's" in str(error)


@pytest.mark.parametrize("link", ["?after={}", "/v1/directory?after={}", "directory?after={}"])
@pytest.mark.parametrize("style", ["json_link", "header_link"])
def test_a_relative_link_is_followed(style, link, open_reader):
    with PagedApi(list(range(35)), style=style, reference=link.format) as api:
        assert ids_of(open_reader(api).pages()) == list(range(35))


@pytest.mark.parametrize("style", LINKED[:4])
def test_a_link_or_cursor_that_leads_back_is_refused(style, open_reader):
    with PagedApi(list(range(35)), style=style) as api:
        prefix = f"{api.url}/v1/directory?after=" if "link" in style else ""
        api.reference = lambda offset: f"{prefix}{10 if offset == 30 else offset}"
        assert "links to a page that was read before" in str(refusal(open_reader(api)))
        assert len(api.asked) == 3


def test_a_cursor_that_has_no_effect_is_refused_though_each_is_new(open_reader):
    with PagedApi(list(range(35)), style="cursor") as api:
        api.reference = lambda offset: str(len(api.asked))
        reader = open_reader(api, cursor_param="unknown")
        assert "shows the first page again" in str(refusal(reader))
        assert len(api.asked) == 2


@pytest.mark.parametrize(
    ("style", "reference"),
    [
        ("json_link", ""),
        ("json_link", 7),
        ("json_link", True),
        ("json_link", {"href": SENTINEL}),
        ("json_link", [SENTINEL]),
        ("json_link", f"http://[{SENTINEL}"),
        ("json_link", f"http://127.0.0.1:port/{SENTINEL}"),
        ("cursor", {"after": SENTINEL}),
        ("cursor", [SENTINEL]),
        ("cursor", True),
        ("header_cursor", ""),
    ],
)
def test_a_link_or_cursor_that_is_none_is_refused_without_its_content(style, reference, open_reader):
    with PagedApi(list(range(35)), style=style, reference=lambda offset: reference) as api:
        assert "link or cursor" in str(refusal(open_reader(api)))
        assert len(api.asked) == 1


def test_a_total_is_read_where_the_paginator_says_so(open_reader):
    with PagedApi(list(range(15)), total=16) as api:
        assert [one.total for one in open_reader(api, total_path="total").pages()] == [16, 16]
        assert [one.total for one in open_reader(api).pages()] == [None, None]


def test_the_token_is_sent_with_every_page(open_reader):
    with PagedApi(list(range(25))) as api:
        list(open_reader(api).pages())
        assert api.tokens == 1


def test_a_walk_proves_nothing(tmp_path):
    seal = accept_walk(snapshot_of(tmp_path, page(0, [1, 2], limit=2), page(2, [3], limit=2, at=1.0)))
    assert (seal.proof, seal.windows, seal.joints, seal.end) == ("walk", 2, 0, 2)
    assert seal.order_is_observed


def test_a_walk_that_shows_an_entry_twice_saw_the_list_move(tmp_path):
    seal = accept_walk(snapshot_of(tmp_path, page(0, [1, 2], limit=2), page(2, [2, 3], limit=2, at=1.0)))
    assert (seal.displaced, seal.order_is_observed) == (1, False)


@pytest.mark.parametrize("style", LINKED)
def test_the_paginators_of_dlt_take_what_the_form_allows(style):
    from dlt.sources.rest_api.config_setup import create_paginator

    pages = parse_pages(PAGINATORS[style], where="resource `people`")
    assert isinstance(pages, LinkedPages)
    assert create_paginator({"type": pages.type, **pages.options}) is not None
