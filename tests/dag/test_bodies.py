"""What each task tells Airflow, for every mode and outcome; whose the tables are; what leaves the landing.

The tasks' own bodies run here, against a real API and a real warehouse; Airflow's context is a fake.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped
from airflow.sdk.execution_time.context import set_current_context

from directory_sync.airflow import bodies
from directory_sync.airflow.division import shards_in
from directory_sync.airflow.retry import NOTE
from directory_sync.airflow.scope import TaskScope
from directory_sync.airflow.tasks import ShardTasks
from directory_sync.dag import Directory, directory_dag
from directory_sync.errors import ConfigError
from directory_sync.extract.stage import read_shard
from directory_sync.extract.windows import Shard
from directory_sync.landing.files import MANIFEST, QUESTION
from directory_sync.publish.ownership import OWNER
from directory_sync.publish.question import Choice, Decision, land_decision, landed_question
from directory_sync.sync import Sync
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.dag_file import directory as the_form
from tests.integration.cycle import SECRET
from tests.integration.listing import Listing
from tests.unit.publish.test_question import question as a_question

RESOURCE = "directory_resource"
NOW = datetime.now(UTC)
API = {"conn_type": "directory_api", "host": "http://127.0.0.1:9", "login": "a", "password": "not-a-secret"}

Running = Callable[..., TaskScope]


def context_of(
    run_id: str, mode: str, *, dag_id: str = "directory_sync", run_type: str = "manual", **params: Any
) -> dict[str, Any]:
    """Airflow's context of a task; `told` of its `ti` holds what it pushed."""
    told: dict[str, Any] = {}
    states: dict[str, str | None] = {}
    given = {"interval_start": None, "interval_end": None, "max_removed_share": None}
    return {
        "params": {"mode": mode, **given, "max_removed_count": None, **params},
        "dag": SimpleNamespace(dag_id=dag_id),
        "dag_run": SimpleNamespace(run_type=run_type, start_date=NOW),
        "run_id": run_id,
        "task": SimpleNamespace(downstream_task_ids={"approve_removals"}),
        "ti": SimpleNamespace(
            told=told,
            states=states,
            xcom_push=lambda key, value: told.update({key: value}),
            get_task_states=lambda **_: {run_id: states},
        ),
    }


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    """Begins a task of a run, as far as a stage sees it: its context and its connections."""
    monkeypatch.setenv("DIRECTORY_SYNC_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_DIRECTORY_API", json.dumps(API))
    opened = []

    def begin(mode: str = "sync", *, dag_id: str = "directory_sync", **directory: Any) -> TaskScope:
        opened.append(set_current_context(context_of("now", mode, dag_id=dag_id)))
        opened[-1].__enter__()
        return TaskScope(Directory(**{"form": the_form, **directory}), RESOURCE)

    yield begin
    for one in reversed(opened):
        one.__exit__(None, None, None)


def test_a_form_that_names_no_client_is_read_with_the_connection_alone(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = running(form=lambda: {"resources": the_form()["resources"]})
    with SandboxServer() as api:
        account = {"login": api.settings.client_id, "password": api.settings.client_secret}
        monkeypatch.setenv("AIRFLOW_CONN_DIRECTORY_API", json.dumps({**API, "host": api.url, **account}))
        client = scope.open_client(scope.resource, share_of=1, connections=1)
        assert len(client.page(0).entries) == 100
        client.close()


def test_a_task_logs_the_base_url_without_secrets_and_where_its_connection_was_found(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DIRECTORY_API", json.dumps(API))
    scope = running()
    with caplog.at_level("INFO"):
        scope.open_client(scope.resource, share_of=1, connections=1).close()
    assert (
        "Reading http://127.0.0.1:9 (connection `directory_api`, from the environment variable "
        "AIRFLOW_CONN_DIRECTORY_API)" in caplog.text
    )
    assert API["password"] not in caplog.text


def aged(home: Path, run_id: str, days: float) -> Path:
    folder = home / "landing" / RESOURCE / run_id
    (folder / "landed").mkdir(parents=True)
    (folder / "landed" / "init").write_text("{}")
    moment = (NOW - timedelta(days=days)).timestamp()
    os.utime(folder / "landed" / "init", (moment, moment))
    return folder


@pytest.mark.parametrize(
    ("stage", "mode", "ends_with"),
    [
        (lambda scope: bodies.publish(scope, {}), "sync", ConfigError),
        (lambda scope: bodies.publish(scope, {}), "dry_run", AirflowSkipException),
        (lambda scope: bodies.publish(scope, {}), "decide", AirflowSkipException),
        (bodies.audit, "sync", ConfigError),
    ],
    ids=["a publication that fails", "a dry run", "a decision", "an audit without a connection"],
)
def test_what_is_old_goes_however_a_run_ends(
    running: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: Callable[[TaskScope], Any],
    mode: str,
    ends_with: type[Exception],
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_DIRECTORY_API")
    old, young = aged(tmp_path, "old", 31), aged(tmp_path, "young", 29)
    with pytest.raises(ends_with):
        stage(running(mode))
    assert (old.exists(), young.exists()) == (False, True)


def test_a_clock_that_is_ahead_deletes_nothing_young(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler's clock stands beside the worker's."""
    import time_machine

    young = aged(tmp_path, "young", 29)
    scope = running("dry_run")
    with time_machine.travel(NOW + timedelta(days=365)), pytest.raises(AirflowSkipException):
        bodies.publish(scope, {})
    assert young.exists()


def test_a_dag_of_another_directory_lands_nothing_in_a_folder_that_has_an_owner(
    running: Running, tmp_path: Path
) -> None:
    Sync(running()).prepare_landing()
    owner = tmp_path / "landing" / RESOURCE / OWNER
    assert json.loads(owner.read_text()) == {"directory": "directory_api/directory_sync"}
    with pytest.raises(ConfigError, match="belongs to the directory `directory_api/directory_sync`"):
        Sync(running(dag_id="others_sync")).prepare_landing()
    Sync(running(dag_id="others_sync", formerly=["directory_api/directory_sync"])).prepare_landing()
    assert json.loads(owner.read_text()) == {"directory": "directory_api/others_sync"}


@pytest.mark.parametrize("choice", [None, "rejected", "unanswered"])
def test_a_question_that_somebody_marks_as_a_success_removes_nothing(
    running: Running, choice: Choice | None
) -> None:
    """Who may change a task's state cannot approve by it: `remove` looks for the answer."""
    scope = running()
    question = asdict(a_question(("1", "")))
    scope.landed.write_json(QUESTION, question)
    if choice:
        land_decision(
            scope.landed,
            Decision(digest=question["digest"], sync_id=question["sync_id"], choice=choice),
        )
    with pytest.raises(AirflowSkipException, match="No removal was approved in this run"):
        bodies.remove(scope, {})


def test_a_run_without_an_audit_publishes_nothing(running: Running) -> None:
    """Also one whose `audit` somebody marked as a success."""
    with pytest.raises(ConfigError, match="no report of this run: the audit has not run"):
        bodies.publish(running(), {})


# ---- what the tasks of a run tell Airflow

ENTRIES = 40


class Deployment:
    """A deployment whose tasks run in this process.

    Args:
        home: holds the landing zone and the warehouse.
        url: where the API is.
        endpoint: what the form says of the endpoint.
        shards: how many shards it has.
        resource: what it says of the resource.
    """

    def __init__(
        self, home: Path, url: str, *, endpoint: Any = None, shards: int = 1, **resource: Any
    ) -> None:
        self.home, self.url, self.shards = home, url, shards
        self._endpoint, self._resource = endpoint or {}, resource

    def form(self) -> dict[str, Any]:
        endpoint = {
            "path": "/v1/directory",
            "data_selector": "data",
            "paginator": {"type": "offset", "limit": 100},
            **self._endpoint,
        }
        resource = {"name": RESOURCE, "primary_key": "id", "write_disposition": "merge", "endpoint": endpoint}
        return {
            "client": {"base_url": "https://api.example.com", "auth": {"type": "oauth2"}},
            "resources": [{**resource, **self._resource}],
        }

    def run(self, run_id: str, mode: str = "sync", **given: Any) -> "TaskRun":
        """Begins a run of this deployment."""
        return TaskRun(self, context_of(run_id, mode, **given))

    def night(self, run_id: str, mode: str = "sync", **given: Any) -> "TaskRun":
        """A run up to its publication."""
        run = self.run(run_id, mode, **given)
        run.extract()
        run.audit()
        run.publish()
        return run

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.home / "warehouse.duckdb") as database:
            return database.execute(sql).fetchall()

    def interrupt(self, run_id: str) -> None:
        """Leaves a publication as a warehouse without transactions does that is killed before the end."""
        of_run = "FROM directory.directory_syncs WHERE run_id = ?"
        with duckdb.connect(self.home / "warehouse.duckdb") as database:
            database.execute("SET TimeZone = 'UTC'")
            found = database.execute(f"SELECT * {of_run}", [run_id])
            names = [column[0] for column in found.description]
            [row] = found.fetchall()
            values = dict(zip(names, row, strict=True))
            content = json.dumps(values, default=lambda moment: moment.isoformat())
            database.execute(
                "CREATE TABLE directory._directory_publications AS "
                "SELECT ? AS sync_id, ? AS resource, ? AS content",
                [values["sync_id"], values["resource"], content],
            )
            database.execute(f"DELETE {of_run}", [run_id])


class TaskRun:
    """The tasks of one run.

    Attributes:
        told: what the last task pushed as XComs; its return value, too.
        skipped: why the last task was skipped; None: it was not.
        below: the tasks that it had skipped; None: none.
        event: the extra of its asset event.
    """

    def __init__(self, deployment: Deployment, context: dict[str, Any]) -> None:
        self._deployment, self._context = deployment, context
        self.told: dict[str, Any] = {}
        self.event: dict[str, Any] = {}
        self.skipped: str | None = None
        self.below: list[str] | None = None

    @property
    def note(self) -> str | None:
        return self.told.get(NOTE)

    @property
    def summary(self) -> dict[str, Any]:
        return self.told["return_value"]

    @property
    def landed(self) -> Any:
        return self._task(lambda scope: scope.landed)

    def begin_shard(self) -> None:
        """What dlt's helper calls before it reads a shard."""
        self._task(lambda _: ShardTasks(self._directory, RESOURCE).begin())

    def extract(self) -> None:
        self._task(lambda scope: Sync(scope).extract())

    def read_shard(self) -> None:
        shards = ShardTasks(self._directory, RESOURCE)

        def read(_: TaskScope) -> None:
            shards.begin()
            assert list(read_shard(Shard(number=0, count=1), 2, shards))

        self._task(read)

    def run_shards_of_dag(self, *numbers: int) -> None:
        """The shard tasks that dlt's helper has declared in the Dag; those of other numbers are skipped."""
        dag = directory_dag("directory_sync", self._directory)
        [shards] = shards_in(dag.task_ids).values()
        states = self._context["ti"].states
        states.update(
            {
                shards[n]: "running" if n in (numbers or shards) else states.get(shards[n], "skipped")
                for n in shards
            }
        )
        for number in numbers or shards:
            self._task(lambda _, number=number: dag.get_task(shards[number]).python_callable())

    def audit(self) -> None:
        self._task(bodies.audit)

    def publish(self) -> None:
        self._task(lambda scope: bodies.publish(scope, self.event))

    def approve(self) -> None:
        question = landed_question(self.landed)
        assert question is not None
        decision = Decision(digest=question.digest, sync_id=question.sync_id, choice="approved", by="vera")
        land_decision(self.landed, decision)

    def remove(self) -> None:
        self._task(lambda scope: bodies.remove(scope, self.event))

    @property
    def _directory(self) -> Directory:
        settings = {
            "home": self._deployment.home,
            "shards": self._deployment.shards,
            "runs_may_raise_limits": True,
        }
        return Directory(form=self._deployment.form, settings=settings)

    def _task(self, body: Callable[[TaskScope], Any]) -> Any:
        """A task of its own; what it says is kept until the next one."""
        self.told = self._context["ti"].told
        self.told.clear()
        self.event.clear()
        self.skipped = self.below = None
        connection = {
            "conn_type": "directory_api",
            "host": self._deployment.url,
            "login": "sandbox-client",
            "password": SECRET,
        }
        with pytest.MonkeyPatch.context() as patch, set_current_context(self._context):
            patch.setenv("AIRFLOW_CONN_DIRECTORY_API", json.dumps(connection))
            try:
                result = body(TaskScope(self._directory, RESOURCE))
            except AirflowSkipException as e:
                self.skipped = str(e)
                return None
            except DownstreamTasksSkipped as e:
                self.below = list(e.tasks)
                return None
        if isinstance(result, dict):
            self.told["return_value"] = result
        return result


@pytest.fixture(scope="module")
def running_api() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(entries=ENTRIES)) as server:
        yield server


@pytest.fixture
def api(running_api: SandboxServer) -> SandboxServer:
    running_api.reset()
    return running_api


@pytest.fixture(scope="module")
def first_night(running_api: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("first_night")
    Deployment(home, running_api.url).night("one")
    return home


@pytest.fixture
def published(api: SandboxServer, first_night: Path, tmp_path: Path) -> Deployment:
    """A deployment that has published all entries by its run `one`."""
    home = tmp_path / "home"
    shutil.copytree(first_night, home)
    return Deployment(home, api.url)


@pytest.fixture
def empty(api: SandboxServer, tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, api.url)


def test_a_publication_tells_its_difference_and_skips_the_question(empty: Deployment) -> None:
    run = empty.run("one")
    run.extract()
    run.audit()
    assert (run.summary["changes"]["added"], run.note, run.skipped) == (ENTRIES, None, None)
    run.publish()
    assert run.below == ["approve_removals", "remove"]
    assert run.summary["changes"]["added"] == ENTRIES
    schema = run.event.pop("schema")
    assert run.event == {**run.summary, "sync_ids": [run.summary["sync_id"]]}
    assert {"directory_resource", "directory_resource_changes", "directory_syncs"} <= schema.keys()
    assert schema["directory_resource"]["_removed_at"] == "timestamp"
    assert str(run.note).startswith(f"{RESOURCE}: {ENTRIES} entries: +{ENTRIES} ~0 −0; ")
    assert json.loads(json.dumps(run.summary)) == run.summary
    assert type(run.summary["mode"]) is str


def test_a_shard_shows_what_it_did(empty: Deployment) -> None:
    run = empty.run("one")
    run.read_shard()
    assert (run.told["entries"], run.told["retries"]) == (ENTRIES, 0)
    assert set(run.told) == {"pages", "entries", "seconds", "retries"}


def test_the_shard_tasks_of_the_dag_land_the_directory(empty: Deployment) -> None:
    run = empty.run("one")
    run.run_shards_of_dag()
    assert (run.told["entries"], run.skipped) == (ENTRIES, None)
    run.audit()
    assert run.summary["changes"]["added"] == ENTRIES


@pytest.fixture
def four_shards(api: SandboxServer, tmp_path: Path) -> Deployment:
    """An empty deployment with four shards, which read ten entries a page."""
    paginator = {"type": "offset", "limit": 10}
    return Deployment(tmp_path, api.url, endpoint={"paginator": paginator}, shards=4)


def test_the_shards_that_are_not_skipped_read_the_whole_list(four_shards: Deployment) -> None:
    run = four_shards.run("one")
    run.run_shards_of_dag(0)
    # Windows overlap by an entry.
    assert run.told["entries"] >= ENTRIES
    run.audit()
    seal = run.summary
    assert (seal["changes"]["added"], seal["entries"], seal["bridged"]) == (ENTRIES, ENTRIES, 0)


def test_a_skipped_shard_that_is_cleared_later_reads_its_part_again(four_shards: Deployment) -> None:
    run = four_shards.run("one")
    run.run_shards_of_dag(0)
    run.run_shards_of_dag(3)
    assert 0 < run.told["entries"] <= ENTRIES // 2
    run.audit()
    assert (run.summary["changes"]["added"], run.summary["bridged"]) == (ENTRIES, 0)


def test_what_a_skipped_shard_read_for_a_deleted_run_of_the_same_name_does_not_count(
    four_shards: Deployment, api: SandboxServer
) -> None:
    four_shards.run("one").run_shards_of_dag()
    removed = api.directory.edit(remove=20, seed=3).removed
    run = four_shards.run("one")
    run.run_shards_of_dag(0)
    run.audit()
    assert run.summary["changes"]["added"] == ENTRIES - len(removed)


def test_a_dry_run_tells_what_it_would_change_and_publishes_nothing(empty: Deployment) -> None:
    run = empty.run("dry", "dry_run")
    run.extract()
    run.audit()
    assert str(run.note).startswith(
        f"Dry run, nothing was published. {RESOURCE}: {ENTRIES} entries: +{ENTRIES}"
    )
    assert run.landed.read_json(MANIFEST) is None
    run.publish()
    assert (run.skipped, run.note, run.event) == ("The mode `dry_run` publishes nothing.", None, {})
    assert empty.query("SELECT 1 FROM duckdb_tables() WHERE table_name = 'directory_syncs'") == []


@pytest.mark.parametrize("mode", ["replay", "decide"])
def test_a_run_that_does_not_read_skips_its_shards(published: Deployment, mode: str) -> None:
    run = published.run("two", mode)
    run.begin_shard()
    assert run.skipped == f"The mode `{mode}` does not read the directory."


def test_a_replay_rebuilds_and_tells_what_it_loaded(published: Deployment) -> None:
    before = published.query("SELECT sync_id FROM directory.directory_syncs")
    (published.home / "warehouse.duckdb").unlink()
    run = published.run("two", "replay")
    run.audit()
    assert (run.skipped, run.note) == ("A replay publishes what was audited before.", None)
    run.publish()
    [(sync_id,)] = before
    assert run.below == ["approve_removals", "remove"]
    assert "directory_resource" in run.event.pop("schema")
    assert run.event == run.summary
    assert (run.summary["mode"], run.summary["sync_ids"], run.summary["last"]) == (
        "replay",
        [sync_id],
        sync_id,
    )
    assert str(run.note).startswith(f"{RESOURCE}: replayed 1 landed syncs without the API")
    assert published.query("SELECT sync_id FROM directory.directory_syncs") == before


def test_a_decision_about_nothing_is_skipped_with_a_note(published: Deployment) -> None:
    run = published.run("two", "decide")
    run.audit()
    assert run.skipped == "No removal waits for a decision."
    assert run.note == f"{RESOURCE}: no removal waits for a decision"
    run.publish()
    assert run.skipped == "The mode `decide` publishes nothing."
    run.remove()
    assert run.skipped == "No removal was approved in this run."


def test_held_removals_are_asked_about_and_removed_when_approved(
    api: SandboxServer, published: Deployment
) -> None:
    api.directory.edit(remove=10, seed=1)
    run = published.night("two")
    assert (run.below, run.skipped, run.summary["held"]) == (None, None, 10)
    assert run.event["sync_ids"] == [run.summary["sync_id"]]
    held_by = run.summary["sync_id"]
    question = landed_question(run.landed)
    assert question is not None
    assert (question.held, len(question.reasons)) == (10, 1)
    run.remove()
    assert (run.skipped, run.event) == ("No removal was approved in this run.", {})
    run.approve()
    run.remove()
    assert run.summary["changes"]["removed"] == 10
    assert run.event["sync_ids"] == [f"{held_by}-removal"]
    assert str(run.note).endswith("(the removal of 10 entries was approved; answered by `vera`)")
    assert published.query(f"SELECT count(*) FROM directory.{RESOURCE} WHERE _removed_at IS NOT NULL") == [
        (10,)
    ]


def test_mode_decide_asks_again_about_what_is_held(api: SandboxServer, published: Deployment) -> None:
    api.directory.edit(remove=10, seed=1)
    digest = published.night("two").summary["held_digest"]
    run = published.run("three", "decide")
    run.audit()
    assert run.summary == {"held": 10, "held_digest": digest}
    run.publish()
    assert run.skipped == "The mode `decide` publishes nothing."
    assert landed_question(run.landed) is not None
    run.approve()
    run.remove()
    assert run.summary["mode"] == "decide"


def test_a_question_that_was_never_put_is_put_by_the_next_run(
    api: SandboxServer, published: Deployment
) -> None:
    api.directory.edit(remove=10, seed=1)
    asked = published.night("two")
    assert published.night("three").below == ["approve_removals", "remove"]
    asked.landed.forget(QUESTION)
    run = published.night("four")
    assert (run.summary["asks"], run.below) == (False, None)
    assert landed_question(run.landed) is not None


@pytest.mark.parametrize(("mode", "run_type"), [("interval", "manual"), ("sync", "backfill")])
def test_an_interval_of_a_directory_without_intervals_is_skipped_with_a_note(
    published: Deployment, mode: str, run_type: str
) -> None:
    run = published.run("two", mode, run_type=run_type)
    why = f"`{RESOURCE}` serves only its present state: N intervals would be N identical pulls."
    run.begin_shard()
    assert str(run.skipped).startswith(why)
    run.audit()
    assert str(run.skipped).startswith(why)
    assert run.note == f"Skipped: {run.skipped}"
    run.publish()
    assert (str(run.skipped).startswith(why), run.note) == (True, None)
    assert published.query("SELECT count(*) FROM directory.directory_syncs") == [(1,)]


INCREMENTAL = {
    "cursor_path": "updated_at",
    "start_param": "updated_from",
    "end_param": "updated_to",
    "initial_value": "2025-01-01T00:00:00Z",
}


def test_an_interval_from_before_the_first_one_is_skipped(api: SandboxServer, published: Deployment) -> None:
    early = Deployment(published.home, api.url, endpoint={"incremental": INCREMENTAL})
    given = {"interval_start": "2024-01-01T00:00:00Z", "interval_end": "2024-02-01T00:00:00Z"}
    run = early.run("two", "interval", **given)
    run.begin_shard()
    assert run.skipped == f"`{RESOURCE}` has nothing from before 2025-01-01T00:00:00+00:00."


def test_an_interval_run_without_an_interval_reads_nothing(api: SandboxServer, published: Deployment) -> None:
    incremental = Deployment(published.home, api.url, endpoint={"incremental": INCREMENTAL})
    with pytest.raises(ConfigError, match=r"no data interval.*Nothing was read"):
        incremental.run("two", "interval").read_shard()


def test_a_rewrite_publishes_every_entry_again(published: Deployment) -> None:
    run = published.night("two", "rewrite")
    assert (run.summary["mode"], run.summary["rewritten"]) == ("rewrite", ENTRIES)


def test_an_event_names_the_syncs_that_the_run_finished(api: SandboxServer, published: Deployment) -> None:
    api.directory.edit(2, seed=1)
    interrupted = published.night("two").summary["sync_id"]
    published.interrupt("two")
    run = published.run("three")
    run.extract()
    assert published.query("SELECT count(*) FROM directory.directory_syncs") == [(1,)]
    run.audit()
    assert published.query("SELECT count(*) FROM directory.directory_syncs") == [(2,)]
    run.publish()
    assert run.event["sync_ids"] == [interrupted, run.summary["sync_id"]]


def test_a_snapshot_that_is_too_old_is_skipped_with_a_note(published: Deployment) -> None:
    old = published.run("old")
    old.extract()
    old.audit()
    published.night("two")
    old.publish()
    assert str(old.skipped).startswith(f"{RESOURCE}: skipped, its first request lies before the last one of ")
    assert (old.note, old.event, old.below) == (old.skipped, {}, None)


def test_a_run_that_lifts_the_limits_says_so_in_its_note(api: SandboxServer, published: Deployment) -> None:
    api.directory.edit(remove=10, seed=1)
    run = published.night("two", max_removed_share=0.9, max_removed_count=900)
    assert (
        "The limits on removals were raised for this run: max_removed_count 900, max_removed_share 0.9"
        in str(run.note)
    )


def test_an_absent_entry_that_the_detail_path_still_has_is_kept_and_one_that_it_lacks_is_removed(
    tmp_path: Path,
) -> None:
    sites = [f"site{n:02}" for n in range(ENTRIES)]
    gone, hidden = sites[3], sites[7]
    with Listing() as listing:
        listing.list_ids(sites)
        deployment = Deployment(tmp_path, listing.url, detail_path="/v1/directory/{id}")
        deployment.night("one")
        listing.list_ids(set(sites) - {gone, hidden})
        listing.unlisted = {hidden}
        run = deployment.night("two")
    assert {gone, hidden} <= set(listing.asked)
    assert (run.summary["changes"]["removed"], run.summary["changes"]["missing"]) == (1, 1)
    assert [finding["rule"] for finding in run.summary["findings"]] == ["details"]
    marked = f"SELECT id, _removed_at IS NULL FROM directory.{RESOURCE} WHERE _missing_since IS NOT NULL"
    assert deployment.query(f"{marked} ORDER BY id") == [(gone, False), (hidden, True)]
