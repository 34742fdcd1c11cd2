"""The seed's configuration by dlt's Airflow helper, tuned by hand."""

import os
from pathlib import Path

from airflow.sdk import DAG
from dlt.helpers.airflow_helper import PipelineTasksGroup

from bench import seed

os.environ |= {"AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent), **seed.TUNED}

with DAG("seed_tuned", schedule=None, catchup=False, max_active_runs=1) as dag:
    tasks = PipelineTasksGroup("pipeline", wipe_local_data=True, buffer_max_items=0)
    tasks.add_run(
        seed.pipeline(Path(os.environ["BENCH_HOME"])),
        seed.source(os.environ["BENCH_URL"]),
        decompose="none",
        loader_file_format="parquet",
        retries=0,
    )
