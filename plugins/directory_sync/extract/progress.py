"""How far a reader has come: a log line every few seconds, and one at its end.

Fed with each answer, whatever the paging. It counts, and looks into no entry.
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
    """What a reader did.

    Attributes:
        pages: answers, those to pages that were read again too.
        entries: how far they reach: an entry that was read twice counts about once.
        retries: requests that failed before an answer came.
        refused: how many of these were 429.
    """

    pages: int
    entries: int
    seconds: float
    retries: int
    refused: int


class Progress:
    """Logs how far one reader has come.

    Args:
        who: what each line begins with, such as "Shard 1 of 4".
        at_least: with fewer answers nothing is logged.
        clock: answers with seconds.
    """

    def __init__(self, who: str, *, at_least: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        """Logs nothing yet; the time counts from here."""
        self._who, self._at_least, self._clock = who, at_least, clock
        self._started = self._last = clock()
        self._pages = self._answered = self._retries = self._refused = 0
        self._begin: int | None = None
        self._end = 0

    def add(self, page: Page, *, expected: int | None = None) -> None:
        """Counts an answer.

        Args:
            page: it.
            expected: about how many entries there are for this reader, where the API states a total.
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
        """Logs and returns what was done; a reader without work logs nothing."""
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
        """What was done so far."""
        return ReadFacts(
            pages=self._pages,
            # Pages that are read again count once, and so do those which overlap.
            entries=min(self._answered, self._end - (self._begin or 0)),
            seconds=self._clock() - self._started,
            retries=self._retries,
            refused=self._refused,
        )

    def _line(self, expected: int | None) -> str:
        facts = self.facts
        rate = _rate(facts)
        # A list that has grown beyond its total has no percentage.
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
