"""What was asked and what was answered, without the requests to /admin."""

import dataclasses
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COUNTED_PATHS = frozenset({"/oauth/token", "/v1/directory", "/health"})


@dataclasses.dataclass(kw_only=True)
class Stats:
    """Counts since the start or the last reset.

    Attributes:
        requests: Requests by path and status; a dropped page counts with the status it began.
        tokens_granted: Tokens granted.
        pages: Pages answered whole and well-formed, empty ones too.
        entries_served: Entries in those pages.
        churn_inserted: Entries inserted while serving.
        churn_deleted: Entries deleted while serving.
        in_flight: Requests being answered.
        max_concurrent: The most of them at once.
    """

    requests: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    tokens_granted: int = 0
    pages: int = 0
    entries_served: int = 0
    churn_inserted: int = 0
    churn_deleted: int = 0
    in_flight: int = 0
    max_concurrent: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The counts by name."""
        return dataclasses.asdict(self)

    def reset(self) -> None:
        """Set every count to zero; requests being answered stay in flight."""
        vars(self).update(vars(Stats(in_flight=self.in_flight)))

    def count(self, path: str, status: int) -> None:
        """Count one answer."""
        if path.startswith("/v1/directory/"):
            path = "/v1/directory/{id}"
        elif path not in _COUNTED_PATHS:
            path = "other"
        by_status = self.requests.setdefault(path, {})
        by_status[str(status)] = by_status.get(str(status), 0) + 1


class CountRequests:
    """ASGI middleware that counts the requests of clients."""

    def __init__(self, app: ASGIApp, stats: Stats) -> None:
        """Wrap an application, and count in `stats`."""
        self._app = app
        self._stats = stats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and count it."""
        if scope["type"] != "http" or scope["path"].startswith("/admin"):
            await self._app(scope, receive, send)
            return
        stats = self._stats

        async def counting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                stats.count(scope["path"], message["status"])
            await send(message)

        stats.in_flight += 1
        stats.max_concurrent = max(stats.max_concurrent, stats.in_flight)
        try:
            await self._app(scope, receive, counting_send)
        finally:
            stats.in_flight -= 1
