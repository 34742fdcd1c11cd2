"""Where the API server looks for what a resource landed: it has the serialized Dag alone."""

from pathlib import Path

import pytest
from airflow.models.serialized_dag import SerializedDagModel
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from directory_sync.airflow.landed import ELSEWHERE, landing_note, who
from directory_sync.config.directory import Directory
from directory_sync.landing.files import WHO
from directory_sync.landing.place import landing_place
from directory_sync.landing.zone import Landing

SYNC = "20261126T030000-0a1b2c3d"
SEEN = {"joined": [], "left": [], "changed": [], "counts": {"joined": 0, "left": 0, "changed": 0}}


def form():
    endpoint = {
        "path": "/v1/airports",
        "data_selector": "data",
        "paginator": {"type": "offset", "limit": 100},
    }
    return {
        "client": {"base_url": "https://api.example.com"},
        "resources": [{"name": "airports", "primary_key": "id", "endpoint": endpoint}],
    }


@pytest.fixture
def seen_of(monkeypatch):
    """Lands a sync as a task does; answers with what the API server then reads of it."""

    def seen_of(directory: Directory):
        place = landing_place(None, directory.switches)
        landed = Landing(place, folder=directory.landing_folder).snapshot("airports", "one")
        landed.of_sync(SYNC).write_json(WHO, SEEN)
        with DAG("airports", schedule=None) as dag:
            EmptyOperator(
                task_id="audit", doc_json=landing_note(directory, directory.declared_resources()[0])
            )
        stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        monkeypatch.setattr(SerializedDagModel, "get_dag", lambda dag_id: stored)
        return who("airports", "airports", run_id="one", sync_id=SYNC)

    return seen_of


def test_it_is_read_below_the_home_of_the_deployment(seen_of, monkeypatch, tmp_path):
    monkeypatch.setenv("DIRECTORY_SYNC_HOME", str(tmp_path))
    assert seen_of(Directory(form=form)) == {"who": SEEN}


def test_it_is_read_below_the_home_that_the_dag_file_gives(seen_of, monkeypatch, tmp_path):
    monkeypatch.setenv("DIRECTORY_SYNC_HOME", str(tmp_path / "others"))
    assert seen_of(Directory(form=form, settings={"home": tmp_path / "own"})) == {"who": SEEN}


def test_a_folder_that_the_api_server_does_not_see_is_said_so(monkeypatch, tmp_path):
    monkeypatch.setenv("DIRECTORY_SYNC_HOME", str(tmp_path))
    directory = Directory(form=form, settings={"home": Path("/nowhere")})
    with DAG("airports", schedule=None) as dag:
        EmptyOperator(task_id="audit", doc_json=landing_note(directory, directory.declared_resources()[0]))
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    monkeypatch.setattr(SerializedDagModel, "get_dag", lambda dag_id: stored)
    assert who("airports", "airports", run_id="one", sync_id=SYNC) == {"who": None, "why": ELSEWHERE}
