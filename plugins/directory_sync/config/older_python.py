"""What newer Pythons bring along and Python 3.10 lacks."""

import sys
from datetime import datetime, timezone

if sys.version_info >= (3, 11):
    from enum import StrEnum
    from typing import Self

    read_time = datetime.fromisoformat
else:
    from enum import Enum

    from dateutil.parser import isoparse
    from typing_extensions import Self

    class StrEnum(str, Enum):
        """An enumeration whose members are texts: `str` and f-strings give the value."""

        __str__ = str.__str__

    def read_time(text: str) -> datetime:
        """Returns a time in ISO 8601, which Python 3.10 itself reads in part; ValueError: it is none."""
        moment: datetime = isoparse(text)
        return moment


UTC = timezone.utc
"""The zone of every moment here: `datetime.UTC`."""

__all__ = ["UTC", "Self", "StrEnum", "read_time"]
