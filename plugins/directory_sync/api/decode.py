"""Decodes an answer's body as strict JSON: no doubled key, no NaN, no number out of range, exact integers.

The standard library refuses these with a call for each object and number. orjson takes a fifth of the time,
but keeps the last of two equal keys and rounds integers of more than 64 bits. So `decode` lets orjson decode
a body and proves that neither happened. Where it cannot prove it, the standard library decodes the body.
"""

import json
from typing import Any, NoReturn

import orjson


class RefusedError(Exception):
    """JSON that Python's parser accepts and this package refuses."""


def decode(body: bytes) -> Any:
    """Decodes a body.

    Raises:
        RefusedError: it has a doubled key, a number out of range, or NaN; the text says which.
        UnicodeDecodeError: it is not UTF-8.
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    document = decode_fast(body)
    return _STRICT.decode(body.decode("utf-8")) if document is UNPROVEN else document


UNPROVEN: Any = object()
"""What `decode_fast` returns for a body that it cannot vouch for."""
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_LONG, _LONG_NEGATIVE = b"0" * 20, b"-" + b"0" * 19
"""Integers that do not fit in 64 bits have at least so many digits."""
_MAYBE_ESCAPED_COLON = b"\\u003"


def decode_fast(body: bytes) -> Any:
    """Returns the document, or UNPROVEN.

    Each pair of an object has a colon, which is lost where a later pair has the same key. orjson writes a
    text's colons as they are. So, without escaped colons, the document has as many colons as the body if, and
    only if, no key was doubled.
    """
    if _MAYBE_ESCAPED_COLON in body:
        return UNPROVEN
    digits = body.translate(_DIGITS_ALIKE)
    if _LONG in digits or _LONG_NEGATIVE in digits:
        return UNPROVEN
    try:
        document = orjson.loads(body)
        written = orjson.dumps(document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        # The standard library says why, or takes what orjson does not (a lone surrogate, deep nesting).
        return UNPROVEN
    return document if written.count(b":") == body.count(b":") else UNPROVEN


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise RefusedError("holds an object with a doubled key")
    return mapping


def _no_constant(name: str) -> NoReturn:
    raise RefusedError(f"holds {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise RefusedError("holds a number out of range")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite)
