"""What the headers of an answer say about the requests that are left until a rate limit is reset.

Read are `X-RateLimit-*` (GitHub and many proxies), `X-Rate-Limit-*` (Okta), `RateLimit-*`, and the structured
field `RateLimit` with `RateLimit-Policy` in both forms of the IETF's draft
(draft-ietf-httpapi-ratelimit-headers): `limit=100, remaining=50, reset=30` and `"minute";r=50;t=30`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from directory_sync.api.waits import LIMIT_FAMILIES, seconds_until

LONGEST_RESET_SECONDS = 64.0
"""A limit that is reset later than this is not followed: a pull would hold its worker for hours, or a short
one would be slowed by a quota of a day. Its refusal ends the task until the reset."""
_LONGEST_FIELD = 1_000
"""A structured field of more characters is ignored: to search it could take long."""
_POLICY = re.compile(r'("(?:[^"\\]|\\.)*"|\d+)((?:\s*;[^,]*)?)', re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What is left of one rate limit.

    Attributes:
        name: tells the limits of an API apart.
        remaining: how many requests are left, of all clients together.
        seconds: how long until the limit is reset; most APIs state whole seconds.
        limit: how many requests a window allows; None: not stated.
        window_seconds: how long a window is; None: not stated.
    """

    name: str = ""
    remaining: int
    seconds: float
    limit: int | None = None
    window_seconds: int | None = None


def read_allowances(headers: Mapping[str, str]) -> list[Allowance]:
    """Returns the allowances that the headers of an answer state; none that is reset much later or has been.

    Args:
        headers: the headers of an answer; the case of names does not matter.
    """
    stated = [*_by_header(headers), *_structured(headers)]
    return [one for one in stated if 0 <= one.seconds <= LONGEST_RESET_SECONDS]


def _by_header(headers: Mapping[str, str]) -> Iterator[Allowance]:
    for family in LIMIT_FAMILIES:
        remaining = _count(headers.get(f"{family}-Remaining"))
        if remaining is None:
            continue
        seconds = seconds_until(headers.get(f"{family}-Reset"), headers)
        if seconds is None:
            seconds = seconds_until(headers.get(f"{family}-Reset-After"), headers)
        if seconds is not None:
            # An older draft appends the policies: `100, 100;w=60`.
            limit, _, policies = (headers.get(f"{family}-Limit") or "").partition(",")
            window = _parameter(policies or headers.get("RateLimit-Policy") or "", "w")
            yield Allowance(
                name=family,
                remaining=remaining,
                seconds=seconds,
                limit=_count(limit) or None,
                window_seconds=_count(window) or None,
            )


def _structured(headers: Mapping[str, str]) -> Iterator[Allowance]:
    """Reads the draft's field: a list of policies, or, in its older form, one dictionary."""
    field = headers.get("RateLimit") or ""
    if len(field) > _LONGEST_FIELD or len(headers.get("RateLimit-Policy") or "") > _LONGEST_FIELD:
        return
    stated = {match[1]: match[2] for match in _POLICY.finditer(headers.get("RateLimit-Policy") or "")}
    policies = {match[1]: match[2] for match in _POLICY.finditer(field)} if '"' in field else {"": field}
    for name, parameters in policies.items():
        remaining = _count(_parameter(parameters, "r|remaining"))
        seconds = _count(_parameter(parameters, "t|reset"))
        if remaining is None or seconds is None:
            continue
        # The older form names its policy by its limit: `RateLimit-Policy: 100;w=60`.
        limit = _parameter(stated.get(name, ""), "q") or _parameter(parameters, "limit")
        policy = stated.get(name) or stated.get(limit or "") or ""
        yield Allowance(
            name=f"RateLimit{name}",
            remaining=remaining,
            seconds=float(seconds),
            limit=_count(limit) or None,
            window_seconds=_count(_parameter(policy, "w")) or None,
        )


def _parameter(text: str, names: str) -> str | None:
    match = re.search(rf"(?:^|[;,\s])(?:{names})=(\d+)(?=$|[;,\s])", text, re.ASCII)
    return match[1] if match else None


def _count(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) <= 12 else None
