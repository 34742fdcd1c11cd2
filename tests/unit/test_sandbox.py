"""The sandbox does what its settings say, and nothing else."""

import email.utils
import json
import math
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from sandbox.directory import Directory
from sandbox.records import ID_STEP, airports
from sandbox.server import SandboxServer
from sandbox.settings import Settings

GRANT = {
    "grant_type": "client_credentials",
    "client_id": "sandbox-client",
    "client_secret": "sandbox-secret-not-a-real-one",
}
WINDOWS = ((0, 100), (100, 100), (200, 100))


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Client:
    """A client of a sandbox of 250 entries, with a token."""

    def __init__(self, server: SandboxServer, clock: Clock) -> None:
        self.server = server
        self.clock = clock
        self.http = requests.Session()
        token = self.post("/oauth/token", GRANT).json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.http.get(self.server.url + path, timeout=60, **options)

    def post(self, path: str, form: Any = None, **options: Any) -> requests.Response:
        return self.http.post(self.server.url + path, data=form, timeout=60, **options)

    def patch(self, **changes: Any) -> requests.Response:
        return self.http.patch(self.server.url + "/admin/settings", json=changes, timeout=60)

    def page(self, query: str = "") -> requests.Response:
        return self.get(f"/v1/directory?{query}")

    def ids(self, query: str = "") -> list[int]:
        return [entry["id"] for entry in self.page(query).json()["data"]]

    def walk(self) -> list[int]:
        """The ids of three pages of 100, one after the other."""
        pages = (self.ids(f"limit={limit}&offset={offset}") for offset, limit in WINDOWS)
        return [entry_id for page in pages for entry_id in page]

    def edit(self, **counts: int) -> requests.Response:
        return self.post("/admin/edit", json=counts)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[SandboxServer, Clock]]:
    clock = Clock()
    with SandboxServer(Settings(entries=250), clock) as server:
        yield server, clock


@pytest.fixture
def client(running: tuple[SandboxServer, Clock]) -> Iterator[Client]:
    server, clock = running
    server.revoke_tokens()
    server.reset()
    connected = Client(server, clock)
    yield connected
    connected.http.close()


# Tokens.


def test_a_token_is_granted_for_credentials_in_the_form(client: Client) -> None:
    answer = client.post("/oauth/token", GRANT)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 3600
    assert answer.headers["cache-control"] == "no-store"


def test_a_token_is_granted_for_credentials_in_the_basic_header(client: Client) -> None:
    answer = client.post(
        "/oauth/token",
        {"grant_type": "client_credentials"},
        auth=(GRANT["client_id"], GRANT["client_secret"]),
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("wrong", [{"client_id": "x"}, {"client_secret": "x"}])
def test_a_wrong_client_is_refused(client: Client, wrong: dict[str, str]) -> None:
    answer = client.post("/oauth/token", GRANT | wrong)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_a_malformed_basic_header_is_refused(client: Client) -> None:
    headers = {"Authorization": "Basic ???"}
    data = {"grant_type": "client_credentials"}
    assert client.post("/oauth/token", data, headers=headers).status_code == 401


def test_another_grant_is_refused(client: Client) -> None:
    answer = client.post("/oauth/token", GRANT | {"grant_type": "password"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_a_page_needs_a_token(client: Client) -> None:
    answer = client.get("/v1/directory", headers={"Authorization": "Bearer nothing"})
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_token"})
    assert client.get("/v1/directory/1000", headers={"Authorization": ""}).status_code == 401


def test_a_token_expires_on_the_server(client: Client) -> None:
    client.patch(token_seconds=60)
    again = Client(client.server, client.clock)
    client.clock.now += 59
    assert again.page().status_code == 200
    client.clock.now += 2
    assert again.page().status_code == 401
    again.http.close()


@pytest.mark.parametrize(("single", "status"), [(True, 401), (False, 200)])
def test_a_new_token_revokes_the_older_ones_if_so_set(client: Client, single: bool, status: int) -> None:
    client.patch(single_token=single)
    client.post("/oauth/token", GRANT)
    assert client.page().status_code == status


# Records and pages.


def test_every_airport_is_an_entry() -> None:
    directory = Directory()
    assert len(directory) == len(airports()) > 28_000
    entry = directory.get(ID_STEP)
    assert entry is not None
    assert set(entry) == {"id", "name", "location", "codes", "updated_at"}
    assert entry["updated_at"].endswith("Z")
    assert all(code["code"] for code in entry["codes"])


def test_fewer_entries_are_the_first_ones() -> None:
    assert Directory(20).page(0, 20)[0] == Directory(2000).page(0, 20)[0]


def test_more_entries_than_airports_repeat_them_under_new_ids() -> None:
    directory = Directory(len(airports()) + 1)
    first, again = (json.loads(directory.page(n, 1)[0][0]) for n in (0, len(airports())))
    assert again["id"] == (len(airports()) + 1) * ID_STEP
    assert again["name"] == first["name"] + " (2)"
    assert again["location"] == first["location"]


def test_pages_one_after_the_other_are_the_whole_directory(client: Client) -> None:
    sizes = [len(client.ids(f"limit=100&offset={offset}")) for offset in (0, 100, 200)]
    assert sizes == [100, 100, 50]
    assert client.walk() == client.server.directory.ids()


def test_a_page_tells_its_total_limit_and_offset(client: Client) -> None:
    page = client.page("limit=10&offset=20").json()
    assert {key: page[key] for key in page if key != "data"} == {
        "total": 250,
        "limit": 10,
        "offset": 20,
    }


def test_a_page_beyond_the_end_is_empty(client: Client) -> None:
    assert client.page("offset=250").json()["data"] == []


def test_a_limit_above_the_cap_is_lowered_to_it(client: Client) -> None:
    client.patch(page_cap=30)
    page = client.page("limit=1000").json()
    assert (len(page["data"]), page["limit"]) == (30, 30)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "sort=city"])
def test_a_page_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert client.page(query).status_code == 400


def test_pages_are_sorted_as_asked(client: Client) -> None:
    ids = client.server.directory.ids()
    assert client.ids("sort=-id&limit=100") == ids[:-101:-1]
    assert client.ids("sort=-id&limit=100&offset=200") == ids[49::-1]
    names = [entry["name"] for entry in client.page("sort=name&limit=250").json()["data"]]
    assert names == sorted(names)


def test_one_entry_is_found_by_its_id(client: Client) -> None:
    entry = client.get("/v1/directory/2000").json()
    assert entry == client.page("offset=1&limit=1").json()["data"][0]
    assert client.get("/v1/directory/2001").status_code == 404
    assert client.get("/v1/directory/x").status_code == 404


def test_health_needs_no_token(client: Client) -> None:
    answer = client.get("/health", headers={"Authorization": ""})
    assert answer.json() == {"status": "ok", "entries": 250}


def test_the_keys_of_a_page_can_be_renamed(client: Client) -> None:
    client.patch(data_key="items", total_key="count")
    assert set(client.page().json()) == {"items", "count", "limit", "offset"}


# Totals.


def test_the_total_can_be_absent_or_null(client: Client) -> None:
    client.patch(total="absent")
    assert "total" not in client.page().json()
    client.patch(total="null")
    assert client.page().json()["total"] is None


def test_a_stale_total_is_that_of_some_time_ago(client: Client) -> None:
    client.patch(total="stale", total_lag_seconds=60)
    client.clock.now += 100
    client.server.directory.edit(remove=4)
    client.clock.now += 59
    assert client.page().json()["total"] == 250
    client.clock.now += 2
    assert client.page().json()["total"] == 246


# Faults.


def test_scripted_statuses_are_answered_once_each_in_order(client: Client) -> None:
    client.patch(fail_next=[503, 200, 404], retry_after_seconds=7)
    answers = [client.page() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 200, 404, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert client.get("/admin/settings").json()["fail_next"] == []


def test_the_error_rate_is_the_share_of_errors_and_repeats_with_its_seed(client: Client) -> None:
    runs = []
    for _ in range(2):
        client.patch(error_rate=0.3, error_status=502, fault_seed=4)
        runs.append([client.page("limit=1").status_code for _ in range(100)])
    assert runs[0] == runs[1]
    assert 15 < runs[0].count(502) < 45


def test_requests_above_the_rate_wait_the_seconds_told(client: Client) -> None:
    client.patch(requests_per_second=0.25)
    assert client.page().status_code == 200
    refused = client.page()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "4")
    client.clock.now += 4
    assert client.page().status_code == 200


def test_retry_after_can_be_a_date_or_left_out(client: Client) -> None:
    client.patch(requests_per_second=0.05, retry_after="date")
    client.page()
    told = email.utils.parsedate_to_datetime(client.page().headers["retry-after"])
    assert math.isclose(told.timestamp(), time.time() + 20, abs_tol=3)
    client.patch(retry_after="none")
    refused = client.page()
    assert refused.status_code == 429
    assert "retry-after" not in refused.headers


def test_an_empty_page_still_tells_the_total(client: Client) -> None:
    client.patch(empty_page_rate=1)
    page = client.page().json()
    assert (page["data"], page["total"]) == ([], 250)


def test_a_page_is_late_by_its_latency(client: Client) -> None:
    client.patch(latency_ms=40, latency_jitter_ms=5)
    started = time.perf_counter()
    client.page()
    assert time.perf_counter() - started >= 0.04


@pytest.mark.parametrize("fault", ["html", "truncated", "not_json"])
def test_a_faulty_body_is_not_json(client: Client, fault: str) -> None:
    client.patch(body_fault=fault)
    answer = client.page()
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


@pytest.mark.parametrize("total", ["present", "absent"])
def test_the_list_can_be_missing_null_or_repeated(client: Client, total: str) -> None:
    client.patch(body_fault="missing_list", total=total)
    assert "data" not in client.page().json()
    client.patch(body_fault="null_list")
    assert client.page().json()["data"] is None
    client.patch(body_fault="duplicate_keys")
    pairs = json.loads(client.page().content, object_pairs_hook=list)
    assert [key for key, _ in pairs].count("data") == 2


def test_a_number_can_be_nan(client: Client) -> None:
    client.patch(body_fault="nan")
    entries = json.loads(client.page().content)["data"]
    assert math.isnan(entries[0]["location"]["elevation_feet"])


def test_a_body_fault_has_a_rate(client: Client) -> None:
    client.patch(body_fault="html", body_fault_rate=0.5)
    types = [client.page("limit=1").headers["content-type"] for _ in range(40)]
    assert 5 < types.count("text/html") < 35


def test_a_dropped_page_is_cut_off(client: Client) -> None:
    client.patch(drop_rate=1)
    with pytest.raises(requests.exceptions.RequestException):
        client.page()
    client.patch(drop_rate=0)
    assert client.page().status_code == 200


def test_an_offset_can_have_no_effect(client: Client) -> None:
    client.patch(ignore_offset=True)
    assert client.ids("offset=100&limit=10") == client.ids("limit=10")
    assert client.page("offset=100").json()["offset"] == 100


def test_a_hidden_share_is_invisible_until_it_is_shown_again(client: Client) -> None:
    client.patch(hidden_share=0.4)
    hidden = client.ids("limit=250")
    assert 120 < len(hidden) < 180
    assert client.page().json()["total"] == len(hidden)
    client.patch(hidden_share=0.2)
    assert set(hidden) < set(client.ids("limit=250"))
    client.patch(hidden_share=0)
    assert len(client.ids("limit=250")) == 250


# Edits.


def test_edits_are_exactly_as_many_as_asked_and_to_distinct_entries(client: Client) -> None:
    before = {entry["id"]: entry for entry in client.page("limit=250").json()["data"]}
    edits = client.edit(add=3, change=20, remove=30, seed=1).json()
    after = {entry["id"]: entry for entry in client.page("limit=250").json()["data"]}
    assert sorted(after.keys() - before.keys()) == edits["added"]
    assert sorted(before.keys() - after.keys()) == edits["removed"]
    kept = before.keys() & after.keys()
    assert sorted(i for i in kept if before[i] != after[i]) == edits["changed"]
    assert [len(edits[kind]) for kind in ("added", "changed", "removed")] == [3, 20, 30]
    assert min(edits["added"]) > max(before)
    assert all(after[i]["updated_at"] > before[i]["updated_at"] for i in edits["changed"])


def test_the_same_seed_makes_the_same_edits() -> None:
    first, second = Directory(100), Directory(100)
    assert first.edit(2, 5, remove=7, seed=3) == second.edit(2, 5, remove=7, seed=3)
    assert first.page(0, 100) == second.page(0, 100)
    assert first.edit(change=5, seed=3) != first.edit(change=5, seed=4)


def test_more_edits_than_entries_are_refused(client: Client) -> None:
    answer = client.edit(change=200, remove=51)
    assert answer.status_code == 422
    assert len(client.server.directory) == 250


def test_restored_entries_are_as_they_were(client: Client) -> None:
    client.edit(change=250)
    before = client.page("limit=250").content
    removed = client.edit(remove=10).json()["removed"]
    answer = client.post("/admin/restore", json={"ids": removed})
    assert answer.json() == {"restored": removed}
    assert client.page("limit=250").content == before


def test_an_entry_that_was_not_removed_is_not_restored(client: Client) -> None:
    assert client.post("/admin/restore", json={"ids": [1000]}).status_code == 422


def test_reset_goes_back_to_the_records_and_settings_of_the_start(client: Client) -> None:
    before = client.page("limit=250").content
    client.edit(add=5, change=5, remove=5)
    client.patch(total="absent", hidden_share=0.5, entries=100)
    client.post("/admin/reset")
    assert client.page("limit=250").content == before


@pytest.mark.parametrize("sort", ["id", "-id", "name"])
@pytest.mark.parametrize("position", [0, 57, 100])
def test_an_inserted_entry_stands_at_its_position(sort: Any, position: int) -> None:
    directory = Directory(100)
    before = _served(directory, sort)
    for _ in range(30):
        entry_id = directory.insert_at(position, sort=sort)
        before.insert(position, entry_id)
    assert _served(directory, sort) == before


def test_an_entry_is_inserted_nearby_when_no_id_is_free() -> None:
    directory = Directory(10)
    ids = [directory.insert_at(0) for _ in range(ID_STEP + 5)]
    assert len(set(ids)) == len(ids)
    assert directory.ids() == sorted(directory.ids())


@pytest.mark.parametrize("sort", ["id", "-id", "name"])
def test_an_entry_is_deleted_at_its_position(sort: Any) -> None:
    directory = Directory(100)
    before = _served(directory, sort)
    assert directory.delete_at(40, sort=sort) == before.pop(40)
    assert _served(directory, sort) == before
    with pytest.raises(IndexError):
        directory.delete_at(99, sort=sort)


# Churn.


@pytest.mark.parametrize(("kind", "sign"), [("insert", 1), ("delete", -1)])
def test_churn_makes_the_expected_number_of_edits(client: Client, kind: str, sign: int) -> None:
    client.patch(churn_per_request=1.5, churn_kind=kind)
    for _ in range(40):
        client.page("limit=1")
    edits = (len(client.server.directory) - 250) * sign
    stats = client.server.stats
    assert 45 < edits < 75
    assert edits == stats.churn_inserted + stats.churn_deleted


def test_a_burst_is_many_edits_at_once(client: Client) -> None:
    client.patch(churn_per_request=1, churn_kind="burst", churn_burst_size=10)
    totals = [client.page("limit=1").json()["total"] for _ in range(60)]
    steps = {abs(later - earlier) for earlier, later in pairwise(totals)}
    assert steps == {0, 10}


def test_a_delete_at_the_boundary_hides_an_entry_from_a_walk(client: Client) -> None:
    expected = client.server.directory.ids()
    client.patch(churn_per_request=1, churn_kind="delete", churn_where="boundary")
    walked = client.walk()
    assert 0 < len(set(client.server.directory.ids()) - set(walked)) < 5
    assert set(walked) < set(expected)


def test_an_insert_at_the_head_repeats_an_entry_in_a_walk(client: Client) -> None:
    client.patch(churn_per_request=1, churn_kind="insert", churn_where="head")
    walked = client.walk()
    assert len(walked) - len(set(walked)) == 2


def test_churn_repeats_with_its_seed(client: Client) -> None:
    runs = []
    for _ in range(2):
        client.post("/admin/reset")
        client.patch(churn_per_request=2, churn_seed=9)
        runs.append([client.page("limit=250").content for _ in range(10)])
    assert runs[0] == runs[1]


# Settings and stats.


@pytest.mark.parametrize(
    "changes",
    [
        {"page_limit": 5},
        {"page_cap": 0},
        {"error_rate": 1.5},
        {"fail_next": [302]},
        {"total": "wrong"},
        {"data_key": "total"},
    ],
)
def test_a_setting_that_is_unknown_or_not_valid_is_refused(client: Client, changes: dict[str, Any]) -> None:
    before = client.get("/admin/settings").json()
    assert client.patch(**changes, latency_ms=3).status_code == 422
    assert client.get("/admin/settings").json() == before


def test_settings_come_from_the_environment(caplog: pytest.LogCaptureFixture) -> None:
    environment = {
        "SANDBOX_ENTRIES": "50",
        "SANDBOX_FAIL_NEXT": "503, 429",
        "SANDBOX_SINGLE_TOKEN": "true",
        "SANDBOX_ERROR_RATE": "",
        "SANDBOX_PAGE_CAPS": "5",
        "SANDBOX_PORT": "8099",
    }
    settings = Settings.from_environment(environment)
    assert settings == Settings(entries=50, fail_next=(503, 429), single_token=True)
    assert [record.args for record in caplog.records] == [("SANDBOX_PAGE_CAPS",)]
    with pytest.raises(ValidationError):
        Settings.from_environment({"SANDBOX_PAGE_CAP": "many"})


def test_stats_count_what_clients_asked(client: Client) -> None:
    client.patch(fail_next=[503])
    client.page()
    client.page("limit=30")
    client.get("/v1/directory/1")
    client.get("/favicon.ico")
    stats = client.get("/admin/stats").json()
    assert stats["requests"] == {
        "/oauth/token": {"200": 1},
        "/v1/directory": {"503": 1, "200": 1},
        "/v1/directory/{id}": {"404": 1},
        "other": {"404": 1},
    }
    assert (stats["tokens_granted"], stats["pages"], stats["entries_served"]) == (1, 1, 30)
    assert (stats["max_concurrent"], stats["in_flight"]) == (1, 0)
    assert client.post("/admin/stats/reset").json()["requests"] == {}


def test_a_server_serves_on_a_free_port_and_lets_go_of_it() -> None:
    with SandboxServer(Settings(entries=5)) as server:
        client = Client(server, Clock())
        assert client.page().json()["total"] == 5
        assert server.stats.pages == 1
        server.revoke_tokens()
        assert client.page().status_code == 401
        client.http.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url + "/health", timeout=60)


def _served(directory: Directory, sort: Any) -> list[int]:
    return [json.loads(entry)["id"] for entry in directory.page(0, 1000, sort=sort)[0]]
