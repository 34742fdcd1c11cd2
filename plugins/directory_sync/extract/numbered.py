"""Reads a list page by page in the order of its numbers, each page again after the one behind it.

Numbered pages cannot overlap, so nothing they share joins them. Page k+1 is joined to page k where k was read
before it and after it and is the same both times: nothing has moved across the border between the two, so
k+1 begins where k ends. Of k the ids and the last one are compared. Where they differ, both are read again.

What this does not see: edits that cancel each other out between the two readings of a page, as an entry that
leaves page k and comes back, while in between another one slides over the border unread. Nor a page size
that changes from answer to answer. So an absent entry is removed at its second absence only, unless ids
ascend (`pages_seal.py`).
"""

from collections.abc import Callable, Generator, Iterator
from typing import NoReturn

from directory_sync.api.page import Page
from directory_sync.errors import ConfigError, SnapshotError

MAX_READINGS = 5
EMPTY_ANSWERS_NEEDED = 3
"""Empty answers to the first page, in a row, that make an empty directory."""

EMPTY_ANSWERS_BEHIND = 2
"""Empty answers behind a page, in a row and with nothing moved, that make it the last one, or show a hole."""


PAGES_AHEAD, PAGES_AHEAD_OF_LONG_LISTS = (1, 2, 4), (1, 2, 4, 8)
"""So many pages behind the empty one the list may go on; a list is long with eight pages and more."""

REPEATS_BELIEVED = 2
SMALLEST_LIMIT = 2

ReadNumber = Callable[[int], Page]
"""Answers a page's number with the page; its `total` counts pages."""


class NumberedReader:
    """Reads the numbered pages of a list, in order, by one task.

    Args:
        read: answers one page request.
        base_page: the first page's number.
        page_param: the parameter that takes the number; for messages.
        name: the resource, for messages.

    Attributes:
        total: about how many entries there are, from the API's count of pages; None where it states none.
    """

    def __init__(self, read: ReadNumber, *, base_page: int, page_param: str, name: str) -> None:
        """Requests nothing yet."""
        self._read_number, self._base = read, base_page
        self._page_param, self._name = page_param, name
        self._limit = 0
        self._stated_pages: int | None = None
        self._head: list[object] = []
        self._contents: dict[int, set[frozenset[object]]] = {base_page: set()}
        self._furthest = base_page
        self.total: int | None = None

    @property
    def expected(self) -> int | None:
        """About how many entries there are; None where the API states no total."""
        return self.total

    def pages(self) -> Iterator[Page]:
        """Yields every answer, those that are read again too.

        A page's `offset` counts the entries before it as if all pages were as long as the first one.

        Raises:
            SnapshotError: a page would not stay the same while the one behind it was read.
            ConfigError: the page's number has no effect.
            DirectorySyncError: what the client raises.
        """
        number = self._base
        page = yield from self._read_first()
        while page is not None:
            self._contents = {number: {frozenset(_ids(page))}, self._base: self._contents[self._base]}
            behind = yield from self._read_behind(number, page)
            if behind is None:
                number += 1
                break
            number, page = behind
        if self._stated_pages is not None and number - self._base < self._stated_pages:
            raise SnapshotError(
                f"The API states {self._stated_pages:,} pages of `{self._name}`, and nothing comes after "
                f"{number - self._base:,}. Nothing was published. Airflow tries again; if `total_path` of "
                "the paginator does not lead to a count of pages, leave it out."
            )

    def _read(self, number: int) -> Generator[Page, None, Page]:
        page = self._ask(number)
        if number in self._contents:
            self._contents[number].add(frozenset(_ids(page)))
        yield page
        return page

    def _ask(self, number: int) -> Page:
        page = self._read_number(number)
        if page.entries and not self._limit:
            self._limit = max(SMALLEST_LIMIT, len(page.entries))
        limit = self._limit or SMALLEST_LIMIT
        if page.total is not None:
            self._stated_pages, self.total = page.total, page.total * limit
        if page.entries:
            self._furthest = max(self._furthest, number)
        return page._replace(offset=(number - self._base) * limit, limit=limit, total=None)

    def _read_first(self) -> Generator[Page, None, Page | None]:
        """The first page; None: it is empty however often it is asked for."""
        for _ in range(EMPTY_ANSWERS_NEEDED):
            page = yield from self._read(self._base)
            if page.entries:
                self._head = _ids(page)
                return page
        return None

    def _read_behind(self, number: int, before: Page) -> Generator[Page, None, tuple[int, Page] | None]:
        """The next page with entries behind page `number`, and its number; None: the list ends.

        It ends where two answers in a row were empty, nothing had moved, and pages further behind are empty.
        """
        at = furthest = number + 1
        empties = repeats = readings = 0
        while readings < MAX_READINGS:
            readings += 1
            behind = yield from self._read(at)
            hole = (yield from self._read(at - 1)) if at - 1 > number else None
            again = yield from self._read(number)
            if not set(_ids(before)) & set(_ids(again)):
                break
            is_joined, before = _show_the_same(before, again), again
            if hole is not None and hole.entries:
                # It holds entries by now: they are read first.
                at, empties, repeats = at - 1, 0, 0
                continue
            is_repeat = is_joined and bool(behind.entries) and _ids(behind) in (_ids(again), self._head)
            if is_joined and behind.entries and not is_repeat:
                return at, behind
            empties = empties + 1 if is_joined and not behind.entries else 0
            repeats += is_repeat
            if repeats == REPEATS_BELIEVED:
                self._refuse_repeats(at)
            if empties == EMPTY_ANSWERS_BEHIND:
                if not (self._furthest > at or (yield from self._look_ahead(at))):
                    return None
                at, empties, repeats = at + 1, 0, 0
                if at > furthest:
                    furthest, readings = at, 0
        raise SnapshotError(
            f"Page {number} of `{self._name}` did not stay the same while page {at} was read: the "
            "directory changes faster than its pages can be joined. Nothing was published. Airflow tries "
            "again; see docs/runbook.md#snapshoterror."
        )

    def _look_ahead(self, empty: int) -> Generator[Page, None, bool]:
        """Tells whether a page further behind an empty one holds entries.

        An API may answer numbers behind its end with the first or the last page: they count as empty.
        """
        numbers = [empty + far for far in pages_ahead(empty - self._base)]
        last = self._base + (self._stated_pages or 0) - 1
        if last > numbers[-1]:
            numbers += [last]
        shown = set[frozenset[object]]().union(*self._contents.values())
        for number in numbers:
            furthest = self._furthest
            page = self._ask(number)
            if page.entries and frozenset(_ids(page)) in shown:
                self._furthest, page = furthest, page._replace(entries=[])
            yield page
            if page.entries:
                return True
        return False

    def _refuse_repeats(self, number: int) -> NoReturn:
        raise ConfigError(
            f"Page {number} of `{self._name}` shows a page that was read before: `{self._page_param}` has no "
            "effect, `base_page` is not the first page's number, or the API answers numbers behind the last "
            "page with another page. Nothing was published. Correct the resource's paginator, or use the "
            "API's links or cursor."
        )


def pages_ahead(place: int) -> tuple[int, ...]:
    """Returns how far behind an empty page, at a place counted from 0, the list is looked for."""
    return PAGES_AHEAD_OF_LONG_LISTS if place >= PAGES_AHEAD_OF_LONG_LISTS[-1] else PAGES_AHEAD


def _ids(page: Page) -> list[object]:
    return [entry.id for entry in page.entries]


def _show_the_same(before: Page, again: Page) -> bool:
    one, other = _ids(before), _ids(again)
    return bool(one and other) and one[-1] == other[-1] and set(one) == set(other)
