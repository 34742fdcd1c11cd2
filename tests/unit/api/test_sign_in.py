"""What each sign-in sends, where it goes, and what is said when it is refused."""

import base64
import json
import logging
import traceback
from hashlib import md5
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from requests.auth import AuthBase, HTTPDigestAuth

from directory_sync.api.client import DirectoryClient
from directory_sync.config.access import ApiSettings
from directory_sync.config.form import Resource
from directory_sync.config.key_place import KeyPlace
from directory_sync.config.paging import LinkedPages, OffsetPages
from directory_sync.config.sign_in import OWN
from directory_sync.errors import AuthError, ConfigError
from directory_sync.extract.linked import LinkedReader
from tests.wire import WireServer, http

BASE = "https://api.example.org"
URL = f"{BASE}/v1/things"
SECRET = "SENTINEL+SE/CRET="
QUOTED = "SENTINEL%2BSE%2FCRET%3D"
ENTRIES = [{"id": 1}, {"id": 2}]


@pytest.fixture
def api():
    """The network's edge."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def open_client():
    opened = []

    def open_one(
        auth_type, *, key=None, base_url=BASE, mask=lambda secret: None, resource=None, pages=None, **settings
    ):
        named = {"name": "things", "path": "/v1/things", "selector": (), "pages": pages or OffsetPages()}
        access = ApiSettings(
            base_url=base_url,
            auth_type=auth_type,
            key=KeyPlace(**(key or {})),
            timeout_seconds=5.0,
            **{"client_id": "user", "client_secret": SECRET, **settings},
        )
        client = DirectoryClient(
            access, Resource(**{**named, **(resource or {})}), mask=mask, sleep=lambda _: None
        )
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        client.close()


def basic(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


SENT = {
    "bearer": ("bearer", {}, {"Authorization": f"Bearer {SECRET}"}, ""),
    "api key": ("api_key", {}, {"Authorization": SECRET}, ""),
    "api key, a word before it": ("api_key", {"prefix": "SSWS"}, {"Authorization": f"SSWS {SECRET}"}, ""),
    "api key, a sign before it": ("api_key", {"prefix": "token="}, {"Authorization": f"token={SECRET}"}, ""),
    "api key in another header": ("api_key", {"name": "X-API-Key"}, {"X-API-Key": SECRET}, ""),
    "api key in the query": ("api_key", {"name": "key", "location": "query"}, {}, f"key={QUOTED}"),
    "api key in a cookie": (
        "api_key",
        {"name": "sid", "location": "cookie"},
        {"Cookie": f"sid={SECRET}"},
        "",
    ),
    "basic": ("http_basic", {}, {"Authorization": f"Basic {basic(f'user:{SECRET}')}"}, ""),
    "none": ("none", {}, {}, ""),
}


@pytest.mark.parametrize(("auth_type", "key", "headers", "query"), SENT.values(), ids=SENT)
def test_a_sign_in_sends_its_credential_and_nothing_else(api, open_client, auth_type, key, headers, query):
    api.get(URL, json=ENTRIES)
    open_client(auth_type, key=key).page(0)
    sent = api.calls[0].request
    signing = {name: value for name, value in sent.headers.items() if name in {*headers, "Authorization"}}
    keys = [part for part in urlsplit(sent.url).query.split("&") if "key" in part]
    assert (len(api.calls), signing, keys) == (1, headers, [query] if query else [])


@pytest.mark.parametrize(("auth_type", "key", "headers", "query"), SENT.values(), ids=SENT)
def test_all_that_is_sent_is_masked_before(api, open_client, auth_type, key, headers, query):
    masked = []
    open_client(auth_type, key=key, mask=masked.append)
    told = f"{' '.join(headers.values())} {query}"
    for text in sorted(masked, key=len, reverse=True):
        told = told.replace(text, "***")
    assert not any(part in told for part in (SECRET, QUOTED, basic(f"user:{SECRET}")))
    assert "***" in told or auth_type == "none"


@pytest.mark.parametrize(
    ("login", "password", "is_secret"),
    [
        ("a1b2c3d4e5f6a7b8c9", "x", True),
        ("0e35f1c8-key", "", True),
        ("mailbox/token", "a-long-password", False),
    ],
)
def test_a_login_that_is_the_key_is_masked(open_client, login, password, is_secret):
    masked = []
    open_client("http_basic", client_id=login, client_secret=password, mask=masked.append)
    assert (login in masked) is is_secret


@pytest.mark.parametrize(
    ("auth_type", "words"),
    [
        ("bearer", "answered 401 to the token. .* password of the connection"),
        ("api_key", "answered 401 to the API key in the header `Authorization`"),
        ("http_basic", "answered 401 to user and password. .* login and the password"),
        ("none", "answered 401 without a sign-in. .* `auth_type`"),
    ],
)
def test_a_refused_credential_is_not_sent_again_and_is_told_in_its_words(api, open_client, auth_type, words):
    api.get(URL, status=401)
    with pytest.raises(AuthError, match=words) as caught:
        open_client(auth_type).page(0)
    assert len(api.calls) == 1
    assert_hides(caught.value)


def test_a_forbidden_list_is_told_without_a_word_of_scopes_where_there_are_none(api, open_client):
    api.get(URL, status=403)
    with pytest.raises(AuthError, match=r"the right to read it\. .* for that right\.$"):
        open_client("api_key").page(0)


def query_of(call):
    return dict(parse_qsl(urlsplit(call.request.url).query))


def test_a_key_in_the_query_goes_with_links_that_lack_it_and_once_with_those_that_have_it(api, open_client):
    links = {1: f"{URL}?page=2", 2: f"/v1/things?page=3&key={QUOTED}", 3: "/v1/things?key=of-another&page=4"}
    for page in range(1, 5):
        body = {"data": [{"id": page}], "next": links.get(page)}
        match = [responses.matchers.query_param_matcher({"page": str(page)}, strict_match=False)]
        api.get(URL, json=body, match=match if page > 1 else [])
    pages = LinkedPages(type="json_link", options={"next_url_path": "next"})
    client = open_client(
        "api_key", key={"name": "key", "location": "query"}, pages=pages, resource={"selector": ("data",)}
    )
    read = [entry.id for page in LinkedReader(client, pages).pages() for entry in page.entries]
    assert read == [1, 2, 3, 4]
    assert [query_of(call)["key"] for call in api.calls] == [SECRET] * 4
    assert all(call.request.url.count("key=") == 1 for call in api.calls)


def test_a_key_in_the_query_leaves_the_rest_of_the_query_as_it_is_written(api, open_client):
    api.get(URL, json=ENTRIES)
    resource = {"path": "/v1/things?filter=a%20b&page%5Bsize%5D=2"}
    open_client("api_key", key={"name": "k[1]", "location": "query"}, resource=resource).page(0)
    assert "filter=a%20b&page%5Bsize%5D=2&" in api.calls[0].request.url
    assert api.calls[0].request.url.endswith(f"&k[1]={QUOTED}")


def test_a_key_in_the_query_is_sent_on_within_the_origin_and_shown_nowhere(api, open_client, caplog):
    caplog.set_level(logging.DEBUG)
    api.get(URL, status=302, headers={"Location": "/v2/things?from=here"})
    api.get(f"{BASE}/v2/things", status=500)
    with pytest.raises(Exception, match="status 500") as caught:
        open_client("api_key", key={"name": "key", "location": "query"}).page(0)
    assert query_of(api.calls[1]) == {"from": "here", "key": SECRET}
    assert_hides(caught.value)
    assert "SENTINEL" not in caplog.text


@pytest.mark.parametrize("auth_type", ["bearer", "api_key", "http_basic"])
@pytest.mark.parametrize(
    "path", [{"path": "https://other.example/v1"}, {"detail_path": "https://other.example/{id}"}]
)
def test_no_credential_goes_to_another_origin(api, open_client, auth_type, path):
    with pytest.raises(
        ConfigError, match=r"leads to https://other.example, but the connection's credentials"
    ):
        open_client(auth_type, resource=path)
    open_client("none", resource=path)


def test_a_redirect_to_another_origin_takes_no_key_along(api, open_client):
    api.get(URL, status=302, headers={"Location": "https://other.example/v1/things"})
    with pytest.raises(ConfigError, match=r"redirected to https://other\.example"):
        open_client("api_key", key={"name": "key", "location": "query"}).page(0)
    assert len(api.calls) == 1


def test_a_header_of_the_form_signs_in_where_nothing_else_does(api, open_client):
    api.get(URL, json=ENTRIES)
    masked = []
    resource = {"headers": {"Authorization": f"Custom {SECRET}"}}
    open_client("none", resource=resource, mask=masked.append).page(0)
    assert api.calls[0].request.headers["Authorization"] == f"Custom {SECRET}"
    assert f"Custom {SECRET}" in masked


@pytest.mark.parametrize("auth_type", ["oauth2_client_credentials", "bearer", "http_basic", "api_key"])
def test_a_header_of_the_form_beside_a_sign_in_is_refused_not_overwritten(api, open_client, auth_type):
    with pytest.raises(ConfigError, match=r'`authorization` in resource `things` .* "none"'):
        open_client(auth_type, resource={"headers": {"authorization": "Custom x"}})


# -- A sign-in of one's own


class Signature(AuthBase):
    """Signs the path, as some vendors want it."""

    def __call__(self, request):
        request.headers["X-Signature"] = f"SENTINEL-{request.path_url}"
        return request


def test_an_object_of_ones_own_is_made_once_and_signs_each_request(api, open_client):
    api.get(URL, json=ENTRIES)
    made, masked = [], []

    def make():
        made.append(1)
        return Signature()

    client = open_client(OWN, make_auth=make, mask=masked.append)
    assert made == []
    for offset in (0, 5):
        client.page(offset)
        sent = api.calls[-1].request
        assert sent.headers["X-Signature"] == f"SENTINEL-{sent.path_url}"
        assert sent.headers["X-Signature"] in masked
    assert made == [1]


def digest(head: bytes) -> bytes:
    """The answer of a server that wants the digest of RFC 2617."""

    def md5_of(text):
        return md5(text.encode()).hexdigest()

    lines = head.decode().split("\r\n")
    header = next((line for line in lines if line.lower().startswith("authorization: digest")), "")
    given = dict(part.split("=", 1) for part in header[22:].replace('"', "").split(", ") if "=" in part)
    if not given:
        challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
        return http({}, status="401 Unauthorized", headers=[challenge])
    first, second = md5_of(f"user:r:{SECRET}"), md5_of(f"GET:{given['uri']}")
    proof = md5_of(f"{first}:n:{given['nc']}:{given['cnonce']}:auth:{second}")
    is_right = given["response"] == proof
    return http(ENTRIES) if is_right else http({}, status="403 Forbidden")


class DigestServer(WireServer):
    def respond(self, head):
        return digest(head)


def test_digest_of_requests_signs_in(open_client):
    with DigestServer() as server:
        client = open_client(OWN, base_url=server.url, make_auth=lambda: HTTPDigestAuth("user", SECRET))
        assert [entry.id for entry in client.page(0).entries] == [1, 2]


def fails():
    raise KeyError(SECRET)


@pytest.mark.parametrize(
    ("make", "words"),
    [(fails, "failed with a KeyError"), (lambda: "Bearer x", "returned a str"), (lambda: None, "a NoneType")],
)
def test_a_function_that_makes_no_auth_object_is_a_config_error(api, open_client, make, words):
    with pytest.raises(ConfigError, match=f"`client.auth` must return .* {words}") as caught:
        open_client(OWN, make_auth=make).page(0)
    assert len(api.calls) == 0
    assert_hides(caught.value)


def test_ones_own_refused_is_an_auth_error_at_once(api, open_client):
    api.get(URL, status=401)
    with pytest.raises(AuthError, match=r"own sign-in \(Signature\)"):
        open_client(OWN, make_auth=Signature).page(0)
    assert len(api.calls) == 1


def assert_hides(error):
    shown = "".join(traceback.format_exception(error))
    while error is not None:
        shown += repr(error) + json.dumps([str(part) for part in error.args])
        error = error.__context__
    assert "SENTINEL" not in shown


def test_an_own_sign_in_that_fails_shows_no_secret(open_client):
    class Failing(AuthBase):
        def __call__(self, request):
            raise RuntimeError(f"no signature with {SECRET}")

    client = open_client(OWN, make_auth=Failing)
    with pytest.raises(ConfigError, match="failed with a RuntimeError") as error:
        client.page(0)
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_a_key_in_a_cookie_replaces_one_that_the_api_set(api, open_client):
    body = json.dumps({"data": [], "total": 0})
    api.get(URL, body=body, headers={"Set-Cookie": "sid=anonymous; Path=/"})
    client = open_client(
        "api_key", key={"name": "sid", "location": "cookie"}, resource={"selector": ("data",)}
    )
    for _ in range(2):
        client.page(0)
    assert [call.request.headers["Cookie"] for call in api.calls] == [f"sid={SECRET}"] * 2
