"""How an API pages its list; `paginator.py` reads it from the form.

There are three kinds. They differ in what can be proven (`audit/windows_seal.py`, `audit/pages_seal.py`):

    OffsetPages    `offset`: a window can be requested at any offset, so windows overlap and are joined
    NumberedPages  `page_number`: pages cannot overlap; the page before is read again
    LinkedPages    `cursor`, `json_link`, `header_link`, `header_cursor`, `single_page`: only the API says
                   which page comes next, and nothing proves that its links lead to all entries

Inside, entries and pages are counted from 0. Only an address adds the first number that the API knows.

The properties of a kind are on its class (`Pages`). Two other modules distinguish the kinds: the readers
(`extract/stage.py`) and its seal (`audit/seal.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from directory_sync.config.kinds import Proof

DEFAULT_LIMIT = 100


class PageAddress(NamedTuple):
    """The address of one page: how to request it.

    Attributes:
        params: the query parameters of the page.
        body: what the page adds to the JSON body of the request, by its dotted path in it.
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
    body: Mapping[str, Any] = {}


class Pages(ABC):
    """How an API pages its list.

    Attributes:
        total_path: the keys that lead to the API's total in the body; None: no total stands there.
        total_header: the header that holds the API's total; None: no total stands in a header.
        total_is_declared: the form names the path or the header, so the total must be there.
        has_more_path: the keys that lead to the API's word whether more follows; None: it gives none.
        proof: what can show that a list which was read this way is complete.
        is_shared_out: a window can be requested at any offset, so several tasks read the list at once. If
            false, each page is found from the one before, and one task reads them all.
        claims: the keys of the form with which a resource may make claims about such a list. Other claims
            would have no effect.
    """

    total_path: tuple[str, ...] | None
    total_header: str | None
    total_is_declared: bool
    has_more_path: tuple[str, ...] | None
    proof: ClassVar[Proof]
    is_shared_out: ClassVar[bool] = False
    claims: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def own_params(self) -> set[str]:
        """The query parameters that the paginator sets, and that the form's `params` may not set."""

    @property
    def body_paths(self) -> tuple[str, ...]:
        """The dotted paths in the JSON body that the paginator sets."""
        return ()

    @abstractmethod
    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the address of a page.

        Args:
            at: an offset or a page's number, depending on the kind; None: the first page.
            limit: how many entries to request, if the kind sends a limit; None: the form's limit.
        """


@dataclass(frozen=True, kw_only=True)
class OffsetPages(Pages):
    """An API that takes an offset and a limit, in the query or in the JSON body.

    Attributes:
        limit: how many entries a request asks for.
        first: the API's offset of the first entry, 0 or 1 (`offset` in the form).
        offset_param: the query parameter for the offset.
        limit_param: the query parameter for the limit.
        offset_body_path: the dotted path of the offset in the body; it replaces `offset_param`.
        limit_body_path: the dotted path of the limit in the body; it replaces `limit_param`.
        total_path: the keys that lead to the number of entries in the body; None: none stands there.
        total_header: see `Pages`.
        total_is_declared: see `Pages`.
        has_more_path: see `Pages`.
    """

    proof: ClassVar[Proof] = Proof.CHAIN
    is_shared_out: ClassVar[bool] = True
    claims: ClassVar[frozenset[str]] = frozenset({"order", "sort_field"})

    limit: int = DEFAULT_LIMIT
    first: int = 0
    offset_param: str = "offset"
    limit_param: str = "limit"
    offset_body_path: str | None = None
    limit_body_path: str | None = None
    total_path: tuple[str, ...] | None = ("total",)
    total_header: str | None = None
    total_is_declared: bool = field(default=False, compare=False)
    has_more_path: tuple[str, ...] | None = None

    @property
    def own_params(self) -> set[str]:
        """The query parameters that page."""
        in_query = {self.limit_param: self.limit_body_path, self.offset_param: self.offset_body_path}
        return {param for param, body_path in in_query.items() if body_path is None}

    @property
    def body_paths(self) -> tuple[str, ...]:
        """The dotted paths in the JSON body that page."""
        return tuple(path for path in (self.offset_body_path, self.limit_body_path) if path)

    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the address of the window at an offset; -1 is the place before the first entry."""
        offset, limit = at or 0, limit or self.limit
        number = offset + self.first
        sent = [
            (self.limit_body_path, self.limit_param, limit),
            (self.offset_body_path, self.offset_param, number),
        ]
        return PageAddress(
            params={param: value for body_path, param, value in sent if not body_path},
            body={body_path: value for body_path, _, value in sent if body_path},
            words=f" at offset {number}",
            offset=offset,
            limit=limit,
            before=max(0, offset),
            place=(self.offset_body_path or self.offset_param, number),
        )


@dataclass(frozen=True, kw_only=True)
class NumberedPages(Pages):
    """An API that numbers its pages; the number stands in the query or in the JSON body.

    Attributes:
        base_page: the number of the first page.
        page_param: the query parameter for the number.
        page_body_path: the dotted path of the number in the body; it replaces `page_param`.
        total_path: the keys that lead to the number of *pages* in the body, as in dlt; None: none is stated.
        total_header: the header that holds the number of *pages*; None: none does.
        total_is_declared: see `Pages`.
        has_more_path: see `Pages`.
    """

    proof: ClassVar[Proof] = Proof.REREAD

    base_page: int = 0
    page_param: str = "page"
    page_body_path: str | None = None
    total_path: tuple[str, ...] | None = None
    total_header: str | None = None
    total_is_declared: bool = field(default=False, compare=False)
    has_more_path: tuple[str, ...] | None = None

    @property
    def own_params(self) -> set[str]:
        """The query parameters that page."""
        return set() if self.page_body_path else {self.page_param}

    @property
    def body_paths(self) -> tuple[str, ...]:
        """The dotted paths in the JSON body that page."""
        return (self.page_body_path,) if self.page_body_path else ()

    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the address of the page with a number; the API decides how many entries it has."""
        number = self.base_page if at is None else at
        path = self.page_body_path
        return PageAddress(
            params={} if path else {self.page_param: number},
            body={path: number} if path else {},
            words=f", page {number}",
            limit=limit or 0,
            before=number - self.base_page,
            place=(path or self.page_param, number),
        )


@dataclass(frozen=True, kw_only=True)
class LinkedPages(Pages):
    """An API whose answers lead to the next page; one of dlt's paginators finds it.

    Attributes:
        type: dlt's name of the paginator; for a paginator object, the name of its class.
        options: the paginator's options.
        paginator: the paginator object of the form; None: dlt makes one of `type` and `options`.
        start: the cursor of the first page; None: the first request has that of the form's `params`, or none.
        stops_when_empty: two empty answers to one request end the walk.
        resends_params: the form's `params` that a link lacks are sent with it.
        total_path: the keys that lead to the number of entries in the body; None: none stands there. This
            and `total_header` are additions to dlt's form, whose paginators of these types have no total.
        total_header: see `Pages`.
        total_is_declared: see `Pages`.
        has_more_path: see `Pages`; it can end a walk before its links do.
    """

    proof: ClassVar[Proof] = Proof.WALK
    claims: ClassVar[frozenset[str]] = frozenset({"order", "removals"})

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    paginator: Any = field(default=None, compare=False)
    start: str | None = None
    stops_when_empty: bool = False
    resends_params: bool = False
    total_path: tuple[str, ...] | None = None
    total_header: str | None = None
    total_is_declared: bool = field(default=False, compare=False)
    has_more_path: tuple[str, ...] | None = None

    @property
    def own_params(self) -> set[str]:
        """The query parameter of a cursor, if the paginator sets its first value; links have their own."""
        return {self.cursor_param} if self.cursor_param and self.start is not None else set()

    @property
    def body_paths(self) -> tuple[str, ...]:
        """The dotted path of a cursor in the JSON body, if the paginator sets its first value."""
        path = self.options.get("cursor_body_path")
        return (path,) if path and self.start is not None else ()

    @property
    def cursor_param(self) -> str | None:
        """The query parameter of the cursor; None: links lead to the pages, or the body holds the cursor."""
        if self.type not in ("cursor", "header_cursor") or self.options.get("cursor_body_path"):
            return None
        return str(self.options.get("cursor_param", "cursor"))

    def address(self, at: int | None = None, limit: int | None = None) -> PageAddress:
        """Returns the address of the first page; only the API's links lead to the others.

        Raises:
            ValueError: another page is asked for.
        """
        if at is not None or limit is not None:
            raise ValueError("only the API's own links lead to a page of this list")
        return PageAddress(
            params=dict.fromkeys(self.own_params, self.start),
            body=dict.fromkeys(self.body_paths, self.start),
        )
