"""How to reach the directory API, and who we are there: the source connection, validated once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
"""What gateways answer in passing, besides the statuses that are always tried again (`transport.py`)."""
FIXED_STATUSES = frozenset({401, 403, 404, 410, 416})
"""Statuses with a meaning of their own."""
AUTH_METHODS = ("client_secret_post", "client_secret_basic")


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """How to reach the directory API and who we are there.

    Attributes:
        base_url: an http or https URL without a query; paths of the form stand below it.
        client_id: the OAuth2 client's id.
        client_secret: the OAuth2 client's secret.
        token_url: an absolute URL, or a path on the base URL's host.
        scope: what the token is asked for; empty: the API is not told.
        auth_method: how the token URL takes id and secret, one of AUTH_METHODS.
        verify: whether the TLS certificate is verified, or the path of the CA bundle that does it.
        timeout_seconds: how long to wait for an answer, in seconds.
        requests_per_second: the API's allowance for this client; None: it is found out by adapting.
        retry_statuses: statuses to try again besides those of `client.RETRYABLE_STATUSES`.
        test_path: the path that the Test button reads, with its query; empty: it only signs in.
        conn_id: the id of the connection, as messages name it.
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
        """Raises ConfigError for a value no request could be made with."""
        where = f"connection `{self.conn_id}`"
        for name, url in (("host", self.base_url), ("token_url", self.token_url)):
            # Anywhere before the query: a password may hold a slash.
            if "@" in url.partition("?")[0]:
                raise ConfigError(
                    f"The {name} of {where} holds an `@`, before which a user or a password may stand; they "
                    "go into login and password; an `@` of a path is written `%40`. Nothing was requested."
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
                    f"The {name} of {where} holds {FROM_CONNECTION!r}, which stands for it in a form. "
                    "Nothing was requested. Put the value that the API's owner gave you there."
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
        """The token URL; a path counts from the base URL's host."""
        return urljoin(self.base_url, self.token_url)

    def url(self, path: str) -> str:
        """Returns the URL of an endpoint's path below the base URL."""
        if urlsplit(path).scheme:
            return path
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"

    @classmethod
    def from_connection(
        cls, connection: ConnectionFields | None, *, client: Mapping[str, Any] | None = None
    ) -> Self:
        """Reads the source connection.

        Args:
            connection: the connection `directory_api`; None where there is none.
            client: the `client` part of the resource's form. Its `base_url` and `token_url` serve
                where the connection has no host.

        Raises:
            ConfigError: no connection, or a value that cannot be used.
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
            token_url=str(token_url or "/oauth/token"),
            scope=str(extra.get("scope") or ""),
            auth_method=str(extra.get("auth_method") or "client_secret_post"),
            verify=_verify(extra.get("verify", True)),
            conn_id=connection.conn_id,
            timeout_seconds=30.0 if timeout is None else timeout,
            requests_per_second=_number(connection, "requests_per_second"),
            retry_statuses=_statuses(connection),
            test_path=_test_path(connection),
        )


def _base_url(connection: ConnectionFields) -> str:
    """A connection given as a URI has its port and scheme apart from the host."""
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
    """TLS verification: a boolean, its spelling, or the path of a CA bundle."""
    if isinstance(value, bool):
        return value
    text = str(value).strip()
    if text.lower() in ("", "true", "1", "yes", "on"):
        return True
    return False if text.lower() in ("false", "0", "no", "off") else text


def _statuses(connection: ConnectionFields) -> frozenset[int]:
    """`retry_statuses` of the extra: a list, or a text with commas; an empty list is none at all."""
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
    """A path on the base URL: the token goes nowhere else."""
    path = str(connection.extra.get("test_path") or "").strip()
    if path and not path.startswith("/"):
        raise ConfigError(
            f"`test_path` of connection `{connection.conn_id}` must be a path on the base URL that begins "
            "with `/`, such as /v1/directory. Nothing was requested."
        )
    return path


def _number(connection: ConnectionFields, name: str) -> float | None:
    """A number of the connection's extra; None where it is not given."""
    value = connection.extra.get(name)
    if value in (None, ""):
        return None
    try:
        return float(cast("float", value))
    except (TypeError, ValueError):
        raise ConfigError(
            f"`{name}` of connection `{connection.conn_id}` must be a number; got {type(value).__name__}."
        ) from None
