"""Finds what an answer says about a next page where the form looks at another place for it.

A path to the next page that is in no answer may be right: some APIs leave it out on the last page. So a pull
whose lists have one page each is refused only if something else in an answer seems to lead to a next page, or
if a page is as long as the request allows.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from requests import Response

from directory_sync.config.fields import is_name
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages
from directory_sync.config.paths import written

_LINK = re.compile(r"next", re.IGNORECASE)
_CURSOR = re.compile(r"next[_-]?(page|start)?[_-]?(token|cursor|key|marker|id|after)?", re.IGNORECASE)
_CURSOR_HEADER = re.compile(r"(.*-)?(next|after)(-?page)?(-?(cursor|token))?", re.IGNORECASE)
_INNER = frozenset({"href", "url", "link", "after", "cursor"})
_URLS = ("http://", "https://", "/", "?")
_DEEPEST = 3
_PAGE_SIZE = re.compile(r"limit|size|top|per_?page|max|count|first|take|items", re.IGNORECASE)
_PATHS = {"json_link": ("next_url_path", "next"), "cursor": ("cursor_path", "cursors.next")}
"""The option of dlt's paginators that leads to the next page in the body, and its default."""


def leads_on(document: Any, pages: LinkedPages) -> bool:
    """Tells whether a body has the form's path to the next page, also where it is null."""
    from dlt.common import jsonpath

    _, path = _next_path(pages)
    return bool(path and jsonpath.find_values(path, document))


def unfollowed(document: Any, response: Response, *, resource: Resource, entries: int) -> str | None:
    """Tells why a walk that ended with its only page has probably not reached the end.

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
    key, path = _next_path(pages)
    if leads_on(document, pages):
        return None
    has_no = f"has no `{path}`, the `{key}`, but" if path else "has"
    if found := _elsewhere(document, response, resource.selector, pages=pages):
        where, would_do = found
        return f"{has_no} {where}, which `{pages.type}` does not follow: write {would_do}"
    asked = {**resource.params, **(resource.asked.json or resource.asked.data or {})}
    limit = next((k for k, v in asked.items() if _PAGE_SIZE.search(k) and str(v) == str(entries)), None)
    if path and limit and entries:
        return (
            f"has no `{path}`, the `{key}`, and exactly as many entries as `{limit}` asks for. If more "
            f"follow, correct `{key}`; if not, ask for another number of entries"
        )
    return None


def _elsewhere(
    document: Any, response: Response, selector: Sequence[str], *, pages: LinkedPages
) -> tuple[str, str] | None:
    """Returns what seems to lead to a next page, and how the form would write it."""
    if "next" in response.links and pages.type != "header_link":
        return "a link to a next page in its header `Link`", '"type": "header_link"'
    if pages.type == "cursor" and (cursor := next(_next_keys(document, selector, _CURSOR), None)):
        return f"a cursor at `{written(cursor)}`", f'"cursor_path": "{written(cursor)}"'
    if link := next(_next_keys(document, selector, _LINK), None):
        form = f'"next_url_path": "{written(link)}"'
        if pages.type != "json_link":
            form = f'"type": "json_link", {form}'
        return f"a link to a next page at `{written(link)}`", form
    if pages.type == "header_cursor":
        known = str(pages.options.get("cursor_key", "next")).lower()
        headers = (n for n, v in response.headers.items() if v and _CURSOR_HEADER.fullmatch(n))
        if name := next((n for n in headers if n.lower() != known), None):
            return f"a cursor in its header `{name}`", f'"cursor_key": "{name}"'
    return None


def _next_keys(
    document: Any, selector: Sequence[str], word: re.Pattern[str], *, at: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yields the keys of the body, outside of the list, that seem to lead to a next page.

    Args:
        document: the decoded body, or a part of it.
        selector: keys that lead to the list.
        word: _LINK or _CURSOR.
        at: the keys that lead to the part.
    """
    if not isinstance(document, dict) or len(at) > _DEEPEST or (at and at == tuple(selector)):
        return
    for key, value in document.items():
        if not is_name(key):
            continue
        is_next = bool(word.search(key) if word is _LINK else word.fullmatch(key)) or (
            key in _INNER and bool(at) and bool(word.fullmatch(at[-1]))
        )
        if is_next and isinstance(value, str) and value and value.startswith(_URLS) == (word is _LINK):
            yield (*at, key)
        yield from _next_keys(value, selector, word, at=(*at, key))


def _next_path(pages: LinkedPages) -> tuple[str, str]:
    """Returns the option that leads to the next page in the body, and its value; empty: there is none."""
    key, default = _PATHS.get(pages.type, ("", ""))
    return key, str(pages.options.get(key, default))
