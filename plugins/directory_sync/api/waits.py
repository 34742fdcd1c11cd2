"""How long the client waits before a retry: as long as the API asks for, or the backoff."""

import email.utils
import math
import random
import re
from collections.abc import Mapping
from datetime import datetime

from directory_sync.config.older_python import UTC

BACKOFF_FACTOR = 2.0
JITTER_SHARE = 0.25
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
RESET_MARGIN_SECONDS = 1.0
"""Added to a reset: it is stated in whole seconds, so a request in that very second can still be refused."""
LIMIT_FAMILIES = ("X-Rate-Limit", "X-RateLimit", "RateLimit")
"""How the headers of a rate limit begin: those of Okta; of GitHub and many proxies; of the IETF's draft."""
RESET_HEADERS = (*(f"{family}-Reset" for family in LIMIT_FAMILIES), "X-RateLimit-Reset-After")
REMAINING_HEADERS = tuple(f"{family}-Remaining" for family in LIMIT_FAMILIES)
_FIRST_EPOCH = 1e9
"""Numbers from here on are seconds since 1970; smaller ones are seconds to wait."""
_FIRST_EPOCH_IN_MILLISECONDS = 1e11
"""Numbers from here on are milliseconds since 1970."""


def backoff_seconds(failures: int) -> float:
    """Returns the wait before the next try, in seconds: 2, 4, 8, ..., and at random up to a quarter more.

    Args:
        failures: how many tries have failed.
    """
    wait: float = BACKOFF_FACTOR**failures
    return wait * (1 + random.random() * JITTER_SHARE)  # noqa: S311  jitter is no secret


def retry_after_seconds(header: str | None) -> float | None:
    """Reads `Retry-After` in both forms of RFC 9110, 10.2.3.

    Args:
        header: the header's value; None: the answer has none.

    Returns:
        The wait in seconds, at most a day; None: the header asks for no wait.
    """
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_RETRY_AFTER_SECONDS) or None
    until = _date(text)
    return _bounded((until - datetime.now(UTC)).total_seconds()) if until else None


def reset_seconds(headers: Mapping[str, str]) -> float | None:
    """Reads when a rate limit is reset, for answers without `Retry-After`.

    The headers of Okta and GitHub contain seconds since 1970 by the server's clock. Others, and those of the
    IETF's draft (draft-ietf-httpapi-ratelimit-headers), contain seconds to wait.

    Args:
        headers: the headers of an answer; the case of names does not matter.

    Returns:
        The wait in seconds, with a margin; None: no header states a reset.
    """
    for name in RESET_HEADERS:
        if seconds := _bounded(seconds_until(headers.get(name), headers) or 0.0):
            return seconds + RESET_MARGIN_SECONDS
    seconds = _bounded(_structured_reset(headers.get("RateLimit") or ""))
    return seconds + RESET_MARGIN_SECONDS if seconds else None


def seconds_until(reset: str | None, headers: Mapping[str, str]) -> float | None:
    """Reads one header that states a reset: seconds to wait, or (milli)seconds since 1970.

    Args:
        reset: the header's value; None: the answer has none.
        headers: the headers of the answer; its `Date` is the server's clock.

    Returns:
        The wait in seconds, without a margin, below 0 for a reset in the past; None: it is no number.
    """
    try:
        number = float(reset or "")
    except ValueError:
        return None
    if number >= _FIRST_EPOCH_IN_MILLISECONDS:
        number /= 1000
    if number >= _FIRST_EPOCH:
        number -= (_date(headers.get("Date") or "") or datetime.now(UTC)).timestamp()
    return number if math.isfinite(number) else None


def is_exhausted(headers: Mapping[str, str]) -> bool:
    """Tells whether the headers of an answer say that a rate limit is used up."""
    return any((headers.get(name) or "").strip() == "0" for name in REMAINING_HEADERS)


def _structured_reset(header: str) -> float:
    """Reads the draft's `RateLimit` header: by policy (`"minute";r=0;t=30`), or older (`reset=30`)."""
    policies = header.split(",")
    spent = [policy for policy in policies if re.search(r"\br=0\b", policy)]
    found = [
        float(match[1][:12])
        for policy in spent or policies
        if (match := re.search(r"\b(?:t|reset)=(\d+)", policy, re.ASCII))
    ]
    return max(found, default=0.0)


def _bounded(seconds: float) -> float | None:
    return min(seconds, LONGEST_RETRY_AFTER_SECONDS) if seconds > 0 else None


def _date(text: str) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
