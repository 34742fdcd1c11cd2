"""A directory API whose entries a test gives: an offset, a limit, a bearer token."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

TOKEN = "token-of-the-listing-2b1f"


class Listing:
    """Serves `entries` at /v1/directory inside a `with` block."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        listing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer({"access_token": TOKEN, "expires_in": 3600})

            def do_GET(self) -> None:
                query = {k: int(v[0]) for k, v in parse_qs(urlsplit(self.path).query).items()}
                start, limit = query["offset"], query["limit"]
                page = listing.entries[start : start + limit]
                self._answer({"data": page, "total": len(listing.entries)})

            def _answer(self, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
