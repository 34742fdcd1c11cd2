"""The key of a resource: the field, or the fields, that name an entry."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any
from urllib.parse import quote

from directory_sync.config.refusal import refuse
from directory_sync.errors import ConfigError

EntryId = int | str
"""An entry's key: an integer of 64 bits, or a non-empty string."""
MAX_CHARACTERS = 1024
"""The largest length of a key; indexes of warehouses hold no longer ones."""
REFUSED_HINTS = ("merge_key", "hard_delete", "dedup_sort")
"""Column hints that would make dlt delete or drop rows on its own."""

_INT64 = range(-(2**63), 2**63)
_TYPES: Mapping[type, str] = {
    type(None): "null",
    bool: "boolean",
    float: "number",
    list: "array",
    dict: "object",
}
_FIELD, _QUOTED = r"""[^.\[\]'"*{}]+""", r"""\[(?:'[^'\]]+'|"[^"\]]+")\]"""
_PATH = re.compile(rf"(?:\$\.|\$(?=\[))?(?:{_FIELD}|{_QUOTED})(?:\.{_FIELD}|{_QUOTED})*")
_PARTS = re.compile(f"{_QUOTED}|{_FIELD}")
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


class NoKeyError(Exception):
    """A record has no usable key.

    Attributes:
        path: the field of the key that cannot be used, as keys.
        finding: what is wrong with it, as the rest of a sentence; never a value.
        is_missing: the record has no such field.
    """

    def __init__(self, path: tuple[str, ...], finding: str, *, is_missing: bool = False) -> None:
        """Keeps the finding."""
        super().__init__(finding)
        self.path, self.finding, self.is_missing = path, finding, is_missing


@dataclass(frozen=True)
class Key:
    """The fields that name an entry.

    Attributes:
        paths: the keys that lead to each field, in the order of the form.
    """

    paths: tuple[tuple[str, ...], ...] = (("id",),)

    @property
    def names(self) -> tuple[str, ...]:
        """The paths of the fields, as the form writes them."""
        return tuple(_written(path) for path in self.paths)

    @property
    def is_composite(self) -> bool:
        """Whether the key has several fields."""
        return len(self.paths) > 1

    def __str__(self) -> str:
        """Returns the names of the fields, for messages."""
        return ", ".join(f"`{name}`" for name in self.names)

    def of(self, record: Mapping[str, Any]) -> EntryId:
        """Returns the key of a record: of several fields, the JSON array of their values as a text.

        Args:
            record: the entry.

        Raises:
            NoKeyError: a field is missing, or its value cannot be a key.
        """
        if len(self.paths) == 1:
            return _value(record, self.paths[0])
        text = as_text([_value(record, path) for path in self.paths])
        if len(text) > MAX_CHARACTERS:
            found = f"has a key ({self}) of more than {MAX_CHARACTERS} characters as JSON"
            raise NoKeyError(self.paths[0], found)
        return text

    def values(self, entry_id: EntryId) -> tuple[EntryId, ...]:
        """Returns the values of the fields, in their order.

        Args:
            entry_id: an entry's key, as `of` returns it.
        """
        return tuple(json.loads(str(entry_id))) if self.is_composite else (entry_id,)

    def type_of(self, entry_id: EntryId) -> str:
        """Returns the type of a key, in DuckDB's names: BIGINT or VARCHAR, of several fields those of each.

        Args:
            entry_id: an entry's key, as `of` returns it.
        """
        return ", ".join("BIGINT" if isinstance(v, int) else "VARCHAR" for v in self.values(entry_id))

    def fill(self, path: str, entry_id: EntryId) -> str:
        """Returns a path with an entry's key in place of its placeholders, percent-encoded.

        Args:
            path: the path, with the placeholders that `check_placeholders` allows.
            entry_id: the entry's key.
        """
        values = dict(zip(self.names, self.values(entry_id), strict=True))
        if not self.is_composite:
            values["id"] = entry_id
        return _PLACEHOLDER.sub(lambda found: quote(str(values[found[1]]), safe=""), path)

    def check_placeholders(self, path: Any, *, where: str) -> None:
        """Refuses a path that does not have each field of the key exactly once.

        Args:
            path: the value of the form.
            where: the name of the setting, for messages.

        Raises:
            ConfigError: it is no path, or has other placeholders. `{id}` stands for any single key.
        """
        found = sorted(_PLACEHOLDER.findall(path)) if isinstance(path, str) else []
        if found != sorted(self.names) and (self.is_composite or found != ["id"]):
            wanted = " and ".join(f"`{{{name}}}`" for name in self.names)
            once = "each once" if self.is_composite else "once"
            raise ConfigError(f"{where} must be a path with {wanted} in it, {once}.")


def as_text(values: Sequence[EntryId]) -> str:
    """Returns the JSON array of a key's values, as texts that are equal where the keys are.

    It has no white space, and no escapes but those that JSON requires.
    """
    texts = (encode_basestring(value) if isinstance(value, str) else str(value) for value in values)
    return f"[{','.join(texts)}]"


ID = Key()
"""The key of a resource whose form names none: the field `id`."""


def parse_key(one: Mapping[str, Any], *, where: str) -> Key:
    """Parses the key of a resource, from `primary_key` or from the hints of its columns.

    Args:
        one: the resource in the form.
        where: the name of the resource, for messages.

    Returns:
        The key; `id` where the form names none.

    Raises:
        ConfigError: it is not a field, or a list of different fields; or a hint contradicts it.
    """
    hinted = list(_hinted(one.get("columns"), where=where))
    given = one.get("primary_key")
    if given is None:
        given = hinted or "id"
    fields = [given] if isinstance(given, str) else given
    valid = 'a field such as "id", a nested one such as "attributes.email", or a list of several fields'
    if not isinstance(fields, Sequence) or not fields or not all(isinstance(field, str) for field in fields):
        refuse(f"`primary_key` {given!r} of {where}", valid)
    if unfit := [field for field in fields if not _PATH.fullmatch(field)]:
        refuse(f"`primary_key` {unfit[0]!r} of {where}", f"{valid}; a key cannot stand within a list")
    key = Key(tuple(_path(field) for field in fields))
    if len(set(key.paths)) < len(key.paths):
        raise ConfigError(f"`primary_key` of {where} names a field twice: {key}. Name each once.")
    if hinted and set(hinted) != set(fields):
        raise ConfigError(
            f"`columns` of {where} marks `{'`, `'.join(hinted)}` as `primary_key`, but `primary_key` of the "
            f"resource is {key}. Leave out one of the two."
        )
    nesting = one.get("max_table_nesting")
    if isinstance(nesting, int) and any(len(path) - 1 > nesting for path in key.paths):
        raise ConfigError(
            f"`max_table_nesting` {nesting} of {where} keeps the object that holds its key as JSON, so no "
            f"column holds {key}. Set it to at least {max(map(len, key.paths)) - 1}."
        )
    return key


def _hinted(columns: Any, *, where: str) -> Iterator[str]:
    """Yields the fields that `columns` marks as parts of the key."""
    listed: Iterable[tuple[Any, Any]] = columns.items() if isinstance(columns, Mapping) else ()
    if isinstance(columns, Sequence) and not isinstance(columns, str):
        listed = [(one.get("name"), one) for one in columns if isinstance(one, Mapping)]
    for name, hints in listed:
        if not isinstance(hints, Mapping):
            continue
        if found := [hint for hint in REFUSED_HINTS if hints.get(hint)]:
            refuse(
                f"`{found[0]}` of the column `{name}` of {where}",
                "no such hint: only the audit decides which rows are replaced or removed",
            )
        if hints.get("primary_key"):
            yield str(name)


def _path(field: str) -> tuple[str, ...]:
    text = field[1:] if field.startswith(("$.", "$[")) else field
    return tuple(part[2:-2] if part[0] == "[" else part for part in _PARTS.findall(text))


def _written(path: Sequence[str]) -> str:
    parts = [f"['{part}']" if "." in part else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def _value(record: Mapping[str, Any], path: tuple[str, ...]) -> EntryId:
    found: Any = record
    for part in path:
        if not isinstance(found, dict) or part not in found:
            raise NoKeyError(path, f"has no usable `{_written(path)}` (missing)", is_missing=True)
        found = found[part]
    if isinstance(found, str) and 0 < len(found) <= MAX_CHARACTERS:
        return found
    if isinstance(found, int) and not isinstance(found, bool) and found in _INT64:
        return found
    raise NoKeyError(path, _unusable(_written(path), found))


def _unusable(name: str, found: Any) -> str:
    if isinstance(found, str) and found:
        return f"has an `{name}` of more than {MAX_CHARACTERS} characters"
    if isinstance(found, int) and not isinstance(found, bool):
        return f"has an `{name}` of more than 64 bits"
    state = "an empty string" if found == "" else _TYPES.get(type(found), type(found).__name__)
    return f"has no usable `{name}` ({state})"
