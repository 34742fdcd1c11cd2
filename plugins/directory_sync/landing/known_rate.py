"""The rate that a resource's last runs were let in at, where the API says nothing of its limits.

    <root>/<resource>/rate.json     {"requests_per_second": 19.6, "confirmed_at": "2026-03-01T02:10:44+00:00"}

The audit writes it after all shards (`audit/found_rate.py`), and the next run begins at it instead of being
refused to find it again. It is a hint: a file that is odd, or gone, costs refusals and never a run.
"""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from directory_sync.errors import SnapshotError
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.files import Moment
from directory_sync.landing.folder import LandedFolder

logger = logging.getLogger(__name__)

RATE = "rate.json"
FORGOTTEN_AFTER = timedelta(days=7)
"""A limit that no refusal has confirmed for so long may have been lifted: the next run searches anew."""
FASTEST = 100_000.0
"""No API is read at more requests per second than this; a higher number is damage."""

PerSecond = Annotated[float, msgspec.Meta(gt=0.0, le=FASTEST)]


@dataclass(frozen=True, kw_only=True)
class KnownRate:
    """The rate that the API lets in.

    Attributes:
        requests_per_second: of all shards together.
        confirmed_at: when a refusal last showed that there is a limit.
    """

    requests_per_second: PerSecond
    confirmed_at: Moment


def read_known_rate(folder: LandedFolder, *, now: datetime) -> KnownRate | None:
    """Returns the rate that earlier runs found; None: there is none, it is too old, or the file is odd.

    Args:
        folder: the folder that holds the runs of the resource.
        now: the present time.
    """
    try:
        if (content := folder.read_json(RATE)) is None:
            return None
        with naming_damage(RATE):
            known = msgspec.convert(content, KnownRate)
    except SnapshotError:
        logger.warning("%s cannot be used: the rate of requests is searched for", folder.file(RATE))
        return None
    # A time in the future is of a clock that was wrong: it would never grow old.
    return known if abs(now - known.confirmed_at) <= FORGOTTEN_AFTER else None


def write_known_rate(folder: LandedFolder, known: KnownRate) -> None:
    """Keeps a rate for the next run.

    Args:
        folder: the folder that holds the runs of the resource.
        known: the rate.
    """
    content = asdict(known)
    folder.write_json(RATE, {**content, "confirmed_at": known.confirmed_at.isoformat()})
