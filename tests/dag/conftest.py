"""The Dags as Airflow's Dag processor sees them, parsed once, without a network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket

DAGS = Path(__file__).resolve().parents[2] / "dags"


@pytest.fixture(scope="session")
def dag_bag() -> Iterator[object]:
    from airflow.dag_processing.dagbag import DagBag

    pytest_socket.disable_socket(allow_unix_socket=True)
    try:
        yield DagBag(str(DAGS))
    finally:
        pytest_socket.enable_socket()


@pytest.fixture(scope="session")
def dag(dag_bag):
    assert not dag_bag.import_errors
    return dag_bag.dags["directory_sync"]


@pytest.fixture
def parse(monkeypatch):
    """Parses the Dag file anew, in a deployment with these variables."""

    def parse(**variables: str) -> object:
        from airflow.dag_processing.dagbag import DagBag

        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        bag = DagBag(str(DAGS / "directory_sync_dag.py"))
        assert not bag.import_errors
        return bag.dags["directory_sync"]

    return parse
