"""Which request is answered wrongly, and how."""

import math
import random
import re
import time
from email.utils import formatdate
from typing import Literal

from sandbox.settings import BodyFault, Settings

LOGIN_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Sign in</body></html>"
_FIRST_ELEVATION = re.compile(rb'"elevation_feet":[^,}]+')

Fault = Literal["error", "empty_page", "drop", "body"]


class FaultPlan:
    """Draws for each fault from its own stream, so that one rate does not move another."""

    def __init__(self, seed: int) -> None:
        """Start all streams of this seed."""
        self._draws = {
            stream: random.Random(f"{seed}:{stream}")
            for stream in ("error", "empty_page", "drop", "body", "jitter")
        }

    def happens(self, fault: Fault, rate: float) -> bool:
        """Whether a fault of this rate (0 to 1) happens now."""
        return rate > 0 and self._draws[fault].random() < rate

    def latency_seconds(self, settings: Settings) -> float:
        """How long to wait before the next page."""
        milliseconds = settings.latency_ms
        if settings.latency_jitter_ms:
            milliseconds += self._draws["jitter"].uniform(0, settings.latency_jitter_ms)
        return milliseconds / 1000


class TokenBucket:
    """A limit of requests per second; one second's worth of them may come at once."""

    def __init__(self) -> None:
        """Start without a limit."""
        self._rate = 0.0
        self._level = 0.0
        self._filled_at = 0.0

    @property
    def left(self) -> int:
        """How many requests the bucket holds."""
        return int(self._level)

    def wait_seconds(self, rate: float, now: float) -> float:
        """Take one request out of the bucket.

        Args:
            rate: Requests per second; 0 is no limit. Another rate starts with a full bucket.
            now: Seconds that only grow.

        Returns:
            0 if it was taken, else how long until one can be.
        """
        if not rate:
            self._rate = 0.0
            return 0.0
        capacity = max(1.0, rate)
        if rate != self._rate:
            self._rate, self._level, self._filled_at = rate, capacity, now
        self._level = min(capacity, self._level + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / rate


def retry_after_header(settings: Settings, needed_seconds: float | None) -> dict[str, str]:
    """The Retry-After header as the settings have it; empty for none.

    Args:
        settings: Tell the form, and a value that goes before the needed one.
        needed_seconds: The wait that is needed; None if it is not known.
    """
    seconds = settings.retry_after_seconds
    if seconds is None:
        seconds = needed_seconds
    if seconds is None or settings.retry_after == "none":
        return {}
    if settings.retry_after == "date":
        return {"Retry-After": formatdate(math.ceil(time.time() + seconds), usegmt=True)}
    return {"Retry-After": str(math.ceil(seconds))}


def faulty_body(fault: BodyFault, rows: bytes, *, body: bytes, settings: Settings) -> bytes:
    """The body of a page with a fault.

    Args:
        fault: What is wrong. `nan` needs an entry with an elevation; `duplicate_keys` repeats
            the list, empty the second time, so that most parsers see an empty page.
        rows: The JSON of the list in it.
        body: The JSON of the page.
        settings: Name the keys of a page.
    """
    key = b'"%b":' % settings.data_key.encode()
    if fault == "html":
        return LOGIN_PAGE
    if fault == "truncated":
        return body[: len(body) // 2]
    if fault == "not_json":
        return b"OK"
    if fault == "missing_list":
        return b"{" + body[len(b"{" + key + rows + b",") :]
    if fault == "null_list":
        return body.replace(key + rows, key + b"null", 1)
    if fault == "nan":
        return _FIRST_ELEVATION.sub(b'"elevation_feet":NaN', body, count=1)
    if fault == "duplicate_keys":
        return body.replace(key + rows, key + rows + b"," + key + b"[]", 1)
    return body
