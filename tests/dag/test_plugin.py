"""The plugin as every Airflow process loads it."""

import subprocess
import sys

import pytest

from directory_sync import ui
from directory_sync_plugin import DirectorySyncPlugin
from tests.conftest import CHECKOUT


def test_loading_the_plugin_imports_nothing_of_the_page_s_server():
    heavy = ("directory_sync.ui.app", "dlt", "duckdb", "pyarrow")
    code = f"import sys, directory_sync_plugin; print([name for name in {heavy} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=CHECKOUT / "plugins", capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


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


def test_every_file_the_page_names_is_there():
    static = CHECKOUT / "plugins" / "directory_sync" / "ui" / "static"
    prefix = ui.URL_PREFIX.removeprefix("/") + "/"
    named = {app[key] for app in ui.react_apps() for key in ("bundle_url", "icon", "icon_dark_mode")}
    assert {name.removeprefix(prefix) for name in named} <= {path.name for path in static.iterdir()}


def test_each_place_of_the_page_has_a_route_of_its_own():
    routes = [app["url_route"] for app in ui.react_apps()]
    assert len(set(routes)) == len(routes) == 4
