"""The wheel: what it holds and requires, and what Airflow finds of it, alone or beside the plugins folder."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from directory_sync.about import RELEASE, VERSION
from directory_sync.airflow.provider import PACKAGE_NAME, get_provider_info
from tests.conftest import CHECKOUT

PROBE = """
import json
from importlib.metadata import entry_points, version
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from airflow.plugins_manager import get_import_errors, get_plugin_info
plugins = [plugin["name"] for plugin in get_plugin_info()]
manager = ProvidersManager()
ours = [name for name, hook in manager.hooks.items() if name == "directory_api" and hook]
# Airflow 3.2 makes a further registry for the forms.
ProvidersManager._instance, ProvidersManager._initialized = None, False
fields = [name for name in ProvidersManager().connection_form_widgets if "__directory_api__" in name]
print(json.dumps({
    "installed": [e.value for e in entry_points(group="apache_airflow_provider", name="provider_info")
                  if e.value.startswith("directory_sync")],
    "providers": [name for name in manager.providers if name == "directory-sync"],
    "version": manager.providers["directory-sync"].version,
    "types": ours,
    "in tasks": [name for name in ProvidersManagerTaskRuntime().hooks if name == "directory_api"],
    "form": "extra__directory_api__test_path" in fields,
    "plugins": [name for name in plugins if name == "directory_sync"],
    "import errors": get_import_errors(),
}))
"""
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
REQUIRED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["postgres"]]
SOURCES = ("pyproject.toml", "README.md", "LICENSE")
FOUND = {
    "providers": ["directory-sync"],
    "version": VERSION,
    "types": ["directory_api"],
    "form": True,
    "in tasks": ["directory_api"],
    "plugins": ["directory_sync"],
    "import errors": {},
}
OF_WHEEL = {
    **FOUND,
    "installed": ["directory_sync.airflow.provider:get_provider_info"],
    "version": f"{RELEASE}.dev0",
}


def what_airflow_finds(tmp_path, *, python_path: str = "") -> dict:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path / "home"), "PYTHONPATH": python_path}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The sources of the package, without git: the version is the fallback."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        (folder / name).write_bytes((CHECKOUT / name).read_bytes())
    (folder / "plugins").mkdir()
    ignored = shutil.ignore_patterns("*.pyc", "__pycache__")
    shutil.copytree(CHECKOUT / "plugins/directory_sync", folder / "plugins/directory_sync", ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def installed(source, tmp_path_factory):
    """A folder with the package as pip installs it; the build tools of this environment are used."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--no-build-isolation", "--no-index", "--target", str(folder), str(source)]
    subprocess.run(command, check=True)
    return folder


def test_the_plugins_folder_alone_gives_page_notes_and_connection_type(tmp_path):
    assert what_airflow_finds(tmp_path) == {"installed": [], **FOUND}


def test_the_installed_package_beside_the_plugins_folder_gives_each_once(tmp_path, installed):
    assert what_airflow_finds(tmp_path, python_path=str(installed)) == OF_WHEEL


def test_the_installed_package_alone_gives_them(tmp_path, installed, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__PLUGINS_FOLDER", str(tmp_path / "none"))
    assert what_airflow_finds(tmp_path, python_path=str(installed)) == OF_WHEEL


def test_a_folder_that_goes_before_the_installed_package_gives_each_once(tmp_path, installed):
    before = f"{CHECKOUT / 'plugins'}{os.pathsep}{installed}"
    assert what_airflow_finds(tmp_path, python_path=before) == OF_WHEEL


def test_the_installed_package_holds_every_file_of_the_folder(installed):
    of_folder, of_wheel = (
        {one.relative_to(folder) for one in folder.rglob("*") if one.is_file() and one.suffix != ".pyc"}
        for folder in (CHECKOUT / "plugins" / "directory_sync", installed / "directory_sync")
    )
    assert of_wheel == of_folder
    assert Path("ui/static/page.js") in of_wheel


def test_a_build_leaves_nothing_beside_the_sources(source, installed):
    # An `egg-info` in plugins/ would give Airflow the entry points a second time.
    assert (installed / "directory_sync").is_dir()
    assert {one.name for one in source.iterdir()} == {*SOURCES, "plugins"}
    assert [one.name for one in (source / "plugins").iterdir()] == ["directory_sync"]


def test_the_pins_of_the_demo_and_the_tests_are_within_the_wheels_ranges():
    pinned = {canonicalize_name(name): version for name, _, version in map(pin, lines_of("constraints.txt"))}
    outside = [
        f"{one}, pinned: {pinned[canonicalize_name(one.name)]}"
        for one in required()
        if not one.specifier.contains(pinned[canonicalize_name(one.name)])
    ]
    assert not outside


def test_the_runtime_of_the_demo_and_the_tests_is_what_the_wheel_requires():
    pinned = {canonicalize_name(Requirement(line).name) for line in lines_of("requirements.txt")}
    # dlt requires it; its pin alone is a decision of ours.
    assert pinned - {"sqlglot"} == {canonicalize_name(Requirement(one).name) for one in REQUIRED}


def test_the_wheel_pins_nothing_exactly(installed):
    (notes,) = installed.glob("directory_sync-*.dist-info")
    of_wheel = [Requirement(one) for one in PathDistribution(notes).requires or ()]
    assert of_wheel
    assert not [str(one) for one in of_wheel if "==" in str(one.specifier)]


def test_without_git_the_wheel_has_the_release_that_a_folder_names():
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["hatch"]["version"]
    assert version["fallback-version"] == f"{RELEASE}.dev0"


def test_the_names_of_the_package_agree():
    assert PROJECT["name"] == get_provider_info()["package-name"] == PACKAGE_NAME


def required() -> list[Requirement]:
    """What the wheel requires on this Python, with PostgreSQL as the warehouse."""
    return [one for one in map(Requirement, REQUIRED) if one.marker is None or one.marker.evaluate()]


def lines_of(name: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in (CHECKOUT / name).read_text().splitlines())
    return [line for line in lines if line]


def pin(line: str) -> tuple[str, str, str]:
    return line.partition("==")
