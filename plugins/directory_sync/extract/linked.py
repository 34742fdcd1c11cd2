"""Walks along the API's own cursors or links, which dlt's paginators find in each answer.

A walk proves nothing: if the links leave entries out, these are not read, and nothing shows it. These faults
can be detected and are refused: a link to another host, which would get the token; a link back to a page; a
walk that brings nothing new for MAX_STALE_PAGES pages in a row. A path to the next page that is in no answer,
although more seems to follow, is refused after the last answer (`api/next_page.py`).
"""

from collections.abc import Iterator
from itertools import count

from requests import Response

from directory_sync.api.client import DirectoryClient
from directory_sync.api.page import Page
from directory_sync.config.paging import LinkedPages
from directory_sync.errors import EnvelopeError
from directory_sync.extract.links import Links

SMALLEST_LIMIT = 2
MAX_STALE_PAGES = 100
"""How many pages in a row may bring no new entry. Microsoft Graph may answer several empty pages in a row."""


class LinkedReader:
    """Reads a list along its links, in one task.

    Args:
        client: sends the requests.
        pages: which of dlt's paginators finds the next page.

    Attributes:
        total: the API's count of entries; None: it states none, or nothing was read yet.
    """

    def __init__(self, client: DirectoryClient, pages: LinkedPages) -> None:
        """Requests nothing yet."""
        self._client, self._pages = client, pages
        self._known: set[int] = set()
        self._stale = 0
        self.total: int | None = None

    @property
    def expected(self) -> int | None:
        """About how many entries there are; None: the API states no total."""
        return self.total

    def pages(self) -> Iterator[Page]:
        """Yields the pages in the order of the links. A page's `offset` is the number of entries before it.

        Raises:
            EnvelopeError: a link cannot be followed, leads to another host or back to a page; or the walk
                does not seem to end, or to have reached the end.
            DirectorySyncError: an error of the client.
        """
        first = self._pages.address()
        request = self._client.list_request(first.params, first.body)
        links = Links(self._pages, request, params=self._client.resource.params)
        offset = limit = 0
        head: list[object] = []
        for number in count():
            where = f"{self._client.path} after {offset:,} entries"
            page, response = self._client.read(request, where, offset=offset, is_followed=number > 0)
            if not page.entries and self._ends_when_empty(page):
                # One empty answer proves nothing.
                page, response = self._client.read(request, where, offset=offset, is_followed=number > 0)
            limit = limit or max(SMALLEST_LIMIT, len(page.entries))
            ids: list[object] = [entry.id for entry in page.entries]
            if ids and ids == head:
                self._refuse(where, "shows the first page again")
            self._refuse_endless(ids, where)
            self.total = page.total if self.total is None else self.total
            yield page._replace(limit=limit)
            if page.status == 204 or (not page.entries and self._ends_when_empty(page)):
                # Without a body there is no link.
                return
            if failure := links.failure_to_follow(response, page):
                self._refuse(where, failure)
            if links.are_followed or page.has_more is False:
                self._check_end(page, response, where, is_only=number == 0)
                return
            head = head or ids
            offset = page.end

    def _ends_when_empty(self, page: Page) -> bool:
        return self._pages.stops_when_empty or page.status == 204

    def _refuse_endless(self, ids: list[object], where: str) -> None:
        """Counts pages without a new entry, by the hashes of the ids: a set of ids would need more memory."""
        before = len(self._known)
        self._known.update(map(hash, ids))
        self._stale = 0 if len(self._known) > before else self._stale + 1
        if self._stale > MAX_STALE_PAGES:
            self._refuse(
                where,
                f"is one of {self._stale:,} pages in a row without a new entry, and has a link or cursor "
                "again: the list does not seem to end",
            )

    def _check_end(self, page: Page, response: Response, where: str, *, is_only: bool) -> None:
        """Refuses an end behind which more is said to follow; notes that of a single page."""
        if page.has_more:
            self._refuse(where, "says that more follows, and has no link or cursor to it")
        if is_only and page.has_more is None and self._pages.paginator is None:
            self._client.note_only_page(response, page, where)

    def _refuse(self, where: str, failure: str) -> None:
        raise EnvelopeError(
            f"The answer of {where} {failure}. Nothing was published. Check the paginator in "
            f"{self._client.form_file}, or ask the API's vendor."
        )
