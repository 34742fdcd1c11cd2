"""A landed file that is damaged publishes nothing wrong, and what the message says to do cures it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from directory_sync.errors import SnapshotError
from directory_sync.landing.files import DIFFERENCE
from sandbox.server import SandboxServer
from tests.integration.cycle import Cycle

CURE = "Clear the run's `extract` tasks"
Damage = Callable[[Path], Any]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(b"no file of ours" * 50)


def lose_keys(path: Path) -> None:
    path.write_text(json.dumps({"sync_id": "another"}))


def landed_file(cycle: Cycle, name: str) -> Path:
    """A file of the run, or of its publication, by its name or by its table's."""
    folder = Path(cycle.landed("two").path)
    of_its_own = [*(folder / "landed" / name).glob("*.parquet"), *folder.glob(f"2*/{DIFFERENCE}")]
    return next((path for path in of_its_own if name in str(path)), folder / name)


@pytest.fixture
def eventful(api: SandboxServer, published: Cycle) -> Cycle:
    api.directory.edit(4, 4, remove=4, seed=3)
    return published


def assert_everything_is_published(api: SandboxServer, cycle: Cycle) -> None:
    assert cycle.ids() == set(api.directory.ids())
    assert {kind for _, kind in cycle.changes("two")} >= {"added", "changed", "removed"}


@pytest.mark.parametrize(
    ("table", "damage"),
    [("entries", truncate), ("entries", Path.unlink), ("fields", empty)],
    ids=["entries truncated", "entries lost", "fields emptied"],
)
def test_a_damaged_load_is_refused_by_the_audit_and_cured_by_another(
    api: SandboxServer, eventful: Cycle, table: str, damage: Damage
) -> None:
    before = eventful.tables()
    eventful.extract("two")
    damage(landed_file(eventful, table))
    with pytest.raises(SnapshotError, match=f"The landed {table} .*{CURE}"):
        eventful.audit("two")
    assert eventful.tables() == before
    eventful.run("two")
    assert_everything_is_published(api, eventful)


@pytest.mark.parametrize("damage", [truncate, empty, garble])
def test_a_load_that_does_not_say_its_shard_is_read_again_by_the_audit(
    api: SandboxServer, eventful: Cycle, damage: Damage
) -> None:
    eventful.extract("two")
    damage(landed_file(eventful, "windows"))
    eventful.audit("two")
    eventful.publish("two")
    assert_everything_is_published(api, eventful)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("difference.parquet", empty),
        ("difference.parquet", Path.unlink),
        ("difference.parquet", truncate),
        ("report.json", garble),
        ("report.json", lose_keys),
    ],
    ids=["difference emptied", "difference lost", "difference cut", "report garbled", "report without keys"],
)
def test_a_damaged_outcome_of_the_audit_is_refused_and_cured_by_another_extract(
    api: SandboxServer, eventful: Cycle, name: str, damage: Damage
) -> None:
    before = eventful.tables()
    eventful.extract("two")
    eventful.audit("two")
    damage(landed_file(eventful, name))
    with pytest.raises(SnapshotError, match=f"The landed {name} .*{CURE}"):
        eventful.publish("two")
    assert eventful.tables() == before
    eventful.run("two")
    assert_everything_is_published(api, eventful)


@pytest.mark.parametrize("damage", [garble, empty, lose_keys])
def test_a_manifest_that_cannot_be_read_is_sealed_again(
    api: SandboxServer, eventful: Cycle, damage: Damage
) -> None:
    eventful.extract("two")
    eventful.audit("two")
    damage(landed_file(eventful, "manifest.json"))
    eventful.audit("two")
    eventful.publish("two")
    assert_everything_is_published(api, eventful)


def test_a_manifest_that_is_damaged_after_the_publication_changes_nothing(
    api: SandboxServer, eventful: Cycle
) -> None:
    eventful.run("two")
    before = eventful.tables()
    garble(landed_file(eventful, "manifest.json"))
    eventful.audit("two")
    assert eventful.publish("two").skipped
    assert eventful.tables() == before
