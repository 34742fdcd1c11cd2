"""Signs requests: puts the connection's key, password or token into them.

A sign-in gives each try of a request its auth object, as `requests` has them. Only tokens can be renewed
after a 401; a key or a password that was refused stays refused.
"""

import base64
from collections.abc import Callable
from threading import Lock
from typing import Any, Protocol
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit, urlunsplit

from requests import PreparedRequest, Request, Response
from requests.auth import AuthBase

from directory_sync.api.oauth import TokenSource
from directory_sync.config.access import ApiSettings
from directory_sync.config.key_place import KeyPlace
from directory_sync.config.masking import header_secrets, looks_random, url_secrets
from directory_sync.config.sign_in import API_KEY, BASIC, BEARER, NONE, OAUTH2
from directory_sync.errors import ConfigError, DirectorySyncError

Mask = Callable[[str], None]
_SHORT = 8


class SignIn(Protocol):
    """How the requests of one client are signed. It may be used from several threads."""

    def auth(self) -> AuthBase | None:
        """Returns what signs the next request; None: requests are not signed.

        Raises:
            DirectorySyncError: a token was needed, and was not granted.
        """

    def renew(self, refused: AuthBase | None) -> bool:
        """Makes the next request differ from one that was answered with 401; false: it would be the same.

        Raises:
            DirectorySyncError: see `auth`.
        """

    def in_words(self) -> str:
        """Returns how it was signed and what to check, as the rest of a message about a 401."""


def open_sign_in(api: ApiSettings, *, send: Callable[[Request, str], Response], mask: Mask) -> SignIn:
    """Returns the sign-in of a connection. Every secret is registered with the log masker; nothing is sent.

    Args:
        api: how to sign in, and the credentials.
        send: sends a token request, see `TokenSource`.
        mask: registers a text with the log masker.
    """
    if api.auth_type == OAUTH2:
        return _Tokens(TokenSource(api, send=send, mask=mask), KeyPlace(prefix=api.tokens.prefix))
    secret = api.client_secret
    if api.auth_type == NONE:
        return _Fixed(None, " without a sign-in. Nothing was published. Set `auth_type` of the connection.")
    if api.auth_type == BASIC:
        basic = base64.b64encode(f"{api.client_id}:{secret}".encode()).decode()
        is_secret = len(secret) < _SHORT or looks_random(api.client_id)
        for text in (secret, basic, api.client_id if is_secret else ""):
            _mask_all(text, mask)
        return _Fixed(
            PlacedKey(basic, KeyPlace(prefix="Basic")),
            " to user and password. Nothing was published. Check the login and the password of the "
            "connection.",
        )
    if api.auth_type in (BEARER, API_KEY):
        _mask_all(secret, mask)
        name, place = (
            ("API key", api.key) if api.auth_type == API_KEY else ("token", KeyPlace(prefix="Bearer"))
        )
        where = f" in the {place.location} `{place.name}`" if api.auth_type == API_KEY else ""
        return _Fixed(
            PlacedKey(secret, place),
            f" to the {name}{where}. Nothing was published. Check the password of the connection: it holds "
            f"the {name}, which may have expired.",
        )
    assert api.make_auth is not None
    return _Own(api.make_auth, mask)


class PlacedKey(AuthBase):
    """Puts a key or a token into a request. It replaces one that is there, as in a link of the API.

    Args:
        key: the key.
        place: where it is put.
    """

    def __init__(self, key: str, place: KeyPlace) -> None:
        """Stores both."""
        self.key, self._place = key, place

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Returns the request, signed."""
        name, value = self._place.name, self._place.value(self.key)
        if self._place.location == "query":
            request.url = _with_param(request.url or "", name, value)
        elif self._place.location == "cookie":
            # The API may have set a cookie of this name, and servers take the first of two.
            sent = (request.headers.get("Cookie") or "").split("; ")
            others = [one for one in sent if one and one.partition("=")[0] != name]
            request.headers["Cookie"] = "; ".join([*others, f"{name}={value}"])
        else:
            request.headers[name] = value
        return request


class _Fixed:
    """A sign-in that is the same for every request."""

    def __init__(self, auth: AuthBase | None, words: str) -> None:
        self._auth, self._words = auth, words

    def auth(self) -> AuthBase | None:
        return self._auth

    def renew(self, refused: AuthBase | None) -> bool:  # noqa: ARG002
        return False

    def in_words(self) -> str:
        return self._words


class _Tokens:
    """A sign-in by tokens, which are renewed."""

    def __init__(self, tokens: TokenSource, place: KeyPlace) -> None:
        self._tokens, self._place = tokens, place

    def auth(self) -> AuthBase:
        return PlacedKey(self._tokens.token(), self._place)

    def renew(self, refused: AuthBase | None) -> bool:
        assert isinstance(refused, PlacedKey)
        self._tokens.renew(refused.key)
        return True

    def in_words(self) -> str:
        return (
            " with a new token. Nothing was published. Check the client id and the secret of the connection."
            f"{self._tokens.rivalry_hint}"
        )


class _Own(AuthBase):
    """A sign-in by a `requests` auth object of the form's function. What it adds to a request is masked."""

    def __init__(self, make: Callable[[], Any], mask: Mask) -> None:
        self._make, self._mask = make, mask
        self._lock = Lock()
        self._made: Any = None

    def auth(self) -> AuthBase:
        with self._lock:
            if self._made is None:
                self._made = self._built()
        return self

    def renew(self, refused: AuthBase | None) -> bool:  # noqa: ARG002
        return False

    def in_words(self) -> str:
        return (
            f" to the form's own sign-in ({type(self._made).__name__}). Nothing was published. Check the "
            "connection and the function in `client.auth`."
        )

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        before = dict(request.headers)
        signed = self._signed(request)
        added = {k: v for k, v in signed.headers.items() if before.get(k) != v}
        for secret in (*header_secrets(added), *url_secrets(signed.url or "")):
            self._mask(secret)
        return signed

    def _signed(self, request: PreparedRequest) -> PreparedRequest:
        reason = ""
        try:
            signed: PreparedRequest = self._made(request)
            return signed
        except (OSError, ValueError, DirectorySyncError):
            # Those of `requests` and of Python; `Exchange` keeps their texts from messages.
            raise
        except Exception as e:  # noqa: BLE001  its text may hold the secret: raised again without it, below
            reason = type(e).__name__
        raise ConfigError(
            f"The form's own sign-in, a {type(self._made).__name__}, failed with a {reason}. Nothing was "
            "requested. Check the connection and the function in `client.auth`."
        )

    def _built(self) -> AuthBase:
        reason = ""
        try:
            made = self._make()
            if isinstance(made, AuthBase):
                return made
            reason = f"it returned a {type(made).__name__}"
        except Exception as e:  # noqa: BLE001  its text may hold the secret: raised again without it, below
            reason = f"it failed with a {type(e).__name__}"
        raise ConfigError(
            f"The function in `client.auth` must return a `requests` auth object, but {reason}. Nothing was "
            "requested. Correct the form."
        )


def _with_param(url: str, name: str, value: str) -> str:
    """Returns a URL with a query parameter; all others stay as they are written."""
    parts = urlsplit(url)
    others = [p for p in parts.query.split("&") if p and unquote_plus(p.partition("=")[0]) != name]
    query = "&".join([*others, f"{quote(name, safe='[]')}={quote(value, safe='')}"])
    return urlunsplit(parts._replace(query=query))


def _mask_all(secret: str, mask: Mask) -> None:
    """Registers a secret as it is, and as a URL has it."""
    for text in dict.fromkeys((secret, quote_plus(secret), quote(secret, safe=""))):
        if text:
            mask(text)
