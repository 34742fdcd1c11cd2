"""Edits made while pages are being read."""

import random
from dataclasses import dataclass

from sandbox.directory import Directory
from sandbox.settings import Settings, Sort


@dataclass(frozen=True, kw_only=True)
class Churned:
    """How many entries were inserted and deleted."""

    inserted: int = 0
    deleted: int = 0


class Churn:
    """Inserts and deletes drawn from a seed."""

    def __init__(self, seed: int) -> None:
        """Start the draws of this seed."""
        self._draw = random.Random(seed)

    def apply(self, directory: Directory, settings: Settings, *, offset: int, sort: Sort) -> Churned:
        """Make the edits that come before one page.

        Args:
            directory: The list to edit.
            settings: Tells how many, of which kind and where.
            offset: Position of the first entry of the page.
            sort: Order of the page.
        """
        if not settings.churn_per_request:
            return Churned()
        inserted = deleted = 0
        for inserts in self._kinds(settings):
            position = self._position(len(directory), settings, offset=offset)
            if inserts:
                directory.insert_at(position, sort=sort)
                inserted += 1
            elif len(directory):
                directory.delete_at(min(position, len(directory) - 1), sort=sort)
                deleted += 1
        return Churned(inserted=inserted, deleted=deleted)

    def _kinds(self, settings: Settings) -> list[bool]:
        """For each edit to make, whether it is an insert."""
        if settings.churn_kind == "burst":
            bursts = self._count(settings.churn_per_request / settings.churn_burst_size)
            kinds = [self._draw.random() < 0.5 for _ in range(bursts)]
            return [kind for kind in kinds for _ in range(settings.churn_burst_size)]
        edits = range(self._count(settings.churn_per_request))
        if settings.churn_kind == "both":
            return [self._draw.random() < 0.5 for _ in edits]
        return [settings.churn_kind == "insert" for _ in edits]

    def _count(self, expected: float) -> int:
        """A whole number that is `expected` on average."""
        whole = int(expected)
        return whole + (self._draw.random() < expected - whole)

    def _position(self, length: int, settings: Settings, *, offset: int) -> int:
        """Where the next edit is made."""
        if settings.churn_where == "random":
            return self._draw.randint(0, length)
        if settings.churn_where == "head":
            return 0
        return min(max(0, offset - 1), length)
