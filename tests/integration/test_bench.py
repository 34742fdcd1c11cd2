"""The bench's server, and runs of the bench in small."""

import json
import os
import signal
import subprocess
import sys
import time

import duckdb
import pytest
import requests

from bench import bucket, contenders, history
from bench.__main__ import main
from bench.contenders import Case, is_right
from bench.measure import CHECKOUT
from bench.outcome import Outcome
from bench.server import Server

pytestmark = [pytest.mark.duckdb, pytest.mark.serial]


@pytest.fixture(scope="module")
def server():
    with Server.running() as running:
        yield running


def get(server, path, **headers):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{server.url}{path}", headers=headers, timeout=10)


def token(server):
    with requests.Session() as session:
        session.trust_env = False
        granted = session.post(f"{server.url}/oauth/token", data={"grant_type": "x"}, timeout=10).json()
    return {"Authorization": f"Bearer {granted['access_token']}"}


def test_its_pages_hold_every_entry_once_and_as_many_edits_as_told(server):
    told, found = server.put(entries=1_050, changed_share=0.01), []
    headers = token(server)
    for offset in range(0, 1_200, 100):
        body = get(server, f"/v1/directory?limit=500&offset={offset}", **headers).json()
        assert body["total"] == 1_050
        found += body["data"]
    assert len({entry["id"] for entry in found}) == len(found) == 1_050
    assert sum(entry["name"].endswith("(edited)") for entry in found) == told["edited"] == 11


def test_it_refuses_what_has_no_token_and_what_is_above_the_allowance(server):
    server.put(entries=10, requests_per_second=2)
    assert get(server, "/v1/directory").status_code == 401
    headers = token(server)
    answers = [get(server, "/v1/directory", **headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert answers[-1].headers["Retry-After"] == "1"
    told = server.told()
    assert (told["pages"], told["refused"], len(told["served_at"])) == (2, 2, 2)


def test_it_can_refuse_without_saying_when_to_come_back(server):
    server.put(entries=10, requests_per_second=1, says_when=False)
    headers = token(server)
    answers = [get(server, "/v1/directory", **headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert "Retry-After" not in answers[-1].headers


def test_its_answers_can_say_what_is_left_of_the_allowance(server):
    server.put(entries=10, requests_per_second=2, says_left=True)
    answer = get(server, "/v1/directory", **token(server))
    said = {name: value for name, value in answer.headers.items() if name.startswith("X-RateLimit")}
    assert said == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "1",
        "X-RateLimit-Reset": "1",
    }


def test_a_table_that_lacks_an_entry_or_an_edit_is_wrong(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(path) as database:
        database.execute("CREATE SCHEMA directory")
        database.execute(
            "CREATE TABLE directory.directory_resource AS "
            "SELECT * FROM (VALUES (1, 'a (edited)'), (2, 'b'), (3, 'c')) AS entries (id, name)"
        )
    assert is_right(path, entries=3, edited=1)
    assert not is_right(path, entries=4, edited=1)
    assert not is_right(path, entries=3, edited=2)


def test_our_first_load_is_measured_stage_by_stage(server):
    first = next(contenders.run("ours", Case(entries=200, latency_ms=0), server))
    assert first.is_right
    assert [len(stage) for stage in first.stages] == [contenders.SHARDS, 1, 1]
    assert all(used.cpu_seconds > 0.1 and used.peak_mb > 10 for stage in first.stages for used in stage)


def test_a_small_bench_prints_a_table_and_writes_every_run(tmp_path, capsys):
    found = tmp_path / "results.json"
    options = ["--sizes", "200", "--latencies", "0", "--only", "tuned,ranges,floor"]
    assert main([*options, "--json", str(found)]) == 0
    runs = json.loads(found.read_text())["runs"]
    assert [run["contender"] for run in runs] == ["tuned", "ranges", "floor"]
    assert all(run["is_right"] and run["requests"] >= 3 for run in runs)
    assert "200 entries, 0 ms a page, without Airflow" in capsys.readouterr().out


def test_other_tools_read_the_same_list_in_environments_of_their_own(server):
    for peer in ("airbyte", "singer"):
        [result] = contenders.run(peer, Case(entries=250, latency_ms=0), server)
        # Offset pages end with the first that is not full.
        assert (result.contender, result.is_right, result.requests) == (peer, True, 4)
        assert result.stages[0][0].cpu_seconds > 0.1


def test_a_contender_that_fails_is_told_and_the_others_go_on(tmp_path, capsys):
    found = tmp_path / "results.json"
    options = ["--sizes", "100", "--latencies", "0", "--only", "nobody,floor"]
    assert main([*options, "--json", str(found)]) == 1
    outcome = Outcome.load(found)
    assert [run.contender for run in outcome.runs] == ["floor"]
    assert outcome.failures == ["nobody: KeyError: 'nobody'"]
    assert "FAILED: nobody" in capsys.readouterr().out


def test_a_bench_that_is_killed_leaves_what_it_has_measured(tmp_path):
    found = tmp_path / "results.json"
    options = ["--sizes", "100", "--latencies", "0", "--only", "floor", "--rounds", "1000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *options, "--json", str(found)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": "plugins"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not found.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    runs = Outcome.load(found).runs
    assert runs
    assert all(run.is_right for run in runs)


def test_a_bucket_is_asked_in_each_stage_and_a_folder_never(server):
    nights = list(bucket.measure([Case(entries=120, latency_ms=0)], server))
    assert [(one.place, one.night) for one in nights] == [
        (place, night) for place in ("folder", "bucket") for night in bucket.NIGHTS
    ]
    assert all(one.is_right for one in nights)
    assert not any(stage.requests for one in nights[:2] for stage in one.stages)
    assert all(stage.requests["GET"] for one in nights[2:] for stage in one.stages)


def test_a_made_history_is_one_that_a_night_goes_on_from(server, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "CHANGES", 40)
    server.put(entries=120)
    aged = history.Aged(tmp_path / "home", server, None, "unused")
    for _ in range(2):
        list(aged.night())
    before = aged.log_rows()
    aged.grow_old(31)
    assert aged.log_rows() == before + 31 * 40
    # The default retention has left the folders of thirty nights.
    landed = aged.deployment("any").landed.of_all_runs()
    assert sum(run.name.startswith("made") for run in landed) == 30
    assert [stage for stage, _, _ in aged.night()] == ["audit", "publish"]
    with duckdb.connect(tmp_path / "home" / "warehouse.duckdb", read_only=True) as database:
        assert database.execute("SELECT count(*) FROM directory._dlt_loads").fetchall() == [(34,)]
        syncs = database.execute(
            "SELECT publication_order, base_sync_id FROM directory.directory_syncs ORDER BY 1"
        ).fetchall()
        ids = database.execute("SELECT sync_id FROM directory.directory_syncs ORDER BY publication_order")
        # Each sync builds on the one before, the made ones and the real ones.
        assert [order for order, _ in syncs] == list(range(1, 35))
        assert [base for _, base in syncs] == [None, *(sync_id for (sync_id,) in ids.fetchall()[:-1])]


def test_nights_of_a_young_and_an_old_deployment_are_told_by_their_medians(server, monkeypatch):
    monkeypatch.setattr(history, "ENTRIES", 120)
    monkeypatch.setattr(history, "CHANGES", 40)
    monkeypatch.setattr(history, "ROUNDS", 1)
    nights = list(history.measure(2, server, warehouses=("DuckDB",)))
    assert [(night.nights, night.stage) for night in nights] == [
        (age, stage) for age in (0, 2) for stage in history.STAGES
    ]
    assert all(night.cpu_seconds > 0 for night in nights)
    rows = [line for line in history.lines(nights) if line.startswith("| DuckDB")]
    assert [row.split("|")[2].strip() for row in rows] == list(history.STAGES)
