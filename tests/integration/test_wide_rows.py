"""Wide rows and large ones: published at the default settings, or refused with the tables as they were."""

import json
from pathlib import Path

import pytest

from directory_sync.errors import ConfigError
from directory_sync.publish.load import load
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.integration.test_columnar import difference

pytestmark = pytest.mark.duckdb


def publish(cycle: Cycle, night: int, *, entries: int, fields: int, length: int) -> None:
    """All entries, of which every field is changed."""
    names = [f"field_{number}" for number in range(fields)]
    records = [
        json.dumps({"id": n, **{name: f"{night} {n} {name} ".ljust(length, "x") for name in names}})
        for n in range(entries)
    ]
    base = f"night-{night - 1}" if night > 1 else None
    kind = "changed" if night > 1 else "added"
    with cycle.warehouse() as (warehouse, _):
        rows = difference(records, sync_id=f"night-{night}", kind=kind, base=base)
        load(cycle.parsed, rows, warehouse=warehouse)


@pytest.mark.parametrize(("entries", "fields", "length"), [(300, 200, 100), (5_000, 100, 20)])
def test_a_wide_flat_table_of_which_all_is_changed_is_published_at_the_default_settings(
    cycle: Cycle, entries: int, fields: int, length: int
) -> None:
    for night in (1, 2):
        publish(cycle, night, entries=entries, fields=fields, length=length)
    nights = cycle.query(f"SELECT left(field_0, 2), count(*) FROM {RESOURCE} GROUP BY ALL")
    assert nights == [("2 ", entries)]


def test_a_load_beyond_the_memory_that_is_set_names_the_setting_and_leaves_the_tables(cycle: Cycle) -> None:
    small = {"entries": 300, "fields": 150, "length": 100}
    publish(cycle, 1, **small)
    before = cycle.tables()
    limited = cycle.with_(settings={"memory_limit_mb": 64})
    with pytest.raises(ConfigError, match="DIRECTORY_SYNC_MEMORY_LIMIT_MB") as caught:
        publish(limited, 2, **small)
    assert "Nothing was published" in str(caught.value)
    assert cycle.tables() == before
    publish(cycle, 2, **small)
    assert cycle.query(f"SELECT left(field_0, 2), count(*) FROM {RESOURCE} GROUP BY ALL") == [("2 ", 300)]


def test_pictures_as_text_are_published_at_the_default_settings(tmp_path: Path) -> None:
    entries = 2_500
    with Listing() as listing:
        cycle = Cycle(url=listing.url, home=tmp_path)
        for night in (1, 2):
            listing.entries = [
                {"id": n, "picture": f"{night} {n} ".ljust(20_000, "x")} for n in range(entries)
            ]
            cycle.run(str(night))
    assert cycle.query(f"SELECT left(picture, 2), count(*) FROM {RESOURCE} GROUP BY ALL") == [("2 ", entries)]


def test_an_audit_beyond_the_memory_that_is_set_names_the_setting(tmp_path: Path) -> None:
    with Listing() as listing:
        listing.entries = [{"id": n, "picture": f"{n} ".ljust(20_000, "x")} for n in range(2_100)]
        cycle = Cycle(url=listing.url, home=tmp_path, settings={"memory_limit_mb": 24})
        cycle.extract("one")
        with pytest.raises(ConfigError, match="DIRECTORY_SYNC_MEMORY_LIMIT_MB"):
            cycle.audit("one")
