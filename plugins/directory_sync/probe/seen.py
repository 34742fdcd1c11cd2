"""What one answer shows: the list, its key, and where the answer says how to go on."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from requests import Response

from directory_sync.api.shape import is_like_a_key, keys_of, lists_in, total_in
from directory_sync.config.fields import is_name, value_at
from directory_sync.config.paths import written

MAX_DEPTH = 4
_NEXT = re.compile(r"next", re.IGNORECASE)
_CURSOR = re.compile(r"next|cursor|after|token|bookmark|continu|scroll", re.IGNORECASE)
_MORE = re.compile(r"(has_?)?more(_?(items|results|pages))?|has_?next(_?page)?", re.IGNORECASE)
_CURSOR_HEADER = re.compile(r"(next|after)-?.*(cursor|token)|cursor", re.IGNORECASE)


@dataclass(frozen=True)
class Seen:
    """One answer that holds a list.

    Attributes:
        document: the body.
        headers: the headers.
        link: the URL of the header `Link` with `rel="next"`; empty: there is none.
        selector: the path of the list, as the form has it.
        items: the items of the list.
        item: the key that leads from an item to its entry; empty: the item is the entry.
    """

    document: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    link: str
    selector: str
    items: list[Any] = field(repr=False)
    item: str = ""

    @cached_property
    def entries(self) -> list[Any]:
        """The entries."""
        return [one[self.item] for one in self.items] if self.item else self.items

    @cached_property
    def keys(self) -> list[str]:
        """The dotted paths of fields that may be the key, the likeliest first."""
        found = [name for name in keys_of(self.entries) if is_like_a_key(name)]
        if found or not self.entries or not isinstance(self.entries[0], dict):
            return found
        inner = [name for name, value in self.entries[0].items() if isinstance(value, dict) and is_name(name)]
        parts = {name: [one.get(name) for one in self.entries if isinstance(one, dict)] for name in inner}
        return [f"{name}.{key}" for name in inner for key in keys_of(parts[name]) if is_like_a_key(key)]

    def ids(self, key: str | None) -> list[str]:
        """Returns what tells the entries apart: their keys; without a key all they hold."""
        values = [value_at(one, key.split(".")) if key else one for one in self.entries]
        return [json.dumps(value, sort_keys=True) for value in values]

    @cached_property
    def total(self) -> tuple[tuple[str, ...] | str, int] | None:
        """Where the count of all entries is, as keys or as a header's name, and what it says."""
        return total_in(self.document, self.headers, entries=len(self.entries))

    @cached_property
    def has_more(self) -> str | None:
        """The path of the API's word that more follows; None: it says none."""
        return next(
            (written(path) for path, value in self._around() if value is True and _is_more(path)), None
        )

    def next_url(self) -> tuple[str, str] | None:
        """Returns the path of a link to the next page in the body, and the link; None: there is none."""
        for path, value in self._around():
            is_link = isinstance(value, str) and value.startswith(("http://", "https://", "/", "?"))
            if is_link and any(_NEXT.search(name) for name in path):
                return written(path), value
        return None

    def cursors(self) -> Iterator[tuple[str, str, str]]:
        """Yields the path of what may be a cursor in the body, its last key, and its value."""
        for path, value in self._around():
            is_plain = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
            is_link = isinstance(value, str) and value.startswith(("http://", "https://", "/", "?"))
            if is_plain and not is_link and any(_CURSOR.search(name) for name in path):
                yield written(path), path[-1], str(value)

    def cursor_headers(self) -> Iterator[tuple[str, str]]:
        """Yields the headers that may hold a cursor, and their values."""
        return ((n, v) for n, v in self.headers.items() if _CURSOR_HEADER.search(n) and v)

    def _around(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yields all values beside the list, with their paths; names that may be data are left out."""
        return _values(self.document, self.items, ())


def seen_in(response: Response) -> Seen | None:
    """Returns what an answer shows; None: it holds no list of objects."""
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    lists = lists_in(document)
    if not lists:
        return None
    path, items = lists[0]
    selector, item = written(tuple(path)), _only_key(items)
    if item:
        selector = f"{selector}[*].{item}"
    link = response.links.get("next", {}).get("url", "")
    return Seen(document, response.headers, link, selector, items, item)


def _only_key(items: list[Any]) -> str:
    """Returns the key that each item has alone, and that holds its entry, as in GraphQL's edges."""
    names = {name for one in items if isinstance(one, dict) for name in one}
    if len(names) != 1:
        return ""
    name = names.pop()
    return (
        name
        if is_name(name) and all(isinstance(one, dict) and isinstance(one[name], dict) for one in items)
        else ""
    )


def _values(value: Any, items: list[Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and len(path) < MAX_DEPTH:
        for name, inner in value.items():
            if is_name(name) and inner is not items:
                yield from _values(inner, items, (*path, name))
    elif path and not isinstance(value, dict | list):
        yield path, value


def _is_more(path: tuple[str, ...]) -> bool:
    return bool(_MORE.fullmatch(path[-1]))
