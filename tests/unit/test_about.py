"""Which code runs: what `directory_sync.about` says of a folder, of a wheel, and of one beside the other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from directory_sync import about
from directory_sync.about import RELEASE
from directory_sync.airflow.scope import TaskScope
from directory_sync.config.directory import Directory
from tests.conftest import CHECKOUT

PROBE = """
import json, sys
sys.path.append(sys.argv[1])
from directory_sync import about
print(json.dumps({
    "version": about.VERSION, "origin": about.origin(), "at": str(about.LOCATION), "running": about.running(),
    "not run": [str(one) for one in about.not_run()], "entry points": about.has_entry_points(),
}))
"""
METADATA = "Metadata-Version: 2.1\nName: directory-sync\nVersion: 3.2.1\n"
ENTRY_POINTS = "[airflow.plugins]\ndirectory_sync = directory_sync.airflow.plugin:DirectorySyncPlugin\n"


def what_runs(first: Path, *, last: Path) -> dict:
    """Returns what a Python says that has `first` on its path, and `last` behind it, as Airflow does."""
    environment = {**os.environ, "PYTHONPATH": str(first), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROBE, str(last)]
    done = subprocess.run(
        command, env=environment, cwd=first, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path):
    return with_package(tmp_path / "plugins")


@pytest.fixture
def wheel(tmp_path):
    site = with_package(tmp_path / "site-packages")
    notes = site / "directory_sync-3.2.1.dist-info"
    notes.mkdir()
    (notes / "METADATA").write_text(METADATA)
    (notes / "entry_points.txt").write_text(ENTRY_POINTS)
    return site


def with_package(folder):
    package = folder / "directory_sync"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "about.py").write_bytes((CHECKOUT / "plugins/directory_sync/about.py").read_bytes())
    return folder


def test_a_folder_says_so_and_may_have_been_edited(folder):
    assert what_runs(folder, last=folder) == {
        "version": f"{RELEASE}+folder",
        "origin": "folder",
        "at": str(folder / "directory_sync"),
        "not run": [],
        "entry points": False,
        "running": (f"directory-sync {RELEASE}+folder runs from the folder in {folder / 'directory_sync'}."),
    }


def test_a_wheel_before_an_edited_folder_names_the_copy_that_does_not_run(wheel, folder):
    found = what_runs(wheel, last=folder)
    assert (found["version"], found["origin"], found["at"]) == (
        "3.2.1",
        "wheel",
        str(wheel / "directory_sync"),
    )
    assert found["not run"] == [str(folder / "directory_sync")]
    assert found["running"].endswith(
        f"Python does not read the other copy in {folder / 'directory_sync'}: remove one of them."
    )
    assert found["entry points"]


def test_a_folder_before_a_wheel_is_no_wheel(wheel, folder):
    found = what_runs(folder, last=wheel)
    assert (found["origin"], found["version"]) == ("folder", f"{RELEASE}+folder")
    assert found["not run"] == [str(wheel / "directory_sync")]
    # Airflow finds the plugin by the wheel's entry point all the same.
    assert found["entry points"]


def test_what_setuptools_left_in_a_folder_makes_no_wheel_of_it(folder):
    left = folder / "directory_sync.egg-info"
    left.mkdir()
    (left / "PKG-INFO").write_text(METADATA)
    found = what_runs(folder, last=folder)
    assert (found["origin"], found["entry points"]) == ("folder", False)


def test_a_task_logs_which_code_runs(caplog):
    caplog.set_level("INFO")
    TaskScope(Directory(form=dict), "directory_resource")
    assert caplog.messages == [about.running()]
    assert f"{about.VERSION} runs from the folder in {CHECKOUT / 'plugins' / 'directory_sync'}" in caplog.text
