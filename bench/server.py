"""The API of the bench: the sandbox's entries, its tokens and its allowance, with next to no work a request.

The whole list is one piece of JSON; a page is a slice of it. It runs in a process of its own, so that what it
takes of the machine is told apart. `PUT /bench` sets it up anew, `GET /bench` says what was asked of it.
"""

import argparse
import asyncio
import json
import math
import resource
import secrets
import subprocess
import sys
import time
import urllib.request
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson
import uvloop
from typing_extensions import Self

from sandbox.faults import TokenBucket
from sandbox.records import Records

CHECKOUT = Path(__file__).resolve().parent.parent
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret-not-a-real-one"
PAGE_CAP = 100
EDITED = " (edited)"
"""What an edited entry's name ends with."""


class Listing:
    """The entries as one piece of JSON, and where each begins.

    Args:
        entries: how many.
        changed_share: the share of them that is edited, evenly spread.
    """

    def __init__(self, entries: int, changed_share: float = 0.0) -> None:
        records = Records(entries)
        step = round(1 / changed_share) if changed_share else 0
        parts, self._starts, self.edited = [], array("Q", [1]), 0
        for number, entry_id in enumerate(records.ids):
            encoded = records.encoded(entry_id)
            if step and number % step == 0:
                entry = orjson.loads(encoded)
                encoded = orjson.dumps(entry | {"name": entry["name"] + EDITED})
                self.edited += 1
            parts.append(encoded)
            self._starts.append(self._starts[-1] + len(encoded) + 1)
        self._json = b"[" + b",".join(parts) + b"]"

    def __len__(self) -> int:
        return len(self._starts) - 1

    def page(self, offset: int, limit: int) -> bytes:
        """The answer to a request of a page."""
        first = min(offset, len(self))
        last = min(first + limit, len(self))
        rows = self._json[self._starts[first] : self._starts[last] - 1] if last > first else b""
        return b'{"data":[%b],"total":%d,"limit":%d,"offset":%d}' % (rows, len(self), limit, offset)


@dataclass(kw_only=True)
class Setup:
    """What is served, and how.

    Attributes:
        says_when: a 429 holds `Retry-After`.
        says_left: answers say what is left of the allowance, as GitHub's do, in whole seconds.
    """

    entries: int = 1000
    changed_share: float = 0.0
    latency_ms: float = 0.0
    requests_per_second: float = 0.0
    says_when: bool = True
    says_left: bool = False
    page_cap: int = PAGE_CAP


@dataclass(kw_only=True)
class Asked:
    """What was asked since it was set up.

    Attributes:
        served_at: when each page was let in, in seconds since the first request.
    """

    pages: int = 0
    refused: int = 0
    tokens: int = 0
    served_at: list[float] = field(default_factory=list)


class Api:
    """What all connections share."""

    def __init__(self) -> None:
        self.setup, self.asked, self.bucket = Setup(), Asked(), TokenBucket()
        self.listing, self._made_of = Listing(0), (0, 0.0)
        self.tokens: set[bytes] = set()
        self._first_at: float | None = None

    def put(self, setup: Setup) -> None:
        """Starts anew."""
        made_of = setup.entries, setup.changed_share
        if made_of != self._made_of:
            self.listing, self._made_of = Listing(*made_of), made_of
        self.setup, self.asked, self.bucket = setup, Asked(), TokenBucket()
        self._first_at = None

    def told(self) -> dict[str, Any]:
        """What was asked, and what that took."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            **asdict(self.asked),
            "entries": len(self.listing),
            "edited": self.listing.edited,
            "cpu_seconds": used.ru_utime + used.ru_stime,
        }

    def grant(self) -> bytes:
        """A token, as it is answered."""
        token = secrets.token_hex(16)
        self.tokens.add(token.encode())
        self.asked.tokens += 1
        return orjson.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def limit_headers(self) -> bytes:
        """What is left of the allowance, as lines of an answer's head."""
        limit = self.setup.requests_per_second
        if not limit or not self.setup.says_left:
            return b""
        left = self.bucket.left
        said = int(limit), left, math.ceil((limit - left) / limit)
        return b"X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: %d\r\n" % said

    def wait_seconds(self) -> float:
        """Lets a request in, or says how long until one can be."""
        now = time.monotonic()
        self._first_at = now if self._first_at is None else self._first_at
        wait = self.bucket.wait_seconds(self.setup.requests_per_second, now)
        if wait:
            self.asked.refused += 1
        else:
            self.asked.pages += 1
            self.asked.served_at.append(round(now - self._first_at, 3))
        return wait


class Connection(asyncio.Protocol):
    """One connection, kept alive; requests come one after the other."""

    def __init__(self, api: Api, loop: asyncio.AbstractEventLoop) -> None:
        self._api, self._loop, self._read = api, loop, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, ended, rest = self._read.partition(b"\r\n\r\n")
        if not ended:
            return
        headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        length = int(headers.get(b"content-length", 0))
        if len(rest) < length:
            return
        body, self._read = rest[:length], rest[length:]
        method, target, _ = head.split(b" ", 2)
        self._route(method, target.decode(), body, headers.get(b"authorization", b""))

    def _route(self, method: bytes, target: str, body: bytes, authorization: bytes) -> None:
        path, _, query = target.partition("?")
        if path == "/v1/directory":
            self._page(dict(parse_qsl(query)), authorization)
        elif path == "/oauth/token":
            self._answer(self._api.grant())
        elif path == "/bench":
            if method == b"PUT":
                self._api.put(Setup(**orjson.loads(body)))
            self._answer(orjson.dumps(self._api.told()))
        else:
            self._answer(b"{}", status=b"404 Not Found")

    def _page(self, query: Mapping[str, str], authorization: bytes) -> None:
        if authorization.rpartition(b" ")[2] not in self._api.tokens:
            self._answer(b"{}", status=b"401 Unauthorized")
        elif wait := self._api.wait_seconds():
            # As the sandbox, and most APIs, say it: in whole seconds.
            when = b"Retry-After: %d\r\n" % math.ceil(wait) if self._api.setup.says_when else b""
            self._answer(b"{}", status=b"429 Too Many Requests", more=when)
        else:
            limit = min(int(query.get("limit", PAGE_CAP)), self._api.setup.page_cap)
            page = self._api.listing.page(int(query.get("offset", 0)), limit)
            answer = partial(self._answer, page, more=self._api.limit_headers())
            if latency_ms := self._api.setup.latency_ms:
                self._loop.call_later(latency_ms / 1000, answer)
            else:
                answer()

    def _answer(self, body: bytes, *, status: bytes = b"200 OK", more: bytes = b"") -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
        self._transport.write(head % (status, len(body), more) + body)


async def serve(port: int) -> None:
    """Serves until it is ended; its first line of output is the port."""
    loop, api = asyncio.get_running_loop(), Api()
    server = await loop.create_server(lambda: Connection(api, loop), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Server:
    """The bench's side of it.

    Attributes:
        url: its address without a final slash.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def put(self, **setup: float) -> dict[str, Any]:
        """Sets it up anew; tokens that were granted hold."""
        return self._ask(json.dumps(setup).encode(), "PUT")

    def told(self) -> dict[str, Any]:
        """What was asked of it since."""
        return self._ask(None, "GET")

    def _ask(self, body: bytes | None, method: str) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/bench", data=body, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Starts it, and ends it with the block."""
        command = [sys.executable, "-m", "bench.server"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
        try:
            assert process.stdout
            yield cls(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()
            process.wait(10)
            if process.stdout:
                process.stdout.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args().port))
