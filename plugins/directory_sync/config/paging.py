"""Parses the `paginator` of dlt's form: how the API pages its list.

There are three kinds. They differ in what can be proven (`audit/windows_seal.py`, `audit/pages_seal.py`):

    OffsetPages    `offset`: a window can be requested at any offset, so windows overlap and are joined
    NumberedPages  `page_number`: pages cannot overlap; the page before is read again
    LinkedPages    `cursor`, `json_link`, `header_link`, `header_cursor`, `single_page`: only the API says
                   which page comes next, and nothing proves that its links lead to all entries

The properties of a kind are on its class (`Pages`). Two other modules distinguish the kinds: the readers
(`extract/stage.py`) and its seal (`audit/seal.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from dlt.common.jsonpath import compile_path
from jsonpath_ng.exceptions import JSONPathError

from directory_sync.config.kinds import Proof
from directory_sync.config.refusal import parse_selector, refuse, refuse_unknown
from directory_sync.errors import ConfigError

DEFAULT_LIMIT = 100

_OFFSET_KEYS = {"type", "limit", "offset", "offset_param", "limit_param", "total_path"}
_NUMBERED_KEYS = {"type", "base_page", "page", "page_param", "total_path", "stop_after_empty_page"}
_LINKED_OPTIONS = {
    "cursor": {"cursor_path", "cursor_param"},
    "json_link": {"next_url_path"},
    "header_link": {"links_next_key"},
    "header_cursor": {"cursor_key", "cursor_param"},
    "single_page": set[str](),
}
"""The options that are passed to dlt's paginator of each type."""

TYPES = ("offset", "page_number", *_LINKED_OPTIONS)


class PageAddress(NamedTuple):
    """The address of one page: how to request it.

    Attributes:
        params: the query parameters of the page.
        words: the page in messages; it follows the path of the list.
        offset: recorded on the page, not sent.
        limit: recorded on the page, not sent.
        before: how many of the units that the API's total counts (entries or pages) precede the page.
        place: the query parameter that pages, and its value; None: the API's own links lead to the page.
    """

    params: Mapping[str, Any]
    words: str = ""
    offset: int = 0
    limit: int = 0
    before: int = 0
    place: tuple[str, int] | None = None


class Pages(ABC):
    """How an API pages its list.

    Attributes:
        total_path: the keys that lead to the API's total in the body; None: the API states no total.
        proof: what can show that a list which was read this way is complete.
        is_shared_out: a window can be requested at any offset, so several tasks read the list at once. If
            false, each page is found from the one before, and one task reads them all.
        claims: the keys of the form with which a resource may make claims about such a list. Other claims
            would have no effect.
    """

    total_path: tuple[str, ...] | None
    proof: ClassVar[Proof]
    is_shared_out: ClassVar[bool] = False
    claims: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def own_params(self) -> set[str]:
        """The query parameters that the paginator sets."""

    @abstractmethod
    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the address of a page.

        Args:
            at: an offset or a page's number, depending on the kind; None: the first page.
            limit: how many entries to request, if the kind sends a limit; None: the form's limit.
        """


@dataclass(frozen=True, kw_only=True)
class OffsetPages(Pages):
    """An API that takes an offset and a limit.

    Attributes:
        limit: how many entries a request asks for.
        offset_param: the query parameter for the offset.
        limit_param: the query parameter for the limit.
        total_path: the keys that lead to the number of entries in the body; None: the API states none.
    """

    proof: ClassVar[Proof] = Proof.CHAIN
    is_shared_out: ClassVar[bool] = True
    claims: ClassVar[frozenset[str]] = frozenset({"order", "sort_field"})

    limit: int = DEFAULT_LIMIT
    offset_param: str = "offset"
    limit_param: str = "limit"
    total_path: tuple[str, ...] | None = ("total",)

    @property
    def own_params(self) -> set[str]:
        """The query parameters that page."""
        return {self.limit_param, self.offset_param}

    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the address of the window at an offset."""
        offset, limit = at or 0, limit or self.limit
        return PageAddress(
            params={self.limit_param: limit, self.offset_param: offset},
            words=f" at offset {offset}",
            offset=offset,
            limit=limit,
            before=offset,
            place=(self.offset_param, offset),
        )


@dataclass(frozen=True, kw_only=True)
class NumberedPages(Pages):
    """An API that numbers its pages.

    Attributes:
        base_page: the number of the first page.
        page_param: the query parameter for the number.
        total_path: the keys that lead to the number of *pages* in the body, as in dlt; None: none is stated.
    """

    proof: ClassVar[Proof] = Proof.REREAD

    base_page: int = 0
    page_param: str = "page"
    total_path: tuple[str, ...] | None = None

    @property
    def own_params(self) -> set[str]:
        """The query parameters that page."""
        return {self.page_param}

    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the address of the page with a number; the API decides how many entries it has."""
        number = self.base_page if at is None else at
        return PageAddress(
            params={self.page_param: number},
            words=f", page {number}",
            limit=limit or 0,
            before=number - self.base_page,
            place=(self.page_param, number),
        )


@dataclass(frozen=True, kw_only=True)
class LinkedPages(Pages):
    """An API whose answers lead to the next page; one of dlt's paginators finds it.

    Attributes:
        type: dlt's name of the paginator.
        options: the paginator's options.
        total_path: the keys that lead to the number of entries in the body; None: the API states none. This
            is an addition to dlt's form, whose paginators of these types have no total.
    """

    proof: ClassVar[Proof] = Proof.WALK
    claims: ClassVar[frozenset[str]] = frozenset({"order", "removals"})

    type: str
    options: Mapping[str, str] = field(default_factory=dict)
    total_path: tuple[str, ...] | None = None

    @property
    def own_params(self) -> set[str]:
        """The query parameter of a cursor; none for links, which contain their own."""
        return {self.options.get("cursor_param", "cursor")} if "cursor" in self.type else set()

    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the address of the first page; only the API's links lead to the others.

        Raises:
            ValueError: another page is asked for.
        """
        if at is not None or limit is not None:
            raise ValueError("only the API's own links lead to a page of this list")
        return PageAddress(params={})


def parse_pages(paginator: Any, *, where: str) -> Pages:
    """Parses a paginator.

    Args:
        paginator: the value in the form: a type's name, or a mapping with its `type`.
        where: the name of the resource, for messages.

    Raises:
        ConfigError: the type is unknown, or a key is wrong or not supported.
    """
    paginator = {"type": paginator} if isinstance(paginator, str) else paginator
    found = paginator.get("type") if isinstance(paginator, Mapping) else type(paginator).__name__
    if not isinstance(paginator, Mapping) or found not in TYPES:
        refuse(f"Paginator {found!r} of {where}", f'{{"type": "offset", "limit": 100}}; {", ".join(TYPES)}')
    if found == "offset":
        return _parse_offset(paginator, where=where)
    if found == "page_number":
        return _parse_numbered(paginator, where=where)
    return _parse_linked(paginator, where=where)


def _parse_offset(paginator: Mapping[str, Any], *, where: str) -> OffsetPages:
    refuse_unknown(paginator, _OFFSET_KEYS, where=f"the paginator of {where}")
    limit = paginator.get("limit", DEFAULT_LIMIT)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 2:
        raise ConfigError(f"`limit` in the paginator of {where} is {limit!r}; it must be 2 or more.")
    if paginator.get("offset"):
        refuse(f"`offset` {paginator['offset']!r} in the paginator of {where}", "0")
    return OffsetPages(
        limit=limit,
        offset_param=paginator.get("offset_param") or "offset",
        limit_param=paginator.get("limit_param") or "limit",
        total_path=_total_path(paginator.get("total_path", "total"), where=where),
    )


def _parse_numbered(paginator: Mapping[str, Any], *, where: str) -> NumberedPages:
    """Parses numbered pages. dlt's default `total_path` is not used: it mostly counts entries."""
    inside = f"the paginator of {where}"
    refuse_unknown(paginator, _NUMBERED_KEYS, where=inside)
    base = _given(paginator, "base_page", default=0)
    if not isinstance(base, int) or isinstance(base, bool) or base < 0:
        raise ConfigError(f"`base_page` in {inside} is {base!r}; it must be a whole number from 0 on.")
    if _given(paginator, "page", default=base) != base:
        refuse(f"`page` {paginator['page']!r} in {inside}", f"`base_page`, {base}: no page is left out")
    if _given(paginator, "stop_after_empty_page", default=True) is not True:
        refuse(f"`stop_after_empty_page` {paginator['stop_after_empty_page']!r} in {inside}", "True")
    return NumberedPages(
        base_page=base,
        page_param=_text(paginator, "page_param", where=inside) or "page",
        total_path=_total_path(paginator.get("total_path"), where=where),
    )


def _parse_linked(paginator: Mapping[str, Any], *, where: str) -> LinkedPages:
    inside, kind = f"the paginator of {where}", paginator["type"]
    known = _LINKED_OPTIONS[kind]
    stops = {"stop_after_empty_page"} if kind == "cursor" else set()
    refuse_unknown(paginator, known | stops | {"type", "total_path"}, where=inside)
    if _given(paginator, "stop_after_empty_page", default=False) is not False:
        refuse(f"`stop_after_empty_page` {paginator['stop_after_empty_page']!r} in {inside}", "False")
    options = {key: text for key in sorted(known) if (text := _text(paginator, key, where=inside))}
    for key in options.keys() & {"cursor_path", "next_url_path"}:
        try:
            compile_path(options[key])
        except JSONPathError:
            raise ConfigError(f"`{key}` {options[key]!r} in {inside} is not a JSONPath.") from None
    total = _total_path(paginator.get("total_path"), where=where)
    return LinkedPages(type=kind, options=options, total_path=total)


def _given(paginator: Mapping[str, Any], key: str, *, default: Any) -> Any:
    value = paginator.get(key)
    return default if value is None else value


def _text(paginator: Mapping[str, Any], key: str, *, where: str) -> str | None:
    value = paginator.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(f"`{key}` in {where} is of type {type(value).__name__}; a name is needed.")
    return value


def _total_path(path: Any, *, where: str) -> tuple[str, ...] | None:
    return parse_selector(path, where=f"`total_path` of {where}") if path else None
