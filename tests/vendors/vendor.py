"""A small server that answers as the public documentation of one vendor says: the base of all of them.

No vendor was asked, and no vendor's server was called. Each module names the pages that it follows.
The entries are things: machines and rooms, also where a vendor's list is called users.
"""

import base64
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.local_server import LocalServer, QuietHandler

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request: its query and headers as texts, a header by its name in small letters."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))

    def basic(self) -> tuple[str, str] | None:
        """The user and the password of HTTP Basic."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        user, _, password = base64.b64decode(value).decode().partition(":")
        return user, password


@dataclass(frozen=True)
class Answer:
    """One answer: JSON, or None for no body; a header may be given more than once."""

    body: Any
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()


@dataclass
class Vendor(LocalServer):
    """Serves inside a `with` block.

    Attributes:
        largest: the largest page: the vendor's own is larger, and small lists shall have several pages.
        asked: method and path of each request, in order.
        tokens: the access tokens that were granted.
    """

    largest: int = 10
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    @abstractmethod
    def answer(self, asked: Asked) -> Answer:
        """Answers one request."""

    def grant(self) -> str:
        """A new access token."""
        self.tokens.append(f"granted-{type(self).__name__.lower()}-{len(self.tokens)}")
        return self.tokens[-1]

    def has_bearer(self, asked: Asked) -> bool:
        """Whether the request has a token that was granted."""
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and token in self.tokens

    def link(self, path: str, query: Mapping[str, Any]) -> str:
        """The URL of a page."""
        return f"{self.url}{path}?{urlencode(query)}"

    def handler(self) -> type[QuietHandler]:
        vendor = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                asked = Asked(
                    method=self.command,
                    path=parts.path,
                    query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
                )
                vendor.asked.append(f"{asked.method} {asked.path}")
                answer = vendor.answer(asked)
                content = b"" if answer.body is None else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                kind = ("Content-Type", "application/json")
                for name, value in (kind, ("Content-Length", str(len(content))), *answer.headers):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

        return Handler


@dataclass
class Organisation(Vendor):
    """A vendor with users, groups and the members of each group.

    Attributes:
        users: the entries of the list of users, in its order.
        groups: the entries of the list of groups.
        members: by the `id` of a group, the `id` of each user in it. The first group has three pages of
            them, the last one none.
    """

    users: list[Record] = field(default_factory=list)
    groups: list[Record] = field(default_factory=list)
    members: dict[Any, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = [one["id"] for one in self.users]
        self.members = {one["id"]: ids[at : at + 3] for at, one in enumerate(self.groups)}
        self.members[self.groups[0]["id"]] = ids[:25]
        self.members[self.groups[-1]["id"]] = []

    def inside(self, group: Record) -> list[Record]:
        """The users in a group, as the list of its members shows them."""
        return [self.member(one) for one in self.users if one["id"] in self.members[group["id"]]]

    def member(self, user: Record) -> Record:
        """A user as a list of members shows it."""
        return user

    def find(self, listed: list[Record], wanted: str, *, by: str = "id") -> Record | None:
        """The entry of a list that a path asks for."""
        return next((one for one in listed if one[by] == wanted), None)
