"""The settings of an Airflow on this machine: the demo's are quick, a measurement's are Airflow's own."""

import pytest

from demo.local_airflow import LocalAirflow, PlainAirflow

PACE = "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"


@pytest.mark.parametrize(("airflow", "pace"), [(LocalAirflow, "0.3"), (PlainAirflow, None)])
def test_only_the_demo_has_the_scheduler_look_more_often(tmp_path, airflow, pace):
    assert airflow(tmp_path)._environment.get(PACE) == pace
