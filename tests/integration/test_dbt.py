"""The dbt project of docs/examples/dbt, by dbt itself, on a warehouse that syncs have filled."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox.server import SandboxServer
from tests.integration.cycle import Cycle
from tests.matrix.environment import CHECKOUT, environment_of_pins

pytestmark = pytest.mark.duckdb

PROJECT = CHECKOUT / "docs" / "examples" / "dbt"
RUN = """\
from dbt.cli.main import dbtRunner

dbt = dbtRunner()
for command in (["build"], ["source", "freshness"]):
    dbt.invoke(command)
"""
"""Both in one process: dbt takes seconds to begin."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What dbt did, and the file that it wrote."""

    warehouse: Path
    analytics: Path
    target: Path
    said: str

    def results(self, name: str) -> dict[str, str]:
        """The status of each node, by the name that a person knows."""
        found = json.loads((self.target / name).read_text())["results"]
        return {one["unique_id"].split(".")[-1]: one["status"] for one in found}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.analytics, read_only=True) as database:
            return database.execute(sql).fetchall()


@pytest.fixture(scope="module")
def dbt() -> Path:
    """The Python of dbt's environment."""
    return environment_of_pins(PROJECT / "requirements.txt", name="dbt")


def built(dbt: Path, warehouse: Path, folder: Path) -> Built:
    environment = os.environ | {
        "WAREHOUSE_FILE": str(warehouse),
        "ANALYTICS_FILE": str(folder / "analytics.duckdb"),
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "DBT_USE_COLORS": "false",
    }
    done = subprocess.run(
        [dbt, "-c", RUN],
        env=environment,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"dbt ended with {done.returncode}:\n{said[-4000:]}"
    return Built(
        warehouse=warehouse, analytics=folder / "analytics.duckdb", target=folder / "target", said=said
    )


@pytest.mark.timeout(600)
def test_dbt_builds_its_models_and_passes_its_tests_on_what_was_synced(
    dbt: Path, api: SandboxServer, published: Cycle, tmp_path: Path
) -> None:
    edits = api.directory.edit(7, 5, remove=3, seed=1)
    published.run("two")
    warehouse = published.home / "warehouse.duckdb"
    result = built(dbt, warehouse, tmp_path)

    assert set(result.results("run_results.json").values()) == {"success", "pass"}, result.said
    models = {"current_entries", "joiners_and_leavers_by_month"}
    tested = {name for name in result.results("run_results.json") if name not in models}
    assert len(tested) >= 10, result.said
    assert result.results("sources.json") == {"directory_syncs": "pass"}

    entries = result.query("SELECT id FROM current_entries ORDER BY id")
    assert [row[0] for row in entries] == sorted(api.directory.ids())
    rows = result.query("SELECT joined, left_directory FROM joiners_and_leavers_by_month")
    assert rows == [(7, len(edits.removed))]
