"""The source connection: the address of the directory API and our credentials, validated once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast
from urllib.parse import urljoin, urlsplit

from directory_sync.config.connections import (
    API_CONNECTION,
    ConnectionFields,
    missing_connection,
    refuse_unknown,
)
from directory_sync.config.sign_in import FROM_CONNECTION
from directory_sync.config.urls import is_http_url
from directory_sync.errors import ConfigError

API_EXTRA = frozenset(
    {
        "token_url", "scope", "auth_method", "verify", "timeout_seconds", "requests_per_second",
        "retry_statuses", "test_path",
    }
)  # fmt: skip
RETRY_STATUSES = frozenset({408, 425, 520, 522, 524, 529})
"""Temporary failures of gateways. They are retried besides the statuses that `api/transport.py` names."""
FIXED_STATUSES = frozenset({401, 403, 404, 410, 416})
"""Statuses whose handling is fixed; `retry_statuses` must not name them."""
AUTH_METHODS = ("client_secret_post", "client_secret_basic")


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """The address of the directory API, our credentials there, and how requests are sent.

    Attributes:
        base_url: an http or https URL without a query; the paths in the form are relative to it.
        client_id: the OAuth2 client's id.
        client_secret: the OAuth2 client's secret.
        token_url: an absolute URL, or a path on the base URL's host.
        scope: the OAuth2 scope of the token; empty: no scope is requested.
        auth_method: how id and secret are sent to the token URL, one of AUTH_METHODS.
        verify: whether the TLS certificate is verified; or the path of a CA bundle to verify it with.
        timeout_seconds: how long to wait for an answer, in seconds.
        requests_per_second: the API's allowance for this client; None: the rate adapts to refusals (429).
        retry_statuses: statuses to retry besides those of `transport.RETRYABLE_STATUSES`.
        test_path: the path that the Test button reads, with its query; empty: the button only signs in.
        conn_id: the id of the connection, for messages.
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    token_url: str = "/oauth/token"
    scope: str = ""
    auth_method: str = "client_secret_post"
    verify: bool | str = True
    timeout_seconds: float = 30.0
    requests_per_second: float | None = None
    retry_statuses: frozenset[int] = RETRY_STATUSES
    test_path: str = ""
    conn_id: str = API_CONNECTION

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
        for name, value in (("login", self.client_id), ("password", self.client_secret)):
            if not value:
                raise ConfigError(
                    f"The {name} of {where} is empty: it holds the OAuth2 client "
                    f"{'id' if name == 'login' else 'secret'}. Nothing was requested."
                )
            if FROM_CONNECTION in value:
                raise ConfigError(
                    f"The {name} of {where} holds {FROM_CONNECTION!r}, the placeholder for it in a form. "
                    "Nothing was requested. Replace it by the value that the API's owner gave you."
                )
        if self.auth_method not in AUTH_METHODS:
            raise ConfigError(
                f"`auth_method` of {where} is {self.auth_method!r}; valid: {', '.join(AUTH_METHODS)}."
            )
        if not self.timeout_seconds > 0:
            raise ConfigError(f"`timeout_seconds` of {where} must be above 0.")
        if self.requests_per_second is not None and not self.requests_per_second > 0:
            raise ConfigError(f"`requests_per_second` of {where} must be above 0, or be left out.")

    @property
    def absolute_token_url(self) -> str:
        """The token URL; a relative one is resolved against the base URL."""
        return urljoin(self.base_url, self.token_url)

    def url(self, path: str) -> str:
        """Returns the URL of a path below the base URL; a path that is a whole URL is returned unchanged."""
        if urlsplit(path).scheme:
            return path
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"

    def shared_by(self, clients: int) -> Self:
        """Returns the settings of one of several clients that keep the API's allowance together.

        Args:
            clients: how many clients there are.
        """
        allowance = self.requests_per_second
        return replace(self, requests_per_second=allowance / clients if allowance else None)

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
        auth, timeout = dict((client or {}).get("auth") or {}), _number(connection, "timeout_seconds")
        extra = connection.extra
        base_url, token_url = _base_url(connection), extra.get("token_url")
        if not base_url:
            base_url = str((client or {}).get("base_url") or "")
            token_url = token_url or auth.get("token_url") or auth.get("access_token_url")
        return cls(
            base_url=base_url,
            client_id=connection.login,
            client_secret=connection.password,
            token_url=str(token_url or cls.token_url),
            scope=str(extra.get("scope") or ""),
            auth_method=str(extra.get("auth_method") or cls.auth_method),
            verify=_verify(extra.get("verify", True)),
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
