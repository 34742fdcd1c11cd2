"""One answer to one page request: a window on the list."""

from datetime import datetime
from typing import NamedTuple

from directory_sync.api.answer import Entry


class Page(NamedTuple):
    """One answer to one page request: a window on the list.

    Attributes:
        offset: the offset that was asked for.
        limit: the number of entries that was asked for.
        entries: what was answered, in order.
        total: the API's own count of the list; None where it states none.
        requested_at: when the request that was answered went out, UTC.
        retries: requests that failed before it.
        refused: how many of these were 429.
        status: of the answer: 200; 204, or one of END_STATUSES behind the first page, without entries.
    """

    offset: int
    limit: int
    entries: list[Entry]
    total: int | None
    requested_at: datetime
    retries: int = 0
    refused: int = 0
    status: int = 200

    @property
    def end(self) -> int:
        """The offset after the last entry."""
        return self.offset + len(self.entries)
