"""A server that answers with bytes over a real connection: what no HTTP library would send."""

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = bytes | Callable[[socket.socket], None]
"""The bytes of an answer, status line and all, or what is done with the connection."""

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def http(
    body: Any, *, status: str = "200 OK", headers: Sequence[str] = (), length: int | None = None
) -> bytes:
    """An answer as it goes over the wire."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def reset_at_once(connection: socket.socket) -> None:
    """Makes closing the connection reset it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def silence(connection: socket.socket) -> None:
    """Answers nothing until the client goes away."""
    connection.recv(1)


class WireServer:
    """Answers each connection once, on a thread of its own.

    Args:
        answer: what a page request gets; a token request gets `token`.
        context: serves TLS.

    Attributes:
        pages: requests other than for a token.
    """

    def __init__(
        self,
        answer: Answer = b"",
        *,
        token: str = "SENTINEL-TOKEN",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.answer, self.context = answer, context
        self.pages = 0
        self._token = token
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://localhost:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def respond(self, head: bytes) -> Answer:
        """The answer to a request, by its first line and headers."""
        if head.startswith(b"POST"):
            return http({"access_token": self._token})
        with self._lock:
            self.pages += 1
        return self.answer

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer_alone, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _answer_alone(self, connection: socket.socket) -> None:
        # The client goes away in the middle: that is what most of these tests are about.
        try:
            with connection:
                self._answer(connection)
        except OSError:
            return

    def _answer(self, connection: socket.socket) -> None:
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        with connection:
            connection.settimeout(5)
            head = self._read_request(connection)
            if not head:
                return
            answer = self.respond(head)
            if callable(answer):
                answer(connection)
            else:
                connection.sendall(answer)

    @staticmethod
    def _read_request(connection: socket.socket) -> bytes:
        """The whole request is read: closing a socket with unread bytes resets it."""
        received = b""
        while b"\r\n\r\n" not in received:
            more = connection.recv(65536)
            if not more:
                return b""
            received += more
        head, _, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        while length and len(body) < int(length[1]):
            body += connection.recv(65536)
        return head


def self_signed(path: Path) -> Path:
    """Writes a certificate for localhost that nobody has signed, and its key; returns the path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path
