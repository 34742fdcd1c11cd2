"""The files of docs/deploy/mwaa.md, used as MWAA uses them."""

import json
import os
import subprocess
import sys
import zipfile

import pytest

from tests.deploy.pages import block
from tests.deploy.wheel import NAME, install

FOLDER = "/usr/local/airflow/plugins"
"""Where MWAA unpacks `plugins.zip`."""

PROBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.plugins_manager import get_import_errors, get_plugin_info
from airflow.providers_manager import ProvidersManager
import secrets
bag = DagBag(sys.argv[1])
print(json.dumps({
    "plugins": [one["name"] for one in get_plugin_info() if one["name"] == "directory_sync"],
    "broken": get_import_errors(),
    "types": [one for one in ProvidersManager().hooks if one == "directory_api"],
    "dags": list(bag.dags),
    "errors": bag.import_errors,
    "secrets": bool(secrets.token_hex(1)),
}))
"""


@pytest.fixture
def plugins(wheel, tmp_path):
    """The unpacked `plugins.zip`, made by the command of the page."""
    command = block("mwaa", "makes plugins.zip from the wheel in dist/").text
    subprocess.run(["sh", "-ec", command], cwd=wheel.parent.parent, check=True)
    folder = tmp_path / "plugins"
    with zipfile.ZipFile(wheel.parent.parent / "plugins.zip") as archive:
        archive.extractall(folder)
    return folder


def test_the_archive_holds_the_wheel_that_the_requirements_name(plugins) -> None:
    assert [path.name for path in plugins.iterdir()] == [NAME]
    constraint, links, requirement = block("mwaa", "requirements.txt").text.splitlines()
    assert constraint.startswith('--constraint "https://')
    assert constraint.endswith('/constraints-3.0.6/constraints-3.12.txt"')
    assert links == f"--find-links {FOLDER}"
    # pip finds it there by this line, without an index.
    name = requirement.partition("[")[0] + "==" + requirement.partition("==")[2]
    download = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--no-index", name]
    subprocess.run([*download, "--find-links", plugins, "--dest", plugins.parent / "found"], check=True)
    assert [path.name for path in (plugins.parent / "found").iterdir()] == [NAME]


def test_airflow_loads_page_form_and_dag_beside_the_wheel_in_its_plugins_folder(plugins, tmp_path) -> None:
    site = install(plugins / NAME, tmp_path / "site")
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "people_dag.py").write_text(block("index", "dags/people_dag.py").text)
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "PYTHONPATH": str(site),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE, dags],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "plugins": ["directory_sync"],
        "broken": {},
        "types": ["directory_api"],
        "dags": ["directory_sync"],
        "errors": {},
        "secrets": True,
    }
