"""The connection type as Airflow finds it: by the plugin, or by the entry point of the installed package."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import warnings

import pytest

from directory_sync.about import RELEASE, VERSION
from directory_sync.airflow import empty_port
from directory_sync.airflow.provider import PACKAGE_NAME, get_provider_info
from directory_sync_plugin import DirectorySyncPlugin
from tests.conftest import CHECKOUT

PROBE = """
import json
from importlib.metadata import entry_points, version
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from airflow.plugins_manager import get_plugin_info
plugins = [plugin["name"] for plugin in get_plugin_info()]
manager = ProvidersManager()
ours = [name for name, hook in manager.hooks.items() if name == "directory_api" and hook]
print(json.dumps({
    "installed": [e.value for e in entry_points(group="apache_airflow_provider", name="provider_info")
                  if e.value.startswith("directory_sync")],
    "providers": [name for name in manager.providers if name == "directory-sync"],
    "version": manager.providers["directory-sync"].version,
    "types": ours,
    "in tasks": [name for name in ProvidersManagerTaskRuntime().hooks if name == "directory_api"],
    "plugins": [name for name in plugins if name == "directory_sync"],
}))
"""


def what_airflow_finds(tmp_path, *, python_path: str = "") -> dict:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path / "home"), "PYTHONPATH": python_path}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package as pip installs it; the build tool of this environment is used."""
    folder = tmp_path_factory.mktemp("installed")
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "requirements.txt", "LICENSE"):
        (source / name).write_bytes((CHECKOUT / name).read_bytes())
    # Built from a copy: setuptools leaves its own folders beside the sources.
    (source / "plugins").mkdir()
    package = source / "plugins" / "directory_sync"
    ignored = ("*.pyc", "__pycache__")
    shutil.copytree(CHECKOUT / "plugins" / "directory_sync", package, ignore=shutil.ignore_patterns(*ignored))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--no-build-isolation", "--no-index", "--target", str(folder), str(source)]
    subprocess.run(command, check=True)
    return folder


FOUND = {
    "providers": ["directory-sync"],
    "version": VERSION,
    "types": ["directory_api"],
    "in tasks": ["directory_api"],
    "plugins": ["directory_sync"],
}


def test_the_plugins_folder_alone_gives_the_connection_type(tmp_path):
    assert what_airflow_finds(tmp_path) == {"installed": [], **FOUND}


def test_the_installed_package_and_the_plugin_give_it_once(tmp_path, installed):
    entry = ["directory_sync.airflow.provider:get_provider_info"]
    found = what_airflow_finds(tmp_path, python_path=str(installed))
    assert found == {**FOUND, "installed": entry, "version": RELEASE}


def test_the_installed_package_alone_gives_it(tmp_path, installed, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__PLUGINS_FOLDER", str(tmp_path / "none"))
    found = what_airflow_finds(tmp_path, python_path=str(installed))
    assert found["types"] == found["in tasks"] == ["directory_api"]
    assert found["plugins"] == ["directory_sync"]


def test_the_installed_package_holds_the_page_s_files(installed):
    names = {path.name for path in (CHECKOUT / "plugins/directory_sync/ui/static").iterdir()}
    assert {path.name for path in (installed / "directory_sync/ui/static").iterdir()} == names


def test_the_names_of_the_package_agree():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert project["name"] == get_provider_info()["package-name"] == PACKAGE_NAME


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
