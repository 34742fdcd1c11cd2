"""A restored backup forks history: the branch published last is replayed, and what is left out is named."""

from pathlib import Path

import pytest

from directory_sync.errors import SnapshotError
from directory_sync.landing.files import DIFFERENCE, PUBLISHED, REPORT
from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle, child_process


def night(api: SandboxServer, cycle: Cycle, number: int) -> None:
    """One night: entries appear, change and leave."""
    api.directory.edit(2, 2, remove=2, seed=number)
    cycle.run(f"night {number}")


@pytest.fixture
def forked(api: SandboxServer, published: Cycle, tmp_path: Path) -> Cycle:
    """Nights 1 to 4, a backup of night 2 is restored, nights 5 and 6; night 4 is kept in `fourth`."""
    night(api, published, 2)
    backup = published.copied_to(tmp_path / "backup")
    night(api, published, 3)
    night(api, published, 4)
    published.copied_to(tmp_path / "fourth")
    published.restore_warehouse(backup)
    night(api, published, 5)
    night(api, published, 6)
    return published


def runs(cycle: Cycle) -> list[str]:
    return [row[0] for row in cycle.query("SELECT run_id FROM directory_syncs ORDER BY publication_order")]


LAST_BRANCH = ["one", "night 2", "night 5", "night 6"]


def test_the_branch_that_was_published_last_is_replayed(forked: Cycle) -> None:
    before = forked.tables()
    forked.lose_warehouse()
    replayed = forked.replay()
    assert (len(replayed.sync_ids), replayed.present, replayed.left_out) == (4, 0, 2)
    assert "2 on a branch that was abandoned when the warehouse was restored" in replayed.headline(RESOURCE)
    assert all(name in replayed.headline(RESOURCE) for name in ("(night-3)", "(night-4)"))
    assert runs(forked) == LAST_BRANCH
    assert forked.tables() == before


def test_numbers_go_on_after_a_restore(forked: Cycle) -> None:
    """The landing zone knows the highest one, which the restored warehouse does not."""
    orders = forked.query("SELECT run_id, publication_order FROM directory_syncs ORDER BY 2")
    assert orders == list(zip(LAST_BRANCH, [1, 2, 5, 6], strict=True))


def test_a_replay_after_a_restore_and_a_sync_loads_nothing_older(api: SandboxServer, forked: Cycle) -> None:
    """A leaver of an abandoned night would be back."""
    before = forked.tables()
    replayed = forked.replay()
    assert (replayed.sync_ids, replayed.present, replayed.left_out) == ((), 4, 2)
    assert forked.tables() == before
    assert forked.ids() == set(api.directory.ids())


def test_a_backup_of_an_abandoned_branch_is_brought_up_to_date(
    api: SandboxServer, forked: Cycle, tmp_path: Path
) -> None:
    forked.restore_warehouse(forked.with_(home=tmp_path / "fourth"))
    assert len(forked.replay().sync_ids) == 2
    assert runs(forked) == ["one", "night 2", "night 3", "night 4", "night 5", "night 6"]
    assert forked.ids() == set(api.directory.ids())
    before = forked.tables()
    forked.lose_warehouse()
    replayed = forked.replay()
    assert (len(replayed.sync_ids), replayed.left_out) == (6, 0)
    assert forked.tables() == before


DIES_BEFORE_ITS_MARK = """
import os
from pathlib import Path
from tests.integration.cycle import Cycle
url, home, run_id = args
rename = os.replace
def die(source, target):
    if str(target).endswith("published.json"):
        os._exit(9)
    rename(source, target)
os.replace = die
Cycle(url=url, home=Path(home)).publish(run_id)
"""


@pytest.mark.folder
@pytest.mark.duckdb
def test_a_night_that_was_killed_before_its_mark_is_marked_by_the_next(
    api: SandboxServer, published: Cycle
) -> None:
    api.directory.edit(2, 2, remove=2, seed=2)
    published.extract("night 2")
    published.audit("night 2")
    child = child_process(DIES_BEFORE_ITS_MARK, published.url, published.home, "night 2")
    child.communicate()
    assert child.returncode == 9
    assert runs(published) == ["one", "night 2"]
    assert published.landed("night 2").read_json(PUBLISHED) is None
    night(api, published, 3)
    before = published.tables()
    published.lose_warehouse()
    assert len(published.replay().sync_ids) == 3
    assert published.tables() == before


@pytest.fixture
def three_nights(api: SandboxServer, published: Cycle) -> Cycle:
    night(api, published, 2)
    night(api, published, 3)
    return published


def spoil(cycle: Cycle, run_id: str, name: str) -> Path:
    """Empties a landed file of a run."""
    [path] = Path(cycle.landed(run_id).path).rglob(name) if name != REPORT else _reports(cycle, run_id)
    path.write_bytes(b"")
    return path


def _reports(cycle: Cycle, run_id: str) -> list[Path]:
    return list(Path(cycle.landed(run_id).path).glob(f"2*/{REPORT}"))


@pytest.mark.folder
def test_an_empty_mark_of_an_old_night_loses_no_night(three_nights: Cycle) -> None:
    before = three_nights.tables()
    spoil(three_nights, "night 2", PUBLISHED)
    three_nights.lose_warehouse()
    replayed = three_nights.replay()
    assert (len(replayed.sync_ids), replayed.left_out) == (3, 0)
    assert three_nights.query("SELECT count(*) FROM directory_syncs") == [(3,)]
    names = [name for name in before if name != "directory_syncs"]
    assert [three_nights.tables()[name] for name in names] == [before[name] for name in names]


@pytest.mark.folder
@pytest.mark.parametrize("name", [PUBLISHED, REPORT, DIFFERENCE])
def test_a_bad_last_night_is_named_and_left_out(three_nights: Cycle, name: str) -> None:
    spoil(three_nights, "night 3", name)
    three_nights.lose_warehouse()
    replayed = three_nights.replay()
    assert (len(replayed.sync_ids), replayed.left_out) == (2, 1)
    assert "1 that cannot be read: night-3: " in replayed.headline(RESOURCE)
    assert runs(three_nights) == ["one", "night 2"]


@pytest.mark.folder
@pytest.mark.parametrize("name", [REPORT, DIFFERENCE])
def test_a_bad_night_on_which_others_stand_is_refused_by_its_folder(
    api: SandboxServer, three_nights: Cycle, name: str
) -> None:
    spoil(three_nights, "night 2", name)
    three_nights.lose_warehouse()
    with pytest.raises(SnapshotError, match=rf"night-2: .*{name}") as caught:
        three_nights.replay()
    assert "delete it" in str(caught.value)
    assert runs(three_nights) == ["one"]
    three_nights.landed("night 2").delete()
    assert len(three_nights.replay().sync_ids) == 1
    assert runs(three_nights) == ["one", "night 3"]
    assert three_nights.ids() == set(api.directory.ids())
