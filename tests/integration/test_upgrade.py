"""What an earlier release wrote: this code goes on with it, and refuses what a later one wrote."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from directory_sync.config import columns
from directory_sync.config.formats import LANDING_FORMAT, TABLE_FORMAT
from directory_sync.errors import ConfigError
from directory_sync.landing.files import MANIFEST
from directory_sync.publish.question import landed_question
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.things_api import DEPLOYMENT, GONE, answer, things
from tests.list_server import Answered, ListServer

DATA = Path(__file__).parents[1] / "data" / "of_7c3a3f48.tar.xz"
NEWER = 99

pytestmark = [pytest.mark.duckdb, pytest.mark.folder]


class ThingsApi(ListServer):
    """The API that the earlier release read.

    Attributes:
        night: decides what it lists.
    """

    night = "five"

    def __init__(self) -> None:
        super().__init__(lambda asked: Answered(answer(self.night, asked.what)))


@pytest.fixture
def api() -> Iterator[ThingsApi]:
    with ThingsApi() as server:
        yield server


@pytest.fixture
def upgraded(api: ThingsApi, tmp_path: Path) -> Cycle:
    """A deployment of the earlier release: three nights published, one audited, one extracted."""
    with tarfile.open(DATA) as packed:
        # Debian 12's Python 3.11.2 knows no filters, and Python 3.14 asks for one.
        packed.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return Cycle(url=api.url, home=tmp_path / "home", **DEPLOYMENT)


def rows(cycle: Cycle) -> list[tuple]:
    return cycle.query(f"SELECT id, name, doors FROM {RESOURCE} WHERE _missing_since IS NULL ORDER BY id")


def listed(night: str) -> list[tuple]:
    return [(one["id"], one["name"], one["doors"]) for one in things(night)]


def test_what_the_earlier_release_audited_is_published(upgraded: Cycle) -> None:
    report = upgraded.publish("four")
    assert (report.changes["added"], report.changes["changed"], report.holds.held) == (2, 3, len(GONE))
    assert rows(upgraded) == listed("four")


def test_what_the_earlier_release_extracted_is_audited_and_published(upgraded: Cycle) -> None:
    upgraded.publish("four")
    upgraded.audit("five")
    upgraded.publish("five")
    assert rows(upgraded) == listed("five")
    assert upgraded.landed("five").read_json(MANIFEST)["format"] == LANDING_FORMAT


def test_the_night_after_an_upgrade_publishes_only_the_difference(api: ThingsApi, upgraded: Cycle) -> None:
    upgraded.publish("four")
    api.night = "six"
    report = upgraded.run("six")
    assert (report.changes["added"], report.changes["changed"]) == (4, 3)
    assert report.unchanged == len(things("six")) - 7
    assert rows(upgraded) == listed("six")
    numbered = upgraded.query("SELECT run_id, publication_order, format_version FROM directory_syncs")
    assert sorted(numbered, key=lambda row: row[1]) == [
        ("one", 1, None),
        ("two", 2, None),
        ("three", 3, None),
        ("four", 4, TABLE_FORMAT),
        ("six", 5, TABLE_FORMAT),
    ]


def test_a_question_of_the_earlier_release_can_be_answered(upgraded: Cycle) -> None:
    question = landed_question(upgraded.landed("three"))
    assert question
    report = upgraded.remove("three", question)
    assert report.changes["removed"] == len(GONE)
    assert upgraded.ids("_removed_at IS NOT NULL") == {7, *GONE}


def test_a_warehouse_is_rebuilt_from_what_the_earlier_release_landed(upgraded: Cycle) -> None:
    before = state(upgraded)
    upgraded.lose_warehouse()
    upgraded.replay()
    assert state(upgraded) == before


def test_what_the_earlier_release_did_not_finish_is_finished(upgraded: Cycle) -> None:
    """The sync's row stands in the first of its change rows, as in that release."""
    before = state(upgraded)
    execute(upgraded, "DELETE FROM directory.directory_syncs WHERE run_id = 'three'")
    assert len(upgraded.roll_forward()) == 1
    assert state(upgraded) == before


def test_the_views_have_what_the_earlier_release_logged(upgraded: Cycle) -> None:
    upgraded.publish("four")
    assert upgraded.query(
        f"SELECT id, name, doors FROM {RESOURCE}_history WHERE is_current ORDER BY id"
    ) == upgraded.query(f"SELECT id, name, doors FROM {RESOURCE}_current ORDER BY id")
    assert upgraded.query(
        f"SELECT count(DISTINCT valid_from) > 1, count(name) = count(*) FROM {RESOURCE}_history"
    ) == [(True, True)]


def state(cycle: Cycle) -> dict[str, list[tuple]]:
    """All that the tables hold, but for columns that only the later release writes."""
    first = {one.name for one in columns.SYNCS if not one.is_later} - {"report"}
    held = {"directory_syncs": first, f"{RESOURCE}_changes": {*columns.names(columns.CHANGES)}}
    views = {name for (name,) in cycle.query("SELECT view_name FROM duckdb_views()")}
    found = {}
    for name, (there, _) in cycle.tables().items():
        if name not in views:
            names = ", ".join(one for one in there if one in held.get(name, there))
            found[name] = cycle.query(f"SELECT {names} FROM {name} ORDER BY ALL")
    reports = cycle.query("SELECT report FROM directory_syncs ORDER BY sync_id")
    found["reports"] = [({key: v for key, v in json.loads(one).items() if v},) for (one,) in reports]
    return found


def test_a_landed_snapshot_of_a_later_format_is_refused_and_nothing_is_written(upgraded: Cycle) -> None:
    landed, before = upgraded.landed("four"), upgraded.tables()
    landed.write_json(MANIFEST, {**landed.read_json(MANIFEST), "format": NEWER})
    with pytest.raises(ConfigError, match=rf"the format {NEWER}, .* a newer version wrote it\. Nothing"):
        upgraded.audit("four")
    assert upgraded.tables() == before


def test_tables_of_a_later_format_are_refused_and_nothing_is_written(upgraded: Cycle) -> None:
    upgraded.publish("four")
    execute(upgraded, f"UPDATE directory.directory_syncs SET format_version = {NEWER} WHERE run_id = 'four'")
    before = upgraded.tables()
    with pytest.raises(ConfigError, match=rf"The table `{RESOURCE}` has the format {NEWER}"):
        upgraded.audit("five")
    assert upgraded.tables() == before


def execute(cycle: Cycle, statement: str) -> None:
    import duckdb

    with duckdb.connect(cycle.home / "warehouse.duckdb") as database:
        database.execute(statement)


def test_the_data_of_the_earlier_release_stays_small() -> None:
    assert DATA.stat().st_size < 64 * 1024
