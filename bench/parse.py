"""What parsing the Dag file costs beyond importing Airflow and dlt, which its processes do anyway."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from bench.figures import Spread, table
from bench.measure import CHECKOUT
from demo.processes import inherited_environment

_PROBE = """
import gc, json, runpy, sys, time
at = [time.perf_counter()]
import airflow.dag_processing.processor, airflow.sdk
at.append(time.perf_counter())
import dlt, dlt.helpers.airflow_helper, dlt.sources.rest_api
at.append(time.perf_counter())
# As Airflow's Dag processor before it starts a process for a file: else a collection of all that Airflow and
# dlt hold falls into the parse, or does not, by chance.
gc.collect()
gc.freeze()
begun = time.perf_counter()
runpy.run_path(sys.argv[1])
at.append(time.perf_counter())
runpy.run_path(sys.argv[1])
at.append(time.perf_counter())
lasted = [at[1] - at[0], at[2] - at[1], at[3] - begun, at[4] - at[3]]
print("\\n" + json.dumps([1000 * seconds for seconds in lasted]))
"""


@dataclass(frozen=True, kw_only=True)
class ParseCost:
    """In milliseconds, of several fresh processes."""

    airflow: Spread
    dlt: Spread
    dag_file: Spread
    dag_file_again: Spread


def measure(processes: int) -> ParseCost:
    """Parses the Dag file in so many fresh processes, twice in each."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **inherited_environment(),
            "AIRFLOW_HOME": home,
            "TMPDIR": home,
            "PYTHONPATH": os.pathsep.join([str(CHECKOUT / "plugins"), str(CHECKOUT)]),
        }
        dag_file = str(CHECKOUT / "dags" / "directory_sync_dag.py")
        costs = []
        # The first one compiles what is not compiled yet.
        for _ in range(processes + 1):
            run = subprocess.run(
                [sys.executable, "-c", _PROBE, dag_file],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            costs.append(json.loads(run.stdout.splitlines()[-1]))
    return ParseCost(**{
        name: Spread.of(cost[number] for cost in costs[1:])
        for number, name in enumerate(("airflow", "dlt", "dag_file", "dag_file_again"))
    })  # fmt: skip


def lines(cost: ParseCost) -> list[str]:
    """A table of it."""
    rows = [
        ["importing what Airflow's own processes have", str(cost.airflow)],
        ["importing dlt, its Airflow helper and rest_api", str(cost.dlt)],
        ["the Dag file beyond these, first parse", str(cost.dag_file)],
        ["the Dag file, parsed again", str(cost.dag_file_again)],
    ]
    return ["", "Parsing the Dag file", "", *table(["", "ms"], rows)]
