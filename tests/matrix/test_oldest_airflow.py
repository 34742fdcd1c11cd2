"""The oldest Airflow that is supported whole, with the oldest of what we require, installed and used."""

from pathlib import Path

import pytest

from tests.matrix.environment import built_wheel, environment_from
from tests.matrix.rows import Row
from tests.matrix.trial import Trial

CONSTRAINTS = Path(__file__).with_name("constraints-3.1.0.txt")


@pytest.fixture(scope="module")
def oldest_airflow() -> Path:
    """The Python of its environment."""
    with built_wheel() as wheel:
        return environment_from(CONSTRAINTS, wheel)


@pytest.mark.timeout(1800)
def test_the_wheel_syncs_and_a_person_decides_on_the_oldest_airflow(oldest_airflow, tmp_path):
    trial = Trial(row=Row(airflow="3.1.0", python="", ours="oldest"), home=tmp_path / "airflow")
    trial.prove(oldest_airflow, whole=False)
    assert trial.seen == {"pip install": "yes", "parse": "yes", "two syncs": "yes", "removals": "asked"}
    assert trial.versions["apache-airflow-core"] == "3.1.0"
