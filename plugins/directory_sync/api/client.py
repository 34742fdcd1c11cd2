"""The client of one resource: its requests, and the meaning of an answer's status.

This table decides, after the retries of `transport.py`:

    200                        the page; 206 likewise, if it has `Content-Range`
    204                        a page without entries; a status of the form's `response_actions` likewise,
                                 but not where a link or cursor of the API led there
    404, 410, 416              after the first page: a page without entries that keeps its status, as a
                                 candidate for the end of the list; on the first page: ApiError
    401                        the request is sent once more with a new token, if the sign-in has tokens; then
                                 AuthError
    403                        AuthError
    every other status         ApiError

The form's headers may be secrets, so they are sent only to the origin of the connection.
"""

import copy
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from threading import Lock
from typing import Any

from requests import Request, Response

from directory_sync.api.answer import Entry, EntryId, parse_page
from directory_sync.api.envelope import Declared, header_total
from directory_sync.api.exchange import ReadRequest
from directory_sync.api.page import Page
from directory_sync.api.rate import RequestRate
from directory_sync.api.sign_in import open_sign_in
from directory_sync.api.transport import MAX_RETRIES, Attempts, Transport
from directory_sync.config.access import ApiSettings
from directory_sync.config.endpoint import END_STATUSES, GONE_STATUSES
from directory_sync.config.form import Resource
from directory_sync.config.masking import body_secrets, header_secrets, is_public, query_secrets, url_secrets
from directory_sync.config.network import network_secrets
from directory_sync.config.sign_in import NONE, OAUTH2, refuse_beside
from directory_sync.config.urls import origin, shown, shown_origin
from directory_sync.errors import ApiError, AuthError, ConfigError

_NO_CONTENT = 204


class DirectoryClient:
    """Reads pages of one resource. It may be used from several threads.

    Args:
        api: address, credentials, timeouts.
        resource: path, parameters and the form of the answers.
        rate: paces the requests of all threads; None: a new one, with the ceiling of `api`.
        connections: how many connections are kept alive.
        mask: registers a secret with the log masker.
        max_retries: how often one request is sent again.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        api: ApiSettings,
        resource: Resource,
        *,
        rate: RequestRate | None = None,
        connections: int = 8,
        mask: Callable[[str], None] = lambda _: None,
        max_retries: int = MAX_RETRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Opens no connection yet."""
        self._api, self._resource = api, resource
        self._shown_path = resource.path
        self._transport = Transport(
            api, rate=rate, connections=connections, max_retries=max_retries, sleep=sleep
        )
        for secret in (*_secrets(resource), *network_secrets(api.proxy)):
            mask(secret)
        refuse_beside(
            api.auth_type,
            api.key,
            headers=resource.headers,
            params=resource.params,
            where=f"resource `{resource.name}`",
        )
        self._refuse_headers_elsewhere()
        self._sign_in = open_sign_in(api, send=self._transport.send, mask=mask)
        self._lock = Lock()
        self._furthest = -1
        self._declared = Declared(resource)

    def of(self, resource: Resource) -> "DirectoryClient":
        """Returns a client for another resource, which shares connections, token and rate with this one.

        Messages show this client's path: that of a parent's list has the parent's key in it.

        Args:
            resource: the list of one parent, or the parent.
        """
        other = copy.copy(self)
        other._resource, other._lock, other._furthest = resource, Lock(), -1  # noqa: SLF001  of this class
        other._refuse_headers_elsewhere()  # noqa: SLF001
        return other

    @property
    def requests(self) -> int:
        """How many requests were sent, including those for tokens."""
        return self._transport.requests

    @property
    def has_given_rate(self) -> bool:
        """Tells whether the user has set how many requests the API allows."""
        return self._api.requests_per_second is not None

    def begin_at(self, requests_per_second: float) -> None:
        """Begins at a rate that an earlier run found, see `RequestRate.begin_at`.

        Args:
            requests_per_second: the share of this client.
        """
        self._transport.begin_at(requests_per_second)

    @property
    def read_from(self) -> str:
        """The base URL without user and query, and the connection that it comes from."""
        found_in = f", from {self._api.found_in}" if self._api.found_in else ""
        return f"{shown(self._api.base_url)} (connection `{self._api.conn_id}`{found_in})"

    @property
    def path(self) -> str:
        """The path of the list, as messages show it."""
        return shown(self._shown_path)

    @property
    def resource(self) -> Resource:
        """The resource, as the form describes it."""
        return self._resource

    @property
    def form_file(self) -> str:
        """The file of the resource's form, for messages."""
        return self._resource.form_file

    def page(self, at: int | None = None, limit: int | None = None) -> Page:
        """Returns one page of the list.

        Args:
            at: an offset or a page's number, depending on the paging; None: the first page.
            limit: how many entries to request in a window; None: the form's limit.

        Raises:
            ApiUnavailableError: no answer after the retries.
            AuthError, ApiError: by the status, see the table above.
            EnvelopeError: the body of the answer cannot be used.
            ConfigError: the TLS certificate is not trusted, or the URL is malformed.
        """
        address = self._resource.pages.address(at, limit)
        page, _ = self.read(
            self.list_request(address.params, address.body),
            f"{self.path}{address.words}",
            offset=address.offset,
            limit=address.limit,
            before=address.before,
            place=address.place,
        )
        return page

    def list_request(
        self, params: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> Request:
        """Returns a request for the list, without a token.

        Args:
            params: further query parameters besides the form's.
            body: values that are set in the JSON body, by their dotted paths.
        """
        asked = self._resource.asked
        return ReadRequest(
            asked.method,
            self._api.url(self._resource.path),
            params={**self._resource.params, **(params or {})},
            headers={"Accept": "application/json", **self._resource.headers},
            json=_with_values(asked.json, body or {}),
            data=dict(asked.data) if asked.data else None,
        )

    def read(
        self,
        request: Request,
        where: str,
        *,
        offset: int = 0,
        limit: int = 0,
        before: int | None = None,
        place: tuple[str, int] | None = None,
        is_followed: bool = False,
    ) -> tuple[Page, Response]:
        """Sends a request for the list, with a token and retries; returns the page and the raw answer.

        Args:
            request: the request, without a token.
            where: the request, for messages.
            offset: recorded on the page, not sent.
            limit: recorded on the page, not sent.
            before: how many of the units that the API's total counts precede this page; None: `offset`.
            place: the query parameter that pages, and its value; None: the API's own links lead here.
            is_followed: an answer of the API led here, so the form's `response_actions` do not apply.

        Raises:
            DirectorySyncError: see `page`.
        """
        attempts = Attempts()
        before = offset if before is None else before
        response = self._send_signed(request, attempts, where)
        status = _status_of(response, () if is_followed else self._resource.end_statuses)
        entries: list[Entry] = []
        total = has_more = None
        if status != _NO_CONTENT and not (place and before > 0 and status in END_STATUSES):
            self._raise_for_status(status, where, place=place)

            def look(document: Any) -> None:
                nonlocal has_more
                has_more = self._declared.look(document, response)

            entries, total = parse_page(
                response.content,
                selector=self._resource.selector,
                total_path=self._resource.pages.total_path,
                key=self._resource.key,
                ignored_fields=self._resource.ignored_fields,
                parent_fields=self._resource.parent_fields,
                where=where,
                before=before,
                total_is_approximate=self._resource.total_is_approximate,
                item=self._resource.item,
                absent_is_empty=self._resource.absent_is_empty,
                stated_total=header_total(response, self._resource.pages.total_header),
                look=look,
                form_file=self._resource.form_file,
            )
        if entries and place:
            with self._lock:
                self._furthest = max(self._furthest, place[1])
        page = Page(
            offset,
            limit,
            entries,
            total,
            attempts.requested_at,
            attempts.retries,
            attempts.refused,
            status,
            has_more,
        )
        return page, response

    def note_only_page(self, response: Response, page: Page, where: str) -> None:
        """Notes the end of a walk that had one page, for `check_declared`.

        Args:
            response: the answer.
            page: its page.
            where: the request, for messages.
        """
        self._declared.ended(response, entries=len(page.entries), where=where)

    def check_declared(self) -> None:
        """Refuses paths of the form that no answer had, see `Declared.check`. Call it after the last answer.

        Raises:
            ConfigError: no answer had the declared total.
            EnvelopeError: no answer had the path to the next page, and more seems to follow.
        """
        self._declared.check()

    def raw(self) -> Response:
        """Returns the raw answer to a request for the first page; its body is not parsed.

        Raises:
            ApiUnavailableError, AuthError, ApiError, ConfigError: see `page`.
        """
        request = self.list_request(body=self._resource.pages.address().body)
        response = self._send_signed(request, Attempts(), self.path)
        self._raise_for_status(_status_of(response, self._resource.end_statuses), self.path)
        return response

    def answer_to(self, request: Request) -> Response:
        """Returns the raw answer to a request, sent signed and with retries, whatever its status.

        Raises:
            ApiUnavailableError, AuthError, ConfigError: see `page`.
        """
        return self._send_signed(request, Attempts(), self.path)

    def has_entry(self, entry_id: EntryId) -> bool:
        """Tells whether the API has an entry, by its `detail_path`: 200 means yes, 404 and 410 mean no.

        Raises:
            ApiUnavailableError, AuthError, ApiError: see `page`.
        """
        assert self._resource.detail_path is not None
        path = self._resource.key.fill(self._resource.detail_path, entry_id)
        headers = {"Accept": "application/json", **self._resource.headers}
        request = Request("GET", self._api.url(path), headers=headers)
        status = self._send_signed(request, Attempts(), "the detail path").status_code
        if status in GONE_STATUSES:
            return False
        self._raise_for_status(status, "the detail path")
        return True

    def _refuse_headers_elsewhere(self) -> None:
        """Refuses a path to another origin if the form's headers, or what signs a request, may be secrets."""
        is_keyed = self._api.auth_type not in (OAUTH2, NONE)
        if all(is_public(name) for name in self._resource.headers) and not is_keyed:
            return
        what = "the connection's credentials" if is_keyed else "the form's `headers`"
        for path in (self._resource.path, self._resource.detail_path or ""):
            url = self._api.url(path)
            if origin(url) != origin(self._api.base_url):
                raise ConfigError(
                    f"A path of `{self._resource.name}` leads to {shown_origin(url)}, but {what} go only to "
                    f"the connection's origin, {shown_origin(self._api.base_url)}. "
                    "Nothing was requested. Make it a path on the base URL, or make a directory of its own "
                    "for that origin."
                )

    def sign_in(self) -> None:
        """Fetches a token now, if the sign-in has tokens. The other methods do it themselves.

        Raises:
            AuthError: the API refused the credentials.
            ApiUnavailableError: the token URL does not answer.
        """
        self._sign_in.auth()

    def close(self) -> None:
        """Closes the kept connections."""
        self._transport.close()

    def _send_signed(self, request: Request, attempts: Attempts, where: str) -> Response:
        """Sends a request with a token, and after a 401 once more with a new token."""
        response = self._send_with_token(request, attempts, where)
        if response.status_code == 401 and self._sign_in.renew(attempts.auth):
            response = self._send_with_token(request, attempts, where)
        return response

    def _send_with_token(self, request: Request, attempts: Attempts, where: str) -> Response:
        for _ in self._transport.tries(attempts, where):
            # Asked for at each try: a token may expire during a backoff.
            attempts.auth = self._sign_in.auth()
            self._transport.try_once(request, attempts, where=where)
        assert attempts.answer is not None
        return attempts.answer

    def _raise_for_status(self, status: int, where: str, *, place: tuple[str, int] | None = None) -> None:
        if status == 200:
            return
        if status == 401:
            raise AuthError(f"{where} answered 401{self._sign_in.in_words()}")
        if status == 403:
            has_scope = self._api.auth_type == OAUTH2
            what, remedy = (
                ("the scope or the right", ", and set `scope` of the connection if one is needed")
                if has_scope
                else ("the right", "")
            )
            raise AuthError(
                f"{where} answered 403: the client has not {what} to read it. Nothing was published. Ask the "
                f"API's owner for that right{remedy}."
            )
        message = (
            f"{where} answered {status}. Nothing was published. Check the host of the connection and "
            "the path and parameters of the resource."
        )
        if place and 0 <= self._furthest < place[1] and status < 500:
            param, value = place
            message += (
                f" `{param}` {self._furthest:,} was answered with entries, so the API seems to refuse "
                f"`{param}` from {value:,} on (a result window): ask its vendor to widen it, or use its "
                "cursor or links."
            )
        raise ApiError(message, status=status)


def _status_of(response: Response, end_statuses: Collection[int]) -> int:
    """Returns the status of an answer, with what the form and the headers say about it."""
    status = response.status_code
    if status in end_statuses:
        return _NO_CONTENT
    if status == 206 and "Content-Range" in response.headers:
        return 200
    return status


def _with_values(body: Mapping[str, Any] | None, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns a copy of a JSON body with values set at dotted paths; None: there is no body."""
    if body is None and not values:
        return None
    whole: dict[str, Any] = copy.deepcopy(dict(body or {}))
    for path, value in values.items():
        *parents, last = path.split(".")
        at = whole
        for key in parents:
            at = at.setdefault(key, {})
        at[last] = value
    return whole


def _secrets(resource: Resource) -> Iterator[str]:
    """Yields the texts of the form that may be secrets."""
    yield from header_secrets(resource.headers)
    yield from query_secrets(resource.params.items())
    yield from body_secrets(resource.asked.json or resource.asked.data or {})
    for path in (resource.path, resource.detail_path or ""):
        yield from url_secrets(path)
