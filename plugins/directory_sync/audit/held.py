"""The set of entries whose removal waits for a person, and the decision when to ask."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import orjson

from directory_sync.api.answer import EntryId
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.older_python import UTC, Self


@dataclass(frozen=True, kw_only=True)
class HeldSet:
    """Entries that wait for a decision.

    Attributes:
        count: how many entries are held.
        digest: SHA-256 over these absences, each an id and the time it went missing; None: none is held.
    """

    count: int = 0
    digest: str | None = None

    @classmethod
    def of(cls, absences: Iterable[tuple[EntryId, datetime]]) -> Self:
        """Returns the set for absences that are ordered by id.

        An entry that returned and went missing again is a new absence, on which nobody has decided.

        Args:
            absences: (id, the time it went missing), ordered by id.
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

    A person is asked when entries are first held, when the set has grown by more than a limit since, and when
    the last question is `ask_again_days` old. So the question does not come every night.

    Args:
        held: how many entries are held.
        grown_by: how many of them went missing after the last question.
        population: how many entries the table held as present.
        last_asked_at: when a person was asked about a set that has not been empty since; None: never.
        at: the time of the snapshot.
        limits: the limits on removals.
        ask_again_days: how many days an unanswered or rejected question rests.
    """
    if not held:
        return False
    if last_asked_at is None or at - last_asked_at >= timedelta(days=ask_again_days):
        return True
    return limits.exceeded_by(missing=grown_by, population=population)
