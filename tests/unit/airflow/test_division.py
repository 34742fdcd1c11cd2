"""Which shards of a run are skipped, and how the others divide the list."""

from types import SimpleNamespace

import pytest

from directory_sync.airflow.division import divided, shards_in, skipped_shards

SHARDS = {number: f"extract.directory_shard_{number}-2" for number in range(12)}
OF_GROUPS = {number: f"groups.extract.directory_shard_{number}-2" for number in range(2)}


def context(states):
    asked = []

    def get_task_states(**question):
        asked.append(question)
        return {"tonight": states}

    ti = SimpleNamespace(get_task_states=get_task_states)
    return {"run_id": "tonight", "dag": SimpleNamespace(dag_id="people"), "ti": ti, "asked": asked}


def test_the_shards_of_each_resource_are_told_by_the_ids_of_the_tasks():
    others = ["audit", "publish", "groups.audit", "extract.readme", "report.directory_shard_1-2"]
    assert shards_in([*SHARDS.values(), *OF_GROUPS.values(), *others]) == {"": SHARDS, "groups.": OF_GROUPS}


def test_airflow_is_asked_once_for_the_run_of_the_task():
    states = {SHARDS[0]: "running", SHARDS[1]: "skipped", OF_GROUPS[0]: "skipped", "audit": "skipped"}
    asking = context(states)
    assert skipped_shards(asking, "") == {1}
    assert asking["asked"] == [{"dag_id": "people", "run_ids": ["tonight"]}]
    assert skipped_shards(context(states), "groups.") == {0}


def test_where_airflow_knows_no_task_of_the_run_none_is_skipped():
    asking = context({})
    asking["run_id"] = "another"
    assert skipped_shards(asking, "") == frozenset()


@pytest.mark.parametrize(
    ("skipped", "parts"),
    [
        (set(), 4),
        ({1, 2, 3}, 1),
        ({2, 3}, 2),
        # An operator has cleared the last one alone: it reads the part that it reads among all.
        ({1, 2}, 4),
        # Such as in a replay, which reads nothing.
        ({0, 1, 2, 3}, 4),
    ],
)
def test_a_list_is_divided_up_to_the_last_shard_that_is_not_skipped(skipped, parts):
    assert divided(4, frozenset(skipped)) == parts
