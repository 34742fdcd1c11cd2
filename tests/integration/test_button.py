"""What the Test button answers: the finding first, in words a person at the form understands."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from directory_sync.airflow.hook import DirectoryApiHook

FIRST_PAGE = "/v1/directory at offset 0"
SELECTOR = "Check `data_selector` in plugins/directory_sync/config/resources.py, or ask the API's vendor."
UP = "Check the base URL, and whether the API is up."


@pytest.fixture
def press(api, monkeypatch):
    """Presses the button on a connection to the API as these fields and faults have it."""

    def press(*, fields: dict[str, Any] | None = None, extra: dict[str, Any] | None = None, **faults: Any):
        api.configure(**faults)
        connection = {
            "conn_type": "directory_api",
            "host": api.url,
            "login": api.settings.client_id,
            "password": api.settings.client_secret,
            "extra": extra or {},
        }
        monkeypatch.setenv("AIRFLOW_CONN_PRESSED", json.dumps(connection | (fields or {})))
        return DirectoryApiHook("pressed").test_connection()

    return press


def test_a_connection_that_works_says_what_it_found(press):
    granted = r"Token granted; 300 entries; pages of 100; first page in \d+ ms"
    works, words = press()
    assert works
    assert re.fullmatch(granted, words)


def test_fields_that_were_left_empty_are_as_good_as_absent(press):
    names = ("token_url", "scope", "timeout_seconds", "requests_per_second")
    assert press(extra=dict.fromkeys(names))[0]
    assert press(extra=dict.fromkeys(names, ""))[0]


def test_an_api_that_counts_nothing_still_works(press):
    works, words = press(total="absent")
    assert works
    assert words.startswith("Token granted; an unstated number of entries; pages of 100; ")


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
        "The token URL {url}/oauth/token answered 401: the client id, the client secret or the `auth_method` "
        "(client_secret_post) of the connection is wrong.",
        fields={"password": "another-secret"},
    ),
    "scope": Wrong(
        f"{FIRST_PAGE} answered 403: the client lacks the scope, or the right to read it. Ask the API's "
        "owner for the scope, and set `scope` of the connection if it needs one.",
        faults={"fail_next": [403]},
    ),
    "path": Wrong(
        f"{FIRST_PAGE} answered 404. Check the host of the connection and the path and parameters of the "
        "resource.",
        faults={"fail_next": [404]},
    ),
    "name of the list": Wrong(
        f"No list at `data`: the body of {FIRST_PAGE} has `items`, `count`, `limit`, `offset`. {SELECTOR}",
        faults={"data_key": "items", "total_key": "count"},
    ),
    "page of HTML": Wrong(
        f"The body of {FIRST_PAGE} is not JSON (HTML or XML). {SELECTOR}", faults={"body_fault": "html"}
    ),
    "API that is down": Wrong(f"{FIRST_PAGE}: status 503. {UP}", faults={"fail_next": [503]}),
    "API that hangs up": Wrong(f"{FIRST_PAGE}: connection lost. {UP}", faults={"drop_rate": 1}),
    "API that is slow": Wrong(
        f"{FIRST_PAGE}: timed out. {UP}", extra={"timeout_seconds": 0.2}, faults={"latency_ms": 1000}
    ),
    "port": Wrong(
        f"The token URL: no connection, the host refused it or is not there. {UP}",
        fields={"host": "http://127.0.0.1:1"},
    ),
    "host": Wrong(
        f"The token URL: no connection, the host's name is unknown. {UP}",
        fields={"host": "http://directory.invalid"},
    ),
    "scheme": Wrong(
        "There is no TLS at {tls}. Check the connection's host, its scheme and its port.",
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


def test_no_answer_holds_the_secret_or_a_record(press, api):
    for faults in ({"body_fault": "truncated"}, {"body_fault": "null_list"}, {"fail_next": [401, 401]}):
        words = press(**faults)[1]
        assert api.settings.client_secret not in words
        assert "Airport" not in words
