"""Every list that dlt's form describes: how it is asked for, how it ends, and what is refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from directory_sync.audit.checks import check_seal
from directory_sync.audit.pages_seal import accept_walk, verify_rereads
from directory_sync.audit.scratch import Snapshot
from directory_sync.audit.windows_seal import seal_windows
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages, NumberedPages, OffsetPages
from directory_sync.errors import ApiError, ConfigError, EnvelopeError, SnapshotError
from directory_sync.extract.linked import MAX_STALE_PAGES, LinkedReader
from directory_sync.extract.plan import Shard
from directory_sync.extract.stage import read_with
from tests.list_server import Answered, Asked, ListServer, resource_of, rows
from tests.simulation import ids_in, land

IDS = list(range(1, 61))
LIMIT = 10


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer() as server:
        yield server


@pytest.fixture
def read(server: ListServer, tmp_path: Path) -> Callable[..., set[Any]]:
    """Reads, lands and seals a list as a run does; returns the ids of the snapshot."""

    def read_one(resource: Resource, *, shards: int = 1) -> set[Any]:
        with server.client(resource) as client, duckdb.connect() as database:
            pages = {
                number: list(read_with(client, Shard(number=number, count=shards), requests_in_flight=2))
                for number in range(shards)
            }
            snapshot = Snapshot(database, land(tmp_path, pages))
            if isinstance(resource.pages, OffsetPages):
                proof = seal_windows(snapshot, client.page)
            elif isinstance(resource.pages, NumberedPages):
                proof = verify_rereads(snapshot, base_page=resource.pages.base_page)
            else:
                proof = accept_walk(snapshot)
            entries = snapshot.distinct_ids()
            errors = [
                finding.message
                for finding in check_seal(proof, snapshot.counts(), entries=entries, resource=resource)
                if finding.level == "error"
            ]
            assert not errors
            return ids_in(snapshot)

    return read_one


def by_offset(
    asked: Asked,
    *,
    first: int = 0,
    offset: str = "offset",
    limit: str = "limit",
    cap: int = 1_000,
    ids: list[int] = IDS,
) -> list[int]:
    """The ids that stand at an offset of the API."""
    at = max(0, int(asked.what[offset]) - first)
    return ids[at : at + min(cap, int(asked.what[limit]))]


# ---- offsets from 1, as SCIM has them


def scim(asked: Asked, *, ids: list[int] = IDS, cap: int = 7) -> Answered:
    """SCIM 2.0: startIndex below 1 is 1; the list is left out where it is empty; pages are capped."""
    found = by_offset(asked, first=1, offset="startIndex", limit="count", cap=cap, ids=ids)
    body: dict[str, Any] = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]}
    body |= {"totalResults": len(ids), "startIndex": int(asked.query["startIndex"])}
    return Answered(body | ({"Resources": rows(found), "itemsPerPage": len(found)} if found else {}))


SCIM = {
    "data_selector": "Resources",
    "paginator": {
        "type": "offset", "limit": LIMIT, "offset": 1, "offset_param": "startIndex", "limit_param": "count",
        "total_path": "totalResults",
    },
}  # fmt: skip


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 60])
def test_a_list_that_counts_from_1_is_read_whole(server, read, count, shards):
    server.serve = lambda asked: scim(asked, ids=IDS[:count])
    assert read(resource_of(SCIM), shards=shards) == set(IDS[:count])
    asked = [int(asked.query["startIndex"]) for asked in server.asked]
    # 0 is asked for to see whether the API counts from 1.
    assert (asked[0], min(asked[1:])) == (0, 1)


def test_windows_of_a_list_that_counts_from_1_overlap_by_one_entry(server, read):
    server.serve = lambda asked: scim(asked, cap=LIMIT)
    read(resource_of(SCIM))
    # 0 is asked for to see whether the API counts from 1.
    assert sorted({int(asked.query["startIndex"]) for asked in server.asked})[:5] == [0, 1, 10, 19, 28]


def test_a_list_that_is_edited_while_it_is_read_from_1_is_sealed_whole(server, read):
    """Between windows the first entry leaves, and each later one stands a place further left."""
    ids = list(IDS)

    def serve(asked: Asked) -> Answered:
        if len(server.asked) in (5, 8):
            ids.remove(ids[0])
        return scim(asked, ids=ids)

    server.serve = serve
    resource = resource_of({**SCIM, "paginator": {**SCIM["paginator"], "total_path": None}}, empty="absent")
    assert read(resource) >= set(ids)


def test_an_offset_of_1_at_an_api_that_counts_from_0_is_refused(server, read):
    """Else the first entry would be left out each night, and nothing would show it."""
    server.serve = lambda asked: Answered({"data": rows(by_offset(asked))})
    paginator = {"type": "offset", "limit": LIMIT, "offset": 1, "total_path": None}
    with pytest.raises(ConfigError, match="counts entries from 0"):
        read(resource_of({"paginator": paginator}))


def test_entries_that_leave_the_front_of_a_list_that_counts_from_1_are_no_fault(server, read):
    ids = list(IDS)

    def serve(asked: Asked) -> Answered:
        if len(server.asked) in range(2, 8):
            ids.remove(ids[0])
        return scim(asked, ids=ids)

    server.serve = serve
    assert read(resource_of(SCIM)) >= set(ids)


def test_a_status_in_front_of_a_list_that_counts_from_1_is_no_fault(server, read):
    def serve(asked: Asked) -> Answered:
        return scim(asked) if asked.query["startIndex"] != "0" else Answered({}, 400)

    server.serve = serve
    assert read(resource_of(SCIM)) == set(IDS)


# ---- totals in a header


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("X-Total-Count", "{total}"),
        ("Content-Range", "{at}-{last}/{total}"),
        ("Content-Range", "items */{total}"),
    ],
)
@pytest.mark.parametrize("status", [200, 206])
def test_a_total_in_a_header_is_read(server, read, name, written, status):
    def serve(asked: Asked) -> Answered:
        found, at = by_offset(asked), int(asked.query["offset"])
        said = {
            name: written.format(at=at, last=at + len(found) - 1, total=len(IDS)),
            "Content-Range": "0-9/60",
        }
        said |= {name: written.format(at=at, last=at + len(found) - 1, total=len(IDS))}
        return Answered(rows(found), status, said)

    server.serve = serve
    resource = resource_of(
        {"data_selector": "$", "paginator": {"type": "offset", "limit": LIMIT, "total_header": name}}
    )
    assert read(resource, shards=2) == set(IDS)
    with server.client(resource) as client:
        assert client.page(20).total == len(IDS)


def test_a_total_in_a_header_counts_against_the_snapshot(server, read):
    server.serve = lambda asked: Answered({"data": rows(by_offset(asked))}, headers={"X-Total": "61"})
    with pytest.raises(AssertionError, match="states 61 entries"):
        read(resource_of({"paginator": {"type": "offset", "limit": LIMIT, "total_header": "X-Total"}}))


def test_an_unknown_total_in_a_range_is_none(server):
    server.serve = lambda asked: Answered([], headers={"Content-Range": "0-24/*"})
    paginator = {"type": "offset", "total_header": "Content-Range"}
    with server.client(resource_of({"data_selector": "$", "paginator": paginator})) as client:
        assert client.page(0).total is None


def test_a_206_without_a_range_is_no_success(server):
    server.serve = lambda asked: Answered({"data": []}, 206)
    with server.client(resource_of({"paginator": "offset"})) as client, pytest.raises(ApiError, match="206"):
        client.page(0)


@pytest.mark.parametrize(
    ("paginator", "named"),
    [
        ({"type": "offset", "total_path": "meta.count"}, "`meta.count`, its `total_path`"),
        ({"type": "offset", "total_header": "X-Total"}, "the header `X-Total`, its `total_header`"),
        ({"type": "page_number", "total_path": "pages"}, "`pages`, its `total_path`"),
        ({"type": "single_page", "total_path": "count"}, "`count`, its `total_path`"),
    ],
)
def test_a_declared_total_that_no_answer_has_is_refused(server, read, paginator, named):
    def serve(asked: Asked) -> Answered:
        is_first = all(asked.query.get(param, "0") == "0" for param in ("offset", "page"))
        return Answered({"data": rows(IDS[:3]) if is_first else []})

    server.serve = serve
    with pytest.raises(ConfigError, match=named):
        read(resource_of({"paginator": paginator}))


def test_a_total_whose_key_has_a_dot_is_told_how_to_write_it(server, read):
    server.serve = lambda asked: Answered({"@odata.count": 3, "data": rows(IDS[:3])})
    with pytest.raises(ConfigError, match=r"write \"\['@odata.count'\]\""):
        read(resource_of({"paginator": {"type": "single_page", "total_path": "@odata.count"}}))
    assert read(resource_of({"paginator": {"type": "single_page", "total_path": "['@odata.count']"}})) == {
        1,
        2,
        3,
    }


def test_a_total_on_the_first_page_alone_is_enough(server, read):
    """Microsoft Graph counts on the first page only."""

    def serve(asked: Asked) -> Answered:
        if "skip" in asked.query:
            return Answered({"data": rows([3])})
        return Answered({"data": rows([1, 2]), "count": 3, "next": "?skip=2"})

    server.serve = serve
    assert read(resource_of({"paginator": {"type": "json_link", "total_path": "count"}})) == {1, 2, 3}


# ---- what says that more follows


def test_an_offset_list_that_says_more_follows_behind_its_end_is_not_sealed(server, read):
    server.serve = lambda asked: Answered({"data": rows(by_offset(asked)), "more": True})
    paginator = {"type": "offset", "limit": LIMIT, "total_path": None, "has_more_path": "more"}
    with pytest.raises(SnapshotError, match="says that more follows"):
        read(resource_of({"paginator": paginator}))


def test_a_list_that_says_whether_more_follows_is_read_whole(server, read):
    def serve(asked: Asked) -> Answered:
        found = by_offset(asked)
        return Answered({"data": rows(found), "page": {"more": bool(found) and found[-1] != IDS[-1]}})

    server.serve = serve
    paginator = {"type": "offset", "limit": LIMIT, "total_path": None, "has_more_path": "page.more"}
    assert read(resource_of({"paginator": paginator})) == set(IDS)


@pytest.mark.parametrize("said", [{}, {"more": None}, {"more": "perhaps"}, {"more": 1}])
def test_an_answer_that_does_not_say_whether_more_follows_is_refused(server, read, said):
    server.serve = lambda asked: Answered({"data": rows(by_offset(asked)), **said})
    paginator = {"type": "offset", "limit": LIMIT, "has_more_path": "more"}
    with pytest.raises(EnvelopeError, match=r"does not say whether more follows: `more`"):
        read(resource_of({"paginator": paginator}))


def by_number(asked: Asked, *, base: int = 1, size: int = LIMIT) -> list[int]:
    at = (int(asked.what["page"]) - base) * size
    return IDS[at : at + size]


def test_numbered_pages_that_say_more_follows_behind_their_end_are_not_sealed(server, read):
    server.serve = lambda asked: Answered({"data": rows(by_number(asked)), "more": "true"})
    paginator = {"type": "page_number", "base_page": 1, "has_more_path": "more"}
    with pytest.raises(SnapshotError, match="says that more follows"):
        read(resource_of({"paginator": paginator}))
    server.serve = lambda asked: Answered(
        {"data": rows(by_number(asked)), "more": int(asked.query["page"]) < 6}
    )
    assert read(resource_of({"paginator": paginator})) == set(IDS)


# ---- how a list ends


@pytest.mark.parametrize("status", [404, 410])
def test_a_404_behind_the_last_page_ends_numbered_pages(server, read, status):
    """Django REST framework answers so."""

    def serve(asked: Asked) -> Answered:
        found = by_number(asked)
        return Answered({"results": rows(found)}) if found else Answered({"detail": "Invalid page."}, status)

    server.serve = serve
    endpoint = {"data_selector": "results", "paginator": {"type": "page_number", "base_page": 1}}
    assert read(resource_of(endpoint)) == set(IDS)


def test_a_404_on_the_first_page_is_an_error_unless_the_form_ignores_it(server, read):
    server.serve = lambda asked: Answered({}, 404)
    for paginator in ("offset", "page_number", "single_page"):
        with pytest.raises(ApiError, match="answered 404"):
            read(resource_of({"paginator": paginator}))
        actions = [{"status_code": 404, "action": "ignore"}]
        assert read(resource_of({"paginator": paginator, "response_actions": actions})) == set()


@pytest.mark.parametrize("paginator", ["offset", "page_number", "single_page"])
def test_an_absent_list_is_empty_where_the_form_says_so(server, read, paginator):
    server.serve = lambda asked: Answered({"kind": "members", "etag": "x"})
    with pytest.raises(EnvelopeError, match="No list at `members`"):
        read(resource_of({"data_selector": "members", "paginator": paginator}))
    endpoint = {"data_selector": "members", "paginator": paginator}
    assert read(resource_of(endpoint, empty="absent")) == set()


@pytest.mark.parametrize(
    "body",
    [
        {"users": [{"id": 1}]},
        {"error": {"code": 500}},
        {"errors": ["none"]},
        {"total": 3},
    ],
)
def test_an_absent_list_is_not_empty_beside_another_list_an_error_or_a_count(server, read, body):
    server.serve = lambda asked: Answered(body)
    with pytest.raises(EnvelopeError, match="No list at `members`"):
        read(resource_of({"data_selector": "members", "paginator": "offset"}, empty="absent"))


def test_a_window_cap_is_told_with_the_last_offset_that_worked(server, read):
    ids = list(range(1, 3_001))

    def serve(asked: Asked) -> Answered:
        if int(asked.query["offset"]) + int(asked.query["limit"]) > 1_000:
            return Answered({"error": "Result window is too large"}, 400)
        body: dict[str, Any] = {"data": rows(by_offset(asked, ids=ids))}
        return Answered(body | ({"total": len(ids)} if has_total else {}))

    server.serve = serve
    for has_total in (True, False):
        for limit in (30, 100):
            for shards in (1, 3) if has_total else (1,):
                with pytest.raises(ApiError) as caught:
                    read(resource_of({"paginator": {"type": "offset", "limit": limit}}), shards=shards)
                told = str(caught.value)
                assert f"{1_000 - limit:,}" in told, (has_total, limit, shards, told)
                assert "only limits how far offsets reach" in told or "result window" in told


def test_a_cap_on_page_numbers_is_told_with_the_last_page_that_worked(server, read):
    server.serve = lambda asked: (
        Answered({"data": rows(by_number(asked))}) if int(asked.query["page"]) < 4 else Answered({}, 400)
    )
    with pytest.raises(
        ApiError, match=r"`page` 3 was answered with entries, .*from 4 on \(a result window\)"
    ):
        read(resource_of({"paginator": {"type": "page_number", "base_page": 1}}))


# ---- POST


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("shards", [1, 3])
def test_a_list_is_read_by_post_with_the_page_in_the_body(server, read, first, shards):
    def serve(asked: Asked) -> Answered:
        assert (asked.method, asked.body["filter"], asked.query) == ("POST", {"active": True}, {"api": "2"})
        page = asked.body["page"]
        at = page["from"] - first
        return Answered({"data": rows(IDS[at : at + min(page["size"], 8)]), "total": len(IDS)})

    server.serve = serve
    endpoint = {
        "method": "post",
        "params": {"api": "2"},
        "json": {"filter": {"active": True}, "page": {"sort": "id"}},
        "paginator": {
            "type": "offset", "limit": LIMIT, "offset": first,
            "offset_body_path": "page.from", "limit_body_path": "page.size",
        },
    }  # fmt: skip
    assert read(resource_of(endpoint), shards=shards) == set(IDS)
    assert {asked.body["page"]["sort"] for asked in server.asked} == {"id"}


def test_pages_are_numbered_in_the_body(server, read):
    server.serve = lambda asked: Answered({"data": rows(by_number(asked))})
    paginator = {"type": "page_number", "base_page": 1, "page_body_path": "page"}
    assert read(resource_of({"method": "POST", "paginator": paginator})) == set(IDS)


def cursor_of(asked: Asked, key: str = "after") -> int:
    return int(asked.what.get(key) or 0)


def test_a_cursor_is_sent_in_the_body(server, read):
    def serve(asked: Asked) -> Answered:
        at = int(asked.body["page"].get("after", 0)) if "page" in asked.body else 0
        following = at + LIMIT if at + LIMIT < len(IDS) else None
        return Answered({"data": rows(IDS[at : at + LIMIT]), "next": following and str(following)})

    server.serve = serve
    endpoint = {
        "method": "POST",
        "json": {"query": "all"},
        "paginator": {"type": "cursor", "cursor_path": "next", "cursor_body_path": "page.after"},
    }
    assert read(resource_of(endpoint)) == set(IDS)
    assert {asked.body["query"] for asked in server.asked} == {"all"}


def test_a_form_body_is_sent_with_each_page(server, read):
    """Slack takes a form, and the cursor in the query."""

    def serve(asked: Asked) -> Answered:
        assert asked.body == {"limit": "200"}
        at = int(asked.query.get("cursor") or 0)
        following = str(at + LIMIT) if at + LIMIT < len(IDS) else ""
        meta = {"next_cursor": following}
        return Answered({"ok": True, "data": rows(IDS[at : at + LIMIT]), "response_metadata": meta})

    server.serve = serve
    paginator = {"type": "cursor", "cursor_path": "response_metadata.next_cursor"}
    assert read(resource_of({"method": "POST", "data": {"limit": 200}, "paginator": paginator})) == set(IDS)


def test_a_post_is_sent_again_after_a_fault(server, read):
    def serve(asked: Asked) -> Answered:
        if len(server.asked) in (2, 5):
            return Answered({}, 503)
        if len(server.asked) == 7:
            return Answered(status=0)
        return Answered({"data": rows(by_number(asked))})

    server.serve = serve
    paginator = {"type": "page_number", "base_page": 1, "page_body_path": "page"}
    assert read(resource_of({"method": "POST", "json": {"a": 1}, "paginator": paginator})) == set(IDS)
    assert all(asked.body["a"] == 1 for asked in server.asked)


@pytest.mark.parametrize("status", [307, 308])
def test_a_post_follows_a_redirect_that_keeps_it_within_the_origin(server, read, status):
    def serve(asked: Asked) -> Answered:
        if asked.path == "/things":
            return Answered(None, status, {"Location": "/moved"})
        assert (asked.method, asked.path) == ("POST", "/moved")
        return Answered({"data": rows(by_number(asked))})

    server.serve = serve
    paginator = {"type": "page_number", "base_page": 1, "page_body_path": "page"}
    assert read(resource_of({"method": "POST", "paginator": paginator})) == set(IDS)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_is_not_turned_into_a_get(server, read, status):
    server.serve = lambda asked: Answered(None, status, {"Location": "/moved"})
    with pytest.raises(ApiError, match=str(status)):
        read(resource_of({"method": "POST", "paginator": "single_page"}))
    assert [asked.method for asked in server.asked] == ["POST"]


def test_a_post_is_not_redirected_to_another_origin(server, read):
    server.serve = lambda asked: Answered(None, 307, {"Location": "http://127.0.0.1:9/things"})
    with pytest.raises(ConfigError, match="redirected"):
        read(resource_of({"method": "POST", "json": {"a": 1}, "paginator": "single_page"}))


# ---- cursors and links


@pytest.mark.parametrize("how", ["params", "cursor_value"])
def test_a_cursor_has_a_start_value(server, read, how):
    """GLEIF asks for `page[cursor]=*` first."""

    def serve(asked: Asked) -> Answered:
        at = 0 if asked.query["page[cursor]"] == "*" else int(asked.query["page[cursor]"])
        following = {"next": str(at + LIMIT)} if at + LIMIT < len(IDS) else {}
        return Answered({"data": rows(IDS[at : at + LIMIT]), "meta": following})

    server.serve = serve
    paginator: dict[str, Any] = {"type": "cursor", "cursor_path": "meta.next", "cursor_param": "page[cursor]"}
    endpoint: dict[str, Any] = {"params": {"page[size]": 10}, "paginator": paginator}
    if how == "params":
        endpoint["params"]["page[cursor]"] = "*"
    else:
        paginator["cursor_value"] = "*"
    assert read(resource_of(endpoint)) == set(IDS)
    assert [asked.pairs for asked in server.asked][1] == [("page[size]", "10"), ("page[cursor]", "10")]


def test_bracketed_parameters_page(server, read):
    server.serve = lambda asked: Answered(
        {"data": rows(by_offset(asked, offset="page[offset]", limit="page[limit]"))}
    )
    paginator = {
        "type": "offset", "limit": LIMIT, "offset_param": "page[offset]", "limit_param": "page[limit]",
    }  # fmt: skip
    assert read(resource_of({"paginator": paginator})) == set(IDS)


def linked(asked: Asked, link: str, *, key: str = "after") -> Answered:
    at = cursor_of(asked, key)
    following = link.format(at + LIMIT) if at + LIMIT < len(IDS) else None
    return Answered({"data": rows(IDS[at : at + LIMIT]), "next": following})


def test_headers_are_sent_with_every_page_and_parameters_are_not_doubled(server, read):
    server.serve = lambda asked: linked(asked, "/things?select=id&after={}")
    endpoint = {
        "params": {"select": "id"},
        "headers": {"ConsistencyLevel": "eventual"},
        "paginator": {"type": "json_link", "next_url_path": "next"},
    }
    assert read(resource_of(endpoint)) == set(IDS)
    assert {asked.headers["ConsistencyLevel"] for asked in server.asked} == {"eventual"}
    assert server.asked[1].pairs == [("select", "id"), ("after", "10")]


@pytest.mark.parametrize("link", ["?after={}", "/things?after={}&select=id"])
def test_parameters_that_a_link_lacks_are_sent_again_where_the_form_says_so(server, read, link):
    def serve(asked: Asked) -> Answered:
        return linked(asked, link) if asked.query.get("select") == "id" else Answered({}, 400)

    server.serve = serve
    endpoint = {"params": {"select": "id"}, "paginator": {"type": "json_link", "resend_params": True}}
    assert read(resource_of(endpoint)) == set(IDS)
    assert sorted(server.asked[1].pairs) == [("after", "10"), ("select", "id")]


def test_a_cursor_stops_where_the_api_says_that_no_more_follows(server, read):
    """Zendesk gives a cursor on its last page, too."""

    def serve(asked: Asked) -> Answered:
        at = cursor_of(asked)
        has_more = at + LIMIT < len(IDS)
        meta = {"has_more": has_more, "after_cursor": str(at + LIMIT)}
        return Answered({"data": rows(IDS[at : at + LIMIT]), "meta": meta})

    server.serve = serve
    paginator = {
        "type": "cursor", "cursor_path": "meta.after_cursor", "cursor_param": "after",
        "has_more_path": "meta.has_more",
    }  # fmt: skip
    assert read(resource_of({"paginator": paginator})) == set(IDS)
    assert len(server.asked) == 6


def test_a_walk_that_ends_although_more_follows_is_refused(server, read):
    server.serve = lambda asked: Answered({"data": rows([1, 2]), "more": True, "cursors": {"next": None}})
    with pytest.raises(EnvelopeError, match="says that more follows, and has no link or cursor"):
        read(resource_of({"paginator": {"type": "cursor", "has_more_path": "more"}}))


def test_a_walk_may_end_with_an_empty_page_but_not_with_a_stray_one(server, read):
    def serve(asked: Asked) -> Answered:
        at = cursor_of(asked)
        ids = [] if len(server.asked) == 3 else IDS[at : at + LIMIT]
        return Answered({"data": rows(ids), "cursors": {"next": str(at + LIMIT)}})

    server.serve = serve
    paginator = {"type": "cursor", "cursor_param": "after", "stop_after_empty_page": True}
    assert read(resource_of({"paginator": paginator})) == set(IDS)


@pytest.mark.parametrize("length", [2, 3, 7])
def test_cursors_that_go_round_in_a_circle_end(server, read, length):
    def serve(asked: Asked) -> Answered:
        turn = len(server.asked)
        at = 0 if turn == 1 else 5 + turn % length * 5
        return Answered({"data": rows(IDS[at : at + 5]), "cursors": {"next": f"c{turn}"}})

    server.serve = serve
    with pytest.raises(EnvelopeError, match="does not seem to end"):
        read(resource_of({"paginator": "cursor"}))
    assert len(server.asked) == 1 + length + MAX_STALE_PAGES + 1


def test_empty_pages_with_ever_new_cursors_end(server, read):
    server.serve = lambda asked: Answered({"data": [], "cursors": {"next": f"c{len(server.asked)}"}})
    with pytest.raises(EnvelopeError, match="does not seem to end"):
        read(resource_of({"paginator": "cursor"}))
    assert len(server.asked) == MAX_STALE_PAGES + 1


def test_many_empty_pages_between_others_do_not_end_a_walk(server, read):
    def serve(asked: Asked) -> Answered:
        at = cursor_of(asked)
        ids = IDS[at // 20 :][:1] if at % 20 == 0 else []
        return Answered({"data": rows(ids), "cursors": {"next": str(at + 1) if at < 400 else None}})

    server.serve = serve
    paginator = {"type": "cursor", "cursor_param": "after"}
    assert read(resource_of({"paginator": paginator})) == set(IDS[:21])


@pytest.mark.parametrize(
    ("paginator", "body", "named"),
    [
        (
            {"type": "json_link", "next_url_path": "@odata.nextLink"},
            {"@odata.nextLink": "/things?skip=3"},
            r"""write "next_url_path": "\['@odata.nextLink'\]\"""",
        ),
        ({"type": "json_link"}, {"links": {"next": "/things?skip=3"}}, '"next_url_path": "links.next"'),
        (
            {"type": "cursor", "cursor_path": "next"},
            {"paging": {"next": {"after": "MTA", "link": "https://api.example.com/things"}}},
            '"cursor_path": "paging.next.after"',
        ),
        ({"type": "cursor"}, {"nextPageToken": "t"}, '"cursor_path": "nextPageToken"'),
        (
            {"type": "cursor"},
            {"links": {"next": "/t?a=3"}},
            '"type": "json_link", "next_url_path": "links.next"',
        ),
        (
            {"type": "single_page"},
            {"next": "/things?skip=3"},
            'at `next`, which `single_page` does not follow: write "type": "json_link"',
        ),
        ({"type": "header_link"}, {"next": "/things?skip=3"}, '"type": "json_link"'),
    ],
)
def test_a_path_to_the_next_page_that_is_in_no_answer_is_told_how_to_write_it(
    server, read, paginator, body, named
):
    server.serve = lambda asked: Answered({"data": rows([1, 2, 3]), **body})
    with pytest.raises(EnvelopeError, match=named):
        read(resource_of({"paginator": paginator}))


def test_a_full_only_page_without_the_path_to_the_next_one_is_refused(server, read):
    server.serve = lambda asked: Answered({"data": rows(IDS[:20]), "meta": {}})
    endpoint = {"params": {"$top": 20}, "paginator": {"type": "json_link", "next_url_path": "meta.more"}}
    with pytest.raises(EnvelopeError, match=r"has no `meta.more`, .*as many entries as `\$top` asks for"):
        read(resource_of(endpoint))


def test_a_full_only_page_is_no_fault_where_another_list_has_the_path(server):
    """Of the lists of many parents some are exactly as long as a page."""

    def serve(asked: Asked) -> Answered:
        at = cursor_of(asked)
        is_long = asked.path == "/long"
        following = {"next": f"/long?after={at + LIMIT}"} if is_long and at == 0 else {}
        return Answered({"data": rows(IDS[at : at + LIMIT]), **following})

    server.serve = serve
    resource = resource_of({"params": {"limit": LIMIT}, "paginator": "json_link"})
    with server.client(resource) as client:
        assert isinstance(resource.pages, LinkedPages)
        lists = [client.of(replace(resource, path=path)) for path in ("/full", "/long")]
        found = [sum(len(p.entries) for p in LinkedReader(one, resource.pages).pages()) for one in lists]
        client.check_declared()
    assert found == [LIMIT, 2 * LIMIT]


@pytest.mark.parametrize(
    ("paginator", "body"),
    [
        ({"type": "json_link", "next_url_path": "['@odata.nextLink']"}, {"@odata.context": "/users"}),
        ({"type": "json_link"}, {"next": None, "next_update": "2026-01-01"}),
        ({"type": "json_link", "next_url_path": "links.next"}, {"links": {}, "nextRun": "tomorrow"}),
        ({"type": "cursor", "cursor_path": "response_metadata.next_cursor"}, {}),
        ({"type": "single_page"}, {"next_update": "2026-01-01"}),
        ({"type": "header_link"}, {}),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_small_directory_of_one_page_is_read(server, read, paginator, body, count):
    server.serve = lambda asked: Answered({"data": rows(IDS[:count]), **body})
    assert read(resource_of({"params": {"limit": 100}, "paginator": paginator})) == set(IDS[:count])


@pytest.mark.parametrize("paginator", ["single_page", "json_link", "header_cursor"])
def test_an_only_page_with_a_link_header_to_the_next_is_refused(server, read, paginator):
    link = {"Link": '</things?page=2>; rel="next"'}
    server.serve = lambda asked: Answered({"data": rows([1, 2])}, headers=link)
    with pytest.raises(EnvelopeError, match=r'in its header `Link`, .*write "type": "header_link"'):
        read(resource_of({"paginator": paginator}))


def test_an_only_page_with_a_cursor_in_another_header_is_refused(server, read):
    server.serve = lambda asked: Answered({"data": rows([1, 2])}, headers={"After-Cursor": "MTA"})
    with pytest.raises(EnvelopeError, match='write "cursor_key": "After-Cursor"'):
        read(resource_of({"paginator": "header_cursor"}))


# ---- paginators as objects


def test_paginators_of_dlt_are_read_as_the_form_writes_them(server, read):
    from dlt.sources.helpers.rest_client.paginators import (
        JSONLinkPaginator,
        OffsetPaginator,
        PageNumberPaginator,
    )

    server.serve = lambda asked: Answered({"data": rows(by_offset(asked))})
    assert read(resource_of({"paginator": OffsetPaginator(limit=LIMIT, total_path=None)})) == set(IDS)
    server.serve = lambda asked: Answered({"data": rows(by_number(asked))})
    assert read(resource_of({"paginator": PageNumberPaginator(base_page=1, total_path=None)})) == set(IDS)
    server.serve = lambda asked: linked(asked, "?after={}")
    assert read(resource_of({"paginator": JSONLinkPaginator("next")})) == set(IDS)


def test_a_paginator_of_ones_own_is_walked(server, read):
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

    class ByHeader(BasePaginator):
        """Asks for the pages that the answers name, by a header of the request."""

        def update_state(self, response, data=None):
            self.following = response.json().get("following")
            self._has_next_page = self.following is not None

        def update_request(self, request):
            request.params = {"from": self.following}

    def serve(asked: Asked) -> Answered:
        at = cursor_of(asked, "from")
        body = {"data": rows(IDS[at : at + LIMIT])}
        return Answered(body | ({"following": at + LIMIT} if at + LIMIT < len(IDS) else {}))

    server.serve = serve
    resource = resource_of({"paginator": ByHeader()})
    # The form's object is not changed, so a second run reads the list again.
    assert [read(resource) for _ in range(2)] == [set(IDS)] * 2


# ---- selectors


@pytest.mark.parametrize(
    "selector", ["$.result.items", "result['items']", "$['result']['items']", "result.items[*]"]
)
def test_a_selector_is_a_jsonpath_and_records_stay_as_they_are(server, selector):
    record = b'{ "id" :1, "n": 1.50,\t"a":[ 1 ,2 ]}'
    server.serve = lambda asked: Answered(b'{"result": {"items": [' + record + b"]}}")
    with server.client(resource_of({"data_selector": selector, "paginator": "offset"})) as client:
        assert [entry.record for entry in client.page(0).entries] == [record.decode()]


def test_entries_may_stand_within_the_items_of_a_list(server, read):
    """GraphQL's connections have them so."""

    def serve(asked: Asked) -> Answered:
        at = cursor_of(asked, "after")
        edges = [{"cursor": str(i), "node": one} for i, one in enumerate(rows(IDS[at : at + LIMIT]))]
        info = {"endCursor": str(at + LIMIT), "hasNextPage": at + LIMIT < len(IDS)}
        return Answered({"data": {"users": {"edges": edges, "pageInfo": info}}})

    server.serve = serve
    endpoint = {
        "method": "POST",
        "json": {"query": "query($after: String) { users(after: $after) { edges { node { id } } } }"},
        "data_selector": "data.users.edges[*].node",
        "paginator": {
            "type": "cursor", "cursor_path": "data.users.pageInfo.endCursor",
            "cursor_body_path": "after", "has_more_path": "data.users.pageInfo.hasNextPage",
        },
    }  # fmt: skip
    assert read(resource_of(endpoint)) == set(IDS)


def test_an_item_without_an_entry_is_refused(server, read):
    server.serve = lambda asked: Answered({"edges": [{"node": {"id": 1}}, {"cursor": "x"}]})
    with pytest.raises(EnvelopeError, match=r"No entry at `\[1\].node` in the list of .*has `cursor`"):
        read(resource_of({"data_selector": "edges[*].node", "paginator": "single_page"}))


@pytest.mark.parametrize("status", [404, 410])
def test_a_link_that_leads_to_an_ignored_status_is_not_the_end(server, read, status):
    """A cursor that has expired answers so, and the rest of the list would be missing."""

    def serve(asked: Asked) -> Answered:
        if "after" in asked.query:
            return Answered({}, status)
        return Answered({"data": rows(IDS[:10]), "next": f"{server.url}/things?after=10"})

    server.serve = serve
    actions = [{"status_code": status, "action": "ignore"}]
    paginator = {"type": "json_link", "next_url_path": "next"}
    with pytest.raises(ApiError, match=f"answered {status}"):
        read(resource_of({"paginator": paginator, "response_actions": actions}))
