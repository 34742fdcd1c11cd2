"""The entries as they are at the start: the airports of the package `airportsdata`.

Ids are multiples of `ID_STEP` (1000, 2000, ...) in the order of the ICAO codes, so that an entry
inserted in the middle takes a free id between its neighbours. They are the same on every start,
whatever the number of entries. When more entries are wanted than there are airports, the airports
are repeated with further ids and " (2)", " (3)", ... after the name.
"""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import TypedDict

import airportsdata
import orjson

ID_STEP = 1000
FIRST_UPDATE = datetime(2024, 1, 1, tzinfo=timezone.utc)
FIRST_EDIT = datetime(2025, 1, 1, tzinfo=timezone.utc)
_SECONDS_OF_UPDATES = 365 * 24 * 3600


class Location(TypedDict):
    """Where an airport is; degrees and feet."""

    city: str
    subdivision: str
    country: str
    latitude: float
    longitude: float
    elevation_feet: float
    timezone: str


class Code(TypedDict):
    """One code of an airport in the system `icao`, `iata` or `lid`."""

    system: str
    code: str


class Entry(TypedDict):
    """One entry of the directory; `updated_at` is ISO 8601 in UTC with a Z."""

    id: int
    name: str
    location: Location
    codes: list[Code]
    updated_at: str


@cache
def airports() -> Sequence[airportsdata.Airport]:
    """All airports in the order of their ICAO codes."""
    loaded = airportsdata.load("ICAO")
    return [loaded[code] for code in sorted(loaded)]


def edit_time(revision: int) -> str:
    """The `updated_at` of the edit with this number: later than any initial one and any before."""
    return _timestamp(FIRST_EDIT + timedelta(seconds=revision))


def synthetic_entry(entry_id: int, name: str | None, *, revision: int) -> Entry:
    """An airport that does not exist, in the city of one that does.

    Args:
        entry_id: Its id, a positive integer.
        name: Its name; None is one made of the id.
        revision: Number of the edit that adds it.
    """
    entry = _entry_of(airports()[entry_id % len(airports())])
    entry["id"] = entry_id
    entry["name"] = name or f"Sandbox Field {entry_id}"
    entry["codes"] = [{"system": "lid", "code": f"S{entry_id}"}]
    entry["updated_at"] = edit_time(revision)
    return entry


class Records:
    """The initial entries, rendered when they are first read."""

    def __init__(self, entries: int | None = None) -> None:
        """Number so many entries; None is one for each airport."""
        count = len(airports()) if entries is None else entries
        self.ids = range(ID_STEP, (count + 1) * ID_STEP, ID_STEP)
        self._encoded: dict[int, bytes] = {}
        self._parts: dict[int, tuple[bytes, bytes]] = {}

    def name(self, entry_id: int) -> str:
        """The initial name of an entry."""
        copy, index = divmod(entry_id // ID_STEP - 1, len(airports()))
        name: str = airports()[index]["name"]
        return f"{name} ({copy + 1})" if copy else name

    def entry(self, entry_id: int) -> Entry:
        """An initial entry."""
        entry: Entry = orjson.loads(self.encoded(entry_id))
        return entry

    def encoded(self, entry_id: int) -> bytes:
        """An initial entry as JSON."""
        encoded = self._encoded.get(entry_id)
        if encoded is not None:
            return encoded
        copy, index = divmod(entry_id // ID_STEP - 1, len(airports()))
        name, rest = self._parts.get(index) or self._split(index)
        if copy:
            # Repeated airports are put together on each read: a million rendered entries
            # would hold 400 MB.
            return b'{"id":%d,"name":%b (%d)"%b' % (entry_id, name, copy + 1, rest)
        encoded = b'{"id":%d,"name":%b"%b' % (entry_id, name, rest)
        self._encoded[entry_id] = encoded
        return encoded

    def _split(self, index: int) -> tuple[bytes, bytes]:
        """The JSON of an airport before the end of its name, without its id, and after it."""
        entry = _entry_of(airports()[index])
        name = orjson.dumps(entry["name"])[:-1]
        rest = {key: value for key, value in entry.items() if key not in ("id", "name")}
        parts = self._parts[index] = (name, b"," + orjson.dumps(rest)[1:])
        return parts


def _entry_of(airport: airportsdata.Airport) -> Entry:
    """The entry of an airport, its id not yet given (0)."""
    codes = [(system, str(airport.get(system, ""))) for system in ("icao", "iata", "lid")]
    age = zlib.crc32(airport["icao"].encode()) % _SECONDS_OF_UPDATES
    return Entry(
        id=0,
        name=airport["name"],
        location=Location(
            city=airport["city"],
            subdivision=airport["subd"],
            country=airport["country"],
            latitude=airport["lat"],
            longitude=airport["lon"],
            elevation_feet=airport["elevation"],
            timezone=airport["tz"],
        ),
        codes=[Code(system=system, code=code) for system, code in codes if code],
        updated_at=_timestamp(FIRST_UPDATE + timedelta(seconds=age)),
    )


def _timestamp(moment: datetime) -> str:
    """A moment in UTC as ISO 8601 with a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
