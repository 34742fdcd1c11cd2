"""A directory API whose entries a test gives: an offset, a limit, a bearer token."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.local_server import LocalServer, QuietHandler

ONE = "/v1/directory/"
TOKEN = "token-of-the-listing-2b1f"


class Listing(LocalServer):
    """Serves `entries` at /v1/directory inside a `with` block, and one of them at /v1/directory/{id}.

    Attributes:
        unlisted: ids that the list lacks and the path of one entry has.
        find: tells by the path as it was sent, less what comes before the id, whether there is such an entry.
        refusal: the status where there is none.
        asked: those paths, in order.
        lagging: the list of a replica that answers one request in six; None: there is none.
    """

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.unlisted: set[str] = set()
        self.find: Callable[[str], bool] = self.has
        self.refusal = 404
        self.asked: list[str] = []
        self.lagging: list[dict[str, Any]] | None = None
        self.answers = 0

    def handler(self) -> type[QuietHandler]:
        listing = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer({"access_token": TOKEN, "expires_in": 3600})

            def do_GET(self) -> None:
                if self.path.startswith(ONE):
                    sent = self.path.removeprefix(ONE)
                    listing.asked.append(sent)
                    self._answer({}, status=200 if listing.find(sent) else listing.refusal)
                    return
                if urlsplit(self.path).path != ONE.rstrip("/"):
                    self._answer({}, status=404)
                    return
                query = {k: int(v[0]) for k, v in parse_qs(urlsplit(self.path).query).items()}
                start, limit = query["offset"], query["limit"]
                entries = listing.here()
                self._answer({"data": entries[start : start + limit], "total": len(entries)})

            def _answer(self, content: Any, *, status: int = 200) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def here(self) -> list[dict[str, Any]]:
        """The list of the replica that answers now."""
        self.answers += 1
        return self.lagging if self.lagging is not None and self.answers % 6 == 0 else self.entries

    def has(self, sent: str) -> bool:
        """A server that decodes what it is sent."""
        wanted = unquote(sent)
        return wanted in self.unlisted or any(str(entry["id"]) == wanted for entry in self.entries)

    def list_ids(self, ids: Iterable[int | str]) -> None:
        """Lists entries with these ids, in order."""
        self.entries = [{"id": i, "name": f"Site {i}"} for i in sorted(ids)]


@pytest.fixture(scope="module")
def listing() -> Iterator[Listing]:
    """A listing without entries; each test gives its own."""
    with Listing() as server:
        yield server
