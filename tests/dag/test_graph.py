"""The Dag `directory_sync` as it is declared: names, edges, schedule, policies, parameters."""

import copy
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk import Asset, CronDataIntervalTimetable
from airflow.sdk.definitions.asset import AssetUniqueKey
from airflow.sdk.exceptions import ParamValidationError

from directory_sync.config.settings import SyncSettings

SHARDS = SyncSettings.__dataclass_fields__["shards"].default
SHARD_TASKS = {f"extract.directory_shard_{n}-2" for n in range(SHARDS)}
STAGES = {"audit", "publish", "approve_removals", "remove"}
RUNS_CODE = sorted(SHARD_TASKS | STAGES)
DAG_FILES = {"directory_sync_dag.py": {"directory_sync"}}


def test_every_dag_file_makes_exactly_the_dags_listed_here(dag_bag):
    assert dag_bag.import_errors == {}
    made = {path.name: set() for path in Path(dag_bag.dag_folder).rglob("*.py")}
    for dag in dag_bag.dags.values():
        made[Path(dag.fileloc).name].add(dag.dag_id)
    assert made == DAG_FILES


def test_the_dag_has_exactly_these_tasks(dag):
    assert set(dag.task_ids) == SHARD_TASKS | STAGES


def test_no_empty_task_stands_between_the_shards_and_the_audit(dag):
    group = dag.task_group.children["extract"]
    assert set(group.children) == SHARD_TASKS
    assert all(not dag.get_task(shard).upstream_task_ids for shard in SHARD_TASKS)
    assert dag.get_task("audit").upstream_task_ids == SHARD_TASKS


def test_the_graph_is_a_row_of_stages(dag):
    edges = {(task.task_id, below) for task in dag.tasks for below in task.downstream_task_ids}
    expected = {
        ("audit", "publish"),
        ("publish", "approve_removals"),
        ("approve_removals", "remove"),
        *((shard, "audit") for shard in SHARD_TASKS),
    }
    assert edges == expected


def test_the_schedule_is_daily_and_has_real_data_intervals(dag):
    assert isinstance(dag.timetable, CronDataIntervalTimetable)
    assert dag.timetable == CronDataIntervalTimetable("0 3 * * *", timezone="UTC")
    assert dag.catchup is False
    assert dag.max_active_runs == 1


def test_the_dag_carries_its_tags_and_its_page(dag):
    assert dag.tags == {"directory", "dlt"}
    assert "Directory sync" in dag.doc_md


@pytest.mark.parametrize("task_id", RUNS_CODE)
def test_a_task_says_who_owns_it_and_when_it_gives_up(dag, task_id):
    task = dag.get_task(task_id)
    assert task.owner == "directory-sync"
    assert timedelta(0) < task.execution_timeout <= timedelta(hours=2)
    assert task.retry_delay == timedelta(seconds=30)
    assert task.retry_exponential_backoff
    assert task.max_retry_delay == timedelta(minutes=10)
    assert type(task.retry_policy).__module__ == "directory_sync.airflow.retry"


@pytest.mark.parametrize("task_id", RUNS_CODE)
def test_a_task_is_retried_unless_it_asks_a_person(dag, task_id):
    task = dag.get_task(task_id)
    if task_id == "approve_removals":
        assert task.retries == 0
        return
    # Its tries last for the longest outage that is waited for, 8 hours; the policy ends them earlier.
    waits = [min(30 * 2**number, 600) for number in range(task.retries)]
    assert sum(waits) > timedelta(hours=8).total_seconds()


@pytest.mark.parametrize("task_id", RUNS_CODE)
def test_no_task_runs_after_a_failure(dag, task_id):
    """Modes that do not read the directory skip the tasks before."""
    passes_skips = task_id in {"audit", "publish", "approve_removals"}
    assert dag.get_task(task_id).trigger_rule == ("none_failed" if passes_skips else "all_success")


def test_anybody_whom_airflow_lets_may_decide_unless_approvers_are_named(dag, parse):
    assert dag.get_task("approve_removals").assigned_users is None
    named = parse(DIRECTORY_SYNC_APPROVERS="ursula, otto").get_task("approve_removals")
    assert [user["id"] for user in named.assigned_users] == ["ursula", "otto"]


def test_only_what_writes_the_warehouse_is_limited_to_one_at_a_time(dag):
    limits = {task.task_id: task.max_active_tis_per_dag for task in dag.tasks}
    assert (limits.pop("publish"), limits.pop("remove")) == (1, 1)
    assert set(limits.values()) == {None}


def test_what_writes_the_warehouse_updates_the_asset(dag):
    outlets = {task.task_id: task.outlets for task in dag.tasks if task.outlets}
    keys = {name: [AssetUniqueKey.from_asset(one) for one in assets] for name, assets in outlets.items()}
    of_consumers = AssetUniqueKey.from_asset(Asset("directory_resource"))
    assert keys == {name: [of_consumers] for name in ("publish", "remove")}


def test_the_parameters_as_they_stand_are_valid(dag):
    dag.params.validate()
    assert dag.params.dump()["mode"] == "sync"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "synch"),
        ("mode", None),
        ("max_removed_share", 1.5),
        ("max_removed_share", -0.1),
        ("max_removed_count", -1),
        ("max_removed_count", 2.5),
    ],
)
def test_a_parameter_that_is_not_valid_is_refused(dag, name, value):
    params = copy.deepcopy(dag.params)
    with pytest.raises(ParamValidationError):
        params.update({name: value})
