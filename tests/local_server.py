"""HTTP on a free port of this machine, for the small APIs of the tests."""

import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class QuietHandler(BaseHTTPRequestHandler):
    """Answers requests on connections that are kept, and logs nothing."""

    protocol_version = "HTTP/1.1"
    # One packet an answer: else each waits 40 ms for an acknowledgement.
    wbufsize = -1

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class LocalServer(ABC):
    """Serves from the begin of its block to its end."""

    @abstractmethod
    def handler(self) -> type[QuietHandler]:
        """The class that answers one request."""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"
