"""`GET /v1/directory` and `GET /v1/directory/{id}`, as plain ASGI because benchmarks use them."""

import asyncio
import http
from dataclasses import dataclass, field
from typing import get_args
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope, Send
from typing_extensions import Self

from sandbox.faults import faulty_body, retry_after_header
from sandbox.service import Sandbox
from sandbox.settings import Settings, Sort


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; `dropped` has its connection closed in mid-body."""

    status: int = 200
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    dropped: bool = False

    @classmethod
    def failure(cls, status: int, error: str, headers: dict[str, str] | None = None) -> Self:
        """An answer that names an error."""
        return cls(status=status, body=orjson.dumps({"error": error}), headers=headers or {})

    async def send(self, send: Send) -> None:
        """Send it; a dropped one ends early, at which the server closes the connection."""
        headers = {"content-type": self.media_type, "content-length": str(len(self.body))}
        pairs = [(k.lower().encode(), v.encode()) for k, v in (headers | self.headers).items()]
        await send({"type": "http.response.start", "status": self.status, "headers": pairs})
        if self.dropped:
            half = self.body[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        else:
            await send({"type": "http.response.body", "body": self.body})


@dataclass(frozen=True, kw_only=True)
class PageQuery:
    """Which page is asked for; `limit` is already lowered to the cap."""

    limit: int
    offset: int
    sort: Sort
    updated_since: str = ""
    updated_until: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether only entries updated at some time are asked for."""
        return bool(self.updated_since or self.updated_until)

    @classmethod
    def parse(cls, query: bytes, settings: Settings) -> Self:
        """The page of a query string.

        Raises:
            ValueError: A limit below 1, an offset below 0, or a sort that is not known.
        """
        values = dict(parse_qsl(query.decode("ascii", "replace")))
        limit, offset = int(values.get("limit", 100)), int(values.get("offset", 0))
        if limit < 1 or offset < 0:
            raise ValueError("limit is at least 1, offset at least 0")
        for sort in get_args(Sort):
            if sort == values.get("sort", settings.sort):
                return cls(
                    limit=min(limit, settings.page_cap),
                    offset=offset,
                    sort=sort,
                    updated_since=values.get("updated_since", ""),
                    updated_until=values.get("updated_until", ""),
                )
        raise ValueError(f"sort is one of {', '.join(get_args(Sort))}")


def encode_page(rows: bytes, total: int | None, *, query: PageQuery, settings: Settings) -> bytes:
    """A page as JSON, with the keys that the settings name and the total as they have it.

    Args:
        rows: The JSON of the list.
        total: The number of entries; None leaves the key out unless the setting is `null`.
        query: Its limit and offset are repeated.
        settings: Name the keys.
    """
    key = settings.total_key.encode()
    counted = b"" if total is None else b'"%b":%d,' % (key, total)
    if settings.total == "null":
        counted = b'"%b":null,' % key
    return b'{"%b":%b,%b"limit":%d,"offset":%d}' % (
        settings.data_key.encode(),
        rows,
        counted,
        query.limit,
        query.offset,
    )


class _Endpoint:
    """An endpoint of /v1: it needs a token and keeps to the rate limit.

    Args:
        sandbox: What it serves from.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self._refusal(scope) or await self._answer(scope)
        await answer.send(send)

    def _refusal(self, scope: Scope) -> Answer | None:
        """401 without a token that holds, 429 above the rate limit, else None."""
        sandbox, settings = self._sandbox, self._sandbox.settings
        authorization = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        if not sandbox.tokens.accepts(authorization.decode("latin-1")):
            return Answer.failure(401, "invalid_token", {"WWW-Authenticate": "Bearer"})
        wait = sandbox.bucket.wait_seconds(settings.requests_per_second, sandbox.clock())
        if wait:
            return Answer.failure(429, "too_many_requests", retry_after_header(settings, wait))
        return None

    async def _answer(self, scope: Scope) -> Answer:
        """The answer to a request that is let in."""
        raise NotImplementedError


class EntryEndpoint(_Endpoint):
    """`GET /v1/directory/{id}`."""

    async def _answer(self, scope: Scope) -> Answer:
        """The entry, or 404."""
        wanted = scope["path_params"]["entry_id"]
        entry = self._sandbox.directory.get(int(wanted)) if wanted.isdecimal() else None
        if entry is None:
            return Answer.failure(404, "not_found")
        return Answer(body=orjson.dumps(entry))


class PageEndpoint(_Endpoint):
    """`GET /v1/directory?limit=&offset=&sort=&updated_since=&updated_until=`."""

    async def _answer(self, scope: Scope) -> Answer:
        """The page, or one of the faults."""
        sandbox, settings = self._sandbox, self._sandbox.settings
        try:
            query = PageQuery.parse(scope["query_string"], settings)
        except ValueError as error:
            return Answer.failure(400, str(error))
        status = sandbox.next_scripted_status()
        if status is None and sandbox.faults.happens("error", settings.error_rate):
            status = settings.error_status
        if status is not None and status != 200:
            return Answer.failure(status, _phrase(status), retry_after_header(settings, None))
        if latency := sandbox.faults.latency_seconds(settings):
            await asyncio.sleep(latency)
        return self._page(query, settings)

    def _page(self, query: PageQuery, settings: Settings) -> Answer:
        """The page as it is now, after the churn that comes before it."""
        sandbox = self._sandbox
        offset = 0 if settings.ignore_offset else query.offset
        churned = sandbox.churn.apply(sandbox.directory, settings, offset=offset, sort=query.sort)
        sandbox.stats.churn_inserted += churned.inserted
        sandbox.stats.churn_deleted += churned.deleted
        if query.is_filtered:
            since, until = query.updated_since, query.updated_until
            entries, total = sandbox.directory.updated(offset, query.limit, since=since, until=until)
        else:
            entries, total = sandbox.directory.page(offset, query.limit, sort=query.sort)
        if entries and sandbox.faults.happens("empty_page", settings.empty_page_rate):
            entries = []
        rows = b"[" + b",".join(entries) + b"]"
        body = encode_page(rows, self._told(total, settings), query=query, settings=settings)
        fault = settings.body_fault
        if fault != "none" and sandbox.faults.happens("body", settings.body_fault_rate):
            media_type = "text/html" if fault == "html" else "application/json"
            spoilt = faulty_body(fault, rows, body=body, settings=settings)
            return Answer(body=spoilt, media_type=media_type)
        if sandbox.faults.happens("drop", settings.drop_rate):
            return Answer(body=body, dropped=True)
        sandbox.stats.pages += 1
        sandbox.stats.entries_served += len(entries)
        return Answer(body=body)

    def _told(self, total: int, settings: Settings) -> int | None:
        """The total that a page tells; None for none."""
        if settings.total == "stale":
            return self._sandbox.directory.total_before(settings.total_lag_seconds)
        return total if settings.total == "present" else None


def _phrase(status: int) -> str:
    """The name of a status, as an error code."""
    try:
        return http.HTTPStatus(status).phrase.lower().replace(" ", "_")
    except ValueError:
        return "error"
