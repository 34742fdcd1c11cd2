"""The form names the sign-in in dlt's words, the connection holds every secret; that they differ is said."""

import dlt
import pytest
import requests.auth
from dlt.sources.helpers.rest_client.auth import (
    APIKeyAuth,
    BearerTokenAuth,
    HttpBasicAuth,
    OAuth2ClientCredentials,
)

from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.dlt_provider import form_secrets
from directory_sync.config.form import parse_form
from directory_sync.config.key_place import KeyPlace
from directory_sync.config.sign_in import OWN, parse_sign_in
from directory_sync.errors import ConfigError

SECRET = "SENTINEL-SECRET"


@pytest.fixture(autouse=True)
def _read_as_a_form():
    with form_secrets():
        yield


def form(auth, *, client=None, endpoint=None):
    listed = {"path": "/things", "data_selector": "$", "paginator": "offset", **(endpoint or {})}
    return {
        "client": {"base_url": "https://api.example.org", "auth": auth, **(client or {})},
        "resources": [{"name": "things", "endpoint": listed}],
    }


def settings(auth=None, *, login="login-1", password=SECRET, **extra):
    """The settings of a connection with this extra, beside a form with this sign-in."""
    connection = ConnectionFields(
        conn_id="directory_api",
        conn_type="directory_api",
        host="https://api.example.org",
        login=login,
        password=password,
        extra=extra,
    )
    return ApiSettings.from_connection(connection, client=form(auth)["client"])


def in_dlts_words():
    """Sign-ins as dlt's documentation writes them: (client.auth, type, place of the key)."""
    token, key = dlt.secrets["token"], dlt.secrets["api_key"]
    user, password = dlt.secrets["username"], dlt.secrets["password"]
    client = {"client_id": dlt.secrets["client_id"], "client_secret": dlt.secrets["client_secret"]}
    header = KeyPlace(name="X-API-Key")
    return [
        ("bearer", "bearer", KeyPlace()),
        ("none", "none", KeyPlace()),
        ("oauth2", "oauth2_client_credentials", KeyPlace()),
        ({"token": token}, "bearer", KeyPlace()),
        ({"type": "bearer", "token": token}, "bearer", KeyPlace()),
        (BearerTokenAuth(token=token), "bearer", KeyPlace()),
        (BearerTokenAuth, "bearer", KeyPlace()),
        ({"type": "api_key", "name": "X-API-Key", "api_key": key}, "api_key", header),
        (APIKeyAuth(name="X-API-Key", api_key=key), "api_key", header),
        (
            {"type": "api_key", "name": "key", "api_key": key, "location": "param"},
            "api_key",
            KeyPlace(name="key", location="query"),
        ),
        ({"type": "api_key", "api_key": f"SSWS {key}"}, "api_key", KeyPlace(prefix="SSWS ")),
        ({"type": "api_key", "api_key": key, "prefix": "SSWS"}, "api_key", KeyPlace(prefix="SSWS")),
        ({"type": "http_basic", "username": user, "password": password}, "http_basic", KeyPlace()),
        (HttpBasicAuth(user, password), "http_basic", KeyPlace()),
        ({"type": "oauth2", **client}, "oauth2_client_credentials", KeyPlace()),
        (
            OAuth2ClientCredentials(access_token_url="https://x.example/t", **client),
            "oauth2_client_credentials",
            KeyPlace(),
        ),
    ]


@pytest.mark.parametrize("index", range(16))
def test_dlts_words_mean_what_they_mean_there(index):
    auth, auth_type, place = in_dlts_words()[index]
    parse_form(form(auth))
    api = settings(auth)
    assert (api.auth_type, api.key, api.client_secret) == (auth_type, place, SECRET)


@pytest.mark.parametrize("name", ["token", "api_key", "password", "client_secret", "username", "client_id"])
def test_a_secret_in_the_form_is_refused_unseen(name):
    kinds = {
        "token": "bearer", "api_key": "api_key", "password": "http_basic", "username": "http_basic",
        "client_id": "oauth2", "client_secret": "oauth2",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=f"`{name}` in `client.auth` .* of the connection") as caught:
        parse_form(form({"type": kinds[name], name: SECRET}))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("key", [SECRET, f"{SECRET} {{}} {SECRET}"])
def test_a_key_beside_a_prefix_is_refused_unseen_too(key):
    auth = {"type": "api_key", "prefix": "SSWS", "api_key": key.format(dlt.secrets["api_key"])}
    with pytest.raises(ConfigError, match=r"`api_key` in `client.auth`") as caught:
        parse_form(form(auth))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BearerTokenAuth(token=SECRET),
        lambda: requests.auth.HTTPBasicAuth("user", SECRET),
        lambda: requests.auth.HTTPDigestAuth("user", dlt.secrets["password"]),
        lambda: type("Zoom", (OAuth2ClientCredentials,), {})(client_secret=dlt.secrets["client_secret"]),
    ],
    ids=["of dlt", "of requests", "with a placeholder", "of a class of one's own"],
)
def test_an_object_that_holds_a_secret_is_refused_and_says_what_would_do(make):
    with pytest.raises(ConfigError, match=r"of the connection|lambda connection: ") as caught:
        parse_form(form(make()))
    assert SECRET not in str(caught.value)


def test_a_secret_in_the_token_parameters_is_refused():
    data = {"assertion": dlt.secrets["client_secret"]}
    with pytest.raises(ConfigError, match=r"client\.auth\.access_token_request_data\.assertion"):
        parse_form(form({"type": "oauth2", "access_token_request_data": data}))


@pytest.mark.parametrize("kind", ["bearer", "api_key", "http_basic", "none"])
def test_the_connection_decides_where_the_form_names_none(kind):
    assert settings(auth_type=kind).auth_type == kind
    assert settings({"client_id": dlt.secrets["client_id"]}, auth_type=kind).auth_type == kind
    assert settings({"type": kind}, auth_type=kind).auth_type == kind


def test_nobody_names_one_and_it_is_oauth2():
    assert settings().auth_type == settings(auth_type="oauth2").auth_type == "oauth2_client_credentials"


@pytest.mark.parametrize(
    ("auth", "auth_type", "named"),
    [
        ("bearer", "http_basic", ("`bearer`", "`http_basic`")),
        ("oauth2", "none", ("`oauth2_client_credentials`", "`none`")),
        (lambda: None, "bearer", (f"`{OWN}`", "`bearer`")),
    ],
)
def test_two_that_disagree_are_named_both(auth, auth_type, named):
    with pytest.raises(ConfigError, match="`auth_type` of connection `directory_api`") as caught:
        settings(auth, auth_type=auth_type)
    assert all(name in str(caught.value) for name in named)


@pytest.mark.parametrize(
    ("auth", "extra", "named"),
    [
        ({"type": "api_key", "name": "A"}, {"key_name": "B"}, "`key_name`"),
        ({"type": "api_key", "prefix": "A"}, {"key_prefix": "B"}, "`key_prefix`"),
        (None, {"key_name": "X-Key"}, "`key_name`"),
        ("bearer", {"key_prefix": "Token"}, "`key_prefix`"),
        (
            {"type": "oauth2", "access_token_request_data": {"audience": "a"}},
            {"token_params": {"audience": "b"}},
            "`audience`",
        ),
        (None, {"auth_type": "digest"}, "`auth_type`"),
        (None, {"auth_type": "api_key", "key_location": "body"}, "'body'"),
        (None, {"auth_type": "api_key", "key_name": "X Key\n"}, "name of the API key"),
        (None, {"auth_type": "api_key", "key_prefix": "a\n"}, "prefix of the API key"),
        (None, {"token_params": "audience=b"}, "`token_params`"),
        (None, {"token_body": "xml"}, "`token_body`"),
        (None, {"credential_fields": "user"}, "`credential_fields`"),
        (None, {"grant_type": "refresh_token"}, "`refresh_token`"),
        (None, {"grant_type": "jwt-bearer", "auth_method": "client_secret_post"}, "`auth_method`"),
        (None, {"proxy": f"{SECRET}@proxy:3128"}, "`proxy`"),
        (None, {"proxy": f"socks5://user:{SECRET}@proxy:3128"}, "`proxy`"),
        (None, {"client_key": "/key.pem"}, "`client_cert`"),
    ],
)
def test_what_cannot_hold_is_refused_by_name(auth, extra, named):
    with pytest.raises(ConfigError) as caught:
        settings(auth, **extra)
    assert named in str(caught.value)
    assert SECRET not in str(caught.value)


def test_form_and_connection_say_the_place_of_a_key_together():
    api = settings({"type": "api_key", "name": "X-Key"}, key_location="cookie", key_prefix="v1-")
    assert api.key == KeyPlace(name="X-Key", location="cookie", prefix="v1-")


@pytest.mark.parametrize(
    ("extra", "login", "password", "held"),
    [
        ({"auth_type": "bearer"}, "", "", "password .* the token"),
        ({"auth_type": "api_key"}, "", "", "password .* the API key"),
        ({"auth_type": "http_basic"}, "", "", "user"),
        ({"auth_method": "private_key_jwt"}, "a", "", "password .* the private key"),
        ({"grant_type": "jwt-bearer"}, "a", "", "password .* the private key"),
        ({"auth_method": "private_key_jwt"}, "", "b", "login .* client id"),
    ],
)
def test_an_empty_credential_is_named_in_the_words_of_its_sign_in(extra, login, password, held):
    with pytest.raises(ConfigError, match=held):
        settings(login=login, password=password, **extra)


@pytest.mark.parametrize(
    ("extra", "login", "password"),
    [
        ({"auth_type": "none"}, "", ""),
        ({"auth_type": "bearer"}, "", SECRET),
        ({"auth_type": "http_basic"}, SECRET, ""),
        ({"auth_method": "tls_client_auth"}, "a", ""),
        ({"auth_method": "none", "grant_type": "refresh_token"}, "a", SECRET),
    ],
)
def test_what_a_sign_in_does_not_need_may_be_empty(extra, login, password):
    assert settings(login=login, password=password, **extra).client_secret == password


def test_a_user_that_basic_cannot_send_is_refused_unseen():
    with pytest.raises(ConfigError, match=r"login of connection `directory_api` has a `:`") as caught:
        settings(auth_type="http_basic", login=f"key:{SECRET}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", ["bearer", "api_key"])
def test_a_key_with_a_line_end_is_refused_unseen(kind):
    with pytest.raises(ConfigError, match="line end") as caught:
        settings(auth_type=kind, password=f"{SECRET}\n")
    assert SECRET not in str(caught.value)


BESIDE = {
    "client": {"client": {"headers": {"authorization": "Bearer x"}}},
    "endpoint": {"endpoint": {"headers": {"Authorization": "Bearer x"}}},
}


@pytest.mark.parametrize("where", BESIDE.values(), ids=BESIDE)
def test_a_header_that_signs_in_is_refused_beside_a_sign_in(where):
    parse_form(form("none", **where))
    parse_form(form(None, **where))
    for auth in ("bearer", "oauth2", "http_basic", lambda: None, {"type": "api_key", "name": "X-Key"}):
        with pytest.raises(ConfigError, match=r'(?i)`authorization` in .* "none"'):
            parse_form(form(auth, **where))


def test_what_an_api_key_would_overwrite_is_refused():
    key = {"type": "api_key", "name": "X-Key"}
    with pytest.raises(ConfigError, match="`x-key`"):
        parse_form(form(key, client={"headers": {"x-key": "1"}}))
    with pytest.raises(ConfigError, match="parameter `X-Key`"):
        parse_form(form({**key, "location": "query"}, endpoint={"params": {"X-Key": "1"}}))


def test_the_parse_of_a_form_builds_no_auth_object():
    def never(connection):
        raise AssertionError

    parse_form(form(never))
    assert parse_sign_in(never).type == OWN


def test_a_function_that_takes_an_argument_gets_the_connection():
    assert settings(lambda connection: connection.password).make_auth() == SECRET
    assert settings(lambda: "nothing").make_auth() == "nothing"
    assert settings(lambda realm="r": realm).make_auth() == "r"


def test_no_secret_stands_in_a_repr():
    extra = {
        "refresh_token": f"{SECRET}-r",
        "token_params": {"password": SECRET},
        "private_key_passphrase": SECRET,
        "proxy": f"http://user:{SECRET}@proxy:3128",
    }
    assert SECRET not in repr(settings(**extra))
