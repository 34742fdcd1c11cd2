"""Which parts of a form are registered with the log masker: everything that may be a secret."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

PUBLIC_HEADERS = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection",
        "content-language", "content-type", "pragma", "prefer", "user-agent", "x-requested-with",
    }
)  # fmt: skip
"""Headers that hold no secret. If their values were masked, logs could not contain `application/json`."""
MIN_PIECE = 8
_SECRET_NAME = re.compile(
    r"(^|[^a-z])(auth|code|key|pass|pin|pwd|sas|sid|sig)([^a-z]|$)"
    "|authoriz|cookie|credential|jwt|key$|passw|secret|session|signature|token",
    re.IGNORECASE,
)
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/_=.~-]{16,}")


def header_secrets(headers: Mapping[str, Any]) -> Iterator[str]:
    """Yields the texts of headers to mask: each value, and its parts, such as the key after `Bearer`."""
    for name, value in headers.items():
        if is_public(name):
            continue
        text = str(value)
        yield text
        yield from (piece for piece in re.split(r"[\s;,=\"]+", text) if MIN_PIECE <= len(piece) < len(text))


def is_public(header: str) -> bool:
    """Tells whether a header of this name holds no secret."""
    return header.strip().lower() in PUBLIC_HEADERS


def looks_random(text: str) -> bool:
    """Tells whether a text looks like a key rather than like a word or a name."""
    return bool(_RANDOM.fullmatch(text))


def query_secrets(params: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Yields the values of query parameters to mask: those that look random, or whose name sounds secret.

    Not every value is masked: most are words, such as `active`, that logs must be able to contain.
    """
    for name, value in params:
        for one in value if isinstance(value, list | tuple) else (value,):
            text = str(one)
            if text and (_SECRET_NAME.search(name) or _RANDOM.fullmatch(text)):
                yield from dict.fromkeys((text, quote_plus(text), quote(text, safe="")))


def body_secrets(body: Mapping[str, Any]) -> Iterator[str]:
    """Yields the values in a body to mask, also those of its objects and lists, see `query_secrets`."""
    for name, value in body.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, Mapping):
                yield from body_secrets(one)
            elif one is not None:
                yield from query_secrets([(name, one)])


def url_secrets(url: str) -> Iterator[str]:
    """Yields the values in a URL's query to mask, see `query_secrets`."""
    return query_secrets(parse_qsl(urlsplit(url).query, keep_blank_values=True))
