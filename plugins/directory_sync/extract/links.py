"""Follows the links and cursors of an API with dlt's paginators; refuses those that lead elsewhere."""

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import requests

from directory_sync.api.page import Page
from directory_sync.config.paging import LinkedPages
from directory_sync.config.urls import has_userinfo, origin

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.paginators import BasePaginator


class Links:
    """Changes a request so that it asks for one page after another.

    Exceptions of dlt's paginators can hold a whole body or its link, so none of them leaves this class.

    Args:
        pages: which of dlt's paginators is used.
        request: the request for the first page; it is modified.
        params: the form's query parameters, which are sent again if the paginator says so.
    """

    def __init__(
        self, pages: LinkedPages, request: requests.Request, *, params: Mapping[str, Any] | None = None
    ) -> None:
        """Prepares the request for the first page."""
        self._pages, self._request = pages, request
        self._params = dict(params or {}) if pages.resends_params else {}
        self._paginator = _create(pages)
        self._paginator.init_request(request)
        self._origin = origin(str(request.prepare().url))
        self._seen = {_address(request)}

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
            if self.are_followed or page.has_more is False:
                return None
            self._paginator.update_request(self._request)
            if not self._leads_somewhere():
                return "has a link or cursor that is empty or not a text"
            self._resend_params()
            url = str(self._request.prepare().url)
            is_foreign = origin(url) != self._origin or has_userinfo(url)
            address = _address(self._request)
        except (ValueError, TypeError, AttributeError, LookupError, OSError):
            return "has a link or cursor that cannot be followed"
        if is_foreign:
            return "links to another host, scheme or port than the base URL's, which would get the token"
        if address in self._seen:
            return "links to a page that was read before"
        self._seen.add(address)
        return None

    def _leads_somewhere(self) -> bool:
        """Tells whether dlt found a text or a number; it would send any value of the answer."""
        if self._pages.paginator is not None:
            return bool(self._request.url)
        if path := self._pages.options.get("cursor_body_path"):
            reference: Any = self._request.json
            for key in str(path).split("."):
                reference = reference[key]
        elif param := self._pages.cursor_param:
            reference = self._request.params[param]
        else:
            reference = self._request.url
        is_plain = isinstance(reference, str | int) and not isinstance(reference, bool)
        return is_plain and reference != ""

    def _resend_params(self) -> None:
        """Adds the form's parameters that a link lacks; those that it has are not doubled."""
        if self._params:
            query = urlsplit(str(self._request.url)).query
            present = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
            self._request.params = {k: v for k, v in self._params.items() if k not in present}


def _address(request: requests.Request) -> tuple[str | None, Any]:
    """Returns what makes a request another one: its URL and its body."""
    prepared = request.prepare()
    return prepared.url, prepared.body


def _create(pages: LinkedPages) -> "BasePaginator":
    from dlt.sources.rest_api.config_setup import create_paginator

    if pages.paginator is not None:
        copied: BasePaginator = deepcopy(pages.paginator)
        return copied
    paginator = create_paginator({"type": pages.type, **pages.options})  # type: ignore[arg-type,typeddict-item]
    assert paginator is not None
    return paginator
