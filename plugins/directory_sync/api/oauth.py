"""The OAuth2 token by client credentials (RFC 6749, section 4.4): one per process, renewed in time."""

import base64
import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import requests

from directory_sync.config.access import ApiSettings
from directory_sync.config.masking import url_secrets
from directory_sync.config.urls import shown
from directory_sync.errors import ApiError, AuthError, DirectorySyncError, EnvelopeError

logger = logging.getLogger(__name__)

LEEWAY_SECONDS = 30.0
LEEWAY_SHARE = 0.2
FRESH_SECONDS = 60.0


class TokenSource:
    """Fetches a token once for all threads, and again before it expires.

    Args:
        api: the token URL and the credentials.
        send: sends a token request and returns the answer after the retries; its second argument is the
            request's name for messages.
        mask: registers a text with the log masker before its first use.
        clock: returns monotonic seconds.
    """

    def __init__(
        self,
        api: ApiSettings,
        *,
        send: Callable[[requests.Request, str], requests.Response],
        mask: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Registers the secrets with the log masker; requests nothing yet."""
        self._api, self._send, self._mask, self._clock = api, send, mask, clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._fetched_at = 0.0
        self._renew_at = float("inf")
        self._fresh_refusals: list[float] = []
        self._failure: DirectorySyncError | None = None
        self._failed_at = 0.0
        mask(api.client_secret)
        for secret in url_secrets(api.absolute_token_url):
            mask(secret)

    def token(self) -> str:
        """Returns a token that does not expire soon; fetches one if needed.

        Raises:
            AuthError: the API refused the credentials, or its answer has no usable token.
            ApiError, EnvelopeError: another status than 200, or a body that is not a JSON object.
            ApiUnavailableError: the token URL cannot answer now.
        """
        asked_at = self._clock()
        with self._lock:
            if self._token is None or self._clock() >= self._renew_at:
                self._fetch_unless_failed_since(asked_at)
            assert self._token is not None
            return self._token

    def renew(self, refused: str) -> str:
        """Returns a new token in place of one that was answered with 401.

        The first thread that asks fetches it; other threads with the same refused token share it.

        Args:
            refused: the token that was answered with 401.

        Raises:
            DirectorySyncError: see `token`.
        """
        asked_at = self._clock()
        with self._lock:
            if self._token == refused:
                now = self._clock()
                if now - self._fetched_at < FRESH_SECONDS and now < self._renew_at:
                    self._fresh_refusals = [at for at in self._fresh_refusals if now - at < FRESH_SECONDS] + [
                        now
                    ]
                self._fetch_unless_failed_since(asked_at)
            assert self._token is not None
            return self._token

    @property
    def rivalry_hint(self) -> str:
        """A hint for the message if fresh tokens are refused: another process seems to revoke them."""
        if len(self._fresh_refusals) < 2:
            return ""
        return (
            " Fresh tokens were refused twice within a minute: the API seems to allow only one valid token "
            "per client. Set DIRECTORY_SYNC_SHARDS=1."
        )

    def _fetch_unless_failed_since(self, asked_at: float) -> None:
        """Fetches a token; a thread that waited while a fetch failed raises the same error instead."""
        if self._failure and self._failed_at > asked_at:
            raise self._failure
        try:
            self._fetch()
        except DirectorySyncError as e:
            self._failure, self._failed_at = e, self._clock()
            raise

    def _fetch(self) -> None:
        url = self._api.absolute_token_url
        started = self._clock()
        response = self._send(self._request(url), "the token URL")
        url = shown(url)
        if response.status_code in (400, 401, 403):
            raise AuthError(
                f"The token URL {url} answered {response.status_code}: the client id, the client "
                f"secret or the `auth_method` ({self._api.auth_method}) of the connection is "
                "wrong. Nothing was read."
            )
        if response.status_code != 200:
            raise ApiError(
                f"The token URL {url} answered {response.status_code}. Nothing was read. Check "
                "`token_url` of the connection."
            )
        body = _json_object(response, url)
        token = body.get("access_token")
        # A header cannot contain other characters, and the error about them would show the token.
        if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
            raise AuthError(
                f"The answer of the token URL {url} has no usable `access_token` (found: "
                f"{type(token).__name__}). Nothing was read. Check `token_url` of the connection."
            )
        self._mask(token)
        self._token, self._fetched_at = token, started
        self._renew_at = started + _lifetime(body.get("expires_in"))
        logger.info("Token granted by %s", url)

    def _request(self, url: str) -> requests.Request:
        form = {"grant_type": "client_credentials"}
        headers = {"Accept": "application/json"}
        if self._api.scope:
            form["scope"] = self._api.scope
        if self._api.auth_method == "client_secret_post":
            form |= {"client_id": self._api.client_id, "client_secret": self._api.client_secret}
            self._mask(quote_plus(self._api.client_secret))
        else:
            # RFC 6749, 2.3.1: both are form-encoded before they are joined.
            pair = f"{quote_plus(self._api.client_id)}:{quote_plus(self._api.client_secret)}"
            basic = base64.b64encode(pair.encode()).decode()
            self._mask(basic)
            headers["Authorization"] = f"Basic {basic}"
        return requests.Request("POST", url, data=form, headers=headers)


def _json_object(response: requests.Response, url: str) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise EnvelopeError(
            f"The token URL {url} answered 200 with a body that is not a JSON object. Nothing was "
            "read. Check `token_url` of the connection."
        )
    return body


def _lifetime(expires_in: Any) -> float:
    """Returns the seconds until the token is renewed; infinite if `expires_in` is absent or unusable."""
    try:
        seconds = float(expires_in)
    except (TypeError, ValueError, OverflowError):
        return float("inf")
    if not seconds > 0 or isinstance(expires_in, bool):
        return float("inf")
    return seconds - min(LEEWAY_SECONDS, seconds * LEEWAY_SHARE)
