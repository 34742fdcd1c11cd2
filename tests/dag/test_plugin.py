"""The plugin as every Airflow process loads it."""

import os
import subprocess
import sys
import warnings
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from directory_sync import about, ui
from directory_sync.airflow import compat
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync_plugin import DirectorySyncPlugin
from tests.conftest import CHECKOUT


def test_loading_the_plugin_imports_nothing_of_the_page_s_server():
    heavy = ("directory_sync.ui.app", "dlt", "duckdb", "pyarrow")
    code = f"import sys, directory_sync_plugin; print([name for name in {heavy} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=CHECKOUT / "plugins", capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_process_that_imports_no_dag_file_reads_airflow_s_configuration_too():
    code = (
        "import directory_sync_plugin; from directory_sync.config.settings import SyncSettings; "
        "print(SyncSettings.from_environment().home)"
    )
    variables = {**os.environ, "AIRFLOW__DIRECTORY_SYNC__HOME": "/srv/sync"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=CHECKOUT / "plugins", env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "/srv/sync"


@pytest.mark.usefixtures("no_get_user")
def test_where_this_airflow_cannot_say_who_looks_there_is_no_page(caplog):
    plugin = DirectorySyncPlugin()
    assert plugin.fastapi_apps == []
    assert plugin.react_apps == []
    assert 'There is no page "Directory"' in caplog.text


@pytest.fixture
def no_get_user(monkeypatch):
    """An Airflow whose API server has no such module."""
    monkeypatch.delitem(sys.modules, "directory_sync.ui.app", raising=False)
    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.core_api.security", None)


def test_an_airflow_without_pages_of_plugins_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(compat, "HAS_PAGES", False)
    plugin = DirectorySyncPlugin()
    assert plugin.fastapi_apps == plugin.react_apps == plugin.fastapi_apps == []
    assert caplog.text.count('There is no page "Directory"') == 1
    assert any("the notes on the runs say" in text for text in compat.absent())


@pytest.mark.parametrize("path", ["", "/below", "/below/"])
def test_the_page_is_named_by_an_absolute_path_below_that_of_airflow(monkeypatch, path):
    """Before 3.3, Airflow's page resolves another one against its own script, or not at all."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"https://airflow.example.org{path}")
    files = f"{path.rstrip('/')}/directory-sync"
    assert {app["bundle_url"] for app in ui.react_apps()} == {f"{files}/page.js"}
    assert ui.react_apps()[0]["icon"] == f"{files}/icon.svg"


def test_the_page_is_told_which_code_runs():
    with warnings.catch_warnings(action="ignore"):
        (served,) = ui.fastapi_apps(lambda: ("No deadlines.",))
    (route,) = [route for route in served["app"].routes if route.path == "/about.json"]
    told = route.endpoint(SimpleNamespace(app=served["app"]))
    assert told["version"] == about.VERSION
    assert told["origin"] == "folder"
    assert told["location"] == str(CHECKOUT / "plugins" / "directory_sync")
    assert told["absent"] == ["No deadlines."]
    assert told["airflow"] == version("apache-airflow-core")


@pytest.mark.parametrize("sync_id", ["../../etc", "..", "20260301T020000-0123abcd/..", "who.json", ""])
def test_no_sync_s_name_leads_out_of_the_folder_of_its_run(tmp_path, sync_id):
    (tmp_path / "who.json").write_text("{}")
    (tmp_path / "run").mkdir()
    assert LandedSnapshot.local(tmp_path / "run").who(sync_id) is None


def test_every_file_the_page_names_is_there():
    static = CHECKOUT / "plugins" / "directory_sync" / "ui" / "static"
    prefix = f"{ui.URL_PREFIX}/"
    named = {app[key] for app in ui.react_apps() for key in ("bundle_url", "icon", "icon_dark_mode")}
    assert {name.removeprefix(prefix) for name in named} <= {path.name for path in static.iterdir()}


def test_each_place_of_the_page_has_a_route_of_its_own():
    routes = [app["url_route"] for app in ui.react_apps()]
    assert len(set(routes)) == len(routes) == 4
