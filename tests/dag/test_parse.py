"""What a parse of the Dag files does besides declaring: nothing."""

import json
import os
from pathlib import Path

import pytest

from tests.dag.child import output_of

HERE = Path(__file__).resolve().parent
DAGS = HERE.parents[1] / "dags"


def probe(dags: Path, temporary: Path, **variables: str) -> dict[str, object]:
    """What `parse_probe.py` tells of a folder, in a process without any connection."""
    temporary.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW_CONN_")}
    environment |= {
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(HERE),
        "AIRFLOW__SECRETS__BACKEND": "parse_probe.RecordingBackend",
        "AIRFLOW__WORKERS__SECRETS_BACKEND": "parse_probe.RecordingBackend",
        **variables,
    }
    told = output_of(str(HERE / "parse_probe.py"), str(dags), environment=environment)
    return json.loads(told.splitlines()[-1])


@pytest.fixture(scope="module")
def parsed(tmp_path_factory):
    temporary = tmp_path_factory.mktemp("parse") / "temporary"
    outcome = probe(DAGS, temporary)
    assert outcome["temporary_directory"] == str(temporary)
    return outcome | {"left": sorted(path.name for path in temporary.rglob("*"))}


def test_a_parse_needs_no_connection(parsed):
    assert parsed["dags"] == ["directory_sync"]
    assert parsed["import_errors"] == {}


def test_a_parse_opens_no_network_connection(parsed):
    assert parsed["connections"] == []


def test_a_parse_looks_up_no_connection_and_no_variable(parsed):
    assert parsed["lookups"] == []


def test_three_parses_leave_nothing_in_the_temporary_directory(parsed):
    assert parsed["left"] == []


def test_no_module_of_the_package_is_executed_as_a_plugin(parsed):
    assert parsed["misnamed_modules"] == []
    assert parsed["plugin_import_errors"] == {}


@pytest.fixture(scope="module")
def careless(tmp_path_factory):
    """The probe's own guards, seen to fail."""
    folder = tmp_path_factory.mktemp("careless")
    (folder / "careless_dag.py").write_text(
        "import socket, tempfile\n"
        "from airflow.sdk import DAG, Connection, Variable\n"
        "Variable.get('a_variable', default=None)\n"
        "tempfile.mkdtemp()\n"
        "for look_up in (lambda: Connection.get('a_connection'),\n"
        "                lambda: socket.create_connection(('127.0.0.1', 9))):\n"
        "    try:\n"
        "        look_up()\n"
        "    except Exception:\n"
        "        pass\n"
        "dag = DAG('careless', schedule=None)\n"
    )
    temporary = folder / "temporary"
    return probe(folder, temporary) | {"left": len(list(temporary.iterdir()))}


def test_the_probe_sees_what_a_careless_dag_file_does(careless):
    assert careless["dags"] == ["careless"]
    assert {"Variable a_variable", "connection a_connection"} <= set(careless["lookups"])
    assert careless["connections"]
    assert careless["left"] == 3
