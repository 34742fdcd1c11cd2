"""The Dag under the real scheduler: each test begins with what the first run left, or with a named state."""

import re
from datetime import UTC, datetime, timedelta

from demo.local_airflow import DAG_ID
from demo.warehouse import differences, read_api
from tests.e2e.conftest import Stack, table_differences

TABLE = "directory.directory_resource"
SHARD = "extract.directory_shard_{}-2"


DLT_COLUMNS = ("_dlt_id", "_dlt_load_id", "_dlt_parent_id", "_dlt_root_id")
HELD = f"SELECT id FROM {TABLE} WHERE _missing_since IS NOT NULL AND _removed_at IS NULL ORDER BY id"


def api_entries(stack: Stack):
    return read_api(stack.sandbox.url, stack.sandbox.settings)


def table_entries(stack: Stack):
    rows = stack.query(
        f"SELECT id, name, strftime(updated_at, '%Y-%m-%dT%H:%M:%SZ') FROM {TABLE} WHERE _removed_at IS NULL"
    )
    return {id_: (name, updated_at) for id_, name, updated_at in rows}


def test_the_first_run_publishes_every_entry(stack, first_run):
    run = first_run
    assert (run.run_type, run.state) == ("scheduled", "success")
    api = api_entries(stack)
    codes = sum(len(stack.sandbox.directory.get(id_)["codes"]) for id_ in api)
    assert len(api) == 28_298
    assert stack.value(f"SELECT count(*) FROM {TABLE}") == 28_298
    assert stack.value(f"SELECT count(*) FROM {TABLE}__codes") == codes
    assert stack.changes(run) == {"added": 28_298}
    assert differences(table_entries(stack), api) == []


def test_one_start_of_the_scheduler_makes_one_run(stack, first_run):
    own = [run for run in stack.airflow.api.runs(DAG_ID) if run.run_type not in ("manual", "backfill")]
    assert [(run.run_id, run.run_type) for run in own] == [(first_run.run_id, "scheduled")]


def test_a_run_without_edits_writes_its_own_sync_row_and_nothing_else(stack, tmp_path):
    before = stack.copy_of_warehouse(tmp_path)
    run = stack.run()
    assert (run.run_type, run.state) == ("manual", "success")
    assert table_differences(before, stack.warehouse) == {"directory_syncs": (0, 1)}


def test_a_run_after_edits_publishes_exactly_the_edits(stack, tmp_path):
    edits = stack.sandbox.directory.edit(12, 41, remove=3, seed=1)
    run = stack.run()
    assert run.state == "success"
    assert stack.changes(run) == {"added": 12, "changed": 41, "removed": 3}
    api = api_entries(stack)
    assert differences(table_entries(stack), api) == []
    removed = stack.query(f"SELECT id FROM {TABLE} WHERE _removed_at IS NOT NULL ORDER BY id")
    assert [row[0] for row in removed] == edits.removed


def test_a_run_says_its_outcome_in_its_note(stack, quiet_run):
    first, reason = stack.airflow.api.run(DAG_ID, quiet_run.run_id).note.split("\n\n")
    assert re.fullmatch(
        r"✔ directory_resource: 28,298 entries: \+0 ~0 −0; .* joints proven, .*; \d+ s", first
    )
    assert reason == "✎ because a test wants it"


def test_where_nothing_is_held_nobody_is_asked_and_no_process_starts(stack, quiet_run):
    tasks = stack.tasks(quiet_run)
    assert {tasks[name].state for name in ("approve_removals", "remove")} == {"skipped"}
    assert {tasks[name].try_number for name in ("approve_removals", "remove")} == {0}


def test_a_shard_shows_what_it_did(stack, quiet_run):
    api, run_id, task = stack.airflow.api, quiet_run.run_id, SHARD.format(1)
    [last] = [line for line in api.log(DAG_ID, run_id, task) if " entries in " in line.text]
    said = re.match(r"Shard 2 of 4: (\d+) pages, ([\d,]+) entries in ", last.text)
    shown = {key: api.xcom(DAG_ID, run_id, task, key) for key in ("pages", "entries", "retries")}
    assert last.level == "info"
    assert shown == {"pages": int(said[1]), "entries": int(said[2].replace(",", "")), "retries": 0}


def test_no_task_of_a_run_that_succeeded_logs_an_error(stack, quiet_run):
    run = quiet_run
    ran = [task_id for task_id, tries in stack.tries(run).items() if tries]
    levels = {line.level for name in ran for line in stack.airflow.api.log(DAG_ID, run.run_id, name)}
    assert len(ran) == 6
    assert levels <= {"", "debug", "info", "warning"}


def test_a_task_links_to_the_page_of_its_directory(stack, quiet_run):
    run = quiet_run
    url = "/plugin/directory?dag=directory_sync&resource=directory_resource"
    for name in (SHARD.format(0), "audit", "publish"):
        assert stack.airflow.api.links(DAG_ID, run.run_id, name) == {"Directory": url}


def test_too_many_removals_wait_for_a_person_and_a_rejection_removes_nothing(stack, rejected):
    [question] = rejected.questions
    assert question["subject"] == "Remove 3,000 of 28,305 entries from directory_resource?"
    assert "**3,000 entries (10.6%) are absent**" in question["body"]
    assert rejected.changes == {"added": 7, "changed": 5, "missing": 3_000}
    run = rejected.run
    tasks = stack.tasks(run)
    assert (run.state, tasks["approve_removals"].state, tasks["remove"].state) == (
        "success",
        "success",
        "skipped",
    )
    assert (
        "the removal of 3,000 entries was rejected; nothing was removed (a permission was lost)" in run.note
    )
    assert stack.present() == rejected.before | set(rejected.edits.added)
    assert [row[0] for row in stack.query(HELD)] == rejected.edits.removed


def test_the_next_run_does_not_ask_for_the_same_set(stack, rejected):
    run = stack.run()
    assert run.state == "success"
    assert stack.tasks(run)["approve_removals"].state == "skipped"
    assert "3,000 held" in run.note


def test_mode_decide_asks_again_without_reading_the_directory_and_an_approval_removes(stack, approved):
    run = approved.run
    assert run.state == "success"
    assert approved.pages == 0
    removed = stack.query(f"SELECT id FROM {TABLE} WHERE _removed_at IS NOT NULL ORDER BY id")
    assert set(approved.held) <= {row[0] for row in removed}
    assert stack.query(HELD) == []
    [event] = stack.airflow.api.asset_events(DAG_ID, run.run_id)
    assert (event["mode"], event["changes"]["removed"]) == ("decide", 3_000)
    assert "(the removal of 3,000 entries was approved; answered by " in run.note
    assert differences(table_entries(stack), api_entries(stack)) == []


def test_clearing_an_approved_decision_asks_nobody_again(stack, approved, tmp_path):
    before = stack.copy_of_warehouse(tmp_path)
    run = approved.run
    stack.airflow.api.clear(DAG_ID, run.run_id, "approve_removals")
    run = stack.airflow.api.wait(DAG_ID, run.run_id, seconds=150)
    assert run.state == "success"
    assert table_differences(before, stack.warehouse) == {}


def test_a_run_that_would_lift_the_limits_reads_nothing_and_says_why(stack):
    pages = stack.sandbox.stats.pages
    run = stack.run(max_removed_share=0.5)
    assert run.state == "failed"
    assert stack.sandbox.stats.pages == pages
    assert "`max_removed_share` is 0.5, above the deployment's limit of 0.05" in run.note
    assert {tries for name, tries in stack.tries(run).items() if "shard" in name} == {1}


def test_entries_that_come_back_are_returned(stack, approved):
    gone = stack.query(f"SELECT id FROM {TABLE} WHERE _removed_at IS NOT NULL ORDER BY id")
    back = stack.sandbox.directory.restore([row[0] for row in gone])
    run = stack.run()
    assert run.state == "success"
    assert stack.changes(run) == {"returned": len(back)}
    assert differences(table_entries(stack), api_entries(stack)) == []


def test_a_backfill_of_a_directory_without_intervals_is_skipped_with_a_note(stack, tmp_path):
    before, pages = stack.copy_of_warehouse(tmp_path), stack.sandbox.stats.pages
    runs = stack.backfill("2026-01-01", "2026-01-02")
    assert [run.state for run in runs] == ["success", "success"]
    assert all("serves only its present state" in run.note for run in runs)
    assert stack.sandbox.stats.pages == pages
    assert table_differences(before, stack.warehouse) == {}


def test_mode_replay_rebuilds_an_emptied_warehouse_without_the_api(stack, approved, tmp_path):
    before, pages = stack.copy_of_warehouse(tmp_path), stack.sandbox.stats.pages
    stack.warehouse.unlink()
    run = stack.run(mode="replay")
    assert run.state == "success"
    assert "replayed" in run.note
    assert stack.sandbox.stats.pages == pages
    assert table_differences(before, stack.warehouse, but=DLT_COLUMNS) == {}


def test_an_outage_is_waited_for_with_more_tries_than_an_error_has_and_by_its_shard_alone(stack, tmp_path):
    before = stack.copy_of_warehouse(tmp_path)
    api, shard = stack.airflow.api, SHARD.format(1)
    # In the middle of the second shard's share; the client itself tries four times in each of four tries.
    offset = len(stack.sandbox.directory) * 3 // 8
    with stack.unavailable(offset, times=16):
        begun = stack.airflow.begin_run({})
        told = []
        run = api.wait(
            DAG_ID, begun.run_id, on_poll=lambda run: told.extend(told_retry(stack, run, shard)), seconds=300
        )
    assert run.state == "success"
    tries = stack.tries(run)
    assert tries.pop(shard) == 5
    assert set(tries.values()) == {1}
    assert table_differences(before, stack.warehouse) == {"directory_syncs": (0, 1)}
    retry = told[0]
    assert retry["tries"] is None
    assert {one["try"] for one in told} <= {2, 3, 4, 5}
    # Half of a day's interval, at most eight hours.
    assert retry["next_at"] < retry["until"] < (datetime.now(UTC) + timedelta(hours=8)).isoformat()
    assert re.match(r"ApiUnavailableError: .*/v1/directory.* status 503", retry["cause"])


def told_retry(stack, run, task_id):
    """The retry that a task tells while it waits for it; empty where it does not wait."""
    if stack.tasks(run)[task_id].state != "up_for_retry":
        return []
    return [stack.airflow.api.xcom(DAG_ID, run.run_id, task_id, "directory_retry")]


def test_a_wrong_secret_fails_each_shard_at_its_first_try(stack, tmp_path):
    before = stack.copy_of_warehouse(tmp_path)
    right = stack.sandbox.settings.client_secret
    stack.sandbox.configure(client_secret="another-secret-of-the-api")
    try:
        run = stack.run()
    finally:
        stack.sandbox.configure(client_secret=right)
    assert run.state == "failed"
    tasks = stack.tasks(run)
    for number in range(4):
        shard = tasks[SHARD.format(number)]
        assert (shard.state, shard.try_number) == ("failed", 1)
        assert "AuthError" in stack.log(run, shard.task_id)
        *_, last = [line for line in stack.log(run, shard.task_id).splitlines() if "::endgroup::" not in line]
        assert last.startswith("AuthError: ")
        assert stack.airflow.api.xcom(DAG_ID, run.run_id, shard.task_id, "directory_cause") == last
    [said] = [line for line in run.note.split("\n\n") if line.startswith("✖")]
    assert said.startswith(f"✖ **4 tasks of `extract` failed.** {last}")
    assert "tries again" not in run.note
    assert tasks["audit"].state == "upstream_failed"
    assert table_differences(before, stack.warehouse) == {}


def test_no_log_holds_the_secret_or_a_token(stack, quiet_run, approved):
    sandbox = stack.sandbox
    secrets = {sandbox.settings.client_secret, *sandbox._sandbox.tokens._expiries}
    texts = {
        path: path.read_text(errors="replace")
        for path in stack.airflow.home.rglob("*.log")
        if path.is_file() and not path.is_symlink()
    }
    assert len(secrets) > 10
    assert any("attempt=1" in path.name for path in texts)
    assert not [path for path, text in texts.items() if any(s in text for s in secrets)]


def test_no_task_leaves_a_temporary_folder(stack, approved):
    left = {path.name for path in stack.temporary.iterdir()}
    assert not {name for name in left if name.startswith(("dlt_", "directory_sync_"))}
