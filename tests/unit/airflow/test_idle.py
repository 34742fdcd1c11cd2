"""Which shards the scheduler skips when a run begins: on Airflow's own tables, with its own models."""

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from directory_sync.airflow import idle
from directory_sync.airflow.idle import LastList

DAG = "directory_sync"
SHARDS = [f"extract.directory_shard_{number}-2" for number in range(4)]
LATER = ("audit", "publish")
BEGAN = datetime(2026, 11, 1, tzinfo=timezone.utc)
SMALL = {"mode": "sync", "proof": "chain", "entries": 900}


@pytest.mark.parametrize(
    ("last", "needed"),
    [
        (LastList(proof="chain", entries=0), 1),
        (LastList(proof="chain", entries=5_000), 1),
        (LastList(proof="chain", entries=5_001), 2),
        (LastList(proof="chain", entries=1_000_000), 4),
        (LastList(proof="chain", entries=900, seconds=10), 1),
        (LastList(proof="chain", entries=900, seconds=20.1), 3),
        (LastList(proof="reread", entries=1_000_000, seconds=900), 1),
        (LastList(proof="walk", entries=1_000_000), 1),
        (LastList(proof="of a later release", entries=1), 4),
    ],
)
def test_as_many_shards_are_needed_as_are_worth_their_start(last, needed):
    assert last.shards_needed(4) == needed


class Scheduler:
    """A scheduler's session on a database of its own, and its Dag."""

    def __init__(self, session):
        self.session = session
        self.dag = SimpleNamespace(
            dag_id=DAG,
            tags={"directory", "dlt", "hr"},
            task_ids=[*SHARDS, *LATER],
            get_task=lambda _: SimpleNamespace(upstream_task_ids=set()),
        )
        self._nights = 0

    def night(self, *, published=None, seconds=0.0, state="success", **given):
        """A run with its tasks; `published`: what its publication returned."""
        self._nights += 1
        run_id, at = f"night-{self._nights}", BEGAN + timedelta(days=self._nights)
        run = DagRun(dag_id=DAG, run_id=run_id, run_type=given.pop("run_type", "scheduled"), run_after=at)
        run.state, run.conf, run.dag = state, given, self.dag
        self.session.add(run)
        self.session.flush()
        for task_id in self.dag.task_ids:
            # By its columns: Airflow makes one from a task of a parsed Dag.
            values = {"dag_id": DAG, "run_id": run_id, "task_id": task_id, "try_number": 0, "max_tries": 0}
            columns = {"id": uuid4(), "pool": "default_pool", "pool_slots": 1}
            self.session.execute(insert(TaskInstance.__table__).values(**values, **columns))
        if published is not None:
            self._tell(run, "publish", "return_value", published, at)
            for task_id in SHARDS:
                self._tell(run, task_id, "seconds", seconds, at)
        return run

    def _tell(self, run, task_id, key, value, at):
        values = {"dag_id": DAG, "run_id": run.run_id, "dag_run_id": run.id, "task_id": task_id, "key": key}
        row = {"value": json.dumps(value), "timestamp": at, "map_index": -1}
        self.session.execute(insert(XComModel.__table__).values(**values, **row))

    def tasks(self, run):
        found = self.session.scalars(select(TaskInstance).where(TaskInstance.run_id == run.run_id))
        return {task.task_id: task for task in found}

    def begin(self, run):
        """Begins a run as the scheduler does; returns the states of its shards."""
        run.state = "running"
        idle.on_dag_run_running(run)
        return [self.tasks(run)[task_id].state for task_id in SHARDS]


@pytest.fixture(scope="module")
def engine():
    import_all_models()
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def scheduler(engine):
    with Session(engine) as session:
        yield Scheduler(session)
        session.rollback()


ALL, ONE, TWO = [None] * 4, [None, *["skipped"] * 3], [None, None, "skipped", "skipped"]


def test_the_first_run_has_all_its_shards(scheduler):
    assert scheduler.begin(scheduler.night()) == ALL


def test_after_a_small_publication_one_shard_is_left_and_nothing_else_is_skipped(scheduler, caplog):
    scheduler.night(published=SMALL)
    run = scheduler.night()
    with caplog.at_level("INFO"):
        assert scheduler.begin(run) == ONE
    assert caplog.messages == [
        "Run night-2 reads `directory_sync` with 1 of 4 shards: the last publication found 900 entries"
    ]
    tasks = scheduler.tasks(run)
    assert [tasks[task_id].state for task_id in LATER] == [None, None]
    skipped = tasks[SHARDS[3]]
    assert (skipped.start_date, skipped.duration) == (skipped.end_date, 0.0)
    assert skipped.try_number == 0


def test_entries_that_a_filter_left_out_were_listed_too(scheduler):
    scheduler.night(published={**SMALL, "left_out": 5_000})
    assert scheduler.begin(scheduler.night()) == TWO


def test_a_small_list_of_a_slow_api_keeps_its_shards(scheduler):
    scheduler.night(published=SMALL, seconds=4.5)
    assert scheduler.begin(scheduler.night()) == TWO


def test_the_newest_publication_of_the_whole_list_counts(scheduler):
    scheduler.night(published={**SMALL, "entries": 90_000})
    scheduler.night(published={**SMALL, "entries": 6_000})
    scheduler.night(published={**SMALL, "mode": "interval", "entries": 3})
    scheduler.night(published={"replayed": 7})
    scheduler.night(published=None, mode="decide")
    assert scheduler.begin(scheduler.night()) == TWO


@pytest.mark.parametrize(
    ("given", "states"),
    [
        ({"mode": "sync"}, ONE),
        ({"mode": "dry_run"}, ONE),
        ({"mode": "rewrite"}, ONE),
        ({"mode": "interval"}, ALL),
        ({"mode": "replay"}, ALL),
        ({"mode": "decide"}, ALL),
        ({"run_type": "backfill"}, ALL),
    ],
)
def test_only_what_reads_the_whole_list_has_fewer_shards(scheduler, given, states):
    scheduler.night(published=SMALL)
    assert scheduler.begin(scheduler.night(**given)) == states


def test_after_a_failed_run_all_shards_read(scheduler):
    scheduler.night(published=SMALL)
    scheduler.night(state="failed")
    assert scheduler.begin(scheduler.night()) == ALL
    scheduler.night(published=SMALL)
    assert scheduler.begin(scheduler.night()) == ONE


def test_a_run_that_was_cleared_is_left_as_it_is(scheduler):
    scheduler.night(published=SMALL)
    run = scheduler.night()
    scheduler.tasks(run)[SHARDS[0]].try_number = 1
    assert scheduler.begin(run) == ALL


def test_a_skipped_shard_that_was_cleared_alone_is_not_skipped_again(scheduler):
    scheduler.night(published=SMALL)
    run = scheduler.night()
    scheduler.begin(run)
    first, cleared = (scheduler.tasks(run)[SHARDS[number]] for number in (0, 2))
    first.state, first.try_number, cleared.state = "success", 1, None
    assert scheduler.begin(run) == ["success", "skipped", None, "skipped"]


def test_the_shards_of_a_child_are_kept(scheduler):
    scheduler.dag.get_task = lambda _: SimpleNamespace(upstream_task_ids={"audit"})
    scheduler.night(published=SMALL)
    assert scheduler.begin(scheduler.night()) == ALL


def test_the_dags_of_others_are_left_alone(scheduler):
    scheduler.dag.tags = {"dlt"}
    scheduler.night(published=SMALL)
    assert scheduler.begin(scheduler.night()) == ALL


@pytest.mark.parametrize("published", ["a backend's reference", ["a list"], {"mode": "sync"}])
def test_what_cannot_be_read_skips_nothing_and_does_not_stop_the_scheduler(scheduler, published):
    scheduler.night(published=published)
    assert scheduler.begin(scheduler.night()) == ALL
