"""One table decides what an answer means; nothing of an answer or a secret is shown."""

import codecs
import gzip
import json
import logging
import socket
import ssl
import threading
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from directory_sync.api import exchange
from directory_sync.api.client import DirectoryClient
from directory_sync.api.rate import RequestRate
from directory_sync.api.waits import backoff_seconds, retry_after_seconds
from directory_sync.config.access import ApiSettings
from directory_sync.config.form import Resource
from directory_sync.config.paging import NumberedPages, OffsetPages
from directory_sync.errors import (
    ApiError,
    ApiUnavailableError,
    AuthError,
    ConfigError,
    EnvelopeError,
)
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.wire import CHUNKED, WireServer, hang_up, http, reset_at_once, self_signed, silence

BASE = "https://api.example.org"
PAGE_URL = f"{BASE}/v1/directory"
TOKEN_URL = f"{BASE}/oauth/token"
SECRET, TOKEN, BODY = "SENTINEL-SECRET", "SENTINEL-TOKEN", "SENTINEL-IN-BODY"
PAGE = {"data": [{"id": 1, "name": BODY}, {"id": 2}], "total": 2}
RETRYABLE = [429, 500, 502, 503, 504, 408, 425, 520, 522, 524, 529]
NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


class FakeTime:
    """A clock that moves when somebody sleeps; keeps the client's waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def clock(self):
        return self.now

    def sleep(self, seconds):
        with self._lock:
            self.waits.append(seconds)
            self.now += seconds

    def pass_by(self, seconds):
        with self._lock:
            self.now += seconds


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture
def api():
    """The network's edge: a token, and the pages that a test adds."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(TOKEN_URL, json={"access_token": TOKEN, "expires_in": 3600})
        yield mock


@pytest.fixture
def open_client(fake_time):
    """Opens clients that wait on the fake clock, and closes them."""
    opened = []

    def open_one(base_url=BASE, *, resource=None, mask=lambda secret: None, rate=None, **values):
        values = {"client_id": "client-1", "client_secret": SECRET, "timeout_seconds": 5.0, **values}
        client = DirectoryClient(
            ApiSettings(base_url=base_url, **values),
            resource
            or Resource(name="people", path="/v1/directory", selector=("data",), pages=OffsetPages()),
            rate=rate or RequestRate(clock=fake_time.clock, sleep=fake_time.pass_by),
            mask=mask,
            sleep=fake_time.sleep,
        )
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        client.close()


def page_calls(api):
    return [call.request for call in api.calls if call.request.url.startswith(PAGE_URL)]


def token_calls(api):
    return [call.request for call in api.calls if call.request.url == TOKEN_URL]


def assert_hides(error):
    shown = "".join(traceback.format_exception(error))
    while error is not None:
        shown += repr(error) + str(error)
        error = error.__context__
    assert "SENTINEL" not in shown


def assert_backoff(waits, *expected):
    assert len(waits) == len(expected)
    assert all(at <= wait <= at * 1.25 for wait, at in zip(waits, expected, strict=True)), waits


def test_a_page_is_what_was_answered(api, open_client):
    api.get(PAGE_URL, json=PAGE)
    with time_machine.travel(NOW, tick=False):
        page = open_client().page(400, 50)
    assert [entry.id for entry in page.entries] == [1, 2]
    assert (page.offset, page.limit, page.end, page.total, page.requested_at) == (400, 50, 402, 2, NOW)
    assert (page.retries, page.refused) == (0, 0)


def test_the_limit_of_the_form_is_asked_for_by_default(api, open_client):
    api.get(PAGE_URL, json=PAGE)
    assert open_client().page(0).limit == 100


def test_a_request_says_what_the_resource_says(api, open_client):
    resource = Resource(
        name="people",
        path="/v1/directory",
        selector=("data",),
        pages=OffsetPages(offset_param="skip", limit_param="take"),
        params={"active": "true"},
        headers={"X-Tenant": "7"},
    )
    api.get(PAGE_URL, json=PAGE)
    open_client(resource=resource).page(30, 10)
    (sent,) = page_calls(api)
    assert parse_qs(urlsplit(sent.url).query) == {"active": ["true"], "take": ["10"], "skip": ["30"]}
    assert sent.headers["X-Tenant"] == "7"
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (201, ApiError),
        (400, ApiError),
        (403, AuthError),
        (409, ApiError),
        (422, ApiError),
        (501, ApiError),
        (505, ApiError),
        (521, ApiError),
    ],
)
def test_a_status_that_no_retry_cures_fails_at_once(api, open_client, fake_time, status, kind):
    api.get(PAGE_URL, body=BODY, status=status)
    with pytest.raises(kind, match=f"/v1/directory at offset 400 answered {status}") as caught:
        open_client().page(400)
    assert (len(page_calls(api)), fake_time.waits) == (1, [])
    assert_hides(caught.value)


# -- How APIs say that there is nothing

NUMBERED = Resource(name="people", path="/v1/directory", selector=("data",), pages=NumberedPages(base_page=1))


def outcome_of(page):
    return page.entries, page.total, page.status


@pytest.mark.parametrize("offset", [0, 100])
def test_an_answer_without_a_body_is_a_page_without_entries(api, open_client, offset):
    api.get(PAGE_URL, status=204)
    assert outcome_of(open_client().page(offset)) == ([], None, 204)


@pytest.mark.parametrize("status", [404, 410, 416])
def test_a_status_behind_the_first_page_may_be_the_end(api, open_client, status):
    api.get(PAGE_URL, body=BODY, status=status)
    assert outcome_of(open_client().page(100)) == ([], None, status)
    assert outcome_of(open_client(resource=NUMBERED).page(2)) == ([], None, status)


@pytest.mark.parametrize("status", [404, 410, 416])
def test_a_status_at_the_first_page_is_an_api_error(api, open_client, status):
    api.get(PAGE_URL, body=BODY, status=status)
    with pytest.raises(ApiError, match=f"at offset 0 answered {status}"):
        open_client().page(0)
    with pytest.raises(ApiError, match=f"page 1 answered {status}"):
        open_client(resource=NUMBERED).page(1)


def test_a_page_with_entries_says_that_its_status_was_200(api, open_client):
    api.get(PAGE_URL, json=PAGE)
    assert open_client().page(0).status == 200


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        ({"data": None}, 0),
        ({"data": None}, 100),
        ({"data": None, "total": 100}, 100),
        ({"total": 0}, 0),
        ({"total": 100}, 100),
        ({"total": 99}, 100),
    ],
)
def test_an_answer_that_says_there_is_nothing_is_a_page_without_entries(api, open_client, body, offset):
    api.get(PAGE_URL, json=body)
    assert outcome_of(open_client().page(offset)) == ([], body.get("total"), 200)


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        ({"data": None, "total": 101}, 100),
        ({"total": 101}, 100),
        ({}, 100),
        ({"data": None, "errors": [{"message": BODY}]}, 0),
        ({"total": 0, "error": BODY}, 0),
    ],
)
def test_an_answer_without_a_list_that_says_no_such_thing_is_refused(api, open_client, body, offset):
    api.get(PAGE_URL, json=body)
    with pytest.raises(EnvelopeError, match="No list at `data`") as caught:
        open_client().page(offset)
    assert_hides(caught.value)


def test_a_total_of_pages_is_compared_with_pages(api, open_client):
    pages = NumberedPages(base_page=1, total_path=("pages",))
    client = open_client(resource=replace(NUMBERED, pages=pages))
    api.get(PAGE_URL, json={"pages": 3})
    assert client.page(4).entries == []
    with pytest.raises(EnvelopeError, match="No list at `data`"):
        client.page(3)


def test_an_estimated_total_does_not_contradict_a_list_of_null(api, open_client):
    approximate = Resource(
        name="p", path="/v1/directory", selector=("data",), pages=OffsetPages(), total_is_approximate=True
    )
    api.get(PAGE_URL, json={"data": None, "total": 1000})
    assert open_client(resource=approximate).page(990).entries == []


@pytest.mark.parametrize("status", [400, 422])
def test_a_result_window_is_named_with_the_last_offset_that_worked(api, open_client, status):
    client = open_client()
    api.get(PAGE_URL, json=PAGE)
    client.page(9_900)
    client.page(400)
    api.replace("GET", PAGE_URL, status=status, body=BODY)
    with pytest.raises(ApiError) as caught:
        client.page(10_000)
    assert f"at offset 10000 answered {status}. Nothing" in str(caught.value)
    assert "`offset` 9,900 was answered with entries, so" in str(caught.value)
    assert "refuse `offset` from 10,000 on (a result window)" in str(caught.value)
    with pytest.raises(ApiError) as caught:
        client.page(500)
    assert "window" not in str(caught.value)


@pytest.mark.parametrize("status", RETRYABLE)
def test_a_retryable_status_is_asked_four_times(api, open_client, fake_time, status):
    api.get(PAGE_URL, body=BODY, status=status)
    with pytest.raises(ApiUnavailableError, match=rf"status {status}, 4 time\(s\) in a row") as caught:
        open_client().page(400)
    assert len(page_calls(api)) == 4
    assert_backoff(fake_time.waits, 2, 4, 8)
    assert caught.value.retry_after_seconds is None
    assert_hides(caught.value)


@pytest.mark.parametrize("status", RETRYABLE)
@pytest.mark.parametrize("failures", [1, 2, 3])
def test_an_answer_within_the_retries_is_the_page(api, open_client, status, failures):
    for _ in range(failures):
        api.get(PAGE_URL, status=status)
    api.get(PAGE_URL, json=PAGE)
    page = open_client().page(0)
    assert (page.retries, page.refused) == (failures, failures if status == 429 else 0)


def test_a_page_is_dated_by_the_request_that_was_answered(api, fake_time):
    with time_machine.travel(NOW, tick=False) as traveller:
        client = DirectoryClient(
            ApiSettings(base_url=BASE, client_id="a", client_secret=SECRET),
            Resource(name="p", path="/v1/directory", selector=("data",), pages=OffsetPages()),
            sleep=traveller.shift,
        )
        api.get(PAGE_URL, status=503)
        api.get(PAGE_URL, json=PAGE)
        page = client.page(0)
        client.close()
    assert page.requested_at - NOW >= timedelta(seconds=2)


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_the_backoff_doubles_with_a_quarter_of_jitter(failures):
    waits = [backoff_seconds(failures) for _ in range(200)]
    assert min(waits) >= 2**failures
    assert max(waits) <= 2**failures * 1.25
    assert len(set(waits)) > 100


@pytest.mark.parametrize("status", RETRYABLE)
@pytest.mark.parametrize(("header", "wait"), [("1", 1), ("30", 30), (" 60 ", 60)])
def test_retry_after_goes_before_the_backoff(api, open_client, fake_time, status, header, wait):
    api.get(PAGE_URL, status=status, headers={"Retry-After": header})
    api.get(PAGE_URL, json=PAGE)
    open_client().page(0)
    assert fake_time.waits == [wait]


def test_retry_after_as_a_date_is_waited_for(api, open_client, fake_time):
    date = format_datetime(NOW + timedelta(seconds=45), usegmt=True)
    api.get(PAGE_URL, status=503, headers={"Retry-After": date})
    api.get(PAGE_URL, json=PAGE)
    with time_machine.travel(NOW, tick=False):
        open_client().page(0)
    assert fake_time.waits == [45]


@pytest.mark.parametrize(
    "header",
    ["0", "-5", "1.5", "soon", "", "5, 10", "٣", format_datetime(NOW - timedelta(days=1), usegmt=True)],
)
def test_a_retry_after_without_a_wait_leaves_the_backoff(api, open_client, fake_time, header):
    api.get(PAGE_URL, status=503, headers={"Retry-After": header})
    api.get(PAGE_URL, json=PAGE)
    with time_machine.travel(NOW, tick=False):
        open_client().page(0)
    assert_backoff(fake_time.waits, 2)


@pytest.mark.parametrize("status", RETRYABLE)
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("61", 61),
        ("3600", 3600),
        (str(10**9), 86_400),
        (format_datetime(NOW + timedelta(minutes=5), usegmt=True), 300),
    ],
)
def test_a_wait_too_long_for_a_worker_ends_the_task(api, open_client, fake_time, status, header, seconds):
    api.get(PAGE_URL, status=status, headers={"Retry-After": header})
    with time_machine.travel(NOW, tick=False), pytest.raises(ApiUnavailableError) as caught:
        open_client().page(0)
    assert caught.value.retry_after_seconds == seconds
    assert (len(page_calls(api)), fake_time.waits) == (1, [])


def test_the_last_failure_may_ask_for_a_long_wait_too(api, open_client):
    for _ in range(3):
        api.get(PAGE_URL, status=503)
    api.get(PAGE_URL, status=503, headers={"Retry-After": "600"})
    with pytest.raises(ApiUnavailableError) as caught:
        open_client().page(0)
    assert caught.value.retry_after_seconds == 600


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    header=st.text(max_size=30)
    | st.text(alphabet="0123456789 :,+-MonJaGTZ", max_size=40)
    | st.builds(
        "Mon, {} Jan {} {}:{}:{} {}".format,
        *[st.integers(-(10**6), 10**6)] * 5,
        st.sampled_from(["GMT", "+0000", "-9999", "+999999999", ""]),
    )
)
def test_any_retry_after_is_a_wait_or_none(header):
    seconds = retry_after_seconds(header)
    assert seconds is None or seconds > 0


# -- Limits, and who may be tried again


def test_the_connection_says_which_statuses_pass(api, open_client):
    api.get(PAGE_URL, status=509)
    api.get(PAGE_URL, json=PAGE)
    assert open_client(retry_statuses=frozenset({509})).page(0).retries == 1
    api.replace("GET", PAGE_URL, status=520)
    with pytest.raises(ApiError):
        open_client(retry_statuses=frozenset({509})).page(0)


def test_a_403_that_asks_to_wait_is_waited_for(api, open_client, fake_time):
    api.get(PAGE_URL, status=403, headers={"Retry-After": "7"})
    api.get(PAGE_URL, json=PAGE)
    page = open_client().page(0)
    assert (fake_time.waits, page.retries, page.refused) == ([7], 1, 1)


def test_a_403_for_a_limit_that_is_used_up_is_waited_for(api, open_client, fake_time):
    used_up = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "20"}
    api.get(PAGE_URL, status=403, headers=used_up)
    api.get(PAGE_URL, json=PAGE)
    open_client().page(0)
    assert fake_time.waits == [21]


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "20"}, {"X-RateLimit-Remaining": "0"}],
)
def test_a_403_that_asks_for_no_wait_is_an_auth_error(api, open_client, fake_time, headers):
    api.get(PAGE_URL, status=403, headers=headers)
    with pytest.raises(AuthError):
        open_client().page(0)
    assert fake_time.waits == []


EPOCH = int(NOW.timestamp())
RESETS = {
    "Okta": ({"X-Rate-Limit-Reset": str(EPOCH + 42)}, 43),
    "GitHub": ({"X-RateLimit-Reset": str(EPOCH + 42)}, 43),
    "milliseconds since 1970": ({"X-RateLimit-Reset": str((EPOCH + 42) * 1000)}, 43),
    "seconds to wait": ({"X-RateLimit-Reset": "42"}, 43),
    "parts of seconds": ({"X-RateLimit-Reset-After": "1.5"}, 2.5),
    "IETF's draft, one header a value": ({"RateLimit-Limit": "60", "RateLimit-Reset": "42"}, 43),
    "IETF's draft, older": ({"RateLimit": "limit=60, remaining=0, reset=42"}, 43),
    "IETF's draft": ({"RateLimit": '"day";r=500;t=40000, "minute";r=0;t=42'}, 43),
    "a whole minute": ({"X-Rate-Limit-Reset": str(EPOCH + 60)}, 61),
    "a minute and clocks that differ": ({"X-Rate-Limit-Reset": str(EPOCH + 63)}, 64),
    "the server's own clock": (
        {"X-Rate-Limit-Reset": str(EPOCH + 900), "Date": format_datetime(NOW + timedelta(seconds=890))},
        11,
    ),
    "Retry-After before it": ({"Retry-After": "5", "X-Rate-Limit-Reset": str(EPOCH + 42)}, 5),
}


@pytest.mark.parametrize(("headers", "wait"), RESETS.values(), ids=RESETS)
def test_a_429_is_waited_for_until_the_limit_is_lifted(api, open_client, fake_time, headers, wait):
    api.get(PAGE_URL, status=429, headers=headers)
    api.get(PAGE_URL, json=PAGE)
    with time_machine.travel(NOW, tick=False):
        open_client().page(0)
    assert fake_time.waits == [pytest.approx(wait)]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Rate-Limit-Reset": str(EPOCH - 1)},
        {"X-Rate-Limit-Reset": "soon"},
        {"X-Rate-Limit-Reset": "nan"},
        {"X-Rate-Limit-Reset": "-5"},
        {"RateLimit": '"day";r=0'},
        {"RateLimit-Reset": "0"},
    ],
)
def test_a_reset_that_tells_no_wait_leaves_the_backoff(api, open_client, fake_time, headers):
    api.get(PAGE_URL, status=429, headers=headers)
    api.get(PAGE_URL, json=PAGE)
    with time_machine.travel(NOW, tick=False):
        open_client().page(0)
    assert_backoff(fake_time.waits, 2)


def test_a_limit_that_is_lifted_in_an_hour_ends_the_task_until_then(api, open_client, fake_time):
    api.get(PAGE_URL, status=429, headers={"X-RateLimit-Reset": str(EPOCH + 3600)})
    with time_machine.travel(NOW, tick=False), pytest.raises(ApiUnavailableError) as caught:
        open_client().page(0)
    assert (caught.value.retry_after_seconds, fake_time.waits) == (3601, [])


def test_a_limit_of_sixty_a_minute_that_only_says_when_it_is_lifted_costs_no_page(api):
    """Windows of the wall clock, as Okta counts; 150 pages by eight threads at once."""
    now, lock, used = [float(EPOCH)], threading.Lock(), {}

    def clock():
        return now[0]

    def sleep(seconds):
        with lock:
            now[0] += seconds

    def answer(request):
        with lock:
            minute = int(now[0] // 60)
            used[minute] = used.get(minute, 0) + 1
            refused = used[minute] > 60
            date = format_datetime(datetime.fromtimestamp(now[0], UTC), usegmt=True)
        headers = {"X-Rate-Limit-Reset": str(60 * (minute + 1)), "Date": date}
        offset = int(parse_qs(urlsplit(request.url).query)["offset"][0])
        return (429, headers, "") if refused else (200, headers, json.dumps({"data": [{"id": offset}]}))

    api.add_callback("GET", PAGE_URL, callback=answer)
    client = DirectoryClient(
        ApiSettings(base_url=BASE, client_id="a", client_secret=SECRET),
        Resource(name="p", path="/v1/directory", selector=("data",), pages=OffsetPages()),
        rate=RequestRate(clock=clock, sleep=sleep),
        sleep=sleep,
    )
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(client.page, range(0, 15_000, 100)))
    client.close()
    assert [page.entries[0].id for page in pages] == list(range(0, 15_000, 100))
    assert sum(page.refused for page in pages) > 0


# -- Where secrets go, and what is said of a URL

ELSEWHERE = "https://elsewhere.example.net"


def with_headers(headers, **values):
    return Resource(
        **{
            "name": "people",
            "path": "/v1/directory",
            "selector": ("data",),
            "pages": OffsetPages(),
            "headers": headers,
            **values,
        }
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        f"{ELSEWHERE}/v1/directory?key=SENTINEL",
        "//elsewhere.example.net/",
        "https://user:SENTINEL@elsewhere.example.net/",
        "http://api.example.org/v1/directory",
        "https://api.example.org:8443/v1/directory",
        "https://user:SENTINEL@api.example.org/v1/other",
    ],
)
def test_a_redirect_to_another_origin_is_refused(api, open_client, status, location):
    api.get(PAGE_URL, status=status, headers={"Location": location})
    client = open_client(resource=with_headers({"X-Password": SECRET}))
    with pytest.raises(ConfigError, match=r"at offset 0 is redirected to https?://") as caught:
        client.page(0)
    assert len(api.calls) == 2
    assert_hides(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_is_followed_with_token_and_headers(api, open_client, status):
    api.get(PAGE_URL, status=status, headers={"Location": "/v2/directory?cursor=7"})
    api.get(f"{BASE}/v2/directory", json=PAGE)
    page = open_client(resource=with_headers({"X-Password": SECRET})).page(0)
    sent = api.calls[-1].request
    assert len(page.entries) == 2
    assert urlsplit(sent.url).query == "cursor=7"
    assert (sent.headers["Authorization"], sent.headers["X-Password"]) == (f"Bearer {TOKEN}", SECRET)


def test_a_redirect_that_leads_in_a_circle_is_an_api_error(api, open_client):
    api.get(PAGE_URL, status=302, headers={"Location": PAGE_URL})
    with pytest.raises(ApiError, match="answered 302"):
        open_client().page(0)
    assert len(page_calls(api)) == exchange.MAX_REDIRECTS + 1


def test_a_token_request_is_never_redirected(api, open_client):
    api.replace("POST", TOKEN_URL, status=307, headers={"Location": f"{BASE}/login"})
    with pytest.raises(ApiError, match="answered 307"):
        open_client().page(0)
    assert len(api.calls) == 1


@pytest.mark.parametrize("key", ["path", "detail_path"])
def test_a_path_on_another_origin_gets_no_header_of_the_form(api, open_client, key):
    elsewhere = {key: f"{ELSEWHERE}/v1/directory/{{id}}?key={SECRET}"}
    resource = with_headers({"X-Signature": SECRET}, **elsewhere)
    with pytest.raises(ConfigError, match=r"leads to https://elsewhere.example.net, but") as caught:
        open_client(resource=resource)
    assert_hides(caught.value)
    open_client(resource=with_headers({"Accept-Language": "de"}, **elsewhere))


def test_a_token_url_on_another_host_gets_no_header_of_the_form(api, open_client):
    api.post(f"{ELSEWHERE}/token", json={"access_token": TOKEN})
    api.get(PAGE_URL, json=PAGE)
    resource = with_headers({"X-Password": SECRET})
    open_client(resource=resource, token_url=f"{ELSEWHERE}/token").page(0)
    assert "X-Password" not in api.calls[0].request.headers
    assert api.calls[1].request.headers["X-Password"] == SECRET


def test_headers_and_secret_parameters_are_masked(api, open_client):
    masked = []
    resource = with_headers(
        {
            "X-Password": "the password",
            "X-Signature": "keyId=first-key,signature=c2lnbmF0dXJl",
            "Proxy-Authorization": "Bearer abcdefgh",
            "Accept": "application/json",
            "User-Agent": "directory-sync",
        },
        path="/v1/directory?sig=in-the-path",
        params={"api_key": "a+b", "active": "true", "fields": "id,name", "tenant": "0c7e2f1d-77aa-4e1b"},
    )
    open_client(resource=resource, mask=masked.append, token_url="/token?apikey=in-the-token-url")
    assert set(masked) == {
        SECRET, "the password", "keyId=first-key,signature=c2lnbmF0dXJl", "first-key", "signature",
        "c2lnbmF0dXJl", "Bearer abcdefgh", "abcdefgh", "in-the-path", "a+b", "a%2Bb", "0c7e2f1d-77aa-4e1b",
        "in-the-token-url", "password",
    }  # fmt: skip


def test_no_message_and_no_log_shows_the_query_of_a_url(api, open_client, caplog):
    caplog.set_level(logging.INFO)
    token_url = f"{BASE}/oauth/token?key=SENTINEL-KEY"
    resource = with_headers({}, path="/v1/directory?sig=SENTINEL-SIG")
    api.get(PAGE_URL, status=503)
    with pytest.raises(ApiUnavailableError, match="/v1/directory at offset 0: status 503") as caught:
        open_client(resource=resource, token_url=token_url).page(0)
    assert_hides(caught.value)
    assert f"Token granted by {BASE}/oauth/token" in caplog.text
    for status, body in ((400, ""), (404, ""), (200, "[]"), (200, "{}")):
        api.replace("POST", TOKEN_URL, status=status, body=body)
        with pytest.raises(
            (AuthError, ApiError, EnvelopeError), match=f"token URL {BASE}/oauth/token"
        ) as caught:
            open_client(resource=resource, token_url=token_url).page(0)
        assert_hides(caught.value)
    assert "SENTINEL" not in caplog.text


def test_a_refusal_slows_all_requests(api, open_client, fake_time):
    rate = RequestRate(8.0, clock=fake_time.clock, sleep=fake_time.pass_by)
    api.get(PAGE_URL, status=429)
    api.get(PAGE_URL, json=PAGE)
    client = open_client(rate=rate)
    client.page(0)
    assert rate.requests_per_second < 8.0


def test_a_fault_of_the_server_slows_nothing(api, open_client, fake_time):
    rate = RequestRate(8.0, clock=fake_time.clock, sleep=fake_time.pass_by)
    api.get(PAGE_URL, status=503)
    api.get(PAGE_URL, json=PAGE)
    open_client(rate=rate).page(0)
    assert rate.requests_per_second == 8.0


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (requests.exceptions.ConnectionError(f"reset {BODY}"), "connection lost"),
        (requests.exceptions.ChunkedEncodingError(f"broken {BODY}"), "connection lost"),
        (requests.exceptions.ProxyError(BODY), "connection lost"),
        (requests.exceptions.ConnectTimeout(f"timed out {BODY}"), "timed out"),
        (requests.exceptions.ReadTimeout(BODY), "timed out"),
        (requests.exceptions.ConnectionError("Read timed out."), "timed out"),
    ],
)
def test_a_lost_connection_is_asked_four_times(api, open_client, fake_time, fault, failure):
    api.get(PAGE_URL, body=fault)
    with pytest.raises(ApiUnavailableError, match=rf"{failure}, 4 time\(s\)") as caught:
        open_client().page(0)
    assert len(page_calls(api)) == 4
    assert_backoff(fake_time.waits, 2, 4, 8)
    assert_hides(caught.value)


def test_a_lost_connection_within_the_retries_is_cured(api, open_client):
    api.get(PAGE_URL, body=requests.exceptions.ConnectionError())
    api.get(PAGE_URL, json=PAGE)
    assert open_client().page(0).retries == 1


def test_a_host_that_does_not_resolve_is_asked_again(open_client, fake_time):
    with pytest.raises(ApiUnavailableError, match="no connection, the host's name is unknown"):
        open_client("http://directory.invalid").page(0)
    assert_backoff(fake_time.waits, 2, 4, 8)


@pytest.mark.parametrize(
    "fault",
    [
        requests.exceptions.ConnectionError("reset"),
        requests.exceptions.ReadTimeout(),
        requests.exceptions.SSLError("EOF occurred in violation of protocol"),
        requests.exceptions.SSLError("WRONG_VERSION_NUMBER"),
        requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"),
        requests.exceptions.SSLError("ALERT"),
        requests.exceptions.ProxyError("Tunnel connection failed: 403 Forbidden"),
        requests.exceptions.InvalidHeader(),
    ],
    ids=str,
)
def test_every_error_of_a_connection_names_the_address_without_its_secrets(api, open_client, fault):
    api.get(PAGE_URL, body=fault)
    with pytest.raises((ApiUnavailableError, ConfigError)) as caught:
        open_client().page(0)
    assert f"The address was {PAGE_URL.partition('?')[0]}. Nothing was" in str(caught.value)
    assert "limit=" not in str(caught.value)


def test_the_address_is_shown_without_user_password_and_query():
    assert exchange.address("https://user:secret@api.example.com:8443/v1/list?token=secret#secret") == (
        " The address was https://api.example.com:8443/v1/list."
    )


def test_a_port_where_nobody_listens_is_asked_again(open_client, fake_time):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ApiUnavailableError, match="no connection, the host refused it"):
        open_client(f"http://127.0.0.1:{port}").page(0)
    assert_backoff(fake_time.waits, 2, 4, 8)


@pytest.mark.parametrize("base_url", ["http://.example.org", "http://exa mple.org", f"http://{'a' * 70}.org"])
def test_an_address_no_request_can_be_made_with_is_a_config_error(open_client, fake_time, base_url):
    with pytest.raises((ConfigError, ApiUnavailableError)) as caught:
        open_client(base_url).page(0)
    assert isinstance(caught.value, ConfigError)
    assert fake_time.waits == []
    assert_hides(caught.value)


def test_a_header_that_cannot_be_sent_is_a_config_error(api, open_client):
    api.get(PAGE_URL, json=PAGE)
    resource = Resource(
        name="people",
        path="/v1/directory",
        selector=("data",),
        pages=OffsetPages(),
        headers={"X-Key": f"{SECRET}\r\nX-Injected: 1"},
    )
    with pytest.raises(ConfigError, match="the request cannot be sent") as caught:
        open_client(resource=resource).page(0)
    assert_hides(caught.value)


# -- Tokens


def answer_once_with(status, then):
    """Refuses the first page request, then answers; tokens are numbered."""
    refused = []

    def page(request):
        if not refused:
            refused.append(request)
            return status, {}, ""
        return then, {}, json.dumps(PAGE)

    return page


def numbered_tokens(api):
    granted = []

    def grant(request):
        granted.append(request)
        return 200, {}, json.dumps({"access_token": f"{TOKEN}-{len(granted)}", "expires_in": 3600})

    api.replace(responses.CallbackResponse(responses.POST, TOKEN_URL, callback=grant))
    return granted


def test_a_401_is_answered_with_a_new_request_and_a_new_token(api, open_client):
    numbered_tokens(api)
    api.add_callback("GET", PAGE_URL, callback=answer_once_with(401, 200))
    page = open_client().page(0)
    first, second = page_calls(api)
    assert len(page.entries) == 2
    assert first is not second
    assert first.headers["Authorization"] == f"Bearer {TOKEN}-1"
    assert second.headers["Authorization"] == f"Bearer {TOKEN}-2"
    assert page.retries == 0


def test_a_401_with_a_new_token_is_an_auth_error(api, open_client, fake_time):
    granted = numbered_tokens(api)
    api.get(PAGE_URL, body=BODY, status=401)
    with pytest.raises(AuthError, match="answered 401 with a new token") as caught:
        open_client().page(0)
    assert (len(page_calls(api)), len(granted), fake_time.waits) == (2, 2, [])
    assert_hides(caught.value)


@pytest.mark.parametrize("status", [403, 404])
def test_the_second_answer_after_a_401_decides(api, open_client, status):
    numbered_tokens(api)
    api.add_callback("GET", PAGE_URL, callback=answer_once_with(401, status))
    with pytest.raises(AuthError if status == 403 else ApiError, match=f"answered {status}"):
        open_client().page(0)


def test_fresh_tokens_refused_twice_hint_at_a_rival(api, open_client):
    numbered_tokens(api)
    api.get(PAGE_URL, status=401)
    client = open_client()
    with pytest.raises(AuthError) as first:
        client.page(0)
    with pytest.raises(AuthError) as second:
        client.page(0)
    assert "DIRECTORY_SYNC_SHARDS=1" not in str(first.value)
    assert "DIRECTORY_SYNC_SHARDS=1" in str(second.value)


@pytest.mark.parametrize("status", RETRYABLE)
def test_a_token_is_asked_for_four_times(api, open_client, fake_time, status):
    api.replace("POST", TOKEN_URL, body=BODY, status=status)
    with pytest.raises(ApiUnavailableError, match=rf"the token URL: status {status}, 4") as caught:
        open_client().page(0)
    assert (len(token_calls(api)), len(page_calls(api))) == (4, 0)
    assert_backoff(fake_time.waits, 2, 4, 8)
    assert_hides(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_token_is_asked_for_once(api, open_client, status):
    api.replace("POST", TOKEN_URL, body=BODY, status=status)
    with pytest.raises(AuthError) as caught:
        open_client().page(0)
    assert (len(token_calls(api)), len(page_calls(api))) == (1, 0)
    assert_hides(caught.value)


def test_pages_share_a_token(api, open_client):
    api.get(PAGE_URL, json=PAGE)
    client = open_client()
    for offset in range(5):
        client.page(offset)
    assert (len(token_calls(api)), client.requests) == (1, 6)


def test_the_secret_and_the_token_are_masked_before_they_are_sent(api, open_client):
    masked = []
    seen = []

    def page(request):
        seen.append((request.headers["Authorization"], list(masked)))
        return 200, {}, json.dumps(PAGE)

    api.add_callback("GET", PAGE_URL, callback=page)
    open_client(mask=masked.append).page(0)
    ((authorization, masked_then),) = seen
    assert authorization.removeprefix("Bearer ") in masked_then
    assert SECRET in masked_then


def test_a_netrc_file_signs_no_request(api, open_client, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.example.org login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    api.get(PAGE_URL, json=PAGE)
    open_client().page(0)
    assert "Authorization" not in token_calls(api)[0].headers


def test_no_log_holds_a_secret_or_an_entry(api, open_client, caplog):
    caplog.set_level(logging.DEBUG)
    api.get(PAGE_URL, body=BODY, status=503)
    api.get(PAGE_URL, body=BODY, status=429, headers={"Retry-After": "3"})
    api.get(PAGE_URL, body=requests.exceptions.ConnectionError(BODY))
    api.get(PAGE_URL, json=PAGE)
    open_client().page(0)
    assert len([record for record in caplog.records if "retry" in record.message]) == 3
    assert "SENTINEL" not in caplog.text


# -- Bodies, over a real connection


@pytest.mark.parametrize("headers", [(), ("Content-Type: application/json; charset=utf-8",)])
def test_a_byte_order_mark_before_a_body_is_passed_over(open_client, headers):
    with WireServer(http(codecs.BOM_UTF8 + json.dumps(PAGE).encode(), headers=headers)) as server:
        assert [entry.id for entry in open_client(server.url).page(0).entries] == [1, 2]


def test_a_well_formed_answer_over_the_wire_is_a_page(open_client):
    with WireServer(http(PAGE)) as server:
        assert len(open_client(server.url).page(0).entries) == 2


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_compressed_answer_is_read(open_client, encoding):
    body = json.dumps(PAGE).encode()
    body = gzip.compress(body) if encoding == "gzip" else body
    with WireServer(http(body, headers=[f"Content-Encoding: {encoding}"])) as server:
        assert len(open_client(server.url).page(0).entries) == 2


TEXT = json.dumps(PAGE).encode()
BAD_BODIES = {
    "not JSON": (http(BODY.encode()), "is not JSON"),
    "HTML": (http(f"<html>{BODY}</html>".encode()), "HTML or XML"),
    "empty": (http(b""), "is not JSON"),
    "cut, and said to be whole": (http(TEXT[:-9]), "is not JSON"),
    "Latin-1": (http('{"data":[{"id":1,"n":"ü"}]}'.encode("latin-1")), "is not UTF-8"),
    "said to be Latin-1": (
        http(
            '{"data":[{"id":1,"n":"ü"}]}'.encode("latin-1"),
            headers=["Content-Type: application/json; charset=latin-1"],
        ),
        "is not UTF-8",
    ),
    "wrongly compressed": (http(TEXT, headers=["Content-Encoding: gzip"]), "cannot be decompressed"),
    "compressed and not said": (http(gzip.compress(TEXT)), "is not UTF-8"),
    "bad checksum": (
        http(gzip.compress(TEXT)[:-8] + b"12345678", headers=["Content-Encoding: gzip"]),
        "cannot be decompressed",
    ),
}


@pytest.mark.parametrize(("answer", "named"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_an_envelope_error_at_once(open_client, fake_time, answer, named):
    with WireServer(answer) as server, pytest.raises(EnvelopeError, match=named) as caught:
        open_client(server.url).page(400)
    assert "/v1/directory at offset 400" in str(caught.value)
    assert (server.pages, fake_time.waits) == (1, [])
    assert_hides(caught.value)


def reset(connection):
    connection.sendall(http(TEXT, length=10_000))
    reset_at_once(connection)


LOST = {
    "truncated": http(TEXT, length=len(TEXT) + 100),
    "reset in the body": reset,
    "hung up before the answer": hang_up,
    "chunks that end early": CHUNKED + b'5\r\n{"dat',
    "chunks that are none": CHUNKED + b"zz\r\n" + TEXT,
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
def test_an_answer_that_is_cut_off_is_asked_for_again(open_client, fake_time, answer):
    with WireServer(answer) as server, pytest.raises(ApiUnavailableError, match="connection lost") as caught:
        open_client(server.url).page(0)
    assert server.pages == 4
    assert_backoff(fake_time.waits, 2, 4, 8)
    assert_hides(caught.value)


def stall(connection):
    connection.sendall(http(TEXT, length=len(TEXT) + 1))
    connection.recv(1)


@pytest.mark.parametrize("answer", [stall, silence])
def test_an_answer_that_stalls_is_asked_for_again(open_client, answer):
    with WireServer(answer) as server, pytest.raises(ApiUnavailableError, match="timed out"):
        open_client(server.url, timeout_seconds=0.15).page(0)
    assert server.pages == 4


def drip(connection):
    """Chunks that never end, each within the timeout of a read."""
    connection.sendall(CHUNKED)
    while True:
        connection.sendall(b"1\r\n[\r\n")


def test_an_answer_that_drips_is_given_up(open_client):
    with WireServer(drip) as server, pytest.raises(ApiUnavailableError, match="timed out"):
        open_client(server.url, timeout_seconds=0.1).page(0)


@pytest.mark.parametrize("headers", [[], ["Content-Encoding: gzip"]], ids=["plain", "compressed"])
def test_a_body_too_large_is_refused(open_client, monkeypatch, headers):
    monkeypatch.setattr(exchange, "MAX_BODY_BYTES", 2**20)
    body = b'{"data":["' + BODY.encode() * 2**17 + b'"]}'
    body = gzip.compress(body) if headers else body
    with WireServer(http(body, headers=headers)) as server, pytest.raises(EnvelopeError) as caught:
        open_client(server.url).page(0)
    assert "is larger than 1 MiB" in str(caught.value)
    assert_hides(caught.value)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(open_client, monkeypatch):
    monkeypatch.setattr(exchange, "MAX_BODY_BYTES", 2**20)
    bomb = gzip.compress(bytes(200 * 2**20), compresslevel=1)
    with WireServer(http(bomb, headers=["Content-Encoding: gzip"])) as server:
        client = open_client(server.url)
        client.sign_in()
        tracemalloc.start()
        with pytest.raises(EnvelopeError, match="is larger than 1 MiB"):
            client.page(0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 10 * 2**20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("tls") / "localhost.pem")


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with WireServer(http(PAGE), context=context) as server:
        yield server


def test_a_certificate_that_is_not_trusted_is_a_config_error(open_client, fake_time, tls):
    with pytest.raises(ConfigError, match=r"TLS certificate .* is not trusted.*`verify`") as caught:
        open_client(tls.url).page(0)
    assert (fake_time.waits, tls.pages) == ([], 0)
    assert_hides(caught.value)


def test_a_certificate_in_the_bundle_is_trusted(open_client, certificate, tls):
    assert len(open_client(tls.url, verify=str(certificate)).page(0).entries) == 2


def test_a_bundle_that_is_not_there_is_a_config_error(open_client, fake_time, tmp_path, tls):
    with pytest.raises(ConfigError, match="`verify`"):
        open_client(tls.url, verify=str(tmp_path / "none.pem")).page(0)
    assert fake_time.waits == []


def test_the_environment_names_no_other_bundle(open_client, certificate, monkeypatch, tls):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with pytest.raises(ConfigError, match="is not trusted"):
        open_client(tls.url).page(0)


def refuse_in_clear(connection):
    connection.sendall(http(BODY, status="400 Bad Request"))


class HandshakeServer(WireServer):
    """Closes each connection at the first bytes of TLS."""

    def _answer(self, connection):
        connection.recv(65536)
        self.answer(connection)


@pytest.mark.parametrize("answer", [hang_up, reset_at_once])
def test_a_connection_lost_in_the_handshake_is_asked_for_again(open_client, fake_time, answer):
    with (
        HandshakeServer(answer) as server,
        pytest.raises(ApiUnavailableError, match="connection lost"),
    ):
        open_client(server.url.replace("http:", "https:")).page(0)
    assert_backoff(fake_time.waits, 2, 4, 8)


def test_a_server_that_speaks_no_tls_is_a_config_error(open_client, fake_time):
    with HandshakeServer(refuse_in_clear) as server, pytest.raises(ConfigError):
        open_client(server.url.replace("http:", "https:")).page(0)
    assert fake_time.waits == []


# -- Against the sandbox


@pytest.fixture(scope="module")
def sandbox_server():
    with SandboxServer(Settings(entries=250, client_secret=SECRET)) as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server):
    sandbox_server.reset()
    return sandbox_server


@pytest.fixture
def sandbox_client(open_client, sandbox):
    return open_client(sandbox.url, client_id="sandbox-client")


@pytest.mark.parametrize("auth_method", ["client_secret_post", "client_secret_basic"])
def test_both_ways_to_sign_in_are_taken(open_client, sandbox, auth_method):
    client = open_client(sandbox.url, client_id="sandbox-client", auth_method=auth_method)
    assert client.page(0).total == 250


def test_a_wrong_secret_is_refused(open_client, sandbox):
    client = open_client(sandbox.url, client_id="sandbox-client", client_secret="SENTINEL-WRONG")
    with pytest.raises(AuthError) as caught:
        client.page(0)
    assert_hides(caught.value)


def test_threads_share_a_token_and_its_renewal(sandbox, sandbox_client):
    barrier = threading.Barrier(8)

    def read(offset):
        barrier.wait()
        return len(sandbox_client.page(offset, 10).entries)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [10] * 8
        granted_before = sandbox.stats.tokens_granted
        sandbox.revoke_tokens()
        assert list(pool.map(read, range(8))) == [10] * 8
    assert (granted_before, sandbox.stats.tokens_granted) == (1, 2)


def test_a_real_server_is_asked_four_times(sandbox, sandbox_client, fake_time):
    sandbox.configure(fail_next=(503,) * 10)
    with pytest.raises(ApiUnavailableError):
        sandbox_client.page(0)
    assert sandbox.stats.requests["/v1/directory"] == {"503": 4}
    assert_backoff(fake_time.waits, 2, 4, 8)


def test_a_page_dropped_in_mid_body_is_read_again(sandbox, sandbox_client):
    sandbox.configure(drop_rate=0.5, fault_seed=3)
    pages = [sandbox_client.page(offset) for offset in (0, 100, 200)]
    assert [len(page.entries) for page in pages] == [100, 100, 50]
    assert sum(page.retries for page in pages) > 0


@pytest.mark.parametrize(
    "fault",
    ["html", "truncated", "not_json", "missing_list", "null_list", "nan", "duplicate_keys"],
)
def test_a_fault_of_the_body_is_never_a_page(sandbox, sandbox_client, fault):
    sandbox.configure(body_fault=fault)
    with pytest.raises(EnvelopeError):
        sandbox_client.page(0)
    assert sandbox.stats.requests["/v1/directory"] == {"200": 1}


def test_no_log_of_a_real_request_holds_a_secret(sandbox_client, caplog):
    caplog.set_level(logging.DEBUG)
    sandbox_client.page(0)
    assert "/v1/directory" in caplog.text
    assert SECRET not in caplog.text
    assert "Bearer" not in caplog.text
