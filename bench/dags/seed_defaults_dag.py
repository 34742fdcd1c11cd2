"""The seed's configuration by dlt's Airflow helper, as dlt's documentation shows it."""

import os
from pathlib import Path

from airflow.sdk import DAG
from dlt.helpers.airflow_helper import PipelineTasksGroup

from bench import seed

# The helper makes the dags folder dlt's project folder: here the one that has no settings of ours.
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(Path(__file__).parent)

with DAG("seed_defaults", schedule=None, catchup=False, max_active_runs=1) as dag:
    tasks = PipelineTasksGroup("pipeline", use_data_folder=False, wipe_local_data=True)
    tasks.add_run(
        seed.pipeline(Path(os.environ["BENCH_HOME"])),
        seed.source(os.environ["BENCH_URL"]),
        decompose="serialize",
        trigger_rule="all_done",
        retries=0,
    )
