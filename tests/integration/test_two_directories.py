"""A table says which directory it belongs to; another one is refused before anything is written."""

import pytest

from directory_sync.errors import ConfigError
from directory_sync.publish.ownership import Owner, claim_table
from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle

FIRST, SECOND = Owner(name="api/first"), Owner(name="partners_api/second")


def claim(cycle: Cycle, owner: Owner) -> None:
    with cycle.warehouse() as (warehouse, _):
        claim_table(RESOURCE, owner, warehouse=warehouse)


def test_a_table_belongs_to_the_directory_that_published_last(api: SandboxServer, published: Cycle) -> None:
    claim(published, SECOND)  # What was published before there were marks is nobody's.
    published.with_(directory=FIRST.name).run("two")
    assert published.query("SELECT directory FROM directory_syncs WHERE run_id = 'two'") == [(FIRST.name,)]
    claim(published, FIRST)
    with pytest.raises(ConfigError, match=f"The table `{RESOURCE}` belongs to the directory `api/first`"):
        claim(published, SECOND)
    renamed = Owner(name=SECOND.name, formerly=[FIRST.name])
    claim(published, renamed)
    published.with_(directory=SECOND.name, formerly=[FIRST.name]).run("three")
    claim(published, SECOND)
    before = published.tables()
    published.lose_warehouse()
    published.replay()
    assert published.tables() == before
