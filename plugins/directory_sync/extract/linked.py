"""Walks along the API's own cursors or links, which dlt's paginators find in each answer.

A walk proves nothing: if the links leave entries out, these are not read, and nothing shows it. Two faults
can be detected and are refused: a link to another host, which would get the token, and a link back to a page.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import requests

from directory_sync.api.client import DirectoryClient
from directory_sync.api.page import Page
from directory_sync.config.paging import LinkedPages
from directory_sync.config.urls import has_userinfo, origin
from directory_sync.errors import EnvelopeError

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

SMALLEST_LIMIT = 2


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
        self.total: int | None = None

    @property
    def expected(self) -> int | None:
        """About how many entries there are; None: the API states no total."""
        return self.total

    def pages(self) -> Iterator[Page]:
        """Yields the pages in the order of the links. A page's `offset` is the number of entries before it.

        Raises:
            EnvelopeError: a link cannot be followed, leads to another host, or leads back to a page.
            DirectorySyncError: an error of the client.
        """
        request = self._client.list_request()
        links = _Links(self._pages, request)
        offset = limit = 0
        head: list[object] = []
        while True:
            where = f"{self._client.path} after {offset:,} entries"
            page, response = self._client.read(request, where, offset=offset)
            limit = limit or max(SMALLEST_LIMIT, len(page.entries))
            ids: list[object] = [entry.id for entry in page.entries]
            if ids and ids == head:
                _refuse(where, "shows the first page again", self._client.form_file)
            head = head or ids
            self.total = page.total if self.total is None else self.total
            yield page._replace(limit=limit)
            if page.status == 204:
                # Without a body there is no link.
                return
            if failure := links.failure_to_follow(response, page):
                _refuse(where, failure, self._client.form_file)
            if links.are_followed:
                return
            offset = page.end


class _Links:
    """Changes a request so that it asks for one page after another.

    Exceptions of dlt's paginators can hold a whole body or its link, so none of them leaves this class.

    Args:
        pages: which of dlt's paginators is used.
        request: the request for the first page; it is modified.
    """

    def __init__(self, pages: LinkedPages, request: requests.Request) -> None:
        self._paginator = _create(pages)
        self._cursor_param = next(iter(pages.own_params), None)
        self._request = request
        self._paginator.init_request(request)
        first = str(request.prepare().url)
        self._origin, self._seen = origin(first), {first}

    @property
    def are_followed(self) -> bool:
        """All links are followed: no page comes next."""
        return not self._paginator.has_next_page

    def failure_to_follow(self, response: requests.Response, page: Page) -> str | None:
        """Changes the request so that it asks for the page after an answer.

        Returns:
            Why that is not possible, as the rest of a sentence; None: it is, or no page follows.
        """
        try:
            self._paginator.update_state(response, list(page.entries))
            if self.are_followed:
                return None
            self._paginator.update_request(self._request)
            if not self._leads_somewhere():
                return "has a link or cursor that is empty or not a text"
            url = str(self._request.prepare().url)
            is_foreign = origin(url) != self._origin or has_userinfo(url)
        except (ValueError, TypeError, AttributeError, LookupError, OSError):
            return "has a link or cursor that cannot be followed"
        if is_foreign:
            return "links to another host, scheme or port than the base URL's, which would get the token"
        if url in self._seen:
            return "links to a page that was read before"
        self._seen.add(url)
        return None

    def _leads_somewhere(self) -> bool:
        """Tells whether dlt found a text or a number; it would send any value of the answer."""
        request = self._request
        reference = request.params[self._cursor_param] if self._cursor_param else request.url
        is_plain = isinstance(reference, str | int) and not isinstance(reference, bool)
        return is_plain and reference != ""


def _create(pages: LinkedPages) -> "BasePaginator":
    from dlt.sources.rest_api.config_setup import create_paginator

    paginator = create_paginator({"type": pages.type, **pages.options})  # type: ignore[arg-type,typeddict-item]
    assert paginator is not None
    return paginator


def _refuse(where: str, failure: str, form_file: str) -> None:
    raise EnvelopeError(
        f"The answer of {where} {failure}. Nothing was published. Check the paginator in "
        f"{form_file}, or ask the API's vendor."
    )
