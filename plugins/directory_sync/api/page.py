"""One answer to one page request."""

from datetime import datetime
from typing import NamedTuple

from directory_sync.api.answer import Entry


class Page(NamedTuple):
    """One answer to one page request.

    Attributes:
        offset: the offset that was requested; for other paging, the number of entries before the page.
        limit: the number of entries that was requested.
        entries: the entries of the answer, in its order.
        total: the API's own count of the list; None: it states none.
        requested_at: when the request that was answered was sent, in UTC.
        retries: how many requests failed before it.
        refused: how many of these were answered with 429, or with a 403 that asks to wait.
        status: the HTTP status. Other than 200, the page has no entries.
        has_more: the API's word whether more follows; None: it gives none.
    """

    offset: int
    limit: int
    entries: list[Entry]
    total: int | None
    requested_at: datetime
    retries: int = 0
    refused: int = 0
    status: int = 200
    has_more: bool | None = None

    @property
    def end(self) -> int:
        """The offset after the last entry."""
        return self.offset + len(self.entries)
