"""Sends one request over the network and reads its answer: redirects, the body, failures.

A redirect is followed within the same origin; one to another origin is a ConfigError. An exception of the
package `requests` holds the request with its token. So each one becomes a DirectorySyncError, or a text that
tells why the connection was lost.
"""

import re
import time
from threading import Lock
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from requests.auth import AuthBase

from directory_sync.api.session import open_session, proxies_for
from directory_sync.config.access import ApiSettings
from directory_sync.config.urls import has_userinfo, origin, shown, shown_origin
from directory_sync.errors import ConfigError, EnvelopeError

MAX_REDIRECTS = 5
MAX_BODY_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**16
_PROXY_REFUSAL = re.compile(r"Tunnel connection failed: (40[137])\b")
_LOST = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
)


class ReadRequest(requests.Request):
    """A request that only reads, so a POST may be redirected, by 307 or 308: its body holds no secret."""


class Exchange:
    """Keeps connections to the API alive and sends requests. It may be used from several threads.

    Args:
        api: address, timeouts, TLS.
        connections: how many connections are kept alive.

    Attributes:
        requests: how many requests were sent.
    """

    def __init__(self, api: ApiSettings, *, connections: int = 8) -> None:
        """Opens no connection yet."""
        self._api = api
        self._session = open_session(api, connections=connections)
        self._lock = Lock()
        self.requests = 0

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def send(
        self, request: requests.Request, auth: AuthBase | None, *, where: str
    ) -> tuple[requests.Response | None, str]:
        """Sends a request once and follows its redirects.

        Args:
            request: the request, unsigned.
            auth: signs the request; None: it is sent as it is.
            where: the request, for messages.

        Returns:
            The answer with its body read (None: the connection was lost), and the outcome in words.

        Raises:
            EnvelopeError: the body cannot be decompressed, or is too large.
            ConfigError: the TLS certificate is not trusted, the URL is malformed, a redirect leads to another
                origin, or the proxy refuses us.
        """
        tried = request.url
        try:
            response = self._send_once(request, auth, where)
            for _ in range(MAX_REDIRECTS):
                if not response.is_redirect or not _may_follow(request, response.status_code):
                    break
                request = self._redirected(request, response, where)
                tried = request.url
                response = self._send_once(request, auth, where)
            return response, f"status {response.status_code}"
        except requests.exceptions.SSLError as e:
            if _is_cut_off(e):
                return None, "connection lost"
            error: Exception = ConfigError(self._tls_fault(str(e), tried))
        except (urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError):
            error = EnvelopeError(
                f"The body of {where} cannot be decompressed. Nothing of it was used. Ask the API's vendor."
            )
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            return None, "timed out"
        except _LOST as e:
            if (refusal := self._refusal(str(e), tried)) is None:
                return None, _what_was_lost(e)
            error = refusal
        except (OSError, ValueError) as e:
            # Every other exception of requests, and those of Python, such as for a missing `verify` file.
            error = ConfigError(
                f"{where}: the request cannot be sent ({type(e).__name__}).{address(tried)} Nothing was "
                "read. Check the host, `verify` and `proxy` of the connection and the path and headers of "
                "the resource."
            )
        # Raised outside of the `except`, so that no exception which holds the request is chained to ours.
        raise error

    def _tls_fault(self, text: str, tried: str) -> str:
        """Returns what is wrong with TLS, for the text of OpenSSL's error, which is not shown."""
        place = address(tried)
        server = shown(self._api.base_url)
        if "WRONG_VERSION_NUMBER" in text:
            return (
                f"The server at {server} does not use TLS.{place} Nothing was read. Check the "
                "host of the connection, its scheme and its port."
            )
        if "ALERT" in text:
            what = (
                "our client certificate"
                if self._api.client_cert
                else "a connection without a client certificate"
            )
            return (
                f"The server at {server} refuses {what}.{place} Nothing was read. Set `client_cert` and "
                "`client_key` of the connection to the paths of the certificate and the key that the API's "
                "owner knows."
            )
        return (
            f"The TLS certificate of {server} is not trusted.{place} Nothing was read. "
            "Set `verify` of the connection to the path of the CA bundle."
        )

    def _refusal(self, text: str, tried: str) -> ConfigError | None:
        """Returns the error for a refusal by the proxy or the server; None: the connection was lost."""
        if refused := _PROXY_REFUSAL.search(text):
            return self._refused_by_proxy(int(refused[1]), tried)
        # In TLS 1.3 the server refuses our certificate after the handshake.
        return ConfigError(self._tls_fault(text, tried)) if "SSL" in text and "ALERT" in text else None

    def _refused_by_proxy(self, status: int, tried: str) -> ConfigError:
        return ConfigError(
            f"The proxy answered {status}, so {shown(self._api.base_url)} was not reached.{address(tried)} "
            "Nothing was read. Check user and password in `proxy` of the connection, and whether the proxy "
            "allows this host."
        )

    def _send_once(self, request: requests.Request, auth: AuthBase | None, where: str) -> requests.Response:
        """Sends a request without following redirects: requests would send the token along."""
        with self._lock:
            self.requests += 1
        prepared = self._session.prepare_request(request)
        if auth:
            prepared = auth(prepared)
        response = self._session.send(
            prepared,
            timeout=self._api.timeout_seconds,
            stream=True,
            verify=self._api.verify,
            proxies=proxies_for(self._api, str(prepared.url)),
            allow_redirects=False,
        )
        with response:
            if response.status_code == 407:
                raise self._refused_by_proxy(407, str(prepared.url))
            _read_body(response, where=where, timeout_seconds=self._api.timeout_seconds)
        return response

    def _redirected(
        self, request: requests.Request, response: requests.Response, where: str
    ) -> requests.Request:
        """Returns the request that a redirect asks for; refuses another origin."""
        url = urljoin(response.url, self._session.get_redirect_target(response) or "")
        if origin(url) != origin(response.url) or has_userinfo(url):
            raise ConfigError(
                f"{where} is redirected to {shown_origin(url)}, which would get the token and the headers. "
                "Nothing was read. If this is the API, set it as the connection's host; if not, ask the "
                "vendor."
            )
        if request.method == "GET":
            return requests.Request("GET", url, headers=request.headers)
        return ReadRequest("POST", url, headers=request.headers, json=request.json, data=request.data)


def address(url: str) -> str:
    """Returns the sentence that names the address of a request: scheme, host and path, never a secret part.

    Args:
        url: the URL of the request.
    """
    return f" The address was {shown(url)}."


def _may_follow(request: requests.Request, status: int) -> bool:
    """Tells whether a request may be redirected: not a token request, whose body holds the secret."""
    return request.method == "GET" or (isinstance(request, ReadRequest) and status in (307, 308))


def _read_body(response: requests.Response, *, where: str, timeout_seconds: float) -> None:
    """Reads the body, within a limit on its size and on the time for all of it."""
    deadline = time.monotonic() + 2 * timeout_seconds
    chunks: list[bytes] = []
    size = 0
    # read1 returns the bytes that have arrived, so a slow body cannot outlast the deadline.
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise EnvelopeError(
                f"The body of {where} is larger than {MAX_BODY_BYTES // 2**20} MiB. Nothing of it was used. "
                "Lower `limit` in the resource's paginator."
            )
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the body stalled")
    # requests stores a body in this attribute; its own way to read one has no limit.
    response._content = b"".join(chunks)  # noqa: SLF001


def _what_was_lost(exception: Exception) -> str:
    """Returns the reason in words, because the exception's own text holds the URL.

    It distinguishes an unknown host, a host that refuses connections, a timeout and a lost connection.
    """
    reason = getattr(exception.args[0], "reason", None) if exception.args else None
    if isinstance(reason, urllib3.exceptions.ProxyError):
        return "no connection through the proxy"
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "no connection, the host's name is unknown"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return "no connection, the host refused it or is not there"
    return "timed out" if "timed out" in str(exception).lower() else "connection lost"


def _is_cut_off(exception: Any) -> bool:
    """Tells whether an SSLError is a lost connection, which says nothing about the certificate."""
    return "EOF occurred in violation of protocol" in str(exception)
