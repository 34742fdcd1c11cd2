"""The Dag in two Celery workers without a common folder, one of them killed in mid-extract.

All they share is the broker, the API server, the landing zone's bucket and the warehouse: each could be a
machine of its own. Airflow's metadata and the warehouse are databases of one server, the bucket is moto's.
"""

import asyncio
import base64
import json
import os
import re
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from demo.airflow_api import DagRun
from demo.local_airflow import DAG_ID, connection_to
from demo.processes import Service
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.buckets import Bucket
from tests.chaos.conftest import PATIENCE, RUN_SECONDS, MortalAirflow, until
from tests.postgres import ADMIN, PostgresServer
from tests.redis_server import RedisServer, running_redis

ENTRIES, SHARDS = 16_000, 4
# After so many entries the next run needs all shards, too.
MARGIN = 300
"""Entries at a shard's ends that its neighbours may ask for too."""
METADATA, WAREHOUSE = "celery_metadata", "celery_warehouse"
RAN_BY = "RAN_BY"
KINDS = {".cfg", ".json", ".log", ".py", ".pyc"}
"""Files of Airflow's own, which hold nothing of the directory."""
LOCAL_SETTINGS = f"""\
import os
from datetime import timedelta


def task_policy(task):
    # A deployment's own hook: the tests wait 3 s for a retry instead of 30.
    task.retry_delay = timedelta(seconds=3)
    task.retry_exponential_backoff = 0


def hostname():
    return os.environ["{RAN_BY}"]
"""


class CeleryAirflow(MortalAirflow):
    """An Airflow whose tasks run in Celery workers, each in folders of its own.

    Args:
        home: of the API server and the scheduler; a worker's stands beside it, by its name.
        environment: of all its processes.
    """

    def __init__(self, home: Path, *, environment: Mapping[str, str]) -> None:
        super().__init__(home, environment=environment)
        _prepare(home)
        self._workers: dict[str, Service] = {}

    def home_of(self, worker: str) -> Path:
        return self.home.parent / worker

    def start_worker(self, name: str) -> None:
        """Starts one on an empty disk."""
        home = self.home_of(name)
        _prepare(home)
        variables = {
            "AIRFLOW_HOME": str(home),
            "TMPDIR": str(home / "temporary"),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "airflow_local_settings.hostname",
            RAN_BY: name,
        }
        command = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"]
        command += ["--celery-hostname", name]
        log = home / "output" / "worker.log"
        worker = Service(command, environment=self._environment | variables, log=log)
        self._services.append(worker)
        self._workers[name] = worker
        worker.start()
        self._record.write(self._services)
        until(lambda: f"{name} ready." in log.read_text())

    def kill_worker(self, name: str) -> int:
        """Kills it with its supervisors and tasks, as a machine that is switched off; returns how many."""
        return self.kill(self._workers.pop(name))

    def tries(self, run: DagRun) -> list[dict[str, Any]]:
        """Every try of every task that a worker ran: `task_id`, `try_number`, `state`, `hostname`."""
        path = f"dags/{DAG_ID}/dagRuns/{run.run_id}/taskInstances"
        tasks = [task.task_id for task in self.api.task_runs(DAG_ID, run.run_id) if task.runs_code]
        found = [self.api._get(f"{path}/{task_id}/tries")["task_instances"] for task_id in tasks]
        return [one for tries in found for one in tries if one["hostname"]]


def _prepare(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "airflow_local_settings.py").write_text(LOCAL_SETTINGS)
    (home / "temporary").mkdir()


@dataclass(kw_only=True)
class Story:
    """What was done, in this order, and what was left.

    Attributes:
        killed: the name of the worker that was killed, beside the processes this took.
        landed: the shard that it had landed before.
        torn: the shard that it was in the middle of.
        after_kill: the offsets that the first run asked for from then on.
        first: the run that lost it.
        second: the next one, without an edit in between, by the other and a new worker.
        found: the warehouse's rows after the first run and after the second.
        secrets: what no log may hold.
    """

    airflow: CeleryAirflow
    sandbox: SandboxServer
    bucket: Bucket
    postgres: PostgresServer
    killed: str
    processes: int
    landed: str
    torn: str
    after_kill: list[int]
    first: DagRun
    second: DagRun
    found: tuple[dict[str, list[tuple]], dict[str, list[tuple]]]
    secrets: dict[str, str]

    def ran_by(self, run: DagRun) -> dict[tuple[str, int], str]:
        """The worker of each try."""
        return {(t["task_id"], t["try_number"]): t["hostname"] for t in self.airflow.tries(run)}

    def written(self, *names: str) -> dict[Path, bytes]:
        """All files below the homes of some workers, or of everybody."""
        names = names or ("airflow", "one", "two", "three")
        homes = [self.airflow.home_of(name) for name in names]
        return {path: path.read_bytes() for home in homes for path in home.rglob("*") if path.is_file()}


def environment_of(
    sandbox: SandboxServer, bucket: Bucket, postgres: PostgresServer, redis: RedisServer, home: Path
) -> dict[str, str]:
    """What all processes of this Airflow are told; only the folders are a worker's own."""
    landing = {name: value for name, value in asdict(bucket.connection_of(home)).items() if value}
    del landing["conn_id"]
    warehouse = {"conn_type": "postgres", "host": postgres.host, "port": postgres.port, "schema": WAREHOUSE,
                 "login": ADMIN, "password": postgres.password}  # fmt: skip
    address = f"{ADMIN}:{postgres.password}@{postgres.host}:{postgres.port}/{METADATA}"
    return {
        "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(sandbox)),
        "AIRFLOW_CONN_DIRECTORY_LANDING": json.dumps(landing),
        "AIRFLOW_CONN_DIRECTORY_WAREHOUSE": json.dumps(warehouse),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CELERY__BROKER_URL": redis.url,
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SHARDS // 2),
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{address}",
        "DIRECTORY_SYNC_SHARDS": str(SHARDS),
        "DIRECTORY_SYNC_REQUESTS_IN_FLIGHT": "2",
        **PATIENCE,
    }


@pytest.fixture(scope="module")
def databases(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    for name in (METADATA, WAREHOUSE):
        postgres_server.create(name)
    yield postgres_server
    for name in (METADATA, WAREHOUSE):
        postgres_server.drop(name)


@pytest.fixture(scope="module")
def story(databases: PostgresServer, s3: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("celery")
    settings = Settings(entries=ENTRIES, client_secret=secrets.token_hex(16))
    with running_redis(folder) as redis, SandboxServer(settings) as sandbox:
        tokens, windows = remembered_tokens(sandbox), Windows(sandbox)
        windows.hold(*(f"shard_{number}" for number in range(SHARDS)))
        environment = environment_of(sandbox, s3, databases, redis, folder)
        known = {
            "the client secret": settings.client_secret,
            "the bucket's key": s3.secret,
            "the databases' password": databases.password,
            "the broker's password": redis.password,
            "the key of Airflow's tokens": environment["AIRFLOW__API_AUTH__JWT_SECRET"],
            "the Fernet key": environment["AIRFLOW__CORE__FERNET_KEY"],
        }
        with CeleryAirflow(folder / "airflow", environment=environment) as airflow:
            airflow.start_worker("one")
            airflow.start_worker("two")
            first = airflow.begin_run()
            ran_by = until(lambda: all_shards(airflow, first))
            torn, *_ = sorted(ran_by)
            killed = ran_by[torn]
            (landed,) = {task_id for task_id, worker in ran_by.items() if worker == killed} - {torn}
            windows.hold(torn)
            until(lambda: ended(airflow, first) == ran_by.keys() - {torn})
            processes = airflow.kill_worker(killed)
            before_kill = len(windows.asked)
            windows.hold()
            first = airflow.api.wait(DAG_ID, first.run_id, seconds=RUN_SECONDS)
            after_kill = windows.asked[before_kill:]
            after_first = rows(databases)
            airflow.start_worker("three")
            second = airflow.begin_run()
            second = airflow.api.wait(DAG_ID, second.run_id, seconds=RUN_SECONDS)
            yield Story(
                airflow=airflow,
                sandbox=sandbox,
                bucket=s3,
                postgres=databases,
                killed=killed,
                processes=processes,
                landed=landed,
                torn=torn,
                after_kill=after_kill,
                first=first,
                second=second,
                found=(after_first, rows(databases)),
                secrets=known | {f"token {number}": token for number, token in enumerate(tokens)},
            )


def all_shards(airflow: CeleryAirflow, run: DagRun) -> dict[str, str] | None:
    """The worker of each shard, once all are being read."""
    ran_by = {t["task_id"]: t["hostname"] for t in airflow.tries(run) if t["state"] == "running"}
    return ran_by if len(ran_by) == SHARDS else None


def ended(airflow: CeleryAirflow, run: DagRun) -> set[str]:
    """The shards that were read and landed."""
    return {t["task_id"] for t in airflow.tries(run) if t["state"] == "success"}


class Windows:
    """The windows that are asked for, by their offsets; those which are held wait for their answer."""

    def __init__(self, sandbox: SandboxServer) -> None:
        router = sandbox._server.config.app.router
        route = next(r for r in router.routes if getattr(r, "path", "") == "/v1/directory")
        self._usual, route.app = route.app, self._answer
        self._held: set[int] = set()
        self._changed = threading.Condition()
        self.asked: list[int] = []

    def hold(self, *shards: str) -> None:
        """Holds the windows of these shards from now on, and no others."""
        with self._changed:
            self._held = {offset for shard in shards for offset in offsets_of(shard)}
            self._changed.notify_all()

    def _wait(self, offset: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: offset not in self._held)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        offset = int(parse_qs(scope["query_string"].decode())["offset"][0])
        self.asked.append(offset)
        await asyncio.to_thread(self._wait, offset)
        await self._usual(scope, receive, send)


def offsets_of(shard: str) -> range:
    """What only this shard asks for: its neighbours' windows reach over its ends."""
    number = int(re.search(r"shard_(\d+)", shard)[1])
    begin, end = (ENTRIES * n // SHARDS for n in (number, number + 1))
    return range(begin + MARGIN, end - MARGIN)


def remembered_tokens(sandbox: SandboxServer) -> list[str]:
    """The tokens that are granted from now on."""
    tokens: list[str] = []
    grant = sandbox._sandbox.tokens.grant

    def remembered(*args: Any) -> Any:
        answer = grant(*args)
        tokens.append(answer["access_token"])
        return answer

    sandbox._sandbox.tokens.grant = remembered
    return tokens


def rows(postgres: PostgresServer) -> dict[str, list[tuple]]:
    """All rows of the dataset's tables; dlt's own tables are left out."""
    names = postgres.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'directory' "
        "AND table_type = 'BASE TABLE' AND NOT starts_with(table_name, '_dlt')",
        database=WAREHOUSE,
    )
    return {
        name: postgres.rows(f'SELECT * FROM directory."{name}" AS t ORDER BY t::text', database=WAREHOUSE)
        for (name,) in names
    }


def test_a_run_whose_worker_is_killed_in_mid_extract_succeeds(story: Story) -> None:
    assert story.processes > 2
    assert story.first.state == "success"


def test_the_shard_in_the_middle_is_tried_again_by_the_other_worker(story: Story) -> None:
    (other,) = {"one", "two"} - {story.killed}
    ran_by = story.ran_by(story.first)
    assert (ran_by[story.torn, 1], ran_by[story.torn, 2]) == (story.killed, other)
    assert [task_id for task_id, number in ran_by if number > 1] == [story.torn]


def test_what_the_killed_worker_had_landed_is_not_read_again(story: Story) -> None:
    ran_by = story.ran_by(story.first)
    assert ran_by[story.landed, 1] == story.killed != ran_by["audit", 1]
    assert set(offsets_of(story.torn)) & set(story.after_kill)
    assert not set(offsets_of(story.landed)) & set(story.after_kill)


def test_every_entry_is_in_the_warehouse_once(story: Story) -> None:
    sql = "SELECT id FROM directory.directory_resource WHERE _removed_at IS NULL"
    ids = [id_ for (id_,) in story.postgres.rows(sql, database=WAREHOUSE)]
    assert len(ids) == ENTRIES
    assert set(ids) == set(story.sandbox.directory.ids())


def test_the_publication_is_recorded_once(story: Story) -> None:
    sql = "SELECT run_id, entries, added FROM directory.directory_syncs ORDER BY snapshot_at LIMIT 1"
    assert story.postgres.rows(sql, database=WAREHOUSE) == [(story.first.run_id, ENTRIES, ENTRIES)]
    assert len(story.found[0]["directory_syncs"]) == 1
    assert len(story.found[0]["directory_resource_changes"]) == ENTRIES


def test_the_next_run_on_the_other_worker_and_a_new_one_adds_its_sync_alone(story: Story) -> None:
    assert story.second.state == "success"
    assert set(story.ran_by(story.second).values()) == {"one", "two", "three"} - {story.killed}
    before, after = story.found
    assert {name for name in after if after[name] != before[name]} == {"directory_syncs"}
    assert len(after["directory_syncs"]) == 2
    assert set(before["directory_syncs"]) < set(after["directory_syncs"])


def test_the_landing_zone_is_in_the_bucket_alone(story: Story) -> None:
    url = story.bucket.connection_of(story.airflow.home.parent).extra["bucket_url"]
    landed = story.bucket.sizes(url)
    assert sum(path.endswith(".parquet") for path in landed) > 2 * SHARDS
    living = {"one", "two", "three"} - {story.killed}
    assert {path.suffix for path in story.written(*living, "airflow")} <= KINDS
    for name in ("airflow", "one", "two", "three"):
        assert not (story.airflow.home_of(name) / "directory_sync").exists()


def test_no_file_of_airflow_or_a_worker_holds_a_secret(story: Story) -> None:
    files = story.written()
    assert sum(b"Executing workload in Celery" in content for content in files.values()) == 3
    found = {
        (path.relative_to(story.airflow.home.parent), name)
        for path, content in files.items()
        for name, secret in story.secrets.items()
        if secret.encode() in content
    }
    assert found == set()
