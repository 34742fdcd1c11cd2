"""The connection type's form in Airflow, and the fault of Airflow's Test button that the plugin mends."""

import sys
import warnings

import pytest

from directory_sync.airflow import empty_port
from directory_sync_plugin import DirectorySyncPlugin


@pytest.fixture(scope="module")
def connections():
    """Airflow's own module."""
    with warnings.catch_warnings(action="ignore"):
        from airflow.api_fastapi.core_api.routes.public import connections
    return connections


@pytest.fixture
def same_endpoint(connections, monkeypatch):
    """Airflow's function as it stands there now; after the test it is Airflow's own again."""
    monkeypatch.setattr(connections, "_same_endpoint", connections._same_endpoint)

    def same_endpoint(*endpoints):
        return connections._same_endpoint(*endpoints)

    return same_endpoint


def test_an_empty_port_is_the_stored_empty_port(same_endpoint):
    assert not same_endpoint(0, None)
    assert empty_port.mend()
    assert same_endpoint(0, None)
    assert same_endpoint("", None)


@pytest.mark.parametrize(
    ("requested", "stored"),
    [("evil.example", "api.example"), (443, None), (0, 443), (8443, 443), ("", "api.example"), (None, "a")],
)
def test_another_destination_is_still_another(same_endpoint, requested, stored):
    assert empty_port.mend()
    assert not same_endpoint(requested, stored)


def test_it_is_mended_once(connections, same_endpoint):
    assert empty_port.mend()
    mended = connections._same_endpoint
    assert not empty_port.mend()
    assert connections._same_endpoint is mended


def test_the_plugin_mends_it_where_airflow_asks_for_the_page(same_endpoint):
    assert DirectorySyncPlugin().fastapi_apps
    assert same_endpoint(0, None)


ELSEWHERE = {
    "corrected": lambda requested, stored: (requested or None) == (stored or None),
    "more to compare": lambda requested, stored, team: requested == stored,
    "lenient": lambda requested, stored: True,
}


@pytest.mark.parametrize("same", ELSEWHERE.values(), ids=ELSEWHERE)
def test_an_airflow_without_the_fault_is_left_alone(connections, monkeypatch, same):
    monkeypatch.setattr(connections, "_same_endpoint", same)
    assert not empty_port.mend()
    assert connections._same_endpoint is same


def test_an_airflow_without_such_a_function_is_left_alone(connections, monkeypatch):
    monkeypatch.delattr(connections, "_same_endpoint")
    assert not empty_port.mend()
    assert not hasattr(connections, "_same_endpoint")


def test_an_airflow_without_such_a_module_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.core_api.routes.public", None)
    assert not empty_port.mend()
