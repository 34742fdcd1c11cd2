"""The source connection: the address of the directory API and our credentials, validated once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from directory_sync.config.agreement import auth_method_of, auth_type_of, key_place_of, with_connection
from directory_sync.config.connections import (
    API_CONNECTION,
    ConnectionFields,
    missing_connection,
    refuse_unknown,
)
from directory_sync.config.key_place import KeyPlace
from directory_sync.config.network import check_proxy, client_certificate
from directory_sync.config.older_python import Self
from directory_sync.config.private_key import private_key
from directory_sync.config.sign_in import (
    API_KEY,
    BASIC,
    BEARER,
    FROM_CONNECTION,
    OAUTH2,
    parse_sign_in,
)
from directory_sync.config.token_options import (
    AUTH_METHODS,
    JWT_BEARER,
    MTLS,
    NO_SECRET,
    PRIVATE_KEY_JWT,
    REFRESH_TOKEN,
    SECRET_POST,
    TOKEN_EXTRA,
    TokenOptions,
)
from directory_sync.config.urls import is_http_url
from directory_sync.errors import ConfigError

API_EXTRA = TOKEN_EXTRA | {
    "auth_type", "key_name", "key_location", "key_prefix", "token_url", "scope", "auth_method", "verify",
    "proxy", "client_cert", "client_key", "timeout_seconds", "requests_per_second", "retry_statuses",
    "test_path",
}  # fmt: skip
RETRY_STATUSES = frozenset({408, 425, 520, 522, 524, 529})
"""Temporary failures of gateways. They are retried besides the statuses that `api/transport.py` names."""
FIXED_STATUSES = frozenset({401, 403, 404, 410, 416})
"""Statuses whose handling is fixed; `retry_statuses` must not name them."""
_HELD = {BEARER: "token", API_KEY: "API key"}


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """The address of the directory API, our credentials there, and how requests are sent.

    Attributes:
        base_url: an http or https URL without a query; the paths in the form are relative to it.
        client_id: the OAuth2 client's id, or the user: the connection's login.
        client_secret: the OAuth2 client's secret or private key, the token, the API key, or the user's
            password: the connection's password.
        token_url: an absolute URL, or a path on the base URL's host.
        scope: the OAuth2 scope of the token; empty: no scope is requested.
        auth_method: how id and secret are sent to the token URL, one of AUTH_METHODS.
        auth_type: how requests are signed: one of `sign_in.AUTH_TYPES`, or OWN.
        key: where requests have the API key.
        tokens: how tokens are requested.
        make_auth: makes the `requests` auth object of an OWN sign-in; None: there is none.
        verify: whether the TLS certificate is verified; or the path of a CA bundle to verify it with.
        client_cert: the paths of our certificate and of its key, which may be one file; None: there is none.
        proxy: the URL of the proxy; `environment`: the environment's variables; empty: none is used.
        timeout_seconds: how long to wait for an answer, in seconds.
        requests_per_second: the API's allowance for this client; None: the rate adapts to refusals (429).
        clients: how many clients share the API's allowance.
        client_number: which of them this is, from 0.
        retry_statuses: statuses to retry besides those of `transport.RETRYABLE_STATUSES`.
        test_path: the path that the Test button reads, with its query; empty: the button only signs in.
        conn_id: the id of the connection, for messages.
        found_in: where the connection was found, in words; empty: unknown.
    """

    base_url: str
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_url: str = "/oauth/token"
    scope: str = ""
    auth_method: str = SECRET_POST
    auth_type: str = OAUTH2
    key: KeyPlace = field(default_factory=KeyPlace)
    tokens: TokenOptions = field(default_factory=TokenOptions)
    make_auth: Callable[..., Any] | None = field(default=None, repr=False)
    verify: bool | str = True
    client_cert: tuple[str, str] | None = None
    proxy: str = field(default="", repr=False)
    timeout_seconds: float = 30.0
    requests_per_second: float | None = None
    clients: int = 1
    client_number: int = 0
    retry_statuses: frozenset[int] = RETRY_STATUSES
    test_path: str = ""
    conn_id: str = API_CONNECTION
    found_in: str = ""

    def __post_init__(self) -> None:
        """Validates the values.

        Raises:
            ConfigError: a value with which no request can be made.
        """
        where = f"connection `{self.conn_id}`"
        for name, url in (("host", self.base_url), ("token_url", self.token_url)):
            # Not in the host alone: a password with a slash moves its `@` into the path.
            if "@" in url.partition("?")[0]:
                raise ConfigError(
                    f"The {name} of {where} holds an `@`; the text before it may be a user or a password. "
                    "Nothing was requested. Put user and password into the fields login and password; write "
                    "an `@` in a path as `%40`."
                )
        if not is_http_url(self.base_url) or not {"?", "#"}.isdisjoint(self.base_url):
            raise ConfigError(
                f"The host of {where} must be the API's base URL, such as https://directory.example.org, "
                "without a query. Nothing was requested."
            )
        check_proxy(self.proxy, where=where)
        self._check_credentials(where)
        if not self.timeout_seconds > 0:
            raise ConfigError(f"`timeout_seconds` of {where} must be above 0.")
        if self.requests_per_second is not None and not self.requests_per_second > 0:
            raise ConfigError(f"`requests_per_second` of {where} must be above 0, or be left out.")

    def _check_credentials(self, where: str) -> None:
        for name, value in (("login", self.client_id), ("password", self.client_secret)):
            if not value and (held := self._held(name)):
                raise ConfigError(
                    f"The {name} of {where} is empty: it holds the {held}. Nothing was requested: correct "
                    "it, or choose another sign-in by `auth_type`."
                )
            if FROM_CONNECTION in value:
                raise ConfigError(
                    f"The {name} of {where} holds {FROM_CONNECTION!r}, the placeholder for it in a form. "
                    "Nothing was requested. Replace it by the value that the API's owner gave you."
                )
        if self.auth_type == BASIC and ":" in self.client_id:
            raise ConfigError(
                f"The login of {where} has a `:`, which HTTP basic cannot send (RFC 7617). Nothing was "
                "requested. What stands after it belongs into the password."
            )
        if self.auth_type in (BEARER, API_KEY) and not self.client_secret.isprintable():
            raise ConfigError(
                f"The password of {where} has a line end or another character that cannot be sent. Nothing "
                "was requested. Copy the token or key again."
            )
        asks_again = self.auth_type == OAUTH2 and self.tokens.grant_type == REFRESH_TOKEN
        if asks_again and not self.refresh_token:
            raise ConfigError(
                f"The grant {REFRESH_TOKEN!r} of {where} needs `refresh_token` in its extra. Nothing was "
                "requested."
            )
        if self.auth_method not in AUTH_METHODS:
            raise ConfigError(
                f"`auth_method` of {where} is {self.auth_method!r}; valid: {', '.join(AUTH_METHODS)}."
            )

    def _held(self, name: str) -> str:
        """Returns what the login or the password holds; empty: it may be empty."""
        if self.auth_type == OAUTH2 and name == "login":
            return "OAuth2 client id"
        if self.auth_type == BASIC:
            return "" if self.client_id or self.client_secret else "user, and the password their password"
        if name == "login" or self.auth_type != OAUTH2:
            return _HELD.get(self.auth_type, "") if name == "password" else ""
        if self.signs_with_private_key:
            return "private key"
        return "" if self.auth_method in (MTLS, NO_SECRET) else "OAuth2 client secret"

    @property
    def signs_with_private_key(self) -> bool:
        """Whether the password is a private key."""
        return self.auth_method == PRIVATE_KEY_JWT or self.tokens.grant_type == JWT_BEARER

    @property
    def refresh_token(self) -> str:
        """The token of the grant `refresh_token`; empty: of another grant."""
        if self.tokens.grant_type != REFRESH_TOKEN:
            return ""
        return self.tokens.refresh_token or (self.client_secret if self.auth_method == NO_SECRET else "")

    @property
    def absolute_token_url(self) -> str:
        """The token URL; a relative one is resolved against the base URL."""
        return urljoin(self.base_url, self.token_url)

    def url(self, path: str) -> str:
        """Returns the URL of a path below the base URL; a path that is a whole URL is returned unchanged."""
        if urlsplit(path).scheme:
            return path
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"

    def shared_by(self, clients: int, *, number: int = 0) -> Self:
        """Returns the settings of one of several clients that keep the API's allowance together.

        Args:
            clients: how many clients there are.
            number: which of them the settings are for, from 0.
        """
        allowance = self.requests_per_second
        share = allowance / clients if allowance else None
        return replace(self, requests_per_second=share, clients=clients, client_number=number)

    @classmethod
    def from_connection(
        cls, connection: ConnectionFields | None, *, client: Mapping[str, Any] | None = None
    ) -> Self:
        """Reads the source connection.

        Args:
            connection: the connection `directory_api`; None: it does not exist.
            client: the `client` part of the resource's form. Its `base_url` and `token_url` are used
                if the connection has no host.

        Raises:
            ConfigError: there is no connection, or one of its values is invalid.
        """
        if connection is None:
            raise missing_connection(API_CONNECTION)
        refuse_unknown(connection, API_EXTRA, outcome="Nothing was requested.")
        form, timeout = parse_sign_in((client or {}).get("auth")), _number(connection, "timeout_seconds")
        extra, key = connection.extra, private_key(connection.password)
        base_url, token_url = _base_url(connection), extra.get("token_url")
        if not base_url:
            base_url = str((client or {}).get("base_url") or "")
            token_url = token_url or form.token_url
        auth_type = auth_type_of(connection, form)
        tokens = TokenOptions.from_connection(
            connection, form_params=form.token_params, seconds=form.token_seconds, key=key
        )
        return cls(
            base_url=base_url,
            client_id=connection.login or (key.login if auth_type == OAUTH2 else ""),
            client_secret=connection.password,
            token_url=str(token_url or key.token_url or cls.token_url),
            scope=str(extra.get("scope") or ""),
            auth_method=auth_method_of(connection, tokens),
            auth_type=auth_type,
            key=key_place_of(connection, form, auth_type=auth_type),
            tokens=tokens,
            make_auth=form.make and with_connection(form.make, connection),
            verify=_verify(extra.get("verify", True)),
            client_cert=client_certificate(connection),
            proxy=str(extra.get("proxy") or "").strip(),
            conn_id=connection.conn_id,
            timeout_seconds=cls.timeout_seconds if timeout is None else timeout,
            requests_per_second=_number(connection, "requests_per_second"),
            retry_statuses=_statuses(connection),
            test_path=_test_path(connection),
        )


def _base_url(connection: ConnectionFields) -> str:
    """Returns the base URL; a connection given as a URI has its port and scheme apart from the host."""
    host = connection.host.strip()
    if not host:
        return ""
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    host = host.rstrip("/")
    if connection.port and is_http_url(host) and urlsplit(host).port is None:
        parts = urlsplit(host)
        host = parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()
    return host


def _verify(value: Any) -> bool | str:
    """Reads `verify`: a boolean, the text of a boolean, or the path of a CA bundle."""
    if isinstance(value, bool):
        return value
    text = str(value).strip()
    if text.lower() in ("", "true", "1", "yes", "on"):
        return True
    return False if text.lower() in ("false", "0", "no", "off") else text


def _statuses(connection: ConnectionFields) -> frozenset[int]:
    """Reads `retry_statuses` of the extra: a list, or a text with commas. An empty list adds no status."""
    given = connection.extra.get("retry_statuses")
    if given in (None, ""):
        return RETRY_STATUSES
    items = given.replace(",", " ").split() if isinstance(given, str) else given
    texts = [str(item) for item in items] if isinstance(items, list | tuple) else ["no list"]
    wrong = [text for text in texts if not re.fullmatch("[45][0-9][0-9]", text)]
    if wrong or FIXED_STATUSES & set(map(int, texts)):
        raise ConfigError(
            f"`retry_statuses` of connection `{connection.conn_id}` must be statuses of 400 to 599, such as "
            f'"408, 520", other than {", ".join(map(str, sorted(FIXED_STATUSES)))}. Nothing was requested.'
        )
    return frozenset(map(int, texts))


def _test_path(connection: ConnectionFields) -> str:
    """Reads `test_path`. It must be below the base URL, because the token is sent there."""
    path = str(connection.extra.get("test_path") or "").strip()
    if path and not path.startswith("/"):
        raise ConfigError(
            f"`test_path` of connection `{connection.conn_id}` must be a path on the base URL that begins "
            "with `/`, such as /v1/directory. Nothing was requested."
        )
    return path


def _number(connection: ConnectionFields, name: str) -> float | None:
    """Reads a number of the connection's extra; None: it is not given."""
    value = connection.extra.get(name)
    if value in (None, ""):
        return None
    try:
        return float(cast("float", value))
    except (TypeError, ValueError):
        raise ConfigError(
            f"`{name}` of connection `{connection.conn_id}` must be a number; got {type(value).__name__}."
        ) from None
