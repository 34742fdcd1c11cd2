"""The Dag file parsed over and over, as a Dag processor does for weeks: no file and no memory is kept.

As many parses as `DAG_PARSES` says; 80 by default, 500 with `HYPOTHESIS_PROFILE=thorough`.
"""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.dag.child import output_of

pytestmark = pytest.mark.serial

CHECKOUT = Path(__file__).resolve().parents[2]
IS_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
PARSES = int(os.environ.get("DAG_PARSES", "500" if IS_THOROUGH else "80"))
ROUNDS = 20 if IS_THOROUGH else 3
WARM = 60
"""Parses after which the allocator has what it needs."""
GROWTH_MIB = 6.0
"""Seen: 0.6 MiB more at the 150th parse, 2.4 at the 500th; 0.4 a parse where dlt's traces are not cleared."""

IN_ONE_PROCESS = """
import json, sys, tempfile
import psutil
from airflow.dag_processing.dagbag import DagBag

me, seen = psutil.Process(), {}
for number in range(1, int(sys.argv[2]) + 1):
    bag = DagBag(sys.argv[1])
    assert list(bag.dags) == ["directory_sync"], bag.import_errors
    if number >= int(sys.argv[3]):
        seen[number] = (me.memory_info().rss / 2**20, me.num_threads(), me.num_fds(), len(sys.modules))
print()
print(json.dumps({"temporary": tempfile.gettempdir(), "seen": list(seen.values())}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    temporary = tmp_path_factory.mktemp("temporary")
    home = tmp_path_factory.mktemp("home")
    return {
        **os.environ,
        "TMPDIR": str(temporary),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "0",
    }


def run(environment, *command):
    return output_of(*command, environment=environment, seconds=400)


@pytest.fixture(scope="module")
def parsed(environment):
    """What one process held after each parse but the first ones, and what it left in the end."""
    arguments = (str(CHECKOUT / "dags"), str(PARSES), str(WARM))
    outcome = json.loads(run(environment, "-c", IN_ONE_PROCESS, *arguments).splitlines()[-1])
    assert outcome["temporary"] == environment["TMPDIR"]
    assert len(outcome["seen"]) == PARSES - WARM + 1
    return outcome


def test_many_parses_leave_no_file(parsed, environment):
    assert list(Path(environment["TMPDIR"]).rglob("*")) == []


def test_many_parses_take_no_more_memory_than_a_few(parsed):
    memory = [seen[0] for seen in parsed["seen"]]
    print(f"{memory[-1] - memory[0]:.1f} MiB more after parse {PARSES} than after parse {WARM}")
    assert memory[-1] - memory[0] < GROWTH_MIB


@pytest.mark.parametrize(("what", "place"), [("threads", 1), ("open files", 2), ("modules", 3)])
def test_many_parses_add_no(parsed, what, place):
    assert len({seen[place] for seen in parsed["seen"]}) == 1


def test_airflows_dag_processor_leaves_no_file(environment, migrated):
    """Each parse is a process of its own here; it ends when each file was parsed so many times."""
    shutil.copy(migrated / "airflow.db", environment["AIRFLOW_HOME"])
    run(environment, "-m", "airflow", "dag-processor", "--num-runs", str(ROUNDS))
    with closing(sqlite3.connect(Path(environment["AIRFLOW_HOME"]) / "airflow.db")) as database:
        assert database.execute("SELECT dag_id, has_import_errors FROM dag").fetchall() == [
            ("directory_sync", 0)
        ]
    assert list(Path(environment["TMPDIR"]).rglob("*")) == []
