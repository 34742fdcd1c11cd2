"""What an answer says beside its entries: a total in a header, whether more follows, where the next page is.

A path of the form that is in no answer has no effect, and a list that ends for this reason would count as
complete. So `Declared` notes which paths were seen, and refuses those that no answer had.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

from requests import Response

from directory_sync.config.fields import is_name
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages
from directory_sync.config.paths import written
from directory_sync.errors import ConfigError, EnvelopeError

_COUNT = re.compile(r"\d{1,18}")
_RANGE = re.compile(r"(?:[A-Za-z]+\s+)?(?:\d+-\d+|\*)/(\d{1,18}|\*)")
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")
_LINK = re.compile(r"next", re.IGNORECASE)
_CURSOR = re.compile(r"next[_-]?(page|start)?[_-]?(token|cursor|key|marker|id|after)?", re.IGNORECASE)
_INNER = frozenset({"href", "url", "link", "after", "cursor"})
_DEEPEST = 3
_URLS = ("http://", "https://", "/", "?")


def header_total(response: Response, name: str | None) -> int | None:
    """Returns the total in a header, such as `X-Total-Count: 3573` or `Content-Range: 0-24/3573`.

    Args:
        response: the answer.
        name: the name of the header; None: no header states a total.

    Returns:
        The total; None: the header is absent, or states none (`0-24/*`).
    """
    text = (response.headers.get(name) or "").strip() if name else ""
    if _COUNT.fullmatch(text):
        return int(text)
    found = _RANGE.fullmatch(text)
    return int(found[1]) if found and found[1] != "*" else None


class Declared:
    """The paths that the form declares, and which of them the answers had. Several threads may use it.

    Args:
        resource: the resource whose answers are read.
    """

    def __init__(self, resource: Resource) -> None:
        """Has seen no answer yet."""
        self._resource, self._pages = resource, resource.pages
        self._lock = Lock()
        self._answers = 0
        self._has_total = False
        self._spelt: str | None = None

    def look(self, document: Any, response: Response) -> bool | None:
        """Notes what an answer has.

        Args:
            document: the decoded body.
            response: the answer.

        Returns:
            Whether more entries follow, as the answer says it; None: the form names no such path.

        Raises:
            EnvelopeError: the answer does not say whether more follows.
        """
        path, header = self._pages.total_path, self._pages.total_header
        with self._lock:
            self._answers += 1
            if path:
                self._has_total |= _has(document, path)
                literal = ".".join(path)
                if len(path) > 1 and _has(document, (literal,)):
                    self._spelt = written((literal,))
            elif header:
                self._has_total |= header in response.headers
        return self._says_more(document)

    def _says_more(self, document: Any) -> bool | None:
        path = self._pages.has_more_path
        if not path:
            return None
        found = _value(document, path)
        if isinstance(found, bool):
            return found
        text = found.strip().lower() if isinstance(found, str) else ""
        if text in _YES or text in _NO:
            return text in _YES
        what = f"of type {type(found).__name__}" if _has(document, path) else "missing"
        raise EnvelopeError(
            f"An answer of `{self._resource.name}` does not say whether more follows: `{written(path)}`, its "
            f"`has_more_path`, is {what}; true or false is needed. Nothing was published. Correct it in "
            f"{self._resource.form_file}, or leave it out."
        )

    def check(self) -> None:
        """Refuses a declared total that no answer had. Call it after the last answer.

        Raises:
            ConfigError: no answer had it.
        """
        if not self._answers or self._has_total or not self._pages.total_is_declared:
            return
        pages = self._pages
        what = (
            f"the header `{pages.total_header}`, its `total_header`"
            if pages.total_header
            else f"`{written(pages.total_path or ())}`, its `total_path`"
        )
        advice = (
            f"The body has a key of this very name: write {self._spelt!r}."
            if self._spelt
            else "Correct it, or leave it out if the API states no total."
        )
        raise ConfigError(
            f"None of {self._answers:,} answers of `{self._resource.name}` has {what}. "
            f"Nothing was published. {advice} It stands in {self._resource.form_file}."
        )


def next_keys(
    document: Any, selector: Sequence[str], *, links: bool, at: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yields the keys of the body, outside of the list, that seem to lead to a next page.

    Args:
        document: the decoded body, or a part of it.
        selector: keys that lead to the list.
        links: look for links; False: for cursors.
        at: the keys that lead to the part.
    """
    if not isinstance(document, dict) or len(at) > _DEEPEST or (at and at == tuple(selector)):
        return
    word = _LINK if links else _CURSOR
    for key, value in document.items():
        if not is_name(key):
            continue
        is_next = bool(word.search(key) if links else word.fullmatch(key)) or (
            key in _INNER and bool(at) and bool(word.fullmatch(at[-1]))
        )
        if is_next and isinstance(value, str) and value and value.startswith(_URLS) == links:
            yield (*at, key)
        yield from next_keys(value, selector, links=links, at=(*at, key))


def unfollowed(document: Any, response: Response, *, resource: Resource, entries: int) -> str | None:
    """Tells why a walk that ends with its only page probably has a wrong path to the next one.

    Args:
        document: the decoded body of the page.
        response: the answer.
        resource: the resource; its paging is `LinkedPages`.
        entries: how many entries the page has.

    Returns:
        The reason, as the rest of a sentence, with what would do; None: there is none.
    """
    pages = resource.pages
    assert isinstance(pages, LinkedPages)
    keys = next(next_keys(document, resource.selector, links=pages.type != "cursor"), None)
    has_header = "next" in response.links
    if pages.type == "single_page" and (has_header or keys):
        where = "in its `Link` header" if has_header else f"at `{written(keys or ())}`"
        return f"has a link to a next page {where}, and `single_page` follows none"
    key, default = {
        "json_link": ("next_url_path", "next"),
        "cursor": ("cursor_path", "cursors.next"),
    }.get(pages.type, ("", ""))
    path = str(pages.options.get(key, default))
    if not path or _is_at(document, path):
        return None
    if keys:
        return f'has no `{path}`, the `{key}`, but `{written(keys)}`: write "{key}": "{written(keys)}"'
    limit = next((name for name, value in resource.params.items() if str(value) == str(entries)), None)
    if limit and entries:
        return (
            f"has no `{path}`, the `{key}`, and exactly as many entries as `{limit}` asks for. If more "
            f"follow, correct `{key}`; if not, ask for another number of entries"
        )
    return None


def _is_at(document: Any, path: str) -> bool:
    from dlt.common import jsonpath

    return bool(jsonpath.find_values(path, document))


def _value(document: Any, path: Sequence[str]) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _has(document: Any, path: Sequence[str]) -> bool:
    *parents, last = path
    found = _value(document, parents)
    return isinstance(found, Mapping) and last in found
