"""Reads a list page by page in the order of the page numbers, and each page again after the next one.

Numbered pages cannot overlap, so shared entries cannot join them. Instead, page k is read before and after
page k+1. If it is the same both times, no entry moved across the border of the two pages meanwhile, so k+1
begins where k ends. The ids of page k are compared, and which id is the last. If they differ, both pages are
read again.

Two kinds of change are not detected. First, edits between the two readings of a page that cancel each other
out: an entry leaves page k and returns, and meanwhile another entry moves across the border unread. Second, a
page size that changes from answer to answer. So an absent entry is removed only at its second absence, unless
the ids ascend (`audit/pages_seal.py`).
"""

from collections.abc import Callable, Generator, Iterator
from typing import NoReturn

from directory_sync.api.page import Page
from directory_sync.errors import ConfigError, SnapshotError

MAX_READINGS = 5
EMPTY_ANSWERS_NEEDED = 3
"""How many empty answers to the first page in a row show that the directory is empty."""

EMPTY_ANSWERS_BEHIND = 2
"""How many empty answers in a row, without a change of the page before, show that a page number is empty."""


PAGES_AHEAD, PAGES_AHEAD_OF_LONG_LISTS = (1, 2, 4), (1, 2, 4, 8)
"""How far behind an empty page further entries are looked for; a list of eight pages or more is long."""

REPEATS_BELIEVED = 2
"""How often a page must show an earlier page again before it counts as a fault."""
SMALLEST_LIMIT = 2

ReadNumber = Callable[[int], Page]
"""Returns the page with a number; its `total` counts pages."""


class NumberedReader:
    """Reads the numbered pages of a list in their order, in one task.

    Args:
        read: reads one page.
        base_page: the number of the first page.
        page_param: the query parameter for the number, for messages.
        name: the name of the resource, for messages.

    Attributes:
        total: about how many entries there are, from the API's count of pages; None: it states none.
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
        """About how many entries there are; None: the API states no total."""
        return self.total

    def pages(self) -> Iterator[Page]:
        """Yields every answer, including those of pages that are read again.

        A page's `offset` is the number of entries before it if all pages were as long as the first one.

        Raises:
            SnapshotError: a page kept changing while the page after it was read, or the list ended before
                the API's count of pages.
            ConfigError: the number has no effect on the answer.
            DirectorySyncError: an error of the client.
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
                f"The API states {self._stated_pages:,} pages of `{self._name}`, but only "
                f"{number - self._base:,} have entries. Nothing was published. Airflow tries again; if "
                "`total_path` or `total_header` of the paginator is no count of pages, leave it out."
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
        """Reads the first page; returns None if it is empty EMPTY_ANSWERS_NEEDED times."""
        for _ in range(EMPTY_ANSWERS_NEEDED):
            page = yield from self._read(self._base)
            if page.entries:
                self._head = _ids(page)
                return page
        self._check_end(self._base, page)
        return None

    def _read_behind(self, number: int, before: Page) -> Generator[Page, None, tuple[int, Page] | None]:
        """Reads the next page with entries after page `number`; returns its number and it.

        Returns None at the end of the list: two answers in a row were empty, page `number` did not change
        meanwhile, and the pages further behind are empty too.
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
                # An empty page before `at` has entries now: they are read first.
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
                    self._check_end(number, before)
                    return None
                at, empties, repeats = at + 1, 0, 0
                if at > furthest:
                    furthest, readings = at, 0
        raise SnapshotError(
            f"Page {number} of `{self._name}` changed each time while page {at} was read: the directory "
            "changes faster than its pages can be joined. Nothing was published. Airflow tries again; see "
            "docs/runbook.md#snapshoterror."
        )

    def _look_ahead(self, empty: int) -> Generator[Page, None, bool]:
        """Tells whether a page further behind an empty one has entries.

        An API may answer numbers behind its end with the first or the last page; these count as empty.
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

    def _check_end(self, number: int, page: Page) -> None:
        if page.has_more:
            raise SnapshotError(
                f"Page {number} of `{self._name}` says that more follows, and the pages behind it are empty. "
                "Nothing was published. Airflow tries again; if this stays so, ask the API's vendor, or "
                "leave `has_more_path` out."
            )

    def _refuse_repeats(self, number: int) -> NoReturn:
        raise ConfigError(
            f"Page {number} of `{self._name}` shows a page that was read before. Either `{self._page_param}` "
            "has no effect, or `base_page` is not the number of the first page, or the API answers numbers "
            "behind the last page with another page. Nothing was published. Correct the resource's "
            "paginator, or use the API's links or cursor."
        )


def pages_ahead(place: int) -> tuple[int, ...]:
    """Returns how far behind an empty page further entries are looked for.

    Args:
        place: the position of the empty page, counted from 0.
    """
    return PAGES_AHEAD_OF_LONG_LISTS if place >= PAGES_AHEAD_OF_LONG_LISTS[-1] else PAGES_AHEAD


def _ids(page: Page) -> list[object]:
    return [entry.id for entry in page.entries]


def _show_the_same(before: Page, again: Page) -> bool:
    one, other = _ids(before), _ids(again)
    return bool(one and other) and one[-1] == other[-1] and set(one) == set(other)
