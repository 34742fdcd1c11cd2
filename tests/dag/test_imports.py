"""What a parse of the Dag file imports beyond Airflow and dlt: all of it costs time at every parse."""

import json
import os
from pathlib import Path

import pytest

from tests.dag.child import output_of

CHECKOUT = Path(__file__).resolve().parents[2]
PROBE = """
import json, runpy, sys
import airflow.dag_processing.processor, airflow.sdk
import dlt, dlt.helpers.airflow_helper, dlt.sources.rest_api
before = set(sys.modules)
runpy.run_path(sys.argv[1])
print("\\n" + json.dumps({"new": sorted(set(sys.modules) - before), "all": sorted(sys.modules)}))
"""
OURS = """
    about airflow airflow.approval airflow.compat airflow.deadline airflow.display airflow.division
    airflow.failure airflow.landed airflow.notify airflow.options airflow.params airflow.retry airflow.scope
    airflow.tasks airflow.telling config config.connections config.directory config.dlt_provider
    config.endpoint config.events config.fields config.form config.given config.incremental
    config.key_place config.keys config.kinds config.limits config.mode config.names
    config.older_python config.paginator config.paging config.parent config.paths config.refusal
    config.settings config.sign_in config.steps config.urls dag errors extract extract.declared
    landing landing.tables
"""
"""Our modules that declare; what works is imported in the task."""
FOREIGN = {"airflow", "asgiref", "dlt", "google", "pendulum"}
"""Whose further modules declaring the tasks brings in."""
HEAVY = {"duckdb", "numpy", "pandas", "psycopg2", "pyarrow"}


def imports(dag_file, folder):
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(CHECKOUT / "plugins"),
    }
    told = output_of("-c", PROBE, str(dag_file), environment=environment)
    return json.loads(told.splitlines()[-1])


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    return imports(CHECKOUT / "dags" / "directory_sync_dag.py", tmp_path_factory.mktemp("imports"))


def test_a_parse_imports_of_ours_only_what_declares(imported):
    ours = {name for name in imported["new"] if name.split(".")[0] == "directory_sync"}
    assert ours == {"directory_sync", *(f"directory_sync.{name}" for name in OURS.split())}


def test_a_parse_imports_no_further_package(imported):
    assert {name.split(".")[0] for name in imported["new"]} - {"directory_sync"} <= FOREIGN


def test_a_parse_imports_no_heavy_package(imported):
    assert not HEAVY & set(imported["all"])


def test_the_probe_sees_what_a_careless_dag_file_imports(tmp_path):
    careless = tmp_path / "careless_dag.py"
    careless.write_text("import duckdb, directory_sync.audit.stage\n")
    found = set(imports(careless, tmp_path)["new"])
    assert {"duckdb", "directory_sync.audit.stage"} <= found
