"""The Dag of groups and their members, as it is declared."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "groups_dag.py"


@pytest.fixture(scope="module")
def groups_dag():
    bag = DagBag(str(EXAMPLE))
    assert not bag.import_errors
    return bag.dags["groups_sync"]


def below(dag, task_id):
    """The tasks below a task, those of the shards by the name of their group."""
    return {one.partition(".directory_")[0] for one in dag.get_task(task_id).downstream_task_ids}


def test_a_child_is_read_after_its_parent_s_audit_and_published_with_its_parent(groups_dag):
    assert below(groups_dag, "audit") == {"publish", "members.extract"}
    assert below(groups_dag, "members.audit") == {"publish", "members.publish"}
    assert below(groups_dag, "publish") == {"approve_removals", "members.publish"}
    assert below(groups_dag, "members.publish") == {"members.approve_removals"}


def test_the_shards_of_a_child_wait_for_the_audit_of_its_parent(groups_dag):
    begins = "members.extract.directory_shard_"
    shards = [f"{begins}{number}-2" for number in range(4)]
    for one in shards:
        assert "audit" in groups_dag.get_task(one).get_flat_relative_ids(upstream=True)
