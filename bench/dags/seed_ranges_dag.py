"""The same, in ranges of offsets that are read at once."""

import os
from pathlib import Path

from airflow.sdk import DAG
from dlt.helpers.airflow_helper import PipelineTasksGroup

from bench import seed

os.environ |= {"AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent), **seed.TUNED}
home = Path(os.environ["BENCH_HOME"])
count = home / "entries"

with DAG("seed_ranges", schedule=None, catchup=False, max_active_runs=1) as dag:
    tasks = PipelineTasksGroup("pipeline", wipe_local_data=True, buffer_max_items=0)
    tasks.add_run(
        seed.pipeline(home),
        seed.source_in_ranges(
            os.environ["BENCH_URL"], int(count.read_text()) if count.exists() else seed.LIMIT
        ),
        decompose="none",
        loader_file_format="parquet",
        retries=0,
    )
