"""Parses the `paginator` of dlt's form: how an API gives its list piece by piece.

Three kinds, by what can be proven of them (`seal.py`, `pages_seal.py`):

    OffsetPages    `offset`: any window can be asked for, so windows overlap and are joined
    NumberedPages  `page_number`: pages cannot overlap; the page before is read again
    LinkedPages    `cursor`, `json_link`, `header_link`, `header_cursor`, `single_page`: the API alone says
                   what comes next, and nothing proves that it told all

What a kind can do is asked of its class (`Pages`). Two places besides choose by the kind: its reader
(`extract/stage.py`) and its seal (`audit/manifest.py`).
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
"""What dlt's class of each type is told."""

TYPES = ("offset", "page_number", *_LINKED_OPTIONS)


class PageAddress(NamedTuple):
    """Which page to ask for.

    Attributes:
        params: the query parameters that name it.
        words: names it in messages, behind the list's path.
        offset: recorded in the page, not sent.
        limit: recorded in the page, not sent.
        before: how much of what the API counts as its total precedes the page.
        place: the parameter that pages, and its value; None: the API's own links lead there.
    """

    params: Mapping[str, Any]
    words: str = ""
    offset: int = 0
    limit: int = 0
    before: int = 0
    place: tuple[str, int] | None = None


class Pages(ABC):
    """How an API gives its list piece by piece.

    Attributes:
        total_path: where the API states its total; None: nowhere.
        proof: what can show that a list read so is complete.
        is_shared_out: any place can be asked for, so several tasks read the list at once; else pages follow
            each other, and one task reads them all.
        counts_entries: the total counts entries; else pages.
        claims: what a resource may claim of such a list in the form: the rest would bear on nothing.
    """

    total_path: tuple[str, ...] | None
    proof: ClassVar[Proof]
    is_shared_out: ClassVar[bool] = False
    counts_entries: ClassVar[bool] = True
    claims: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def own_params(self) -> set[str]:
        """The query parameters that page."""

    @abstractmethod
    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns which page to ask for.

        Args:
            at: an offset or a page's number, by the kind; None: the first page.
            limit: entries to ask for, where a request says so; None: as many as the form says.
        """


@dataclass(frozen=True, kw_only=True)
class OffsetPages(Pages):
    """How the API takes an offset and a limit, and where it states its total."""

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
        """Returns the window at an offset."""
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
    """How the API numbers its pages.

    Attributes:
        base_page: the number of the first page.
        total_path: where the API states how many *pages* there are, as in dlt; None: nowhere.
    """

    proof: ClassVar[Proof] = Proof.REREAD
    counts_entries: ClassVar[bool] = False

    base_page: int = 0
    page_param: str = "page"
    total_path: tuple[str, ...] | None = None

    @property
    def own_params(self) -> set[str]:
        """The query parameters that page."""
        return {self.page_param}

    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the page of a number; how many entries it has is the API's matter."""
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
    """Which of dlt's paginators finds the next page in an answer.

    Attributes:
        type: dlt's name of it.
        options: what it is told.
        total_path: where the API states how many entries there are; None: nowhere. Not dlt's: its own
            paginators of these types know no total.
    """

    proof: ClassVar[Proof] = Proof.WALK
    claims: ClassVar[frozenset[str]] = frozenset({"order", "removals"})

    type: str
    options: Mapping[str, str] = field(default_factory=dict)
    total_path: tuple[str, ...] | None = None

    @property
    def own_params(self) -> set[str]:
        """The query parameters that page; a link brings its own."""
        return {self.options.get("cursor_param", "cursor")} if "cursor" in self.type else set()

    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the first page: to the others only the API's links lead.

        Raises:
            ValueError: another page.
        """
        if at is not None or limit is not None:
            raise ValueError("only the API's own links lead to a page of this list")
        return PageAddress(params={})


def parse_pages(paginator: Any, *, where: str) -> Pages:
    """Parses a paginator, given by its name or as a mapping.

    Raises:
        ConfigError: a type that is not known, or a key that cannot be honoured.
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
    """`total_path` counts only where it is given: dlt's default names what is mostly a count of entries."""
    inside = f"the paginator of {where}"
    refuse_unknown(paginator, _NUMBERED_KEYS, where=inside)
    base = _given(paginator, "base_page", default=0)
    if not isinstance(base, int) or isinstance(base, bool) or base < 0:
        raise ConfigError(f"`base_page` in {inside} is {base!r}; it must be a whole number from 0 on.")
    if _given(paginator, "page", default=base) != base:
        refuse(f"`page` {paginator['page']!r} in {inside}", f"`base_page`, {base}: none is left out")
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
            raise ConfigError(f"`{key}` {options[key]!r} in {inside} is no JSONPath.") from None
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
