"""One token for all threads: fetched once, renewed in time, and never shown."""

import base64
import json
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from urllib.parse import parse_qs

import pytest
import requests

from directory_sync.api.oauth import TokenSource
from directory_sync.config.access import ApiSettings
from directory_sync.errors import ApiError, ApiUnavailableError, AuthError, EnvelopeError

SECRET = "SENTINEL-SECRET +/&="
ENCODED = "SENTINEL-SECRET+%2B%2F%26%3D"
BODY = "SENTINEL-IN-BODY"
THREADS = 16


def answer(body, status=200):
    response = requests.Response()
    response.status_code = status
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return response


class TokenServer:
    """Answers token requests in the order of its script; the last answer stays."""

    def __init__(self, *script) -> None:
        self.script = list(script)
        self.sent: list[requests.PreparedRequest] = []
        self.masked: list[str] = []
        self.masked_at_request: list[list[str]] = []
        self.now = 1000.0
        self._lock = Lock()

    def send(self, request, where):
        with self._lock:
            self.sent.append(request.prepare())
            self.masked_at_request.append(list(self.masked))
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step(len(self.sent)) if callable(step) else step

    def clock(self):
        return self.now

    def source(self, **settings):
        values = {"base_url": "https://api.example.org", "client_id": "id 1", "client_secret": SECRET}
        return TokenSource(
            ApiSettings(**{**values, **settings}),
            send=self.send,
            mask=self.masked.append,
            clock=self.clock,
        )


def numbered(expires_in=3600):
    return lambda number: answer({"access_token": f"token-{number}", "expires_in": expires_in})


def in_threads(call):
    barrier = Barrier(THREADS)

    def together(_):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(together, range(THREADS)))


def test_nothing_is_requested_before_a_token_is_needed():
    server = TokenServer(numbered())
    server.source()
    assert server.sent == []


def test_many_threads_fetch_one_token():
    server = TokenServer(numbered())
    assert in_threads(server.source().token) == ["token-1"] * THREADS
    assert len(server.sent) == 1


def test_many_threads_renew_a_refused_token_once():
    server = TokenServer(numbered())
    source = server.source()
    refused = source.token()
    assert in_threads(lambda: source.renew(refused)) == ["token-2"] * THREADS
    assert len(server.sent) == 2


def test_a_thread_refused_with_an_older_token_gets_the_present_one():
    server = TokenServer(numbered())
    source = server.source()
    first = source.token()
    second = source.renew(first)
    assert source.renew(first) == second
    assert len(server.sent) == 2


@pytest.mark.parametrize(
    ("expires_in", "valid_for"),
    [(3600, 3570), (300, 270), (100, 80), (10, 8), (1, 0.8), ("3600", 3570), ("100.0", 80), (3600.5, 3570.5)],
)
def test_a_token_is_renewed_before_it_expires(expires_in, valid_for):
    server = TokenServer(numbered(expires_in))
    source = server.source()
    source.token()
    server.now += valid_for - 0.01
    assert source.token() == "token-1"
    server.now += 0.02
    assert source.token() == "token-2"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"expires_in": None},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": "0"},
        {"expires_in": ""},
        {"expires_in": "soon"},
        {"expires_in": "nan"},
        {"expires_in": True},
        {"expires_in": [3600]},
        {"expires_in": {"seconds": 3600}},
        {"expires_in": 10**400},
    ],
    ids=lambda body: str(body)[:30],
)
def test_without_a_usable_lifetime_a_token_lasts_until_it_is_refused(body):
    server = TokenServer(lambda n: answer({"access_token": f"token-{n}", **body}))
    source = server.source()
    source.token()
    server.now += 10**9
    assert source.token() == "token-1"
    assert source.renew("token-1") == "token-2"


def test_the_lifetime_counts_from_the_request_on():
    def slow(number):
        server.now += 50
        return numbered(100)(number)

    server = TokenServer(slow)
    source = server.source()
    source.token()
    server.now += 31
    assert source.token() == "token-2"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": [BODY]},
        {"access_token": f"{BODY}\r\nX-Injected: 1"},
        {"access_token": f"{BODY}ü"},
        {"access_token": f"{BODY}\x00"},
        {"error": BODY},
    ],
    ids=str,
)
def test_an_answer_without_a_usable_token_is_an_auth_error(body):
    server = TokenServer(answer(body))
    with pytest.raises(AuthError, match="`access_token`") as caught:
        server.source().token()
    assert_hides(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_client_is_an_auth_error(status):
    server = TokenServer(answer({"error": BODY}, status))
    with pytest.raises(AuthError, match=f"answered {status}: .*`auth_method`") as caught:
        server.source().token()
    assert_hides(caught.value)


@pytest.mark.parametrize("status", [204, 302, 404, 405, 422, 501])
def test_any_other_status_is_an_api_error(status):
    server = TokenServer(answer({"error": BODY}, status))
    with pytest.raises(ApiError, match=f"answered {status}") as caught:
        server.source().token()
    assert_hides(caught.value)


@pytest.mark.parametrize(
    "body",
    [b"", BODY.encode(), b"<html>" + BODY.encode(), b"\xff" + BODY.encode(), b"[]", b"null", b"[" * 100_000],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_a_token_answer_that_is_no_object_is_an_envelope_error(body):
    server = TokenServer(answer(body))
    with pytest.raises(EnvelopeError, match="not a JSON object") as caught:
        server.source().token()
    assert_hides(caught.value)


def test_a_failed_fetch_leaves_the_next_thread_free_to_try():
    server = TokenServer(ApiUnavailableError("later"), numbered())
    source = server.source()
    with pytest.raises(ApiUnavailableError):
        source.token()
    assert source.token() == "token-2"


def test_post_sends_the_credentials_in_the_form():
    server = TokenServer(numbered())
    server.source(scope="read write").token()
    (sent,) = server.sent
    assert (sent.method, sent.url) == ("POST", "https://api.example.org/oauth/token")
    assert parse_qs(sent.body) == {
        "grant_type": ["client_credentials"],
        "client_id": ["id 1"],
        "client_secret": [SECRET],
        "scope": ["read write"],
    }
    assert "Authorization" not in sent.headers


def test_basic_sends_the_credentials_in_the_header():
    server = TokenServer(numbered())
    server.source(auth_method="client_secret_basic").token()
    (sent,) = server.sent
    scheme, pair = sent.headers["Authorization"].split()
    assert (scheme, base64.b64decode(pair).decode()) == ("Basic", f"id+1:{ENCODED}")
    assert parse_qs(sent.body) == {"grant_type": ["client_credentials"]}


def test_the_token_url_may_be_elsewhere():
    server = TokenServer(numbered())
    server.source(token_url="https://login.example.org/t").token()
    assert server.sent[0].url == "https://login.example.org/t"


def test_without_a_scope_none_is_sent():
    server = TokenServer(numbered())
    server.source().token()
    assert "scope" not in parse_qs(server.sent[0].body)


def test_the_secret_is_masked_at_once():
    server = TokenServer(numbered())
    server.source()
    assert server.masked == [SECRET]


@pytest.mark.parametrize(
    ("auth_method", "form"),
    [
        ("client_secret_post", ENCODED),
        ("client_secret_basic", base64.b64encode(f"id+1:{ENCODED}".encode()).decode()),
    ],
)
def test_what_goes_over_the_wire_is_masked_before_it_goes(auth_method, form):
    server = TokenServer(numbered())
    server.source(auth_method=auth_method).token()
    assert {SECRET, form} <= set(server.masked_at_request[0])
    assert form in f"{server.sent[0].body} {server.sent[0].headers}"


def test_every_token_is_masked_before_it_is_handed_out():
    server = TokenServer(numbered())
    source = server.source()
    first = source.token()
    assert first in server.masked
    assert source.renew(first) in server.masked


def refuse_fresh_tokens(server, *, times, seconds_apart):
    source = server.source()
    token = source.token()
    for _ in range(times):
        server.now += seconds_apart
        token = source.renew(token)
    return source.rivalry_hint


@pytest.mark.parametrize(
    ("times", "seconds_apart", "is_rivalry"),
    [(0, 5, False), (1, 5, False), (2, 5, True), (3, 1, True), (2, 59, True), (5, 61, False)],
)
def test_two_fresh_tokens_refused_within_a_minute_hint_at_a_rival(times, seconds_apart, is_rivalry):
    hint = refuse_fresh_tokens(TokenServer(numbered()), times=times, seconds_apart=seconds_apart)
    assert ("DIRECTORY_SYNC_SHARDS=1" in hint) is is_rivalry


def test_tokens_that_ran_out_hint_at_nobody():
    hint = refuse_fresh_tokens(TokenServer(numbered(expires_in=2)), times=3, seconds_apart=2)
    assert hint == ""


def test_threads_that_share_one_refusal_hint_at_nobody():
    server = TokenServer(numbered())
    source = server.source()
    refused = source.token()
    in_threads(lambda: source.renew(refused))
    assert source.rivalry_hint == ""


def assert_hides(error):
    shown = "".join(traceback.format_exception(error)) + repr(error)
    while error is not None:
        shown += repr(error)
        error = error.__context__
    assert "SENTINEL" not in shown
