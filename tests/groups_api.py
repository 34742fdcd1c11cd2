"""A directory of groups and their members, served over HTTP."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.local_server import LocalServer, QuietHandler

PAGINATORS: dict[str, dict[str, Any]] = {
    "offset": {"type": "offset", "limit": 100},
    "page_number": {"type": "page_number", "base_page": 1},
    "json_link": {"type": "json_link", "next_url_path": "next"},
    "cursor": {"type": "cursor", "cursor_path": "next", "cursor_param": "after"},
    "single_page": {"type": "single_page"},
}


@dataclass
class GroupsApi(LocalServer):
    """Groups by their keys, and the keys of the members of each.

    Attributes:
        groups: the members of each group, in the order of the list.
        style: how the lists of members are paged; that of the groups has offsets.
        cap: entries on a page of members.
        statuses: the status of the answer for a group's members.
        before: called with the api, the group (None: the list of groups) and the query before each answer.
        asked: how often the members of each group were asked for.
        states_total: whether answers state the number of entries.
        says_more: the groups whose answers say that more follows, always; of others they say it rightly.
    """

    groups: dict[int | str, list[int]] = field(default_factory=dict)
    style: str = "offset"
    cap: int = 100
    statuses: dict[int | str, int] = field(default_factory=dict)
    before: Callable[["GroupsApi", int | str | None, dict[str, str]], int | None] = lambda api, g, q: None
    asked: Counter[int | str] = field(default_factory=Counter)
    states_total: bool = False
    gone: set[int | str] = field(default_factory=set)
    says_more: set[int | str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def handler(self) -> type[QuietHandler]:
        api = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.answer(200, {"access_token": "token-1", "expires_in": 3600})

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                with api.lock:
                    status, body = api.respond([unquote(part) for part in url.path.split("/")[1:]], query)
                if status == 0:
                    self.close_connection = True
                    return
                self.answer(status, body)

            def answer(self, status: int, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler

    def reset(self, groups: dict[int | str, list[int]]) -> None:
        """Serves other groups, without faults."""
        self.groups, self.style, self.cap, self.states_total = groups, "offset", 100, False
        self.statuses, self.gone, self.says_more = {}, set(), set()
        self.before = lambda api, g, q: None
        self.asked.clear()

    @property
    def memberships(self) -> set[tuple[int | str, int]]:
        return {(group, member) for group, members in self.groups.items() for member in members}

    def respond(self, path: list[str], query: dict[str, str]) -> tuple[int, Any]:
        """The status and the body of an answer; status 0: the connection is cut."""
        key = next((one for one in (*self.groups, *self.gone) if str(one) == (path[1:2] or [""])[0]), None)
        if len(path) == 2:
            return (404, {}) if key is None or key in self.gone else (200, {"id": key})
        of_members = path[-1] == "members"
        status = self.before(self, key if of_members else None, query)
        if status is not None:
            return status, {}
        if not of_members:
            at = int(query.get("offset", 0))
            listed = list(self.groups)
            rows = [{"id": one, "name": f"Group {one}"} for one in listed[at : at + int(query["limit"])]]
            return 200, {"data": rows, "total": len(listed)}
        if key is None or key in self.gone:
            return 404, {}
        self.asked[key] += 1
        if key in self.statuses:
            return self.statuses[key], {}
        return 200, self._page(self.groups[key], query, path)

    def _page(self, members: list[int], query: dict[str, str], path: list[str]) -> dict[str, Any]:
        at, size = int(query.get("offset") or query.get("after") or 0), self.cap
        if self.style == "offset":
            size = min(size, int(query["limit"]))
        elif self.style == "page_number":
            at = (int(query["page"]) - 1) * size
        elif self.style == "single_page":
            size = len(members)
        body: dict[str, Any] = {"data": [{"id": one, "role": "reader"} for one in members[at : at + size]]}
        body["more"] = at + size < len(members) or path[1] in map(str, self.says_more)
        if at + size < len(members):
            following = f"{self.url}/{'/'.join(path)}?after={at + size}"
            body["next"] = following if self.style == "json_link" else at + size
        if self.states_total:
            body["total"] = len(members)
        return body
