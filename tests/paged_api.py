"""A small API over real HTTP that gives one list in each of the ways dlt's paginators know."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.local_server import LocalServer, QuietHandler

PAGE_SIZE = 10
LINKED = ("cursor", "json_link", "header_link", "header_cursor", "single_page")
PAGINATORS: dict[str, dict[str, Any]] = {
    "page_number": {"type": "page_number", "base_page": 1},
    "cursor": {"type": "cursor", "cursor_path": "cursors.next", "cursor_param": "after"},
    "json_link": {"type": "json_link", "next_url_path": "'@odata.nextLink'"},
    "header_link": {"type": "header_link"},
    "header_cursor": {"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "after"},
    "single_page": {"type": "single_page"},
}
SENTINEL = "SENTINEL-IN-BODY"


@dataclass
class PagedApi(LocalServer):
    """A directory of entries by their ids, in the order of the list.

    Attributes:
        size: entries on a page.
        before: called with the api and the query before each answer.
        reference: of an offset, the cursor or link that is given instead of the right one.
        empty: offsets or page numbers that are answered with no entries.
        refused: numbers of answers that are 401.
        total: what the answers state as `total`.
        asked: the queries, in order.
        hidden: ids that are left out after the page was cut.
        unlisted: ids that the list lacks and /v1/directory/{id} has.
    """

    ids: list[int | str] = field(default_factory=list)
    style: str = "json_link"
    size: int = PAGE_SIZE
    before: Callable[["PagedApi", dict[str, str]], None] = lambda api, query: None
    reference: Callable[[int], Any] | None = None
    empty: Sequence[int] = ()
    refused: Sequence[int] = ()
    total: int | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    hidden: set[int | str] = field(default_factory=set)
    unlisted: set[int] = field(default_factory=set)
    tokens: int = 0

    def handler(self) -> type[QuietHandler]:
        api = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                api.tokens += 1
                self.answer(200, {"access_token": f"token-{api.tokens}", "expires_in": 3600}, {})

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path.startswith("/v1/directory/"):
                    is_there = int(path.rpartition("/")[2]) in {*api.ids, *api.unlisted}
                    self.answer(200 if is_there else 404, {}, {})
                    return
                query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
                api.asked.append(query)
                if len(api.asked) in api.refused:
                    self.answer(401, {}, {})
                else:
                    api.before(api, query)
                    self.answer(200, *api.page(query))

            def answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        return Handler

    @property
    def paginator(self) -> dict[str, Any]:
        return PAGINATORS[self.style]

    def page(self, query: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """The body and the headers of an answer."""
        if self.style == "page_number":
            number = int(query.get("page", 1))
            at = (number - 1) * self.size
            is_empty = number in self.empty
        else:
            at = int(query.get("after") or 0)
            is_empty = at in self.empty
        stop = len(self.ids) if self.style == "single_page" else at + self.size
        ids = [] if is_empty else self.ids[at:stop]
        body: dict[str, Any] = {
            "data": [{"id": i, "name": f"{SENTINEL} {i}"} for i in ids if i not in self.hidden]
        }
        if self.total is not None:
            body["total"] = self.total
        following = stop if stop < len(self.ids) else None
        return body, self._refer(following, body)

    def _refer(self, following: int | None, body: dict[str, Any]) -> dict[str, str]:
        if following is not None and self.reference:
            reference = self.reference(following)
        elif following is not None and "link" in self.style:
            reference = f"{self.url}/v1/directory?after={following}"
        else:
            reference = following
        if self.style == "cursor":
            body["cursors"] = {"next": reference}
        elif self.style == "json_link":
            body["@odata.nextLink"] = reference
        elif self.style == "header_link" and reference is not None:
            return {"Link": f'<{reference}>; rel="next", <{self.url}>; rel="first"'}
        elif self.style == "header_cursor" and reference is not None:
            return {"X-Next": str(reference)}
        return {}
