"""The files below plugins/: Airflow runs each that it finds as a module of its bare name."""

import shutil
import sys
from pathlib import Path

import pytest
from airflow._shared.module_loading import find_path_from_directory

from tests.conftest import CHECKOUT
from tests.dag.test_parse import DAGS, probe

PLUGINS = CHECKOUT / "plugins"
CODE = shutil.ignore_patterns("__pycache__", "*.egg-info")


def without_dotfiles(folder: str, names: list[str]) -> set[str]:
    return CODE(folder, names) | {name for name in names if name.startswith(".")}


def test_no_module_has_a_name_of_the_standard_librarys():
    files = [path.relative_to(PLUGINS) for path in PLUGINS.rglob("*.py")]
    names = {part for path in files for part in path.with_suffix("").parts}
    assert len(files) > 100
    assert names & sys.stdlib_module_names == set()


@pytest.mark.parametrize("syntax", ["glob", "regexp"])
def test_airflow_finds_the_plugin_alone_after_a_copy_by_a_pattern(tmp_path, syntax):
    # `cp -r plugins/* elsewhere` takes no dotfile of plugins/ itself.
    for path in PLUGINS.glob("[!.]*"):
        if path.name == "__pycache__":
            continue
        if path.is_dir():
            shutil.copytree(path, tmp_path / path.name, ignore=CODE)
        else:
            shutil.copy(path, tmp_path)
    found = [Path(one).name for one in find_path_from_directory(str(tmp_path), ".airflowignore", syntax)]
    assert found == ["directory_sync_plugin.py"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """What the probe tells where every dotfile was lost."""
    folder = tmp_path_factory.mktemp("bare")
    shutil.copytree(PLUGINS, folder / "plugins", ignore=without_dotfiles)
    return probe(DAGS, folder / "temporary", AIRFLOW__CORE__PLUGINS_FOLDER=str(folder / "plugins"))


def test_where_every_dotfile_was_lost_the_plugin_and_the_dag_load(bare):
    assert bare["misnamed_modules"]
    # The same plugin is found twice; Airflow takes one of them.
    errors = set(bare["plugin_import_errors"].values())
    assert errors <= {"Plugin 'directory_sync' already registered, skipping"}
    assert (bare["dags"], bare["import_errors"]) == (["directory_sync"], {})
