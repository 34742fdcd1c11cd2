"""The Dag file of docs/deploy/index.md, parsed by Airflow as it lies there."""

import pytest
from airflow.dag_processing.dagbag import DagBag

from tests.deploy.pages import block

TASKS = {"audit", "publish", "approve_removals", "remove"}


@pytest.fixture
def dags(tmp_path):
    (tmp_path / "people_dag.py").write_text(block("index", "dags/people_dag.py").text)
    return tmp_path


def test_the_dag_file_of_ten_lines_is_a_dag(dags) -> None:
    bag = DagBag(str(dags))
    assert not bag.import_errors
    (dag,) = bag.dags.values()
    assert dag.dag_id == "directory_sync"
    assert set(dag.task_ids) >= TASKS
    assert [asset.name for asset in dag.get_task("publish").outlets] == ["people"]
    lines = [line for line in (dags / "people_dag.py").read_text().splitlines() if line]
    assert len(lines) <= 10


def test_a_dag_file_without_the_word_airflow_is_skipped_and_a_comment_is_enough(dags, caplog) -> None:
    page = (dags / "people_dag.py").read_text()
    silent = page.replace("from airflow.sdk import DAG\n", "").replace("dag: DAG =", "dag =")
    assert "airflow" not in silent.lower()
    (dags / "people_dag.py").write_text(silent)
    bag = DagBag(str(dags))
    assert (bag.dags, bag.import_errors) == ({}, {})
    (dags / "people_dag.py").write_text("# For Airflow.\n" + silent)
    assert list(DagBag(str(dags)).dags) == ["directory_sync"]
