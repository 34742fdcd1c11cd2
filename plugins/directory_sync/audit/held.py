"""The set of entries whose removal waits for a person, and when that person is asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Self

import orjson

from directory_sync.api.answer import EntryId
from directory_sync.config.limits import RemovalLimits


@dataclass(frozen=True, kw_only=True)
class HeldSet:
    """Entries that wait for a decision.

    Attributes:
        count: how many.
        digest: SHA-256 over exactly these absences, each an id and since when; None: there are none.
    """

    count: int = 0
    digest: str | None = None

    @classmethod
    def of(cls, absences: Iterable[tuple[EntryId, datetime]]) -> Self:
        """Digests absences that come ordered by id.

        An entry that came back and went missing again is another absence: nobody decided on that one.
        """
        digest, count = sha256(), 0
        for entry_id, missing_since in absences:
            digest.update(orjson.dumps([entry_id, missing_since.astimezone(UTC).isoformat()]) + b"\n")
            count += 1
        return cls(count=count, digest=digest.hexdigest() if count else None)


def asks_now(
    *,
    held: int,
    grown_by: int,
    population: int,
    last_asked_at: datetime | None,
    at: datetime,
    limits: RemovalLimits,
    ask_again_days: int,
) -> bool:
    """Tells whether a person is to be asked about the held entries now.

    At first, when the set grew by more than a limit since, and after some days of waiting: not every night.

    Args:
        held: how many wait.
        grown_by: how many of them went missing after a person was asked last.
        population: entries the table held as present.
        last_asked_at: when a person was asked about a set that has not been empty since; None: never.
        at: now, by the snapshot's time.
        limits: for removals.
        ask_again_days: how long an unanswered or rejected question rests.
    """
    if not held:
        return False
    if last_asked_at is None or at - last_asked_at >= timedelta(days=ask_again_days):
        return True
    return limits.exceeded_by(missing=grown_by, population=population)
