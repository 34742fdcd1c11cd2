"""Parses one answer of the API into its entries and its total. Errors never quote the content."""

import codecs
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import msgspec
import orjson

from directory_sync.config.fields import field_name, is_name, without_field
from directory_sync.config.form import FORM_FILE
from directory_sync.errors import EnvelopeError, SnapshotError

EntryId = int | str
MAX_ID_CHARACTERS = 1024
MAX_KEYS_OF_AN_ENVELOPE = 30
"""The keys of an object with more keys than this count as data."""
_INT64 = range(-(2**63), 2**63)


class Entry(NamedTuple):
    """One record of the directory.

    Attributes:
        id: an integer of 64 bits or a non-empty string.
        row_hash: the hash of the record without its ignored fields: 32 hexadecimal digits.
        record: the entry's JSON text exactly as the API sent it.
        fields: (dotted path, JSON type) of every value that is not within a list.
    """

    id: EntryId
    row_hash: str
    record: str
    fields: tuple[tuple[str, str], ...]


def parse_page(  # noqa: PLR0913  each is a setting of the resource
    body: bytes,
    *,
    selector: Sequence[str],
    total_path: Sequence[str] | None,
    ignored_fields: Sequence[Sequence[str]] = (),
    where: str = "the answer",
    before: int | None = None,
    total_is_approximate: bool = False,
    form_file: str = FORM_FILE,
) -> tuple[list[Entry], int | None]:
    """Reads one page.

    Args:
        body: the answer's body, decompressed.
        selector: keys that lead to the list of entries.
        total_path: keys that lead to the total; None: the API states none.
        ignored_fields: paths that are left out of the hash.
        where: the request, for messages, such as `/v1/directory at offset 400`.
        before: how many of the units that the total counts precede this answer; None: not known, then an
            answer without a list is an error.
        total_is_approximate: `null` in place of the list means no entries, whatever the total is.
        form_file: the file of the resource's form, for messages.

    Returns:
        The entries in the order of the page, and the total (None: absent, null or not a count).

    Raises:
        EnvelopeError: the body is not JSON, has NaN or a doubled key, has no list at the selector, or has an
                entry that is not an object or has no usable id. The message has the path and the type found.
    """
    try:
        body = body.removeprefix(codecs.BOM_UTF8)
        document = _decode(body, where=where)
        total = _total(document, total_path)
        if before is not None and _has_none(
            document, selector, total=total, before=before, total_is_approximate=total_is_approximate
        ):
            return [], total
        found = _list_at(document, selector, where=where)
        texts = _slices(body, selector, where=where)
        paths = tuple(tuple(path) for path in ignored_fields)
        label = _label(selector)
        return [
            _entry(record, text, paths, where=f"`{label}[{position}]` of {where}")
            for position, (record, text) in enumerate(zip(found, texts, strict=True))
        ], total
    except _ShapeError as e:
        finding = str(e)
    # Raised outside of the `except`, so that no exception which holds the body is chained to it.
    raise EnvelopeError(
        f"{finding}. Nothing of it was used. Check `data_selector` in {form_file}, or ask the API's vendor."
    )


def hash_record(record: Mapping[str, Any], ignored_fields: Iterable[Sequence[str]] = ()) -> str:
    """Returns the hash of a record: BLAKE2b with 128 bits over its canonical JSON.

    Canonical JSON has sorted keys, no white space and exact integers, in UTF-8. It follows RFC 8785 except
    for numbers, which are written as orjson (or Python's json) writes them.

    Args:
        record: the entry.
        ignored_fields: paths that are left out.

    Raises:
        RecursionError: the record is nested too deeply.
        ValueError: a text or a number cannot be written.
    """
    for path in ignored_fields:
        record = without_field(record, tuple(path))
    try:
        canonical = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # orjson cannot write integers of more than 64 bits; such a record always takes this path.
        canonical = json.dumps(
            record, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ).encode()
    return hashlib.blake2b(canonical, digest_size=16).hexdigest()


def parse_record(text: str) -> dict[str, Any]:
    """Parses a record from the landing zone or from the change log.

    Raises:
        SnapshotError: it is not a JSON object. It was one when it was read from the API, so it is damaged.
    """
    try:
        record = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise SnapshotError(
            "A landed or logged record is damaged: it is not a JSON object. Nothing was published. Clear the "
            "run's `extract` tasks and let it run again; see docs/runbook.md#snapshoterror."
        )
    return record


def field_types(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yields (dotted path, JSON type) of all values of a record and its objects, but not of its lists.

    Args:
        record: the entry, or an object in it.
        prefix: the path of that object, with a dot at its end; empty: the entry itself.
    """
    for key, value in record.items():
        name = field_name(prefix, key)
        if isinstance(value, dict):
            yield from field_types(value, f"{name}.")
        else:
            yield name, json_type(value)


def json_type(value: Any) -> str:
    """Returns the JSON name of a value's type; an integer is `integer`, any other number is `number`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)


def _entry(record: Any, text: str, ignored: Sequence[Sequence[str]], *, where: str) -> Entry:
    if not isinstance(record, dict):
        _refuse(where, f"is of type {json_type(record)}; an object is needed")
    try:
        row_hash, fields = hash_record(record, ignored), tuple(dict.fromkeys(field_types(record)))
    except RecursionError:
        refusal = "is nested too deeply"
    except ValueError:
        refusal = "holds text or a number which no database can store"
    else:
        return Entry(_checked_id(record, where=where), row_hash, text, fields)
    _refuse(where, refusal)


def _checked_id(record: Mapping[str, Any], *, where: str) -> EntryId:
    found = record.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        if found in _INT64:
            return found
        _refuse(where, "has an `id` of more than 64 bits")
    if isinstance(found, str) and found:
        if len(found) <= MAX_ID_CHARACTERS:
            return found
        _refuse(where, f"has an `id` of more than {MAX_ID_CHARACTERS} characters")
    state = json_type(found) if "id" in record else "missing"
    _refuse(where, f"has no usable `id` ({'an empty string' if found == '' else state})")


def _decode(body: bytes, *, where: str) -> Any:
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        refusal = "is not UTF-8"
    except RecursionError:
        refusal = "is nested too deeply"
    except _RefusedError as refused:
        refusal = refused.args[0]
    except ValueError:
        refusal = f"is not JSON ({_looks_like(body)})"
    # Raised outside of the `except`, so that no exception which holds the body is chained to ours.
    _refuse(where, refusal)


class _ShapeError(Exception):
    """The body has another form than the resource says."""


class _RefusedError(Exception):
    """JSON that Python's parser accepts and this package refuses."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise _RefusedError("holds an object with a doubled key")
    return mapping


def _no_constant(name: str) -> NoReturn:
    raise _RefusedError(f"holds {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _RefusedError("holds a number out of range")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite)


def _list_at(document: Any, selector: Sequence[str], *, where: str) -> list[Any]:
    current = document
    for depth, key in enumerate(selector):
        if not isinstance(current, dict):
            _refuse(where, f"has no object at `{_label(selector[:depth])}` ({json_type(current)})")
        if key not in current:
            within = f"`{_path(selector[:depth])}` in " * bool(depth)
            found = f"{within}the body of {where} has {_names_in(current)}"
            _refuse_shape(f"No list at `{_path(selector)}`: {found}")
        current = current[key]
    if not isinstance(current, list):
        found = f"the body of {where} has a value of type {json_type(current)} there"
        _refuse_shape(f"No list at `{_path(selector)}`: {found}")
    return current


def _has_none(
    document: Any,
    selector: Sequence[str],
    *,
    total: int | None,
    before: int,
    total_is_approximate: bool,
) -> bool:
    """Tells whether an answer without a list states that there are no entries at this place.

    `null` in place of the list means no entries, unless the total states that there are more. An absent list
    means no entries only if the total states that there are no more. Beside an error neither is accepted.
    """
    if isinstance(document, dict) and (document.get("error") or document.get("errors")):
        return False
    current = document
    for key in selector:
        if current is None or (isinstance(current, dict) and key not in current):
            return total is not None and total <= before
        if not isinstance(current, dict):
            return False
        current = current[key]
    return current is None and (total is None or total <= before or total_is_approximate)


def _slices(body: bytes, selector: Sequence[str], *, where: str) -> list[str]:
    """Returns the text of each entry, byte for byte as in the body."""
    raw = msgspec.Raw(body)
    try:
        for key in selector:
            raw = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])[key]
        return [bytes(item).decode() for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        refusal = "is not JSON"
    _refuse(where, refusal)


def _total(document: Any, total_path: Sequence[str] | None) -> int | None:
    current = document
    for key in total_path or ():
        current = current.get(key) if isinstance(current, dict) else None
    is_count = isinstance(current, int) and not isinstance(current, bool) and current >= 0
    return current if total_path and is_count else None


def _label(selector: Sequence[str]) -> str:
    return ".".join(("$", *selector))


def _path(selector: Sequence[str]) -> str:
    """Returns a path as `data_selector` writes it; `$` is the body itself."""
    return ".".join(selector) or "$"


def _names_in(found: Mapping[str, Any]) -> str:
    """Lists the keys of an object for a message: only those that are names, not data."""
    if len(found) > MAX_KEYS_OF_AN_ENVELOPE:
        return f"{len(found):,} keys"
    return (
        ", ".join(f"`{name}`" for name in list(found)[:8] if is_name(name) and name.isidentifier())
        or "nothing"
    )


def _looks_like(body: bytes) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "empty"
    return "HTML or XML" if start == b"<" else f"{len(body):,} bytes"


def _refuse(where: str, what: str) -> NoReturn:
    _refuse_shape(f"The body of {where} {what}")


def _refuse_shape(finding: str) -> NoReturn:
    raise _ShapeError(finding)
