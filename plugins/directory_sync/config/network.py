"""The way to the API: the proxy, and our own certificate for TLS."""

import base64
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.urls import is_http_url
from directory_sync.errors import ConfigError

ENVIRONMENT = "environment"
"""The `proxy` that leaves the choice to HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""


def check_proxy(proxy: str, *, where: str) -> None:
    """Checks the proxy of a connection.

    Args:
        proxy: a URL, ENVIRONMENT, or empty.
        where: the connection, for messages.

    Raises:
        ConfigError: it is no URL of a proxy. The message does not show it: it may hold a password.
    """
    if proxy and proxy != ENVIRONMENT and not is_http_url(proxy):
        raise ConfigError(
            f"`proxy` of {where} must be the URL of an HTTP proxy, such as http://proxy.example.org:3128, or "
            f"{ENVIRONMENT!r} for the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Nothing was requested. "
            "A `/`, `@` or `:` in its user or password is written as %2F, %40 or %3A."
        )


def network_secrets(proxy: str) -> Iterator[str]:
    """Yields the secrets in the URLs of the proxies, as they are written and as they are sent.

    Args:
        proxy: see `check_proxy`.
    """
    urls = getproxies().values() if proxy == ENVIRONMENT else (proxy,)
    for url in urls:
        parts = urlsplit(url if "://" in url else f"//{url}")
        if parts.password:
            user, password = unquote(parts.username or ""), unquote(parts.password)
            yield from dict.fromkeys((parts.password, password))
            yield base64.b64encode(f"{user}:{password}".encode()).decode()


def client_certificate(connection: ConnectionFields) -> tuple[str, str] | None:
    """Returns the paths of our certificate and its key; without `client_key` one file holds both.

    Raises:
        ConfigError: there is a key, but no certificate.
    """
    cert = str(connection.extra.get("client_cert") or "").strip()
    key = str(connection.extra.get("client_key") or "").strip()
    if key and not cert:
        raise ConfigError(
            f"`client_key` of connection `{connection.conn_id}` needs `client_cert`, the path of the "
            "certificate. Nothing was requested."
        )
    return (cert, key or cert) if cert else None
