"""The process that tasks are forked from has imported what they need."""

import json
import logging
import os
import subprocess
import sys

import pytest

from directory_sync.airflow import preload
from directory_sync.config.directory import Directory
from directory_sync.errors import ConfigError
from tests.conftest import CHECKOUT
from tests.dag_file import directory

HEAVY = ("dlt", "duckdb", "pyarrow.parquet", "directory_sync.dag", "directory_sync.publish.stage")
LOADED = f"""
import json, os, sys
sys.argv = json.loads(os.environ["COMMAND"])
from directory_sync_plugin import DirectorySyncPlugin
DirectorySyncPlugin.on_load()
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""
THREADS = """
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
print(json.dumps(sorted(names)))
"""
A_RUN = """
import tempfile
from pathlib import Path
from tests.integration.cycle import Cycle

known = set(sys.modules)
cycle = Cycle(url=os.environ["API"], home=Path(tempfile.mkdtemp(dir=os.environ["HOME_OF_TEST"])))
cycle.run("one")
ours = ("directory_sync.", "dlt.", "duckdb", "_duckdb", "pyarrow.")
print(json.dumps([name for name in sys.modules if name.startswith(ours) and name not in known]))
"""


def answer(code, command, **variables):
    """What a process prints last that Airflow's command would be, after it has loaded the plugin."""
    program = [sys.executable, "-c", LOADED + code]
    environment = {
        **os.environ,
        "DIRECTORY_SYNC_PRELOAD": "true",
        "COMMAND": json.dumps(command),
        "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'plugins'}",
        **variables,
    }
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", ["scheduler --skip-serve-logs", "celery worker -q default"])
def test_a_process_that_forks_tasks_has_their_imports(command):
    assert answer("", ["/usr/bin/airflow", *command.split()]) == list(HEAVY)


@pytest.mark.parametrize(
    "command", ["api-server", "dag-processor", "triggerer", "standalone", "celery flower", ""]
)
def test_no_other_process_has(command):
    assert answer("", ["/usr/bin/airflow", *command.split()]) == []


def test_without_the_switch_no_process_has():
    assert answer("", ["airflow", "scheduler"], DIRECTORY_SYNC_PRELOAD="") == []


def test_a_wrong_switch_is_left_to_the_dags_to_tell():
    assert answer("", ["airflow", "scheduler"], DIRECTORY_SYNC_PRELOAD="maybe") == []


def test_no_thread_is_left_that_a_fork_would_lack():
    """Jemalloc's own ends and begins at a fork by itself."""
    assert set(answer(THREADS, ["airflow", "scheduler"])) <= {"python", "jemalloc_bg_thd"}
    assert answer(THREADS, ["airflow", "scheduler"]).count("python") == 1


def test_duckdb_s_own_database_is_there_for_others():
    code = 'import duckdb; print(json.dumps(duckdb.sql("SELECT 42").fetchall()))'
    assert answer(code, ["airflow", "scheduler"]) == [[42]]


def test_a_run_imports_nothing_heavy_any_more(api, tmp_path):
    assert answer(A_RUN, ["airflow", "scheduler"], API=api.url, HOME_OF_TEST=str(tmp_path)) == []


def test_what_cannot_be_imported_stops_nothing_and_is_told_by_its_class(monkeypatch, caplog):
    monkeypatch.setenv("DIRECTORY_SYNC_PRELOAD", "true")
    monkeypatch.setattr(sys, "argv", ["airflow", "scheduler"])
    monkeypatch.setattr(preload, "MODULES", ("directory_sync.of_secret_value",))
    with caplog.at_level(logging.WARNING):
        preload.preload.__wrapped__()
    assert "Not preloaded: ModuleNotFoundError." in caplog.text
    assert "of_secret_value" not in caplog.text


def test_one_directory_cannot_preload_for_itself():
    with pytest.raises(ConfigError, match="holds for a whole deployment"):
        Directory(form=directory, settings={"preload": True})
