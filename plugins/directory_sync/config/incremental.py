"""How an API is asked for what changed within an interval: `incremental` of dlt's form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pendulum
from pendulum import DateTime

from directory_sync.config.refusal import refuse, refuse_unknown
from directory_sync.errors import ConfigError

_INCREMENTAL = {"cursor_path", "start_param", "end_param", "initial_value", "convert"}


@dataclass(frozen=True, kw_only=True)
class Incremental:
    """How entries that changed within an interval are asked for, as dlt's form has it.

    Attributes:
        cursor_path: the field that says when an entry changed, as keys.
        start_param: the parameter of the interval's begin, which belongs to it; end_param: of its end, which
            does not; None: the API takes none.
        initial_value: nothing changed before it; None: it is not known.
        convert: makes a parameter's value of a time in ISO 8601.
    """

    cursor_path: tuple[str, ...]
    start_param: str
    end_param: str | None = None
    initial_value: DateTime | None = None
    convert: Callable[[str], Any] | None = None

    def params(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Returns the parameters that ask for an interval."""
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
        given: as the form has it; None: the API serves its present state alone.
        params: the parameters that the endpoint names itself.
        where: names the resource in messages.

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
        raise ConfigError(f"`convert` in {where} is no function.")
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
    """Returns a time, or its text in ISO 8601, as a time: in UTC where it names no zone.

    Raises:
        ValueError: the text is no time.
    """
    return pendulum.instance(datetime.fromisoformat(value) if isinstance(value, str) else value)
