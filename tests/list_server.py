"""A small API over real HTTP that serves one list as a test says: any method, body, header and status."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from directory_sync.api.client import DirectoryClient
from directory_sync.api.rate import RequestRate
from directory_sync.config.access import ApiSettings
from directory_sync.config.form import Resource, parse_form
from tests.local_server import LocalServer, QuietHandler


class Asked(NamedTuple):
    """A request as the server got it.

    Attributes:
        query: its query; of doubled parameters the list of pairs is in `pairs`.
        body: the JSON body, or the fields of a form body; None: there was none.
    """

    method: str
    path: str
    query: dict[str, str]
    pairs: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: Any

    @property
    def what(self) -> dict[str, Any]:
        """Query and body as one mapping, whatever the method."""
        return {**self.query, **(self.body or {})}


class Answered(NamedTuple):
    """An answer: its body (bytes as they are, else JSON), status and headers. A status of 0 hangs up."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}


Serve = Callable[[Asked], Answered]


@dataclass
class ListServer(LocalServer):
    """Serves what `serve` returns for each request that is not for a token.

    Attributes:
        serve: answers a request.
        asked: the requests, without those for tokens, in their order.
    """

    serve: Serve = lambda asked: Answered({"data": []})
    asked: list[Asked] = field(default_factory=list)

    def handler(self) -> type[QuietHandler]:
        server = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.answer()

            def answer(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                parts = urlsplit(self.path)
                if parts.path == "/oauth/token":
                    self.send(Answered({"access_token": "token", "expires_in": 3600}))
                    return
                pairs = parse_qsl(parts.query, keep_blank_values=True)
                body: Any = None
                if sent:
                    is_json = "json" in (self.headers.get("Content-Type") or "")
                    body = json.loads(sent) if is_json else dict(parse_qsl(sent))
                asked = Asked(self.command, parts.path, dict(pairs), pairs, dict(self.headers), body)
                server.asked.append(asked)
                self.send(server.serve(asked))

            def send(self, answered: Answered) -> None:
                if not answered.status:
                    self.close_connection = True
                    self.connection.close()
                    return
                body = answered.body
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                content = b"" if body is None else content
                self.send_response(answered.status)
                for name, value in {**answered.headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        return Handler

    @contextmanager
    def client(self, resource: Resource) -> Iterator[DirectoryClient]:
        """A client of a resource, that never sleeps."""
        access = ApiSettings(base_url=self.url, client_id="one", client_secret="secret", timeout_seconds=5.0)
        rate = RequestRate(sleep=lambda seconds: None)
        with closing(DirectoryClient(access, resource, rate=rate, sleep=lambda seconds: None)) as client:
            yield client


def resource_of(endpoint: Mapping[str, Any], **resource: Any) -> Resource:
    """A resource as the form has it."""
    form = {
        "client": {"base_url": "https://api.example.com", "auth": {"type": "oauth2"}},
        "resources": [
            {
                "name": "things",
                "endpoint": {"path": "/things", "data_selector": "data", **endpoint},
                **resource,
            }
        ],
    }
    return parse_form(form)[0]


def rows(ids: Any) -> list[dict[str, Any]]:
    return [{"id": i, "name": f"thing {i}"} for i in ids]
