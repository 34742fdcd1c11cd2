"""Parses one answer of the API into its entries and its total. Errors never quote the content."""

import codecs
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import msgspec
import orjson

from directory_sync.api.decode import RefusedError, decode
from directory_sync.api.field_types import FieldTypes, field_types, json_type
from directory_sync.api.key_advice import MAX_KEYS_OF_AN_ENVELOPE, advice_for
from directory_sync.config import keys
from directory_sync.config.fields import is_name, without_field
from directory_sync.config.form import FORM_FILE
from directory_sync.config.keys import ID, Key, NoKeyError
from directory_sync.errors import EnvelopeError, SnapshotError

EntryId = keys.EntryId
_CHECK_SELECTOR = "Check `data_selector`"


class Entry(NamedTuple):
    """One record of the directory.

    Attributes:
        id: its key: an integer of 64 bits or a non-empty string; of several fields, see `Key.of`.
        row_hash: the hash of the record without its ignored fields: 32 hexadecimal digits.
        record: the entry's JSON text exactly as the API sent it.
        fields: (dotted path, JSON type) of every value that is not within a list.
    """

    id: EntryId
    row_hash: str
    record: str
    fields: FieldTypes


def parse_page(  # noqa: PLR0913  each is a setting of the resource
    body: bytes,
    *,
    selector: Sequence[str],
    total_path: Sequence[str] | None,
    key: Key = ID,
    ignored_fields: Sequence[Sequence[str]] = (),
    parent_fields: Mapping[str, Any] | None = None,
    where: str = "the answer",
    before: int | None = None,
    total_is_approximate: bool = False,
    item: Sequence[str] = (),
    absent_is_empty: bool = False,
    stated_total: int | None = None,
    look: Callable[[Any], None] = lambda _: None,
    form_file: str = FORM_FILE,
) -> tuple[list[Entry], int | None]:
    """Reads one page.

    Args:
        body: the answer's body, decompressed.
        selector: keys that lead to the list of entries.
        total_path: keys that lead to the total; None: the API states none.
        key: the fields that name an entry.
        ignored_fields: paths that are left out of the hash.
        parent_fields: fields of the parent, which are put in front of each entry's own; None: no parent.
        where: the request, for messages, such as `/v1/directory at offset 400`.
        before: how many of the units that the total counts precede this answer; None: not known, then an
            answer without a list is an error.
        total_is_approximate: `null` in place of the list means no entries, whatever the total is.
        item: keys that lead from an item of the list to the entry.
        absent_is_empty: a list that is left out has no entries.
        stated_total: the total that a header states; None: none does.
        look: is called with the decoded body, for what else the form reads in it.
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
        look(document)
        total = _total(document, total_path) if stated_total is None else stated_total
        if before is not None and _has_none(
            document,
            selector,
            total=total,
            before=before,
            total_is_approximate=total_is_approximate,
            absent_is_empty=absent_is_empty,
        ):
            return [], total
        found = _within(_list_at(document, selector, where=where), item, where=where)
        texts = _slices(body, selector, item, where=where)
        paths = tuple(tuple(path) for path in ignored_fields)
        label, inner = _label(selector), _label(item).removeprefix("$")
        if parent_fields:
            found, texts = _with_parent(found, texts, parent_fields, where=where)
        return [
            _entry(record, text, key, paths, beside=found, where=f"`{label}[{position}]{inner}` of {where}")
            for position, (record, text) in enumerate(zip(found, texts, strict=True))
        ], total
    except _ShapeError as e:
        finding, advice = str(e), e.advice
    # Raised outside of the `except`, so that no exception which holds the body is chained to it.
    raise EnvelopeError(
        f"{finding}. Nothing of it was used. {advice} in {form_file}, or ask the API's vendor."
    )


def _with_parent(
    records: Sequence[Any], texts: Sequence[str], fields: Mapping[str, Any], *, where: str
) -> tuple[list[Any], list[str]]:
    """Puts fields of the parent in front of each entry's own."""
    front = json.dumps(dict(fields), ensure_ascii=False)[:-1]
    for record in records:
        if isinstance(record, dict) and (same := sorted(record.keys() & fields.keys())):
            _refuse(where, f"has an entry with a field `{same[0]}`, the name of a field of its parent")
    whole = [{**fields, **record} if isinstance(record, dict) else record for record in records]
    return whole, [
        f"{front}{', ' if record else ''}{text.lstrip()[1:]}" if isinstance(record, dict) else text
        for record, text in zip(records, texts, strict=True)
    ]


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


def _entry(
    record: Any,
    text: str,
    key: Key,
    ignored: Sequence[Sequence[str]],
    *,
    beside: Sequence[Any],
    where: str,
) -> Entry:
    if not isinstance(record, dict):
        _refuse(where, f"is of type {json_type(record)}; an object is needed")
    try:
        row_hash, fields = hash_record(record, ignored), field_types(record)
    except RecursionError:
        refusal = "is nested too deeply"
    except ValueError:
        refusal = "holds text or a number which no database can store"
    else:
        return Entry(_key_of(record, key, beside=beside, where=where), row_hash, text, fields)
    _refuse(where, refusal)


def _key_of(record: Mapping[str, Any], key: Key, *, beside: Sequence[Any], where: str) -> EntryId:
    try:
        return key.of(record)
    except NoKeyError as e:
        finding, advice = advice_for(e, record, beside)
    _refuse(where, finding, advice=advice)


def _decode(body: bytes, *, where: str) -> Any:
    try:
        return decode(body)
    except UnicodeDecodeError:
        refusal = "is not UTF-8"
    except RecursionError:
        refusal = "is nested too deeply"
    except RefusedError as refused:
        refusal = refused.args[0]
    except ValueError:
        refusal = f"is not JSON ({_looks_like(body)})"
    # Raised outside of the `except`, so that no exception which holds the body is chained to ours.
    _refuse(where, refusal)


class _ShapeError(Exception):
    """The body has another form than the resource says.

    Attributes:
        advice: what to correct in the form, as the begin of a sentence.
    """

    def __init__(self, finding: str, advice: str) -> None:
        super().__init__(finding)
        self.advice = advice


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


def _within(found: list[Any], item: Sequence[str], *, where: str) -> list[Any]:
    """Returns the entries within the items of a list."""
    for depth, key in enumerate(item):
        for position, one in enumerate(found):
            if not isinstance(one, dict) or key not in one:
                what = _names_in(one) if isinstance(one, dict) else f"a value of type {json_type(one)}"
                _refuse_shape(
                    f"No entry at `[{position}].{_path(item)}` in the list of {where}: "
                    f"`[{position}]{''.join(f'.{k}' for k in item[:depth])}` has {what}"
                )
        found = [one[key] for one in found]
    return found


def _has_none(
    document: Any,
    selector: Sequence[str],
    *,
    total: int | None,
    before: int,
    total_is_approximate: bool,
    absent_is_empty: bool,
) -> bool:
    """Tells whether an answer without a list states that there are no entries at this place.

    `null` in place of the list means no entries, unless the total states that there are more. An absent list
    means no entries only if the total states that there are no more, or the form says so (`absent_is_empty`)
    and no other list of objects stands beside it. Beside an error none of this is accepted.
    """
    if isinstance(document, dict) and (document.get("error") or document.get("errors")):
        return False
    current = document
    for key in selector:
        if current is None or (isinstance(current, dict) and key not in current):
            is_left_out = absent_is_empty and not (
                current and any(map(_is_list_of_objects, current.values()))
            )
            return is_left_out if total is None else total <= before
        if not isinstance(current, dict):
            return False
        current = current[key]
    return current is None and (total is None or total <= before or total_is_approximate)


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _slices(body: bytes, selector: Sequence[str], item: Sequence[str], *, where: str) -> list[str]:
    """Returns the text of each entry, byte for byte as in the body."""
    raw = msgspec.Raw(body)
    try:
        for key in selector:
            raw = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])[key]
        found = msgspec.json.decode(raw, type=list[msgspec.Raw])
        for key in item:
            found = [msgspec.json.decode(one, type=dict[str, msgspec.Raw])[key] for one in found]
        return [bytes(one).decode() for one in found]
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


def _refuse(where: str, what: str, *, advice: str = _CHECK_SELECTOR) -> NoReturn:
    _refuse_shape(f"The body of {where} {what}", advice=advice)


def _refuse_shape(finding: str, *, advice: str = _CHECK_SELECTOR) -> NoReturn:
    raise _ShapeError(finding, advice)
