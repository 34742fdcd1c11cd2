"""What a run says about where its connection was found: no more than the task knows."""

import json

import pytest

from directory_sync.airflow.found_in import FROM_SERVER, found_in
from directory_sync.config.connections import ConnectionFields

VARIABLE = "AIRFLOW_CONN_DIRECTORY_API"
FOUND = ConnectionFields(
    conn_id="directory_api", conn_type="directory_api", host="https://directory.example.org"
)
GIVEN = json.dumps({"conn_type": "directory_api", "host": FOUND.host})


@pytest.mark.parametrize("text", [GIVEN, "directory-api://user:word@directory.example.org"])
def test_a_variable_of_the_task_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert found_in(FOUND) == f"the environment variable {VARIABLE}"


def test_without_a_variable_airflows_server_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert found_in(FOUND) == FROM_SERVER


@pytest.mark.parametrize(
    "text",
    ['{"host": ', json.dumps({"host": "https://other.example.org"})],
)
def test_a_variable_that_airflow_passed_over_is_not_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert found_in(FOUND) == FROM_SERVER


@pytest.mark.parametrize("option", ["AIRFLOW__SECRETS__BACKEND", "AIRFLOW__WORKERS__SECRETS_BACKEND"])
def test_a_secrets_backend_is_named_first_because_it_is_asked_first(
    monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv(option, "airflow.secrets.local_filesystem.LocalFilesystemBackend")
    monkeypatch.setenv(VARIABLE, GIVEN)
    assert found_in(FOUND) == (
        f"the secrets backend LocalFilesystemBackend, else the environment variable {VARIABLE}"
    )
    monkeypatch.delenv(VARIABLE)
    assert found_in(FOUND) == f"the secrets backend LocalFilesystemBackend, else {FROM_SERVER}"
