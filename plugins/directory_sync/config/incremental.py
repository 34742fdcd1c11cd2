"""How an API is asked for the entries that changed within an interval: `incremental` of dlt's form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pendulum
from pendulum import DateTime

from directory_sync.config.older_python import read_time
from directory_sync.config.refusal import refuse, refuse_unknown
from directory_sync.errors import ConfigError

_INCREMENTAL = {"cursor_path", "start_param", "end_param", "initial_value", "convert"}


@dataclass(frozen=True, kw_only=True)
class Incremental:
    """How an API is asked for the entries that changed within an interval, with the names of dlt's form.

    Attributes:
        cursor_path: the field with the time of an entry's last change, as keys.
        start_param: the query parameter for the begin of the interval (inclusive).
        end_param: the query parameter for its end (exclusive); None: the API takes no end.
        initial_value: a time before which no entry changed; None: not known.
        convert: makes the value of a parameter from a time in ISO 8601; None: the text is sent unchanged.
    """

    cursor_path: tuple[str, ...]
    start_param: str
    end_param: str | None = None
    initial_value: DateTime | None = None
    convert: Callable[[str], Any] | None = None

    def params(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Returns the query parameters for the interval from `start` (inclusive) to `end` (exclusive)."""
        if self.initial_value:
            start = max(start, self.initial_value)
        times = {self.start_param: start} | ({self.end_param: end} if self.end_param else {})
        convert = self.convert or str
        return {
            name: convert(moment_of(at).in_timezone("UTC").to_iso8601_string()) for name, at in times.items()
        }


def parse_incremental(given: Any, params: Mapping[str, Any], *, where: str) -> Incremental | None:
    """Parses `incremental` of an endpoint.

    Args:
        given: the value in the form; None: the API serves its present state only.
        params: the other query parameters of the endpoint.
        where: the name of the resource, for messages.

    Raises:
        ConfigError: a key is missing, wrong or not supported.
    """
    if given is None:
        return None
    where = f"`incremental` of {where}"
    if not isinstance(given, Mapping):
        refuse(f"The {type(given).__name__} in {where}", "a mapping with `cursor_path` and `start_param`")
    refuse_unknown(given, _INCREMENTAL, where=where)
    cursor, start, end = (given.get(key) for key in ("cursor_path", "start_param", "end_param"))
    if not (isinstance(cursor, str) and cursor and isinstance(start, str) and start):
        raise ConfigError(f"{where} needs `cursor_path` and `start_param`, each a string.")
    if taken := {start, end} & set(params):
        refuse(f"`{min(map(str, taken))}` in `params` beside {where}", "one of the two")
    convert = given.get("convert")
    if convert is not None and not callable(convert):
        raise ConfigError(f"`convert` in {where} is not a function.")
    return Incremental(
        cursor_path=tuple(cursor.split(".")),
        start_param=start,
        end_param=None if end is None else str(end),
        initial_value=_parse_moment(given.get("initial_value"), where=where),
        convert=convert,
    )


def _parse_moment(value: Any, *, where: str) -> DateTime | None:
    if value is None:
        return None
    try:
        return moment_of(str(value))
    except ValueError:
        raise ConfigError(f"`initial_value` in {where} must be a time in ISO 8601; got {value!r}.") from None


def moment_of(value: str | datetime) -> DateTime:
    """Returns a time, or a text in ISO 8601, as a time with a zone; UTC if it names none.

    Raises:
        ValueError: the text is not a time in ISO 8601.
    """
    return pendulum.instance(read_time(value) if isinstance(value, str) else value)
