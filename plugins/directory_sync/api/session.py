"""Opens the session of `requests` that all requests of a client share: TLS, our certificate, the proxy."""

import ssl

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from directory_sync.config.access import ApiSettings
from directory_sync.config.network import ENVIRONMENT
from directory_sync.errors import ConfigError


def open_session(api: ApiSettings, *, connections: int) -> requests.Session:
    """Returns a session that takes nothing from the environment; opens no connection yet.

    Args:
        api: TLS and our certificate.
        connections: how many connections are kept alive.

    Raises:
        ConfigError: our certificate or its key cannot be used.
    """
    session = requests.Session()
    session.trust_env = False
    session.verify = api.verify
    if api.client_cert:
        _check_certificate(*api.client_cert, conn_id=api.conn_id)
        session.cert = api.client_cert
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def proxies_for(api: ApiSettings, url: str) -> dict[str, str]:
    """Returns the proxy of each scheme for a URL; empty: none is used.

    Args:
        api: the proxy.
        url: where the request goes; the environment's NO_PROXY may name its host.
    """
    if api.proxy == ENVIRONMENT:
        found: dict[str, str] = get_environ_proxies(url)
        return found
    return {"http": api.proxy, "https": api.proxy} if api.proxy else {}


def _check_certificate(cert: str, key: str, *, conn_id: str) -> None:
    """Loads the files once: a fault in them would else look like a fault of the server's certificate."""
    reason = ""
    try:
        # An encrypted key must not make OpenSSL ask for its passphrase.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=lambda: "")
    except FileNotFoundError:
        reason = "there is no such file"
    except PermissionError:
        reason = "a file must not be read by this user"
    except ssl.SSLError as e:
        reason = (
            "the key is of another certificate" if "MISMATCH" in str(e) else "no PEM without a passphrase"
        )
    except (OSError, ValueError) as e:
        reason = type(e).__name__
    if reason:
        raise ConfigError(
            f"`client_cert` and `client_key` of connection `{conn_id}` cannot be used: {reason}. Nothing was "
            "requested. They are paths of PEM files on the worker: a certificate with its chain, and its key."
        )
