"""The client-credentials grant (RFC 6749, section 4.4)."""

import base64
import binascii
import hmac
import secrets
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from sandbox.settings import Settings


class GrantRefusedError(Exception):
    """A token is not granted; `code` is the error of RFC 6749, section 5.2."""

    def __init__(self, code: str, status: int) -> None:
        """Refuse with an error code and an HTTP status."""
        super().__init__(code)
        self.code = code
        self.status = status


class Tokens:
    """The tokens that were granted and still hold."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without tokens, and with a clock whose seconds only grow."""
        self._clock = clock
        self._lock = threading.Lock()
        self._expiries: dict[str, float] = {}

    def grant(self, settings: Settings) -> dict[str, Any]:
        """A new token, as the token endpoint answers it."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            now = self._clock()
            self._expiries = {
                old: expiry
                for old, expiry in self._expiries.items()
                if expiry > now and not settings.single_token
            }
            self._expiries[token] = now + settings.token_seconds
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(settings.token_seconds),
        }

    def accepts(self, authorization: str) -> bool:
        """Whether an Authorization header carries a token that holds."""
        scheme, _, token = authorization.partition(" ")
        expiry = self._expiries.get(token.strip())
        return scheme.lower() == "bearer" and expiry is not None and self._clock() < expiry

    def revoke_all(self) -> None:
        """End every token."""
        with self._lock:
            self._expiries = {}


def check_grant(form: str, authorization: str, *, settings: Settings) -> None:
    """Check a request for a token, its client given in the form or by Basic authentication.

    Args:
        form: The URL-encoded body.
        authorization: The Authorization header, or "".
        settings: Tells the client that is known.

    Raises:
        GrantRefusedError: The client is not known (401), it is given twice or the grant is
            not `client_credentials` (400).
    """
    fields = {key: values[0] for key, values in parse_qs(form).items()}
    # A client may send its old token along; only Basic is a way to tell who it is.
    basic = authorization.lower().startswith("basic ")
    if basic and "client_secret" in fields:
        raise GrantRefusedError("invalid_request", 400)
    if basic:
        pairs = _basic(authorization)
    else:
        pairs = [(fields.get("client_id", ""), fields.get("client_secret", ""))]
    if not any(_is_client(pair, settings) for pair in pairs):
        raise GrantRefusedError("invalid_client", 401)
    if "grant_type" not in fields:
        raise GrantRefusedError("invalid_request", 400)
    if fields["grant_type"] != "client_credentials":
        raise GrantRefusedError("unsupported_grant_type", 400)


def _basic(authorization: str) -> list[tuple[str, str]]:
    """The id and secret of a Basic header, as sent and form-decoded; none if malformed."""
    _, _, encoded = authorization.partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return []
    client_id, _, secret = pair.partition(":")
    # RFC 6749 (2.3.1) has both form-encoded; many clients, `requests` among them, do not.
    return [(client_id, secret), (unquote_plus(client_id), unquote_plus(secret))]


def _is_client(pair: tuple[str, str], settings: Settings) -> bool:
    """Whether an id and a secret are those of the client."""
    known = (settings.client_id, settings.client_secret)
    return all(
        hmac.compare_digest(given.encode(), right.encode()) for given, right in zip(pair, known, strict=True)
    )
