"""A resource may have any name, also that of a variable in the code that runs our statements.

DuckDB looks for a table that it does not know among Python's variables (a replacement scan): before the first
load, `cur` and `query` are found in dlt's SQL client.
"""

import pytest

from sandbox.server import SandboxServer
from tests.integration.cycle import Cycle

pytestmark = pytest.mark.duckdb


@pytest.mark.parametrize("name", ["cur", "query"])
def test_a_resource_is_published_whose_name_a_variable_has(
    api: SandboxServer, cycle: Cycle, name: str
) -> None:
    named = cycle.with_(resource={"name": name})
    report = named.run("one")
    assert (report.resource, report.changes["added"]) == (name, 300)
    api.directory.edit(0, 0, remove=2, seed=7)
    assert named.run("two").changes["removed"] == 2
    dataset = named.switches.dataset
    assert named.query(f'SELECT count(*) FROM {dataset}."{name}" WHERE _removed_at IS NULL') == [(298,)]
    assert named.query(f'SELECT count(*) FROM {dataset}."{name}_history" WHERE valid_to IS NULL') == [(298,)]
