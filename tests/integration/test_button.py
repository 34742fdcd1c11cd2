"""What the Test button answers: the finding first, in words a person at the form understands."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from directory_sync.airflow.hook import DirectoryApiHook
from tests.wire import WireServer, http

PATH = "/v1/directory"
UP = "Check the base URL, and whether the API is up."


@pytest.fixture
def press(api, monkeypatch):
    """Presses the button on a connection to the API as these fields and faults have it."""

    def press(
        *,
        path: str | None = PATH,
        fields: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
        **faults: Any,
    ):
        api.configure(**faults)
        connection = {
            "conn_type": "directory_api",
            "host": api.url,
            "login": api.settings.client_id,
            "password": api.settings.client_secret,
            "extra": {"test_path": path, **(extra or {})},
        }
        monkeypatch.setenv("AIRFLOW_CONN_PRESSED", json.dumps(connection | (fields or {})))
        return DirectoryApiHook("pressed").test_connection()

    return press


def test_a_connection_that_works_says_what_the_path_holds_in_words_for_the_form(press):
    granted = (
        r'Token granted\. /v1/directory answered in \d+ ms\. The list: "data_selector": "data", with 100 '
        r'entries in this answer\. The count: "total_path": "total", which says 300\. The key: '
        r'"primary_key": "id", integer, different in every entry\.'
    )
    works, words = press()
    assert works
    assert re.fullmatch(granted, words)


def test_without_a_path_to_try_it_signs_in_and_says_so(press, api):
    assert press(path=None, fail_next=[404]) == (
        True,
        "Token granted. Fill in `Path to try` to see what a list of the API holds.",
    )
    assert api.stats.tokens_granted == 1


def test_a_wrong_path_is_corrected_in_the_connection_alone(press):
    assert not press(path="/v1/nowhere")[0]
    assert press(path="/v1/directory?limit=5")[1].count("with 5 entries") == 1


def test_another_name_of_the_list_and_of_the_count_is_found(press):
    words = press(data_key="items", total_key="count")[1]
    assert '"data_selector": "items"' in words
    assert '"total_path": "count", which says 300' in words


def test_the_query_of_the_path_is_not_shown(press):
    assert "SENTINEL" not in press(path="/v1/directory?api_key=SENTINEL")[1]


@pytest.mark.parametrize("path", ["http://another.example/v1", "v1/directory", "//another.example/v1"])
def test_a_path_never_leads_to_another_host(press, path):
    works, words = press(path=path)
    assert not works
    assert "another.example" not in words.partition("//another.example")[2]
    assert "must be a path on the base URL" in words or "answered 404" in words


def test_fields_that_were_left_empty_are_as_good_as_absent(press):
    names = ("token_url", "scope", "timeout_seconds", "requests_per_second", "test_path")
    assert press(extra=dict.fromkeys(names))[0]
    assert press(extra=dict.fromkeys(names, ""))[0]


def test_an_api_that_counts_nothing_still_works(press):
    works, words = press(total="absent")
    assert works
    assert "No count of all entries was found." in words


class Wrong(NamedTuple):
    """What is wrong, and what is said; {url} is the API's address."""

    words: str
    fields: Mapping[str, Any] = MappingProxyType({})
    extra: Mapping[str, Any] = MappingProxyType({})
    faults: Mapping[str, Any] = MappingProxyType({})


WRONG = {
    "token URL": Wrong(
        "The token URL {url}/nowhere answered 404. Check `token_url` of the connection.",
        extra={"token_url": "/nowhere"},
    ),
    "secret": Wrong(
        "The token URL {url}/oauth/token answered 401 (invalid_client): the client id, the client secret or "
        "the `auth_method` (client_secret_post) of the connection is wrong.",
        fields={"password": "another-secret"},
    ),
    "scope": Wrong(
        f"{PATH} answered 403: the client has not the scope or the right to read it. Ask the API's "
        "owner for that right, and set `scope` of the connection if one is needed.",
        faults={"fail_next": [403]},
    ),
    "path": Wrong(
        f"{PATH} answered 404. Check the host of the connection and its `Path to try`.",
        faults={"fail_next": [404]},
    ),
    "API that is down": Wrong(f"{PATH}: status 503. {UP}", faults={"fail_next": [503]}),
    "API that hangs up": Wrong(
        f"{PATH}: connection lost. The address was {{url}}/v1/directory. {UP}", faults={"drop_rate": 1}
    ),
    "API that is slow": Wrong(
        f"{PATH}: timed out. The address was {{url}}/v1/directory. {UP}",
        extra={"timeout_seconds": 0.2},
        faults={"latency_ms": 1000},
    ),
    "port": Wrong(
        "The token URL: no connection, the host refused it or is not there. The address was "
        f"http://127.0.0.1:1/oauth/token. {UP}",
        fields={"host": "http://127.0.0.1:1"},
    ),
    "host": Wrong(
        "The token URL: no connection, the host's name is unknown. The address was "
        f"http://directory.invalid/oauth/token. {UP}",
        fields={"host": "http://directory.invalid"},
    ),
    "scheme": Wrong(
        "The server at {tls} does not use TLS. The address was {tls}/oauth/token. Check the host of the "
        "connection, its scheme and its port.",
        fields={"host": "{tls}"},
    ),
    "no client id": Wrong(
        "The login of connection `pressed` is empty: it holds the OAuth2 client id.",
        fields={"login": ""},
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_place_and_its_remedy(press, api, wrong):
    urls = {"url": api.url, "tls": api.url.replace("http:", "https:")}
    fields = {name: text.format(**urls) for name, text in wrong.fields.items()}
    assert press(fields=fields, extra=dict(wrong.extra), **wrong.faults) == (
        False,
        wrong.words.format(**urls),
    )


SIGN_INS = {
    "token": (
        {"login": "", "password": "SENTINEL-K"},
        {"auth_type": "bearer"},
        "authorization: Bearer SENTINEL-K",
        "answered 401 to the token.",
    ),
    "key": (
        {"login": "", "password": "SENTINEL-K"},
        {"auth_type": "api_key", "key_name": "X-Key", "key_prefix": "v1-"},
        "x-key: v1-SENTINEL-K",
        "answered 401 to the API key in the header `X-Key`.",
    ),
    "user": (
        {"login": "SENTINEL-K", "password": ""},
        {"auth_type": "http_basic"},
        "authorization: Basic U0VOVElORUwtSzo=",
        "answered 401 to user and password.",
    ),
    "nobody": ({}, {"auth_type": "none"}, "accept: application/json", "answered 401 without a sign-in."),
}


class KeyServer(WireServer):
    """Answers a list to requests that have a header."""

    header = ""

    def respond(self, head):
        lines = {f"{n.lower()}:{v}" for n, _, v in (x.partition(":") for x in head.decode().split("\r\n"))}
        return http([{"id": 1}]) if self.header in lines else http({}, status="401 Unauthorized")


@pytest.mark.parametrize(("fields", "extra", "header", "refusal"), SIGN_INS.values(), ids=SIGN_INS)
def test_each_sign_in_is_tried_on_the_path_and_refused_in_its_words(press, fields, extra, header, refusal):
    with KeyServer() as server:
        server.header = header
        works, words = press(path="/things", fields={"host": server.url, **fields}, extra=extra)
        assert (works, words.split(" answered")[0]) == (True, "/things")
        server.header = "x: another"
        works, words = press(path="/things", fields={"host": server.url, **fields}, extra=extra)
    assert not works
    assert words.startswith(f"/things {refusal}")
    assert "SENTINEL" not in words


@pytest.mark.parametrize("sign_in", ["bearer", "api_key", "http_basic", "none"])
def test_without_a_path_to_try_a_sign_in_without_tokens_is_not_called_good(press, sign_in):
    assert press(path=None, extra={"auth_type": sign_in}) == (
        False,
        "Only a list shows whether this sign-in works: fill in `Path to try`.",
    )


def test_a_body_that_is_no_list_is_named(press):
    assert press(body_fault="html")[1].endswith("The body is HTML or XML: it cannot be read as a list.")


def test_no_answer_holds_the_secret_or_a_record(press, api):
    faults = ({}, {"body_fault": "truncated"}, {"body_fault": "null_list"}, {"fail_next": [401, 401]})
    for fault in faults:
        words = press(**fault)[1]
        assert api.settings.client_secret not in words
        assert "Airport" not in words
