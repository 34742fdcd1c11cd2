"""Tells which values a column can hold, by dlt's types and the warehouse's limits."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dlt.common.data_types.type_helpers import coerce_value
from dlt.common.time import normalize_timezone

from directory_sync.config.older_python import UTC, read_time
from directory_sync.publish.places import Column
from directory_sync.warehouse.room import Room

EXACT = 2**53
"""Integers up to this are exact in a double."""
_UNCASTABLE = (ValueError, SyntaxError, OverflowError, OSError, TypeError, ArithmeticError)


def fits(room: Room, column: Column | None, value: Any, *, data_type: str, source: str) -> bool:
    """Tells whether a column holds a value, after the conversion that dlt makes.

    Args:
        room: the limits of the warehouse.
        column: the column; None: a new one.
        value: the value as the writers accept it, see `writable`.
        data_type: dlt's type of the column.
        source: dlt's type of the value.
    """
    known: Mapping[str, Any] = column.known if column else {}
    if data_type == "timestamp" and source == "text" and _is_plain_time(value):
        return True
    if data_type == source == "json":
        return True
    try:
        coerced = coerce_value(data_type, source, value)  # type: ignore[arg-type]
        is_exact = (data_type, source) != ("double", "bigint") or bool(coerced == value)
        return is_exact and _holds(room, data_type, coerced, known=known)
    except _UNCASTABLE:
        return False


def _holds(room: Room, data_type: str, value: Any, *, known: Mapping[str, Any]) -> bool:
    precision, scale = known.get("precision"), known.get("scale")
    if data_type == "bigint":
        bits = min(int(precision or 64), 64)
        return bool(-(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1))
    if data_type == "double":
        return math.isfinite(float(value))
    if data_type == "text":
        return not precision or len(value) <= precision
    if data_type in ("decimal", "wei"):
        caps = room.capabilities
        usual = caps.wei_precision if data_type == "wei" else caps.decimal_precision
        digits, places = (precision, scale or 0) if precision else usual
        return _has_digits(Decimal(value), digits, places)
    if data_type == "timestamp":
        moment: Any = normalize_timezone(value, known.get("timezone", True))
        if moment.tzinfo:
            moment.astimezone(UTC)
        # The clients of PostgreSQL and DuckDB accept every time that Python can hold.
        return True
    return True


def misfit(column: Column) -> str:
    """Returns why a column does not hold a value, in words."""
    known = column.known
    if column.data_type == "text" and known.get("precision"):
        return f"is longer than {known['precision']:,} characters, the `precision` of its column"
    return f"does not fit its column ({column.data_type})"


def _is_plain_time(text: str) -> bool:
    """Tells whether a text is a time that every time zone can express."""
    try:
        return 1 < read_time(text).year < 9999
    except ValueError:
        return False


def _has_digits(number: Decimal, digits: int, places: int) -> bool:
    """Tells whether a decimal column holds a number without rounding it."""
    if not number.is_finite():
        return False
    _, figures, exponent = number.normalize().as_tuple()
    assert isinstance(exponent, int)
    return -exponent <= places and len(figures) + exponent <= digits - places


def as_text(value: Any) -> str:
    """Returns a value as a column of text holds it."""
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def writable(value: Any) -> Any:
    """Returns a value as the writers accept it: in JSON, integers beyond 64 bits become texts."""
    if isinstance(value, dict):
        fitted = {key: _inner(item) for key, item in value.items()}
        return value if all(fitted[key] is item for key, item in value.items()) else fitted
    if isinstance(value, list):
        items = [_inner(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


def _inner(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return writable(value)
