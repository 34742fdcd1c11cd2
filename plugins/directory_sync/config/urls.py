"""The parts of a URL that a message may show, and the origin of a URL.

The user and password before `@` and the query may be secrets, so no message shows them.
"""

from urllib.parse import urlsplit

Origin = tuple[str, str | None, int | None]
_PORTS = {"http": 80, "https": 443}
NO_URL = "(a text that is no URL)"


def shown(url: str) -> str:
    """Returns a URL, or a path, without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{_host(url)}" if parts.netloc else ""
    except ValueError:
        return NO_URL
    if "@" in parts.path:
        # The text before the `@` may be a password with a slash in it.
        return place or NO_URL
    return f"{place}{parts.path}"


def shown_origin(url: str) -> str:
    """Returns scheme, host and port of a URL as a text for messages."""
    try:
        return f"{urlsplit(url).scheme}://{_host(url)}"
    except ValueError:
        return NO_URL


def origin(url: str) -> Origin:
    """Returns scheme, host and port of a URL.

    Raises:
        ValueError: the URL or its port is malformed.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def is_http_url(text: str) -> bool:
    """Tells whether a text is an absolute http or https URL with a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def has_userinfo(url: str) -> bool:
    """Tells whether a URL has a user or a password before its host; true also for a malformed URL."""
    try:
        return "@" in urlsplit(url).netloc
    except ValueError:
        return True


def _host(url: str) -> str:
    parts = urlsplit(url)
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    return f"{host}:{parts.port}" if parts.port else host
