"""One request over the network and its answer: redirects, the body, and what a failure means.

A redirect is followed within the origin; to another one it is a ConfigError. Every failure of `requests` is
turned into an error of ours, or into a reason to send the request again: its exceptions hold the request.
"""

import time
from threading import Lock
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

from directory_sync.config.access import ApiSettings
from directory_sync.config.urls import has_userinfo, origin, shown, shown_origin
from directory_sync.errors import ConfigError, EnvelopeError

MAX_REDIRECTS = 5
MAX_BODY_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**16
_LOST = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
)


class Exchange:
    """Kept connections to the API, used from any number of threads.

    Args:
        api: address, timeouts, TLS.
        connections: how many to keep alive.

    Attributes:
        requests: how many were sent.
    """

    def __init__(self, api: ApiSettings, *, connections: int = 8) -> None:
        """Opens no connection yet."""
        self._api = api
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = api.verify
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._lock = Lock()
        self.requests = 0

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def send(
        self, request: requests.Request, token: str, *, where: str
    ) -> tuple[requests.Response | None, str]:
        """Returns the answer with its body read, None where the connection was lost; and what failed.

        Args:
            request: without a token.
            token: signs it; empty: nothing does.
            where: names it in messages.

        Raises:
            EnvelopeError: the body cannot be decompressed, or is too large.
            ConfigError: TLS is not trusted, the URL is none, or a redirect leads to another origin.
        """
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
