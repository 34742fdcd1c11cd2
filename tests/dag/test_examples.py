"""The example Dags of the documentation, parsed as Airflow parses them."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def bag():
    bag = DagBag(str(EXAMPLES))
    assert not bag.import_errors
    return bag


def test_every_example_makes_the_dag_listed_here(bag):
    made = {Path(dag.fileloc).name: dag.dag_id for dag in bag.dags.values()}
    assert made == {
        "consume_changes_dag.py": "consume_directory_changes",
        "partners_dag.py": "partners_sync",
    }
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(made)


def test_the_consumer_runs_on_the_asset_that_the_sync_updates(bag, dag):
    condition = bag.dags["consume_directory_changes"].timetable.asset_condition
    assert list(condition.objects) == dag.get_task("publish").outlets
