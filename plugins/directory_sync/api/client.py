"""The HTTP client: one page at a time, from any number of threads.

One table decides what an answer means:

    200                        the page
    204                        a page without entries
    404, 410, 416              behind the first page: a page without entries that keeps its status, as a
                                 candidate for the end of the list; else ApiError
    401                        the request is built again with a new token, once; then AuthError
    403                        AuthError; with `Retry-After`, or with a rate limit that is used up: as 429
    429, 500, 502, 503, 504    at most 3 retries, after 2, 4 and 8 s, `Retry-After` or, after a 429, when the
    `retry_statuses`             rate limit is lifted; then ApiUnavailableError
    lost connections, timeouts
    a redirect                 followed within the origin; to another one it is a ConfigError
    every other status         ApiError

The form's headers are secrets, and go to the origin of the connection alone.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

from directory_sync.api.answer import Entry, EntryId, parse_page
from directory_sync.api.oauth import TokenSource
from directory_sync.api.rate import RequestRate
from directory_sync.api.waits import (
    RESET_MARGIN_SECONDS,
    backoff_seconds,
    is_exhausted,
    reset_seconds,
    retry_after_seconds,
)
from directory_sync.config.form import Resource
from directory_sync.config.masking import header_secrets, is_public, query_secrets, url_secrets
from directory_sync.config.paging import NumberedPages, OffsetPages
from directory_sync.config.settings import ApiSettings
from directory_sync.config.urls import has_userinfo, origin, shown, shown_origin
from directory_sync.errors import (
    ApiError,
    ApiUnavailableError,
    AuthError,
    ConfigError,
    EnvelopeError,
)

logger = logging.getLogger(__name__)

RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})
END_STATUSES = frozenset({404, 410, 416})
"""How some APIs answer a request for what lies behind the last entry; alone it proves no end."""
MAX_RETRIES = 3
MAX_REDIRECTS = 5
LONGEST_SLEEP_SECONDS = 60.0
RESET_SLACK_SECONDS = 4.0
"""A limit per minute can take a minute to be lifted, and the clocks and the margin on top."""
MAX_BODY_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**16
_LOST = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
)


class Page(NamedTuple):
    """One answer to one page request: a window on the list.

    Attributes:
        offset: the offset that was asked for.
        limit: the number of entries that was asked for.
        entries: what was answered, in order.
        total: the API's own count of the list; None where it states none.
        requested_at: when the request that was answered went out, UTC.
        retries: requests that failed before it.
        refused: how many of these were 429.
        status: of the answer: 200; 204, or one of END_STATUSES behind the first page, without entries.
    """

    offset: int
    limit: int
    entries: list[Entry]
    total: int | None
    requested_at: datetime
    retries: int = 0
    refused: int = 0
    status: int = 200

    @property
    def end(self) -> int:
        """The offset after the last entry."""
        return self.offset + len(self.entries)


@dataclass
class _Attempts:
    """What it took to get one answer."""

    retries: int = 0
    refused: int = 0
    needs_token: bool = True
    token: str = field(default="", repr=False)
    requested_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class DirectoryClient:
    """Reads pages of one resource.

    Args:
        api: address, credentials, timeouts.
        resource: path, parameters and the shape of the answers.
        rate: paces the requests of all threads.
        connections: how many to keep alive.
        mask: registers a secret with the log masker.
        max_retries: how often one request is sent again.
        sleep: waits for so many seconds.
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
        self._rate = rate or RequestRate(api.requests_per_second)
        self._sleep = sleep
        self._max_retries = max_retries
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = api.verify
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        for secret in _secrets(resource):
            mask(secret)
        self._refuse_headers_elsewhere()
        self._tokens = TokenSource(api, send=self._send_token_request, mask=mask)
        self._lock = Lock()
        self._furthest = -1
        self.requests = 0

    @property
    def path(self) -> str:
        """The path of the list, as messages show it."""
        return shown(self._resource.path)

    def page(self, offset: int, limit: int | None = None) -> Page:
        """Returns the answer to one page request.

        Raises:
            ApiUnavailableError: no answer after the retries.
            AuthError, ApiError, EnvelopeError: see the table above.
            ConfigError: TLS is not trusted, or the URL is none.
        """
        pages = self._resource.pages
        assert isinstance(pages, OffsetPages)
        limit = limit or pages.limit
        request = self.list_request({pages.limit_param: limit, pages.offset_param: offset})
        where = f"{self.path} at offset {offset}"
        page, _ = self.read(request, where, offset=offset, limit=limit, place=(pages.offset_param, offset))
        return page

    def numbered_page(self, number: int) -> Page:
        """Returns the answer to the request of a page by its number; as `total` what counts the pages.

        Raises:
            DirectorySyncError: as `page`.
        """
        pages = self._resource.pages
        assert isinstance(pages, NumberedPages)
        request = self.list_request({pages.page_param: number})
        where, before = f"{self.path}, page {number}", number - pages.base_page
        page, _ = self.read(request, where, before=before, place=(pages.page_param, number))
        return page

    def list_request(self, params: Mapping[str, Any] | None = None) -> requests.Request:
        """Returns a request of the list, with these parameters besides the form's; it holds no token."""
        url = self._api.url(self._resource.path)
        headers = {"Accept": "application/json", **self._resource.headers}
        return requests.Request(
            "GET", url, params={**self._resource.params, **(params or {})}, headers=headers
        )

    def read(
        self,
        request: requests.Request,
        where: str,
        *,
        offset: int = 0,
        limit: int = 0,
        before: int | None = None,
        place: tuple[str, int] | None = None,
    ) -> tuple[Page, requests.Response]:
        """Sends a request of the list, signed and retried; returns its page, and the answer itself.

        Args:
            request: without a token.
            where: names it in messages.
            offset: recorded in the page, not sent.
            limit: recorded in the page, not sent.
            before: how much of what the API counts as its total precedes this page; None: `offset`.
            place: the parameter that pages, and its value; None: the API's own links lead here.

        Raises:
            DirectorySyncError: as `page`.
        """
        attempts = _Attempts()
        before = offset if before is None else before
        response = self._send_signed(request, attempts, where)
        status = response.status_code
        entries: list[Entry] = []
        total = None
        if status != 204 and not (place and before > 0 and status in END_STATUSES):
            self._raise_for_status(status, where, place=place)
            entries, total = parse_page(
                response.content,
                selector=self._resource.selector,
                total_path=self._resource.pages.total_path,
                ignored_fields=self._resource.ignored_fields,
                where=where,
                before=before,
                total_is_approximate=self._resource.total_is_approximate,
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
        )
        return page, response

    def raw(self) -> requests.Response:
        """Returns the answer to a request of the list as it is, whatever its shape.

        Raises:
            ApiUnavailableError, AuthError, ApiError, ConfigError: see the table above.
        """
        response = self._send_signed(self.list_request(), _Attempts(), self.path)
        self._raise_for_status(response.status_code, self.path)
        return response

    def has_entry(self, entry_id: EntryId) -> bool:
        """Asks the resource's `detail_path` for one entry: 200 is there, 404 and 410 are gone.

        Raises:
            ApiUnavailableError, AuthError, ApiError: see the table above.
        """
        assert self._resource.detail_path is not None
        path = self._resource.detail_path.replace("{id}", quote(str(entry_id), safe=""))
        headers = {"Accept": "application/json", **self._resource.headers}
        request = requests.Request("GET", self._api.url(path), headers=headers)
        status = self._send_signed(request, _Attempts(), "the detail path").status_code
        if status in (404, 410):
            return False
        self._raise_for_status(status, "the detail path")
        return True

    def _refuse_headers_elsewhere(self) -> None:
        """A path of the form may lead to another origin; headers that may be secrets must not."""
        if all(is_public(name) for name in self._resource.headers):
            return
        for path in (self._resource.path, self._resource.detail_path or ""):
            url = self._api.url(path)
            if origin(url) != origin(self._api.base_url):
                raise ConfigError(
                    f"A path of `{self._resource.name}` leads to {shown_origin(url)}, and the form's "
                    f"`headers` go to the connection's origin alone, {shown_origin(self._api.base_url)}. "
                    "Nothing was requested. Make it a path on the base URL, or give it its own directory."
                )

    def sign_in(self) -> None:
        """Fetches the token now; `page` does it where it is needed."""
        self._tokens.token()

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def _send_token_request(self, request: requests.Request) -> requests.Response:
        return self._send_with_retries(request, _Attempts(needs_token=False), "the token URL")

    def _send_signed(self, request: requests.Request, attempts: _Attempts, where: str) -> requests.Response:
        """Sends a request with a token, and once more with a new one where that was refused."""
        response = self._send_with_retries(request, attempts, where)
        if response.status_code == 401:
            self._tokens.renew(attempts.token)
            response = self._send_with_retries(request, attempts, where)
        return response

    def _send_with_retries(
        self, request: requests.Request, attempts: _Attempts, where: str
    ) -> requests.Response:
        failures = 0
        while True:
            sent_at = self._rate.wait()
            if attempts.needs_token:
                # Asked for at each try: a token of a few seconds does not outlive a backoff.
                attempts.token = self._tokens.token()
            attempts.requested_at = datetime.now(UTC)
            response, failure = self._send(request, attempts.token, where)
            asked, longest = _asked_to_wait(response)
            if response is not None and not self._is_passing(response.status_code, asked):
                self._rate.succeeded()
                return response
            failures += 1
            attempts.retries += 1
            wait = backoff_seconds(failures) if asked is None else asked
            if response is not None and response.status_code in (403, 429):
                attempts.refused += 1
                self._rate.refused(sent_at=sent_at, wait_seconds=min(wait, longest))
            if failures > self._max_retries or wait > longest:
                raise ApiUnavailableError(
                    f"{where}: {failure}"
                    + (f", {failures} time(s) in a row" if self._max_retries else "")
                    + (f"; the API asks to wait {asked:,.0f} s" if asked else "")
                    + ". Nothing was published. Airflow tries again; look at the API's status.",
                    retry_after_seconds=asked if asked and asked > longest else None,
                )
            retry = f"retry {failures} of {self._max_retries}"
            logger.warning("%s: %s; %s in %.1f s", where, failure, retry, wait)
            self._sleep(wait)

    def _is_passing(self, status: int, asked: float | None) -> bool:
        if status == 403:
            # A refusal for good asks for no wait.
            return asked is not None
        return status in RETRYABLE_STATUSES or status in self._api.retry_statuses

    def _send(
        self, request: requests.Request, token: str, where: str
    ) -> tuple[requests.Response | None, str]:
        """Returns the answer with its body read, and what failed: a status or a lost connection."""
        try:
            response = self._send_once(request, token, where)
            for _ in range(MAX_REDIRECTS):
                # Another request than GET is not sent again: its body holds the secret of a token request.
                if request.method != "GET" or not response.is_redirect:
                    break
                request = self._redirected(request, response, where)
                response = self._send_once(request, token, where)
            return response, f"status {response.status_code}"
        except requests.exceptions.SSLError as e:
            if _is_cut_off(e):
                return None, "connection lost"
            error: Exception = ConfigError(
                f"There is no TLS at {shown(self._api.base_url)}. Nothing was read. Check the connection's "
                "host, its scheme and its port."
                if "WRONG_VERSION_NUMBER" in str(e)
                else f"The TLS certificate of {shown(self._api.base_url)} is not trusted. Nothing was read. "
                "Set `verify` of the connection to the path of the CA bundle."
            )
        except (urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError):
            error = EnvelopeError(
                f"The body of {where} cannot be decompressed. Nothing of it was used. Ask the API's vendor."
            )
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            return None, "timed out"
        except _LOST as e:
            return None, _what_was_lost(e)
        except (OSError, ValueError) as e:
            # All else that requests raises, and what it lets pass: `verify` names no file, for one.
            error = ConfigError(
                f"{where}: no request can be made ({type(e).__name__}). Nothing was read. Check the host and "
                "`verify` of the connection and the path and headers of the resource."
            )
        # Raised here, so that no exception of requests, which holds the request, hangs on ours.
        raise error

    def _send_once(self, request: requests.Request, token: str, where: str) -> requests.Response:
        """Sends a request, and follows no redirect: that would take the token and the headers elsewhere."""
        with self._lock:
            self.requests += 1
        prepared = self._session.prepare_request(request)
        if token:
            prepared.headers["Authorization"] = f"Bearer {token}"
        response = self._session.send(
            prepared,
            timeout=self._api.timeout_seconds,
            stream=True,
            verify=self._api.verify,
            allow_redirects=False,
        )
        with response:
            _read_body(response, where=where, timeout_seconds=self._api.timeout_seconds)
        return response

    def _redirected(
        self, request: requests.Request, response: requests.Response, where: str
    ) -> requests.Request:
        """The request that a redirect asks for, on the same origin."""
        url = urljoin(response.url, self._session.get_redirect_target(response) or "")
        if origin(url) != origin(response.url) or has_userinfo(url):
            raise ConfigError(
                f"{where} is redirected to {shown_origin(url)}, which would get the token and the headers. "
                "Nothing was read. If the API is there, make it the connection's host; else ask the vendor."
            )
        return requests.Request("GET", url, headers=request.headers)

    def _raise_for_status(self, status: int, where: str, *, place: tuple[str, int] | None = None) -> None:
        if status == 200:
            return
        if status == 401:
            raise AuthError(
                f"{where} answered 401 with a new token. Nothing was published. Check the client id "
                f"and the secret of the connection.{self._tokens.rivalry_hint}"
            )
        if status == 403:
            raise AuthError(
                f"{where} answered 403: the client lacks the scope, or the right to read it. Nothing was "
                "published. Ask the API's owner for the scope, and set `scope` of the connection if it "
                "needs one."
            )
        message = (
            f"{where} answered {status}. Nothing was published. Check the host of the connection and "
            "the path and parameters of the resource."
        )
        if place and 0 <= self._furthest < place[1] and status < 500:
            param, value = place
            message += (
                f" As `{param}` {self._furthest:,} was answered with entries, the API seems to refuse "
                f"`{param}` from {value:,} on (a result window): ask its vendor to widen it, or use its "
                "cursor or links."
            )
        raise ApiError(message, status=status)


def _secrets(resource: Resource) -> Iterator[str]:
    """What the form holds that may be a secret."""
    yield from header_secrets(resource.headers)
    yield from query_secrets(resource.params.items())
    for path in (resource.path, resource.detail_path or ""):
        yield from url_secrets(path)


def _asked_to_wait(response: requests.Response | None) -> tuple[float | None, float]:
    """How long the API asks to wait, None: it does not; and how long a worker would sleep for it."""
    if response is None:
        return None, LONGEST_SLEEP_SECONDS
    headers, status = response.headers, response.status_code
    asked = retry_after_seconds(headers.get("Retry-After"))
    if asked is None and (status == 429 or (status == 403 and is_exhausted(headers))):
        return reset_seconds(headers), LONGEST_SLEEP_SECONDS + RESET_MARGIN_SECONDS + RESET_SLACK_SECONDS
    return asked, LONGEST_SLEEP_SECONDS


def _read_body(response: requests.Response, *, where: str, timeout_seconds: float) -> None:
    """Reads the body, bounded in size and, as the whole, in time."""
    deadline = time.monotonic() + 2 * timeout_seconds
    chunks: list[bytes] = []
    size = 0
    # read1 gives what has arrived: a body that drips cannot outlast the deadline.
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise EnvelopeError(
                f"The body of {where} is larger than {MAX_BODY_BYTES // 2**20} MiB. Nothing of it was "
                "used. Lower `limit` in the resource's paginator."
            )
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the body stalled")
    # What requests itself does when it reads a body; its own way has no bound.
    response._content = b"".join(chunks)  # noqa: SLF001


def _what_was_lost(exception: Exception) -> str:
    """A host that is not there is told from one that hung up; the exception's own text holds the URL."""
    reason = getattr(exception.args[0], "reason", None) if exception.args else None
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "no connection, the host's name is unknown"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return "no connection, the host refused it or is not there"
    return "timed out" if "timed out" in str(exception).lower() else "connection lost"


def _is_cut_off(exception: Any) -> bool:
    """TLS calls a connection lost what plain HTTP calls reset; it says nothing about trust."""
    return "EOF occurred in violation of protocol" in str(exception)
