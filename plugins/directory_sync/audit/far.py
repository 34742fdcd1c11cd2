"""What is asked far behind the end, and what an error there means."""

from collections.abc import Callable

from directory_sync.api.page import Page
from directory_sync.errors import ApiError, SnapshotError

OK, REPEATED = frozenset({200, 204}), 0
STRANGERS_AHEAD = 3
WINDOW_CAPS = 1_000
"""Result windows of APIs are multiples of this."""


class FarBehind:
    """Asks far behind the end: pages that a filter has emptied are not the end.

    Attributes:
        refusals: the statuses that offsets behind the list were answered with; REPEATED: its last page.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.refusals: set[int] = set()
        self._ahead = 0

    def stranger(self, end: int, limit: int, *, read: Callable[[int], Page]) -> Page | None:
        """Returns an answer that holds entries, or None: nothing stands there.

        Args:
            end: the offset behind the last entry.
            limit: of a page, in entries.
            read: answers an offset.

        Raises:
            SnapshotError: answers hold entries again and again.
            ApiError: an error there may not be the end of the list.
        """
        statuses = set[int]()
        for far in (limit, 2 * limit, 4 * limit):
            page = read(end + far)
            if page.entries and REPEATED not in self.refusals:
                self._ahead += 1
                if self._ahead > STRANGERS_AHEAD:
                    raise SnapshotError(
                        f"An answer at offset {page.offset} holds entries although those in front of it are "
                        "empty: the API seems to leave out entries after it has cut the page. Nothing was "
                        "published. Ask the API's vendor; see docs/runbook.md#snapshoterror."
                    )
                return page
            statuses.add(REPEATED if page.entries else page.status)
        if self.refusals:
            self._check_refusals(end, statuses)
        return None

    def _check_refusals(self, end: int, statuses: set[int]) -> None:
        """An error behind the end is the API's way to say so, or where it stops to answer.

        Raises:
            ApiError: it is not the same everywhere behind, or stands where result windows end.
        """
        status = min(self.refusals)
        if (statuses | self.refusals) - OK != {status} or end % WINDOW_CAPS == 0:
            said = "its last page" if status == REPEATED else str(status)
            raise ApiError(
                f"The API answers {said} to offsets from {end:,} on. Whether its list ends there, or it "
                "gives no more than so many entries by offset, cannot be seen. Nothing was published. Use "
                "the API's cursor or links, or narrow the list by a parameter.",
                status=status,
            )
