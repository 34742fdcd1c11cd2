"""Everything an API does wrong, one row each: how the run ends, what it says, whether Airflow tries again.

The first night publishes 60 entries. In the second some are new, some changed and some gone, and the server
does what the row says, over a real connection, to the requests of one page (offset 18 if not said otherwise),
of all, or of the token. All three stages run, as far as they get; waits between retries are not slept.

A row that fails: our error is of the class, its message has the parts, Airflow's retry policy decides so on
the exception as it arrives, every table is as it was, and no entry's content, secret or token stands in a
message, a traceback or a log. A row that is cured: everything is published.
"""

import gzip
import json
import os
import re
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction

from directory_sync.airflow.retry import DirectoryRetryPolicy
from directory_sync.api.exchange import MAX_BODY_BYTES
from directory_sync.errors import (
    ApiError,
    ApiUnavailableError,
    AuthError,
    ConfigError,
    DirectorySyncError,
    EnvelopeError,
    SnapshotError,
    find_error,
)
from tests.capture import Capture
from tests.integration.cycle import Cycle
from tests.postgres import PostgresServer
from tests.wire import (
    CHUNKED,
    Answer,
    WireServer,
    hang_up,
    http,
    reset_at_once,
    self_signed,
    silence,
)

MARKER, SECRET, TOKEN = "SENTINEL-ENTRY", "SENTINEL-SECRET", "SENTINEL-TOKEN"
LIMIT = 10
AT = 2 * (LIMIT - 1)
FIRST_NIGHT = dict.fromkeys(range(1, 61), "old")
SECOND_NIGHT = {number: "new" if number in (7, 25) else "old" for number in range(3, 64)}
CHANGES = [
    *((number, "removed") for number in (1, 2)),
    *((number, "changed") for number in (7, 25)),
    *((number, "added") for number in (61, 62, 63)),
]
FAILS, RETRIES = RetryAction.FAIL, RetryAction.RETRY

OnBody = Callable[[bytes], Answer]
"""Makes a bad answer of the body of the good one."""


@dataclass(frozen=True, kw_only=True)
class Bad:
    """What the server does instead of answering well.

    Attributes:
        page: to requests of a page.
        at: of which offset; None: of every one.
        times: so often, then it answers well again; None: always.
        token: the answer to a request of a token.
        grants: what stands in a good one instead.
        accepts: tells by the number of the request whether its token, which is valid, is taken.
        before: the stage before which it begins.
    """

    page: OnBody | None = None
    at: int | None = AT
    times: int | None = None
    token: Answer | None = None
    grants: Mapping[str, Any] = field(default_factory=dict)
    accepts: Callable[["Directory", int], bool] | None = None
    total: int | None = None
    before: str = "extract"


class Directory(WireServer):
    """A directory that pages by offset, and answers badly on request."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.entries: Mapping[int, str] = FIRST_NIGHT
        self.bad = Bad()
        self.granted = self.badly = self.asked = 0
        self.valid: str | None = None
        self.together = threading.Barrier(4)

    def respond(self, head: bytes) -> Answer:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if method == "POST":
            return self._grant()
        with self._lock:
            self.asked += 1
            asked = self.asked
        used = re.search(rb"Authorization: Bearer (\S+)", head)
        is_valid = used is not None and used[1].decode() == self.valid
        if not is_valid or (self.bad.accepts and not self.bad.accepts(self, asked)):
            return http({"error": MARKER}, status="401 Unauthorized")
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        return self._page(int(query["offset"]), int(query["limit"]))

    def _grant(self) -> Answer:
        with self._lock:
            self.granted += 1
            self.valid = f"{TOKEN}-{self.granted}"
            granted = {"access_token": self.valid, "expires_in": 3600, **self.bad.grants}
        return http(granted) if self.bad.token is None else self.bad.token

    def _page(self, offset: int, limit: int) -> Answer:
        ids = sorted(self.entries)[offset : offset + limit]
        rows = [{"id": i, "name": f"{MARKER} ü {i}", "state": self.entries[i]} for i in ids]
        total = len(self.entries) if self.bad.total is None else self.bad.total
        body = json.dumps({"data": rows, "total": total}, ensure_ascii=False).encode()
        if self.bad.page and self.bad.at in (None, offset):
            with self._lock:
                self.badly += 1
                is_bad = self.bad.times is None or self.badly <= self.bad.times
            if is_bad:
                return self.bad.page(body)
        return http(body)


@dataclass(frozen=True, kw_only=True)
class Row:
    """How a night with a bad answer ends.

    Attributes:
        ends: the error's class; None: cured, everything is published.
        says: what happened, where, what to do, as it stands in the message.
        airflow: fails the task, retries it after its own delay, or after so many seconds.
        tokens: how many are granted in all, where the row is about them; extract and audit need one each.
    """

    bad: Bad
    ends: type[DirectorySyncError] | None = None
    says: tuple[str, ...] = ()
    airflow: RetryAction | int | None = None
    tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def fails(bad: Bad, ends: type[DirectorySyncError], *says: str, **more: Any) -> Row:
    airflow = RETRIES if ends in (ApiUnavailableError, SnapshotError) else FAILS
    return Row(**{"bad": bad, "ends": ends, "says": says, "airflow": airflow, **more})


def cured(bad: Bad, **more: Any) -> Row:
    return Row(bad=bad, **more)


# -- Bad answers, made of good ones


def status(code: int, *headers: str) -> OnBody:
    return lambda body: http(body, status=f"{code} Status", headers=headers)


def retry_after(value: str, code: int = 429) -> OnBody:
    return status(code, f"Retry-After: {value}")


def as_bytes(change: Callable[[bytes], bytes], *headers: str) -> OnBody:
    return lambda body: http(change(body), headers=headers)


def as_json(change: Callable[[dict[str, Any]], Any]) -> OnBody:
    return lambda body: http(change(json.loads(body)))


def entry(**values: Any) -> OnBody:
    """The second entry of the page has other values; a value of `...` is left out."""

    def change(page: dict[str, Any]) -> dict[str, Any]:
        changed = {**page["data"][1], **values}
        page["data"][1] = {name: value for name, value in changed.items() if value is not ...}
        return page

    return as_json(change)


def instead_of_entry(value: Any) -> OnBody:
    return as_json(lambda page: {**page, "data": [page["data"][0], value]})


def texts_for_ids(page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "data": [{**one, "id": str(one["id"])} for one in page["data"]]}


def declared_longer(body: bytes) -> bytes:
    return http(body, length=len(body) + 100)


def cut_off(body: bytes) -> Answer:
    def reset(connection: socket.socket) -> None:
        connection.sendall(declared_longer(body))
        reset_at_once(connection)

    return reset


def stalled(body: bytes) -> Answer:
    def stall(connection: socket.socket) -> None:
        connection.sendall(declared_longer(body))
        connection.recv(1)

    return stall


def instead(answer: Answer) -> OnBody:
    return lambda _: answer


def half_way(server: Directory, asked: int) -> bool:
    """From the fourth request on every token is refused, new ones too."""
    return asked < 4


def once(server: Directory, asked: int) -> bool:
    return asked != 4


def together(server: Directory, asked: int) -> bool:
    """Requests 2 to 5 wait until all four are there, and find their token revoked."""
    if asked in range(2, 6):
        server.together.wait(10)
        return False
    return True


def only_the_first_page(server: Directory, asked: int) -> bool:
    """The token ends while the first page that it was used for is answered."""
    if asked == 1:
        server.valid = None
    return True


HUNDRED_MB = b'{"data": [], "%b": "' % MARKER.encode() + b" " * 100_000_000 + b'"}'
assert len(HUNDRED_MB) > MAX_BODY_BYTES
DEEP = ("[" * 100_000 + "]" * 100_000).encode()
IN_30_HOURS = format_datetime(datetime.now(UTC) + timedelta(hours=30), usegmt=True)
LONG_AGO = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)

PAGE = f"/v1/directory at offset {AT}"
HOST = "Check the host of the connection and the path and parameters"
VENDOR = ("Check `data_selector`", "ask the API's vendor")
KEY = ("Set `primary_key`", "ask the API's vendor")
WAIT = "Airflow tries again; check whether the API is available"
FOUR = "4 time(s) in a row"
SECOND_ENTRY = f"`$.data[1]` of {PAGE}"

STATUSES = {
    "400": fails(Bad(page=status(400)), ApiError, f"{PAGE} answered 400", HOST),
    "401 once": cured(Bad(page=status(401), times=1), tokens=3),
    "401 always": fails(
        Bad(page=status(401)),
        AuthError,
        f"{PAGE} answered 401 with a new token",
        "Check the client id and the secret of the connection",
    ),
    "403": fails(
        Bad(page=status(403)), AuthError, f"{PAGE} answered 403", "Ask the API's owner for that right"
    ),
    "404": fails(Bad(page=status(404), at=0), ApiError, "/v1/directory at offset 0 answered 404", HOST),
    "404 once, within the list": cured(Bad(page=status(404), times=1)),
    "409": fails(Bad(page=status(409)), ApiError, f"{PAGE} answered 409", HOST),
    "410": fails(Bad(page=status(410), at=0), ApiError, "/v1/directory at offset 0 answered 410", HOST),
    "422": fails(Bad(page=status(422)), ApiError, f"{PAGE} answered 422", HOST),
    "429 once, Retry-After in seconds": cured(Bad(page=retry_after("3"), times=1)),
    "429 once, Retry-After as a date gone by": cured(Bad(page=retry_after(LONG_AGO), times=1)),
    "429 once, Retry-After negative": cured(Bad(page=retry_after("-5"), times=1)),
    "429 once, Retry-After absent": cured(Bad(page=status(429), times=1)),
    "429 three times": cured(Bad(page=status(429), times=3)),
    "429 always, Retry-After in seconds": fails(
        Bad(page=retry_after("3")), ApiUnavailableError, PAGE, f"status 429, {FOUR}", "wait 3 s", WAIT
    ),
    "429, Retry-After longer than a worker sleeps": fails(
        Bad(page=retry_after("1800")), ApiUnavailableError, PAGE, "wait 1,800 s", WAIT, airflow=1800
    ),
    "429, Retry-After as a date 30 hours away": fails(
        Bad(page=retry_after(IN_30_HOURS)), ApiUnavailableError, PAGE, "wait 86,400 s", WAIT, airflow=86_400
    ),
    "429, Retry-After absurd": fails(
        Bad(page=retry_after("9" * 40)), ApiUnavailableError, PAGE, "wait 86,400 s", WAIT, airflow=86_400
    ),
    "429 always, Retry-After no wait at all": fails(
        Bad(page=retry_after("soon")), ApiUnavailableError, PAGE, f"status 429, {FOUR}", WAIT
    ),
    "429 always, Retry-After negative": fails(
        Bad(page=retry_after("-5")), ApiUnavailableError, PAGE, f"status 429, {FOUR}", WAIT
    ),
    "429 always, Retry-After absent": fails(
        Bad(page=status(429)), ApiUnavailableError, PAGE, f"status 429, {FOUR}", WAIT
    ),
    "500 twice": cured(Bad(page=status(500), times=2)),
    "500": fails(Bad(page=status(500)), ApiUnavailableError, PAGE, f"status 500, {FOUR}", WAIT),
    "501": fails(Bad(page=status(501)), ApiError, f"{PAGE} answered 501", HOST),
    "502": fails(Bad(page=status(502)), ApiUnavailableError, PAGE, f"status 502, {FOUR}", WAIT),
    "503": fails(Bad(page=status(503)), ApiUnavailableError, PAGE, f"status 503, {FOUR}", WAIT),
    "503, Retry-After of ten minutes": fails(
        Bad(page=retry_after("600", 503)), ApiUnavailableError, PAGE, "wait 600 s", WAIT, airflow=600
    ),
    "503 when the audit reads": fails(
        Bad(page=status(503), at=None, before="audit"),
        ApiUnavailableError,
        "/v1/directory at offset 60",
        WAIT,
    ),
    "403 when the audit reads": fails(
        Bad(page=status(403), at=None, before="audit"),
        AuthError,
        "/v1/directory at offset 60",
        "answered 403",
    ),
    "504": fails(Bad(page=status(504)), ApiUnavailableError, PAGE, f"status 504, {FOUR}", WAIT),
    "520 once": cured(Bad(page=status(520), times=1)),
    "520": fails(Bad(page=status(520)), ApiUnavailableError, PAGE, f"status 520, {FOUR}", WAIT),
    "redirect to another origin": fails(
        Bad(page=status(302, "Location: http://elsewhere.example.org/?key=SENTINEL")),
        ConfigError,
        f"{PAGE} is redirected to http://elsewhere.example.org",
    ),
    "204, no body": cured(Bad(page=status(204), times=1)),
}

BODIES = {
    "not JSON": fails(Bad(page=as_bytes(lambda body: body[5:])), EnvelopeError, PAGE, "is not JSON", *VENDOR),
    "empty": fails(Bad(page=as_bytes(lambda _: b"")), EnvelopeError, PAGE, "is not JSON (empty)", *VENDOR),
    "HTML with 200": fails(
        Bad(page=as_bytes(lambda body: b"<html><p>" + body)), EnvelopeError, PAGE, "HTML or XML", *VENDOR
    ),
    "HTML with 200, when the audit reads": fails(
        Bad(page=as_bytes(lambda body: b"<html>" + body), at=None, before="audit"),
        EnvelopeError,
        "/v1/directory at offset 60",
        "HTML or XML",
    ),
    "truncated, and said to be whole": fails(
        Bad(page=as_bytes(lambda body: body[:-9])), EnvelopeError, PAGE, "is not JSON", *VENDOR
    ),
    "Latin-1": fails(
        Bad(page=as_bytes(lambda body: body.decode().encode("latin-1"))),
        EnvelopeError,
        PAGE,
        "is not UTF-8",
        *VENDOR,
    ),
    "UTF-16": fails(
        Bad(page=as_bytes(lambda body: body.decode().encode("utf-16"))),
        EnvelopeError,
        PAGE,
        "is not UTF-8",
        *VENDOR,
    ),
    "said to be gzip, and plain": fails(
        Bad(page=as_bytes(bytes, "Content-Encoding: gzip")),
        EnvelopeError,
        PAGE,
        "cannot be decompressed",
        "Ask the API's vendor",
    ),
    "gzip with a wrong checksum": fails(
        Bad(page=as_bytes(lambda body: gzip.compress(body)[:-8] + b"12345678", "Content-Encoding: gzip")),
        EnvelopeError,
        PAGE,
        "cannot be decompressed",
    ),
    "gzip, and not said": fails(
        Bad(page=as_bytes(gzip.compress)), EnvelopeError, PAGE, "is not UTF-8", *VENDOR
    ),
    "gzip cut short": fails(
        Bad(page=as_bytes(lambda body: gzip.compress(body)[:-20], "Content-Encoding: gzip")),
        EnvelopeError,
        PAGE,
        *VENDOR,
    ),
    "100 MB": fails(
        Bad(page=instead(http(HUNDRED_MB))), EnvelopeError, PAGE, "is larger than 64 MiB", "Lower `limit`"
    ),
    "100 MB in 100 KB of gzip": fails(
        Bad(page=instead(http(gzip.compress(HUNDRED_MB, 1), headers=["Content-Encoding: gzip"]))),
        EnvelopeError,
        PAGE,
        "is larger than 64 MiB",
        "Lower `limit`",
    ),
    "nested 100,000 deep": fails(
        Bad(page=as_bytes(lambda body: body[:-1] + b', "x": ' + DEEP + b"}")),
        EnvelopeError,
        PAGE,
        "is nested too deeply",
        *VENDOR,
    ),
    "NaN": fails(Bad(page=entry(height=float("nan"))), EnvelopeError, PAGE, "holds NaN", *VENDOR),
    "duplicate keys": fails(
        Bad(page=as_bytes(lambda body: body[:-1] + b', "data": []}')),
        EnvelopeError,
        PAGE,
        "doubled key",
        *VENDOR,
    ),
    "list where an object was": fails(
        Bad(page=as_json(lambda page: page["data"])), EnvelopeError, PAGE, "no object at `$` (array)", *VENDOR
    ),
    "list of another name": fails(
        Bad(page=as_json(lambda page: {"items": page["data"]})),
        EnvelopeError,
        PAGE,
        "No list at `data`: the body of /v1/directory at offset",
        *VENDOR,
    ),
    "null list": fails(
        Bad(page=as_json(lambda page: {**page, "data": None})),
        EnvelopeError,
        PAGE,
        "No list at `data`: the body of",
        *VENDOR,
    ),
    "entry that is null": fails(
        Bad(page=instead_of_entry(None)), EnvelopeError, SECOND_ENTRY, "is of type null", *VENDOR
    ),
    "entry that is a text": fails(
        Bad(page=instead_of_entry(MARKER)), EnvelopeError, SECOND_ENTRY, "is of type string", *VENDOR
    ),
    "entry that is a list": fails(
        Bad(page=instead_of_entry([MARKER])), EnvelopeError, SECOND_ENTRY, "is of type array", *VENDOR
    ),
    "id missing": fails(Bad(page=entry(id=...)), EnvelopeError, SECOND_ENTRY, "`id` (missing)", *KEY),
    "id null": fails(Bad(page=entry(id=None)), EnvelopeError, SECOND_ENTRY, "`id` (null)", *KEY),
    "id empty": fails(Bad(page=entry(id="")), EnvelopeError, SECOND_ENTRY, "`id` (an empty string)", *KEY),
    "id boolean": fails(Bad(page=entry(id=True)), EnvelopeError, SECOND_ENTRY, "`id` (boolean)", *KEY),
    "id float": fails(Bad(page=entry(id=20.0)), EnvelopeError, SECOND_ENTRY, "`id` (number)", *KEY),
    "id very long": fails(
        Bad(page=entry(id=MARKER * 1000)), EnvelopeError, SECOND_ENTRY, "more than 1024 characters", *KEY
    ),
    "id of more than 64 bits": fails(
        Bad(page=entry(id=2**63)), EnvelopeError, SECOND_ENTRY, "more than 64 bits", *KEY
    ),
    "ids mixed in a page": fails(
        Bad(page=entry(id=MARKER)),
        EnvelopeError,
        f"offset {AT}",
        "integers and strings are mixed",
        "Ask the API's vendor",
    ),
    "ids mixed between pages": fails(
        Bad(page=as_json(texts_for_ids)),
        EnvelopeError,
        "at offset",
        "integers and strings are mixed",
        "Ask the API's vendor",
    ),
    "ids mixed between extract and audit": fails(
        Bad(page=as_json(texts_for_ids), at=None, before="audit"),
        EnvelopeError,
        "at offset 60",
        "integers and strings are mixed",
        "Ask the API's vendor",
    ),
    "ids of another type than last night": fails(
        Bad(page=as_json(texts_for_ids), at=None),
        ConfigError,
        "`directory_resource` are VARCHAR now and were BIGINT",
        "Ask the API's vendor",
    ),
    "empty pages at one offset": cured(Bad(page=as_json(lambda page: {**page, "data": []}), times=2)),
    "empty pages, and a total": fails(
        Bad(page=as_json(lambda page: {**page, "data": []}), at=None),
        SnapshotError,
        "at offset 0 are empty",
        "total is 61",
        "Airflow tries again",
    ),
    "a total that is not there": fails(
        Bad(total=70),
        SnapshotError,
        "states 70 entries",
        "`directory_resource` holds 61",
        "docs/runbook.md#snapshoterror",
    ),
}

TOKEN_URL = "he token URL http://localhost"
TOKENS = {
    "absent": fails(
        Bad(token=http({})), AuthError, TOKEN_URL, "no usable `access_token`", "Check `token_url`"
    ),
    "null": fails(
        Bad(grants={"access_token": None}),
        AuthError,
        TOKEN_URL,
        "no usable `access_token`",
        "Check `token_url`",
    ),
    "null expiry": cured(Bad(grants={"expires_in": None}), tokens=2),
    "lasts for a second": cured(Bad(grants={"expires_in": 1})),
    "expires within a page": cured(Bad(accepts=only_the_first_page), tokens=3),
    "refused once, half-way": cured(Bad(accepts=once), tokens=3),
    "refused half-way, new ones too": fails(
        Bad(accepts=half_way), AuthError, "/v1/directory at offset", "answered 401 with a new token"
    ),
    "revoked while four threads read": cured(Bad(accepts=together), tokens=3),
    "secret refused": fails(
        Bad(token=http({"error": MARKER}, status="401 Unauthorized")),
        AuthError,
        TOKEN_URL,
        "answered 401",
        "the `auth_method` (client_secret_post) of the connection is wrong",
    ),
    "token URL is not there": fails(
        Bad(token=http({"error": MARKER}, status="404 Not Found")), ApiError, TOKEN_URL, "Check `token_url`"
    ),
    "token URL answers HTML": fails(
        Bad(token=http(b"<html>" + MARKER.encode())),
        EnvelopeError,
        TOKEN_URL,
        "not a JSON object",
        "Check `token_url`",
    ),
    "token URL is down": fails(
        Bad(token=http(MARKER.encode(), status="503 Unavailable")),
        ApiUnavailableError,
        "the token URL: status 503",
        FOUR,
        WAIT,
    ),
}

SHORT = {"timeout_seconds": 0.4}
CONNECTIONS = {
    "reset in the body, once": cured(Bad(page=cut_off, times=1)),
    "reset in the body": fails(
        Bad(page=cut_off), ApiUnavailableError, PAGE, f"connection lost, {FOUR}", WAIT
    ),
    "truncated": fails(
        Bad(page=declared_longer), ApiUnavailableError, PAGE, f"connection lost, {FOUR}", WAIT
    ),
    "chunks that end early": fails(
        Bad(page=lambda body: CHUNKED + b"ffff\r\n" + body),
        ApiUnavailableError,
        PAGE,
        "connection lost",
        WAIT,
    ),
    "hung up before the answer": fails(
        Bad(page=instead(hang_up)), ApiUnavailableError, PAGE, f"connection lost, {FOUR}", WAIT
    ),
    "no HTTP at all": fails(
        Bad(page=instead(b"SSH-2.0-OpenSSH_9.2\r\n")), ApiUnavailableError, PAGE, "connection lost", WAIT
    ),
    "silent, once": cured(Bad(page=instead(silence), times=1), extra=SHORT),
    "silent": fails(
        Bad(page=instead(silence)), ApiUnavailableError, PAGE, f"timed out, {FOUR}", WAIT, extra=SHORT
    ),
    "stalled in the body": fails(
        Bad(page=stalled), ApiUnavailableError, PAGE, f"timed out, {FOUR}", WAIT, extra=SHORT
    ),
}


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    with Directory() as server:
        yield server


@pytest.fixture(scope="module")
def after_the_first_night(
    directory: Directory, tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer | None
) -> Cycle:
    cycle = Cycle(
        url=directory.url,
        home=tmp_path_factory.mktemp("first_night"),
        secret=SECRET,
        endpoint={"paginator": {"type": "offset", "limit": LIMIT}},
        postgres=postgres,
    )
    cycle.run("one")
    return cycle


@pytest.fixture
def second_night(directory: Directory, after_the_first_night: Cycle, tmp_path: Path) -> Cycle:
    """A deployment that has published 60 entries, of which the API has other ones now."""
    cycle = after_the_first_night.copied_to(tmp_path / "home")
    directory.entries, directory.bad, directory.valid = SECOND_NIGHT, Bad(), None
    directory.granted = directory.badly = directory.asked = 0
    return cycle


def run(cycle: Cycle, directory: Directory, bad: Bad) -> None:
    """The three stages; the API turns bad before the one that is named."""
    if bad.before == "extract":
        directory.bad = bad
    cycle.extract("two")
    directory.bad = bad
    cycle.audit("two")
    cycle.publish("two")


def everything_in(exception: BaseException) -> str:
    """Tracebacks, messages and attributes of an exception and all that hangs on it."""
    waiting: list[Any] = [exception]
    seen: list[Any] = []
    shown = "".join(traceback.format_exception(exception))
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseException) and all(current is not one for one in seen):
            seen.append(current)
            shown += f"{current!r} {current} {current.__dict__!r}"
            waiting += [current.__cause__, current.__context__, getattr(current, "exception", None)]
    return shown


def assert_fails_so(cycle: Cycle, row: Row, begin: Callable[[], None], captured: Capture) -> None:
    before = cycle.tables()
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one is asserted below
        begin()
    error = find_error(caught.value)
    assert type(error) is row.ends
    for part in (*row.says, "Nothing"):
        assert part in str(error)
    assert_airflow(caught.value, row.airflow)
    assert cycle.tables() == before
    logged = "\n".join(captured.lines)
    assert "SENTINEL" not in everything_in(caught.value)
    assert "SENTINEL" not in logged


def assert_airflow(exception: BaseException, expected: RetryAction | int | None) -> None:
    decision = DirectoryRetryPolicy().evaluate(exception, 1, 3)
    if isinstance(expected, int):
        assert decision.action == RetryAction.RETRY
        assert decision.retry_delay == timedelta(seconds=expected)
    else:
        assert decision.action == expected


def of(table: Mapping[str, Row], *, is_cured: bool) -> Any:
    rows = {name: row for name, row in table.items() if (row.ends is None) is is_cured}
    if not IS_THOROUGH:
        rows = {name: row for name, row in rows.items() if name in SAMPLE}
    return pytest.mark.parametrize("row", rows.values(), ids=rows)


TABLE = {
    f"{group}: {name}": row
    for group, rows in (
        ("status", STATUSES),
        ("body", BODIES),
        ("token", TOKENS),
        ("connection", CONNECTIONS),
    )
    for name, row in rows.items()
}


IS_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SAMPLE = {
    *("status: 401 always", "status: 403", "status: 404", "status: 500", "status: 503 when the audit reads"),
    *("status: 403 when the audit reads", "status: 429 always, Retry-After in seconds"),
    *("status: 429, Retry-After longer than a worker sleeps", "status: redirect to another origin"),
    *("body: not JSON", "body: HTML with 200, when the audit reads", "body: gzip cut short", "body: 100 MB"),
    *("body: duplicate keys", "body: id missing", "body: ids mixed between pages"),
    *("body: ids mixed between extract and audit", "body: ids of another type than last night"),
    *("body: empty pages, and a total", "body: a total that is not there", "token: absent"),
    *("token: refused half-way, new ones too", "token: secret refused", "token: token URL is down"),
    *("connection: truncated", "connection: no HTTP at all", "connection: silent"),
    # These pass.
    *("status: 401 once", "status: 429 three times", "status: 500 twice", "status: 204, no body"),
    *("body: empty pages at one offset", "token: expires within a page"),
    *("token: revoked while four threads read", "connection: reset in the body, once"),
}
"""Rows of each kind, in both stages: `make test` takes them, `make test-all` takes the whole table.

unit/api/test_client.py, test_oauth.py and test_answer.py have every status, token, connection and body.
"""
assert TABLE.keys() >= SAMPLE


@of(TABLE, is_cured=False)
def test_a_bad_answer_fails_the_run_and_leaves_the_tables(
    directory: Directory, second_night: Cycle, captured: Capture, row: Row
) -> None:
    night = second_night.with_(extra=row.extra)
    assert_fails_so(night, row, lambda: run(night, directory, row.bad), captured)


@of(TABLE, is_cured=True)
def test_a_bad_answer_that_passes_costs_nothing(
    directory: Directory, second_night: Cycle, captured: Capture, row: Row
) -> None:
    night = second_night.with_(extra=row.extra)
    run(night, directory, row.bad)
    assert night.ids() == set(SECOND_NIGHT)
    assert night.changes("two") == sorted(CHANGES)
    assert row.tokens in (None, directory.granted)
    assert "SENTINEL" not in "\n".join(captured.lines)


def no_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://localhost:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("url", "row"),
    [
        (
            no_port(),
            fails(
                Bad(), ApiUnavailableError, "the token URL: no connection, the host refused it", FOUR, WAIT
            ),
        ),
        (
            "http://directory.invalid",
            fails(Bad(), ApiUnavailableError, "the host's name is unknown", FOUR, WAIT),
        ),
        ("http://exa mple.org", fails(Bad(), ConfigError, "the request cannot be sent", "Check the host")),
    ],
    ids=["refused", "DNS", "no host name"],
)
def test_an_api_that_cannot_be_reached_fails_the_run_and_leaves_the_tables(
    second_night: Cycle, captured: Capture, url: str, row: Row
) -> None:
    night = second_night.with_(url=url)
    assert_fails_so(night, row, lambda: night.extract("two"), captured)


def test_a_certificate_that_is_not_trusted_fails_the_run_and_leaves_the_tables(
    second_night: Cycle, captured: Capture, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "localhost.pem"))
    row = fails(Bad(), ConfigError, "TLS certificate of https://localhost", "is not trusted", "Set `verify`")
    with Directory(context=context) as server:
        night = second_night.with_(url=server.url)
        assert_fails_so(night, row, lambda: night.extract("two"), captured)
        assert server.granted == server.asked == 0
