"""The Dag file as it is delivered: its form."""

import runpy

from tests.conftest import CHECKOUT

directory = runpy.run_path(str(CHECKOUT / "dags" / "directory_sync_dag.py"))["directory"]
