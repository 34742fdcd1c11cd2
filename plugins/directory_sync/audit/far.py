"""Asks far behind the end of the list, and judges errors there."""

from collections.abc import Callable

from directory_sync.api.page import Page
from directory_sync.errors import ApiError, SnapshotError
from directory_sync.extract.reach import reach_error

OK, REPEATED = frozenset({200, 204}), 0
STRANGERS_AHEAD = 3
WINDOW_CAPS = 1_000
"""APIs limit how far offsets reach (a result window), always at a multiple of this."""


class FarBehind:
    """Asks far behind the end, because a page that a filter has emptied is not the end.

    Attributes:
        refusals: the statuses of answers behind the list; REPEATED: the API repeated its last page.
    """

    def __init__(self) -> None:
        """Has asked nothing yet."""
        self.refusals: set[int] = set()
        self._ahead = 0

    def stranger(self, end: int, limit: int, *, read: Callable[[int], Page]) -> Page | None:
        """Returns an answer that holds entries; None: no entry stands there.

        Args:
            end: the offset behind the last entry.
            limit: the size of a page, in entries.
            read: reads the directory at an offset.

        Raises:
            SnapshotError: entries were found behind empty answers too often.
            ApiError: an error behind the end may not be the end of the list.
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
            self._check_refusals(end, limit, statuses, read=read)
        return None

    def _check_refusals(
        self, end: int, limit: int, statuses: set[int], *, read: Callable[[int], Page]
    ) -> None:
        """Checks that an error behind the end marks the end, and not a result window.

        Raises:
            ApiError: the errors differ, or begin at a multiple of WINDOW_CAPS.
        """
        status = min(self.refusals)
        if (statuses | self.refusals) - OK == {status} and end % WINDOW_CAPS:
            return
        if status == REPEATED:
            raise ApiError(
                f"The API answers its last page to offsets from {end:,} on. Whether its list ends there, or "
                "the API only limits how far offsets reach, cannot be seen. Nothing was published. Use "
                "the API's cursor or links, or narrow the list by a parameter.",
                status=status,
            )
        raise self.reach_error(end, limit, read=read)

    def reach_error(self, end: int, limit: int, *, read: Callable[[int], Page]) -> ApiError:
        """Returns the error that tells the last offset that worked.

        Args:
            end: an offset that the API refuses, or one in front of it.
            limit: the size of a page, in entries.
            read: reads the directory at an offset.
        """
        return reach_error(read, end, limit=limit, said=str(min(self.refusals - OK - {REPEATED})))
