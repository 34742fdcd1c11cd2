"""Logs the progress of a reader: a line every few seconds, and one at the end.

It is given each answer, for all kinds of paging. It counts, and reads no entry.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from directory_sync.api.page import Page

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True, kw_only=True)
class ReadFacts:
    """The statistics of a reader.

    Attributes:
        pages: how many answers there were, including those of pages that were read again.
        entries: about how many different entries were read.
        seconds: the time since the reader started.
        retries: how many requests failed and were repeated.
        refused: how many of these were answered with 429, or with a 403 that asks to wait.
    """

    pages: int
    entries: int
    seconds: float
    retries: int
    refused: int


class Progress:
    """Logs the progress of one reader.

    Args:
        who: the begin of each line, such as "Shard 1 of 4".
        at_least: with fewer answers than this, nothing is logged.
        clock: returns monotonic seconds.
    """

    def __init__(self, who: str, *, at_least: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts the time; logs nothing yet."""
        self._who, self._at_least, self._clock = who, at_least, clock
        self._started = self._last = clock()
        self._pages = self._answered = self._retries = self._refused = 0
        self._begin: int | None = None
        self._end = 0

    def add(self, page: Page, *, expected: int | None = None) -> None:
        """Counts an answer.

        Args:
            page: the answer.
            expected: about how many entries the reader will read; None: the API states no total.
        """
        self._pages += 1
        self._answered += len(page.entries)
        self._retries += page.retries
        self._refused += page.refused
        if page.entries:
            self._begin = page.offset if self._begin is None else min(self._begin, page.offset)
            self._end = max(self._end, page.end)
        now = self._clock()
        if now - self._last >= SECONDS_BETWEEN_LINES and self._pages >= self._at_least:
            self._last = now
            logger.info("%s: %s", self._who, self._line(expected))

    def finish(self) -> ReadFacts:
        """Logs and returns the statistics; a reader with fewer than `at_least` answers logs nothing."""
        facts = self.facts
        if facts.pages >= self._at_least:
            logger.info(
                "%s: %s, %s entries in %s s (%s/s); %s retries, %s refused",
                self._who,
                _pages(facts),
                f"{facts.entries:,}",
                f"{facts.seconds:,.0f}",
                f"{_rate(facts):,.0f}",
                f"{facts.retries:,}",
                f"{facts.refused:,}",
            )
        return facts

    @property
    def facts(self) -> ReadFacts:
        """The statistics so far."""
        return ReadFacts(
            pages=self._pages,
            # At most the length of the range: pages that are read again or overlap count once.
            entries=min(self._answered, self._end - (self._begin or 0)),
            seconds=self._clock() - self._started,
            retries=self._retries,
            refused=self._refused,
        )

    def _line(self, expected: int | None) -> str:
        facts = self.facts
        rate = _rate(facts)
        # There is no percentage if more entries came than expected.
        if not expected or expected < facts.entries:
            return f"{_pages(facts)}, {facts.entries:,} entries, {rate:,.0f} entries/s"
        left = f", {(expected - facts.entries) / rate:,.0f} s left" if rate else ""
        return (
            f"{_pages(facts)}, {facts.entries:,} of about {expected:,} entries "
            f"({100 * facts.entries / expected:.0f} %), {rate:,.0f} entries/s{left}"
        )


def _rate(facts: ReadFacts) -> float:
    return facts.entries / facts.seconds if facts.seconds else 0.0


def _pages(facts: ReadFacts) -> str:
    return "1 page" if facts.pages == 1 else f"{facts.pages:,} pages"
