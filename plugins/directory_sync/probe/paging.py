"""Finds how an API pages a list: what it says itself first, then the usual parameters, one request each."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from directory_sync.config.masking import query_secrets
from directory_sync.config.paths import written
from directory_sync.config.urls import has_userinfo, origin, shown_origin
from directory_sync.probe.seen import Seen

OFFSETS = (
    ("offset", "limit"), ("skip", "limit"), ("startIndex", "count"), ("startAt", "maxResults"),
    ("first", "max"), ("start", "limit"), ("start_index", "items_per_page"),
    ("sysparm_offset", "sysparm_limit"),
    ("$skip", "$top"), ("page[offset]", "page[limit]"), ("pagination[start]", "pagination[limit]"),
    ("_start", "_limit"),
)  # fmt: skip
"""Pairs of parameters for an offset and a limit."""
NUMBERS = ("page", "page[number]", "pageNumber", "page_number", "pagination[page]", "_page", "p")
"""Parameters for a page's number."""
SIZES = frozenset(
    {"per_page", "page_size", "pageSize", "page[size]", "pagination[pageSize]", "size", "results_per_page"}
)
_CURSOR_PARAMS = ("cursor", "after", "page[after]", "page[cursor]", "pageToken", "page_token")
LARGE = 1_000
AT, SOME = 2, 3
MAX_REQUESTS = 24
Ask = Callable[..., Seen | None]
"""Asks for the list: `ask(params)` or `ask(url=...)`; None: refused, or no list, or too many requests."""


@dataclass(kw_only=True)
class Paging:
    """How a list is paged.

    Attributes:
        paginator: as the form has it; None: not found.
        second: another page; None: none was seen.
        params: what the form's `params` need besides those of the URL.
        says: what was seen.
        unsure: what is not known, and how to check it.
    """

    paginator: dict[str, Any] | None = None
    second: Seen | None = None
    params: dict[str, Any] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


class Pager:
    """Finds the paging of one list.

    Args:
        ask: asks for the list.
        first: its first page.
        key: the field that tells the entries apart; None: all fields do.
        url: the URL of the list.
    """

    def __init__(self, ask: Ask, first: Seen, key: str | None, *, url: str) -> None:
        """Asks nothing yet."""
        self._ask, self._first, self._key, self._url = ask, first, key, url
        self._ids = first.ids(key)

    def find(self) -> Paging:
        """Returns how the list is paged; it asks for a few pages."""
        first = self._first
        link = first.link or (first.next_url() or ("", ""))[1]
        named = {name for name, _ in parse_qsl(urlsplit(link).query, keep_blank_values=True)}
        named |= {name for name, _ in parse_qsl(urlsplit(self._url).query, keep_blank_values=True)}
        likely = [pair for pair in OFFSETS if pair[0] in named or pair[0] in self._words]
        found = self._by_offsets(likely) or self._by_numbers(n for n in NUMBERS if n in named)
        found = found or self._by_links(link) or self._by_cursors()
        if found is None and not self._says_how_to_go_on:
            others = [pair for pair in OFFSETS if pair not in likely]
            found = self._by_offsets(others) or self._by_numbers(n for n in NUMBERS if n not in named)
        found = found or self._unfound()
        if found.paginator:
            self._add_words(found)
        sizes = {name: value for name, value in parse_qsl(urlsplit(link).query) if name in SIZES}
        if found.paginator and found.paginator["type"] == "page_number":
            found.params |= {name: int(value) for name, value in sizes.items() if value.isdecimal()}
        return found

    @property
    def _says_how_to_go_on(self) -> bool:
        """Whether the first answer itself has a link or a cursor, so that no parameter is guessed."""
        return bool(self._first.link or self._first.next_url())

    @property
    def _words(self) -> set[str]:
        document = self._first.document
        return set(document) if isinstance(document, dict) else set()

    def _by_offsets(self, pairs: Iterable[tuple[str, str]]) -> Paging | None:
        if len(self._ids) <= AT:
            return None
        for offset, limit in pairs:
            seen = self._ask({offset: AT, limit: SOME})
            ids = seen.ids(self._key) if seen else []
            at = self._ids.index(ids[0]) if ids and ids[0] in self._ids else None
            if at not in (AT, AT - 1) or self._ids[at : at + len(ids)] != ids[: len(self._ids) - at]:
                continue
            paginator: dict[str, Any] = {"type": "offset", "limit": max(len(self._ids), 2)}
            paginator |= {"offset": AT - at} if at < AT else {}
            paginator |= {"offset_param": offset} if offset != "offset" else {}
            paginator |= {"limit_param": limit} if limit != "limit" else {}
            found = Paging(paginator=paginator, second=seen)
            found.says.append(f"`{offset}={AT}` begins at entry {at + 1}, so offsets count from {AT - at}.")
            if len(ids) > SOME:
                found.unsure.append(
                    f"`{limit}={SOME}` was answered with {len(ids):,} entries: the parameter for the size of "
                    "a page may have another name. Look it up; set `limit_param`."
                )
            else:
                self._find_cap(found, offset, limit, at=AT - at)
            return found
        return None

    def _find_cap(self, found: Paging, offset: str, limit: str, *, at: int) -> None:
        assert found.paginator is not None
        large = self._ask({offset: at, limit: LARGE})
        total = self._first.total[1] if self._first.total else None
        if large is None:
            found.unsure.append(
                f"`{limit}={LARGE}` is refused: look up the largest page, and set `limit` to it."
            )
            return
        count = len(large.entries)
        if count >= LARGE:
            found.paginator["limit"] = LARGE
            found.says.append(f"`{limit}={LARGE}` is answered in full.")
        elif total is not None and count < total:
            found.paginator["limit"] = max(count, 2)
            found.says.append(f"A page has at most {count:,} entries.")
        else:
            found.paginator["limit"] = 100
            found.unsure.append(
                f"`{limit}={LARGE}` was answered with {count:,} entries, which may be the whole list: look "
                "up the largest page, and set `limit` to it."
            )

    def _by_numbers(self, names: Iterable[str]) -> Paging | None:
        for name in names:
            one = self._ask({name: 1})
            ids = one.ids(self._key) if one else []
            base = 0
            if ids and ids == self._ids:
                one, base = self._ask({name: 2}), 1
                ids = one.ids(self._key) if one else []
            if ids and set(ids).isdisjoint(self._ids):
                paginator: dict[str, Any] = {"type": "page_number", "base_page": base}
                paginator |= {"page_param": name} if name != "page" else {}
                found = Paging(paginator=paginator, second=one)
                found.says.append(f"`{name}={base + 1}` is the second page, with {len(ids):,} entries.")
                found.unsure.append(
                    "Numbered pages are read twice each. Look up whether the API has offsets, and how pages "
                    "get larger: that parameter goes into `params`."
                )
                return found
        return None

    def _by_links(self, link: str) -> Paging | None:
        if not link:
            return None
        in_body = None if self._first.link else self._first.next_url()
        url = urljoin(self._url, link)
        if origin(url) != origin(self._url) or has_userinfo(url):
            return Paging(
                unsure=[
                    (
                        f"The link to the next page leads to {shown_origin(url)}, and no credential goes "
                        "there: probe the list at that address, with a connection to it."
                    )
                ]
            )
        seen = self._ask(url=url)
        if seen is None or not set(seen.ids(self._key)).isdisjoint(self._ids):
            return None
        kind = {"type": "json_link", "next_url_path": in_body[0]} if in_body else {"type": "header_link"}
        where = f"`{in_body[0]}` in the body" if in_body else "the header `Link`"
        return Paging(paginator=kind, second=seen, says=[f"The link in {where} leads to the second page."])

    def _by_cursors(self) -> Paging | None:
        for path, name, value in self._first.cursors():
            for param in _params_of(name):
                if seen := self._other({param: value}):
                    paginator = {"type": "cursor", "cursor_path": path, "cursor_param": param}
                    says = [f"`{path}` in the body, sent as `{param}`, leads to the second page."]
                    return Paging(paginator=paginator, second=seen, says=says)
        for header, value in self._first.cursor_headers():
            for param in _params_of(header.replace("-", "_").lower()):
                if seen := self._other({param: value}):
                    paginator = {"type": "header_cursor", "cursor_key": header, "cursor_param": param}
                    says = [f"The header `{header}`, sent as `{param}`, leads to the second page."]
                    return Paging(paginator=paginator, second=seen, says=says)
        return None

    def _other(self, params: Mapping[str, Any]) -> Seen | None:
        seen = self._ask(params)
        return seen if seen and seen.entries and set(seen.ids(self._key)).isdisjoint(self._ids) else None

    def _unfound(self) -> Paging:
        count, total = len(self._ids), self._first.total
        if total and total[1] == count:
            return Paging(
                paginator={"type": "single_page"},
                unsure=[
                    (
                        f"All {count:,} entries came in one answer, and no parameter changed that. A list "
                        "that grows beyond one page would then be cut: look up the API's paging; or probe a "
                        "URL with a small page, such as ?page_size=3."
                    )
                ],
            )
        of = f" of {total[1]:,}" if total else ""
        return Paging(
            unsure=[
                (
                    f"How the list is paged was not found; {count:,}{of} entries came. The form has no "
                    "`paginator`, and "
                    'is refused so. Look it up; where this answer is the whole list, write "paginator": '
                    '"single_page".'
                )
            ]
        )

    def _add_words(self, found: Paging) -> None:
        """Adds the total and the word that more follows, where the kind of paging has them."""
        assert found.paginator is not None
        kind, first = found.paginator["type"], self._first
        if first.total and kind != "page_number":
            place = first.total[0]
            key, name = ("total_header", place) if isinstance(place, str) else ("total_path", written(place))
            if not (kind == "offset" and name == "total"):
                found.paginator[key] = name
        if first.has_more and kind in ("offset", "page_number", "cursor"):
            found.paginator["has_more_path"] = first.has_more


def _params_of(name: str) -> Iterator[str]:
    """Yields the parameters under which a cursor of this name may be sent."""
    bare = re.sub(r"^(next|end)_?", "", name)
    seen = dict.fromkeys((bare[:1].lower() + bare[1:], name, *_CURSOR_PARAMS))
    return iter([param for param in seen if param][:6])


def secret_params(url: str) -> set[str]:
    """Returns the parameters of a URL whose values seem to be secrets."""
    return {name for name, value in parse_qsl(urlsplit(url).query) if any(query_secrets([(name, value)]))}
