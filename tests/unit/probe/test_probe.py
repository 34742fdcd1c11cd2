"""The probe writes a form that reads the whole list, whatever its shape, and shows no value of an entry."""

import json
from contextlib import closing
from urllib.parse import urlencode

import pytest

from directory_sync.airflow.command import main
from directory_sync.api.client import DirectoryClient
from directory_sync.config.access import ApiSettings
from directory_sync.config.form import parse_form
from directory_sync.errors import ConfigError
from directory_sync.extract.plan import Shard
from directory_sync.extract.stage import read_with
from directory_sync.probe.paging import MAX_REQUESTS
from directory_sync.probe.probe import probe
from tests.list_server import Answered, ListServer

COUNT = 57
IDS = list(range(710_000, 710_000 + COUNT))


def rows(ids):
    return [{"id": one, "name": f"SENTINEL {one}", "code": f"SENTINEL-{one}"} for one in ids]


def link(asked, **changes):
    """A URL of the list with another place."""
    host = next(value for name, value in asked.headers.items() if name.lower() == "host")
    return f"http://{host}{asked.path}?{urlencode({**asked.query, **changes})}"


def window(asked, offset="offset", limit="limit", *, first=0, default=20, cap=25):
    at = max(int(asked.query.get(offset, first)) - first, 0)
    return at, IDS[at : at + min(int(asked.query.get(limit, default)), cap)]


def numbered(asked, page="page", size="per_page", *, base=1, default=20):
    number, many = int(asked.query.get(page, base)), int(asked.query.get(size, default))
    return number, IDS[(number - base) * many : (number - base + 1) * many]


# -- Lists by offsets


def seed(asked):
    return Answered({"data": rows(window(asked)[1]), "total": COUNT})


def bare_with_a_header(asked):
    return Answered(rows(window(asked)[1]), headers={"X-Total-Count": str(COUNT)})


def scim(asked):
    at, ids = window(asked, "startIndex", "count", first=1, cap=7)
    return Answered({"totalResults": COUNT, "startIndex": at + 1, "itemsPerPage": 7, "Resources": rows(ids)})


def jira(asked):
    return Answered(rows(window(asked, "startAt", "maxResults")[1]))


def keycloak(asked):
    return Answered(rows(window(asked, "first", "max", cap=1_000, default=100)[1]))


def servicenow(asked):
    at, ids = window(asked, "sysparm_offset", "sysparm_limit")
    onward = {"Link": f'<{link(asked, sysparm_offset=at + 20)}>;rel="next"'} if ids else {}
    return Answered({"result": rows(ids)}, headers={**onward, "X-Total-Count": str(COUNT)})


def django_offsets(asked):
    at, ids = window(asked)
    onward = link(asked, offset=at + 20, limit=20) if at + 20 < COUNT else None
    return Answered({"count": COUNT, "next": onward, "previous": None, "results": rows(ids)})


# -- by numbers


def django_numbers(asked):
    number, ids = numbered(asked)
    if not ids:
        return Answered({"detail": "Invalid page."}, status=404)
    onward = link(asked, page=number + 1) if number * 20 < COUNT else None
    return Answered({"count": COUNT, "next": onward, "results": rows(ids)})


def github(asked):
    number, ids = numbered(asked)
    onward = (
        {"Link": f'<{link(asked, page=number + 1, per_page=20)}>; rel="next"'} if number * 20 < COUNT else {}
    )
    return Answered(rows(ids), headers=onward)


def ror(asked):
    if set(asked.query) - {"page", "active"}:
        return Answered({"errors": ["unknown parameter"]}, status=400)
    return Answered({"number_of_results": COUNT, "items": rows(numbered(asked)[1])})


def json_api(asked):
    number, ids = numbered(asked, "page[number]", "page[size]")
    onward = link(asked, **{"page[number]": number + 1}) if number * 20 < COUNT else None
    data = [{"type": "thing", "attributes": {"id": one, "name": f"SENTINEL {one}"}} for one in ids]
    return Answered({"data": data, "links": {"next": onward}, "meta": {"pagination": {"total": COUNT}}})


def from_zero(asked):
    return Answered({"content": rows(numbered(asked, "page", "size", base=0)[1]), "totalElements": COUNT})


# -- by links and cursors


def okta(asked):
    after = int(asked.query.get("after", 0))
    onward = {"Link": f'<{link(asked, after=after + 20)}>; rel="next"'} if after + 20 < COUNT else {}
    return Answered(rows(IDS[after : after + 20]), headers=onward)


def graph(asked):
    at = int(asked.query.get("$skiptoken", 0))
    onward = {"@odata.nextLink": link(asked, **{"$skiptoken": at + 20})} if at + 20 < COUNT else {}
    return Answered({"@odata.context": "x", **onward, "value": rows(IDS[at : at + 20])})


def cursor(asked, *, param, place):
    at = int(asked.query.get(param, "c0")[1:])
    onward = place(f"c{at + 20}") if at + 20 < COUNT else {}
    return {"items": rows(IDS[at : at + 20]), **onward}


def google(asked):
    return Answered(cursor(asked, param="pageToken", place=lambda token: {"nextPageToken": token}))


def slack(asked):
    place = lambda token: {"ok": True, "response_metadata": {"next_cursor": token}}  # noqa: E731
    return Answered(cursor(asked, param="cursor", place=place))


def hubspot(asked):
    return Answered(cursor(asked, param="after", place=lambda token: {"paging": {"next": {"after": token}}}))


def stripe_like(asked):
    body = cursor(asked, param="cursor", place=lambda token: {"cursor": token})
    return Answered({**body, "has_more": "cursor" in body})


def onelogin(asked):
    body = cursor(asked, param="cursor", place=lambda token: {"after": token})
    onward = {"After-Cursor": body["after"]} if "after" in body else {}
    return Answered(body["items"], headers=onward)


OFFSET = {"type": "offset"}
SHAPES = {
    "seed": (seed, "data", {**OFFSET, "limit": 25}),
    "total in a header": (bare_with_a_header, "$", {**OFFSET, "limit": 25, "total_header": "X-Total-Count"}),
    "SCIM": (
        scim,
        "Resources",
        {
            **OFFSET,
            "limit": 7,
            "offset": 1,
            "offset_param": "startIndex",
            "limit_param": "count",
            "total_path": "totalResults",
        },
    ),
    "Jira": (jira, "$", {**OFFSET, "limit": 100, "offset_param": "startAt", "limit_param": "maxResults"}),
    "Keycloak": (keycloak, "$", {**OFFSET, "limit": 100, "offset_param": "first", "limit_param": "max"}),
    "ServiceNow": (
        servicenow,
        "result",
        {
            **OFFSET,
            "limit": 25,
            "offset_param": "sysparm_offset",
            "limit_param": "sysparm_limit",
            "total_header": "X-Total-Count",
        },
    ),
    "Django, offsets": (django_offsets, "results", {**OFFSET, "limit": 25, "total_path": "count"}),
    "Django, numbers": (django_numbers, "results", {"type": "page_number", "base_page": 1}),
    "GitHub": (github, "$", {"type": "page_number", "base_page": 1}),
    "ROR": (ror, "items", {"type": "page_number", "base_page": 1}),
    "JSON:API": (json_api, "data", {"type": "page_number", "base_page": 1, "page_param": "page[number]"}),
    "numbers from 0": (from_zero, "content", {"type": "page_number", "base_page": 0}),
    "Okta": (okta, "$", {"type": "header_link"}),
    "Graph": (graph, "value", {"type": "json_link", "next_url_path": "['@odata.nextLink']"}),
    "Google": (
        google,
        "items",
        {"type": "cursor", "cursor_path": "nextPageToken", "cursor_param": "pageToken"},
    ),
    "Slack": (
        slack,
        "items",
        {"type": "cursor", "cursor_path": "response_metadata.next_cursor", "cursor_param": "cursor"},
    ),
    "HubSpot": (
        hubspot,
        "items",
        {"type": "cursor", "cursor_path": "paging.next.after", "cursor_param": "after"},
    ),
    "word that more follows": (
        stripe_like,
        "items",
        {"type": "cursor", "cursor_path": "cursor", "cursor_param": "cursor", "has_more_path": "has_more"},
    ),
    "OneLogin": (
        onelogin,
        "$",
        {"type": "header_cursor", "cursor_key": "After-Cursor", "cursor_param": "cursor"},
    ),
}


def access(server, **settings):
    return ApiSettings(**{"base_url": server.url, "auth_type": "none", "timeout_seconds": 5.0, **settings})


def form_of(told):
    return json.loads(told[: told.index("\n}") + 2])


def read_by(form, server):
    """The keys of all entries that the form reads."""
    (resource,) = parse_form(form)
    with closing(DirectoryClient(access(server), resource, sleep=lambda _: None)) as client:
        pages = list(read_with(client, Shard(number=0, count=1), requests_in_flight=2))
    return {entry.id for page in pages for entry in page.entries}


@pytest.mark.parametrize(("serve", "selector", "paginator"), SHAPES.values(), ids=SHAPES)
def test_the_form_that_it_writes_reads_the_whole_list(serve, selector, paginator):
    with ListServer(serve) as server:
        told = probe(f"{server.url}/v1/things?active=true", access(server))
        requests = len(server.asked)
        form = form_of(told)
        endpoint = form["resources"][0]["endpoint"]
        assert (endpoint["data_selector"], endpoint["paginator"]) == (selector, paginator)
        assert endpoint["params"]["active"] == "true"
        assert read_by(form, server) == set(IDS)
    assert requests <= MAX_REQUESTS
    assert "SENTINEL" not in told
    assert not any(str(one) in told for one in IDS)


def test_the_query_that_pages_is_found_anew_and_the_size_of_a_page_stays():
    with ListServer(django_numbers) as server:
        form = form_of(probe(f"{server.url}/v1/things?page=2&per_page=10&q=a", access(server)))
    assert form["resources"][0]["endpoint"]["params"] == {"per_page": 10, "q": "a"}


def test_the_key_is_named_even_within_an_object():
    with ListServer(json_api) as server:
        told = probe(f"{server.url}/v1/things", access(server))
    assert form_of(told)["resources"][0]["primary_key"] == "attributes.id"


def test_other_fields_that_may_be_the_key_are_named_as_unsure():
    with ListServer(seed) as server:
        told = probe(f"{server.url}/v1/things", access(server))
    assert form_of(told)["resources"][0]["primary_key"] == "id"
    assert "These may be the key as well: `code`" in told.split("Not sure:")[1]


def test_the_order_is_told():
    def shuffled(asked):
        return Answered({"data": rows(sorted(window(asked)[1], key=lambda one: one % 7)), "total": COUNT})

    with ListServer(seed) as server:
        assert "Entries come in the order of `id`" in probe(f"{server.url}/v1/things", access(server))
    with ListServer(shuffled) as server:
        assert "do not come in the order of `id`" in probe(f"{server.url}/v1/things", access(server))


@pytest.mark.parametrize("serve", [okta, graph, google, onelogin])
def test_a_list_of_links_or_cursors_is_not_said_to_prove_who_left(serve):
    with ListServer(serve) as server:
        told = probe(f"{server.url}/v1/things", access(server))
    assert "proven gone" not in told
    assert "set `detail_path`" in told.split("Not sure:")[1]


def test_a_list_whose_paging_is_not_found_gets_a_form_that_is_refused_until_it_is_named():
    with ListServer(lambda asked: Answered({"data": rows(IDS[:20]), "total": COUNT})) as server:
        told = probe(f"{server.url}/v1/things", access(server))
    assert "20 of 57 entries came" in told
    with pytest.raises(ConfigError, match="has no `paginator`"):
        parse_form(form_of(told))


def test_a_whole_list_in_one_answer_is_told_as_that():
    with ListServer(lambda asked: Answered({"data": rows(IDS), "total": COUNT})) as server:
        told = probe(f"{server.url}/v1/things", access(server))
        assert read_by(form_of(told), server) == set(IDS)
    assert "All 57 entries came in one answer" in told.split("Not sure:")[1]


def test_a_key_in_the_query_is_not_printed():
    with ListServer(seed) as server:
        told = probe(f"{server.url}/v1/things?api_key=SENTINEL", access(server))
    assert "SENTINEL" not in told
    assert '"key_location": "query", "key_name": "api_key"' in told


def test_a_link_to_another_host_is_not_followed():
    def elsewhere(asked):
        return Answered({"data": rows(IDS[:20]), "next": "http://other.invalid/v1/things?cursor=2"})

    with ListServer(elsewhere) as server:
        told = probe(f"{server.url}/v1/things", access(server))
    assert "leads to http://other.invalid" in told
    assert "paginator" not in form_of(told)["resources"][0]["endpoint"]


def test_the_credentials_of_a_connection_go_to_no_other_host():
    with ListServer(seed) as server, pytest.raises(ConfigError, match="another host than the URL"):
        probe(f"{server.url}/v1/things", access(server, base_url="https://api.example.org"))
    assert server.asked == []


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (Answered({"error": "SENTINEL"}), "No list is in the body"),
        (Answered({"data": []}), "The list is empty"),
        (Answered(b"<html>SENTINEL"), "HTML or XML"),
        (Answered({}, status=404), "answered 404"),
    ],
)
def test_an_answer_without_a_list_is_told_without_its_content(capsys, monkeypatch, answered, words):
    monkeypatch.delenv("AIRFLOW_CONN_DIRECTORY_API", raising=False)
    with ListServer(lambda asked: answered) as server:
        assert main(["probe", f"{server.url}/v1/things"]) == 1
    told = capsys.readouterr()
    assert (told.out, words in told.err, "SENTINEL" in told.err) == ("", True, False)


def test_the_command_signs_in_by_the_connection_and_says_how(capsys, monkeypatch):
    def wants_a_key(asked):
        return seed(asked) if asked.headers.get("X-Key") == "SENTINEL-KEY" else Answered({}, status=401)

    connection = {
        "conn_type": "directory_api",
        "password": "SENTINEL-KEY",
        "extra": {"auth_type": "api_key", "key_name": "X-Key"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_PROBED", json.dumps(connection))
    with ListServer(wants_a_key) as server:
        assert main(["probe", f"{server.url}/v1/things", "--connection", "probed"]) == 0
        told = capsys.readouterr().out
        client = form_of(told)["client"]
        assert client == {
            "base_url": server.url,
            "auth": {"type": "api_key", "name": "X-Key", "location": "header"},
        }
    assert "Signed in by `api_key`." in told
    assert "SENTINEL" not in told


def test_a_refusal_without_a_connection_says_where_one_is_looked_up(capsys, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_DIRECTORY_API", raising=False)
    with ListServer(lambda asked: Answered({}, status=401)) as server:
        assert main(["probe", f"{server.url}/v1/things"]) == 1
    assert "There is no connection `directory_api` in AIRFLOW_CONN_DIRECTORY_API" in capsys.readouterr().err


def test_a_connection_that_is_not_there_and_a_url_that_is_none_are_told(capsys):
    assert main(["probe", "https://api.invalid/v1", "--connection", "nowhere"]) == 1
    assert "There is no connection `nowhere`" in capsys.readouterr().err
    assert main(["probe", "api.invalid/v1"]) == 1
    assert "must begin with http" in capsys.readouterr().err
