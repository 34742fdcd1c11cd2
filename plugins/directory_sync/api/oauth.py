"""The OAuth2 token (RFC 6749): one per process, renewed in time."""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from directory_sync.api.token_request import TokenRequests
from directory_sync.config.access import ApiSettings
from directory_sync.config.token_options import JWT_BEARER, REFRESH_TOKEN
from directory_sync.config.urls import shown
from directory_sync.errors import ApiError, AuthError, ConfigError, DirectorySyncError, EnvelopeError

logger = logging.getLogger(__name__)

LEEWAY_SECONDS = 30.0
LEEWAY_SHARE = 0.2
FRESH_SECONDS = 60.0
_ERROR_CODE = re.compile(r"(?=.{5,40}\Z)[a-z]+(_[a-z]+)+")
"""The error codes of RFC 6749 and its extensions. Any other text of an answer is not shown."""
_BOUND_TO_A_KEY = frozenset({"dpop", "mac", "pop"})
_REMEDIES = {
    "invalid_scope": "`scope` of the connection is not what the API grants to this client",
    "unauthorized_client": "the API's owner must allow this client the grant {grant}",
    "unsupported_grant_type": "`grant_type` of the connection, {grant}, is none of the API's",
    "invalid_target": "`audience` or `resource` in `token_params` of the connection is wrong",
    "invalid_dpop_proof": "the client is set to DPoP, which is not supported: turn it off for this client",
    "use_dpop_nonce": "the client is set to DPoP, which is not supported: turn it off for this client",
}
"""What is wrong, for the codes that say it. The credentials or the `auth_method` are, for all others."""


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
        self._requests = TokenRequests(api, mask=mask)
        self._refresh_token = api.refresh_token
        self._lock = threading.Lock()
        self._token: str | None = None
        self._fetched_at = 0.0
        self._renew_at = float("inf")
        self._fresh_refusals: list[float] = []
        self._failure: DirectorySyncError | None = None
        self._failed_at = 0.0
        if self._refresh_token:
            mask(self._refresh_token)

    def token(self) -> str:
        """Returns a token that does not expire soon; fetches one if needed.

        Raises:
            AuthError: the API refused the credentials, or its answer has no usable token.
            ConfigError: the private key cannot be used.
            ApiError, EnvelopeError: another status than 200 or 201, or a body that is not a JSON object.
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
        started = self._clock()
        response = self._send(self._requests.request(self._refresh_token), "the token URL")
        url = shown(self._api.absolute_token_url)
        code = _error_code(response)
        if response.status_code in (400, 401, 403):
            told = f" ({code})" if code else ""
            raise AuthError(
                f"The token URL {url} answered {response.status_code}{told}: {self._remedy(code)}. Nothing "
                "was read."
            )
        if response.status_code not in (200, 201):
            raise ApiError(
                f"The token URL {url} answered {response.status_code}. Nothing was read. Check "
                "`token_url` of the connection."
            )
        body = _json_object(response, url)
        token, beside = self._found(body)
        # A header cannot contain other characters, and the error about them would show the token.
        if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
            told = f" Its error code is {code}." if code else ""
            raise AuthError(
                f"The answer of the token URL {url} has no usable `{self._api.tokens.path}` (found: "
                f"{type(token).__name__}).{told} Nothing was read. Check `token_url` and `token_path` of the "
                "connection."
            )
        self._mask(token)
        self._refuse_bound(body.get("token_type"), url)
        self._keep_refresh_token(body.get("refresh_token"))
        self._token, self._fetched_at = token, started
        lifetime = _lifetime(beside.get("expires_in"), unsaid=self._api.tokens.seconds)
        self._renew_at = started + lifetime
        logger.info("Token granted by %s", url)

    def _found(self, body: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the token in an answer, None if there is none, and the object that has it."""
        path = self._api.tokens.path
        if path == "access_token":
            return body.get(path), body
        from dlt.common import jsonpath

        try:
            found = jsonpath.compile_path(path).find(body)
        except Exception as e:  # noqa: BLE001  jsonpath-ng raises its own and Exception itself
            error = ConfigError(
                f"`token_path` of connection `{self._api.conn_id}` is no JSONPath ({type(e).__name__}), such "
                "as `$.data.token`. Nothing was read."
            )
        else:
            if not found:
                return None, body
            around = found[0].context.value if found[0].context else body
            return found[0].value, around if isinstance(around, dict) else body
        raise error

    def _refuse_bound(self, token_type: Any, url: str) -> None:
        """Refuses a token that each request must prove (RFC 6749, 7.1); others are bearer tokens."""
        if isinstance(token_type, str) and token_type.lower() in _BOUND_TO_A_KEY:
            raise AuthError(
                f"The token URL {url} grants tokens of the type {token_type.lower()}, which each request "
                "must prove anew; that is not supported. Nothing was read. Have the API grant bearer tokens "
                "to this client."
            )

    def _keep_refresh_token(self, answered: Any) -> None:
        """Keeps a new refresh token for this process (RFC 6749, section 6)."""
        if not self._refresh_token or not isinstance(answered, str) or answered in ("", self._refresh_token):
            return
        self._mask(answered)
        self._refresh_token = answered
        logger.warning(
            "The API answered with another refresh token, which only this process keeps. If the one of "
            "connection `%s` does not work at the next run, the API rotates them: see docs/sign-in.md",
            self._api.conn_id,
        )

    def _remedy(self, code: str) -> str:
        """Returns what is wrong with the connection, by the error code of the answer."""
        tokens = self._api.tokens
        if code in _REMEDIES:
            return _REMEDIES[code].format(grant=tokens.grant_type)
        if code == "invalid_grant" and tokens.grant_type == JWT_BEARER:
            return "the private key, `subject` or a claim of the connection is wrong, or this machine's clock"
        if code == "invalid_grant" and tokens.grant_type == REFRESH_TOKEN:
            return "the refresh token of the connection has expired, or was used or revoked"
        held = "private key" if self._api.signs_with_private_key else "client secret"
        method = self._api.auth_method
        return f"the client id, the {held} or the `auth_method` ({method}) of the connection is wrong"


def _error_code(response: requests.Response) -> str:
    """Returns the `error` of an answer (RFC 6749, 5.2); empty: it has none. Never its description."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return ""
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


def _json_object(response: requests.Response, url: str) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise EnvelopeError(
            f"The token URL {url} answered {response.status_code} with a body that is not a JSON object. "
            "Nothing was read. Check `token_url` of the connection."
        )
    return body


def _lifetime(expires_in: Any, *, unsaid: float | None) -> float:
    """Returns the seconds until the token is renewed; infinite: nothing usable says it."""
    try:
        seconds = float(expires_in)
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if not seconds > 0 or isinstance(expires_in, bool):
        seconds = unsaid or float("inf")
    return seconds - min(LEEWAY_SECONDS, seconds * LEEWAY_SHARE)
