"""How long landed folders stay: all that is ours, of whatever resource, and nothing that is not."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from directory_sync.landing.files import MANIFEST, PUBLISHED, Mark
from directory_sync.landing.place import LandingPlace
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.zone import Landing
from directory_sync.publish.ownership import OWNER, Owner
from directory_sync.publish.retention import retire

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MONTH_AGO = NOW - timedelta(days=30)
SYNC = "20260101T030000-0a1b2c3d"
OURS = Owner(name="directory_api/directory_sync")


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(LandingPlace(url=str(tmp_path)))


def aged(
    landing: Landing, run_id: str, days: float, *, resource: str = "people", files: tuple[str, ...] = ()
) -> LandedSnapshot:
    """A run's folder whose files were written so many days ago."""
    landed = landing.snapshot(resource, run_id)
    for name in files or ("report.json", MANIFEST):
        path = Path(landed.file(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return made_old(landed, days)


def made_old(landed: LandedSnapshot, days: float) -> LandedSnapshot:
    moment = (NOW - timedelta(days=days)).timestamp()
    for path in Path(landed.path).rglob("*"):
        os.utime(path, (moment, moment))
    return landed


def left(landing: Landing, resource: str = "people") -> list[str]:
    return [one.name for one in landing.snapshots(resource)]


def published(landing: Landing, run_id: str, days: float, *, order: int | None) -> LandedSnapshot:
    landed = aged(landing, run_id, days)
    landed.mark_published(Mark(sync_id=SYNC, order=order))
    return made_old(landed, days)


def test_what_is_older_is_deleted_sealed_or_not(landing: Landing) -> None:
    aged(landing, "old", 31)
    aged(landing, "old-and-unsealed", 31, files=("report.json",))
    aged(landing, "young", 29)
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now") == 2
    assert left(landing) == ["young"]


@pytest.mark.parametrize(
    "files",
    [
        ("landed/init", "landed/_dlt_loads/1.jsonl", "landed/entries/1.parquet"),
        ("landed/init.0a1b", "landed/_dlt_version/1.jsonl"),
        ("report.json", f"{SYNC}/report.json", f"{SYNC}/difference.parquet"),
        ("question.json", "decision.json", "published.json"),
        ("question.json", "report.json.0a1b2c.part", f"{SYNC}-removal/report.json"),
        ("landed/init", "report.json", "parents/badges2.parquet", "held_for_Badges2.json"),
        ("landed/init", "landed/lists/1.parquet", "failed_parents.json"),
    ],
    ids=[
        "a failed night",
        "a shard that was killed",
        "a dry run",
        "a decision",
        "cut short",
        "a parent",
        "a child",
    ],
)
@pytest.mark.parametrize("resource", ["people", "no longer in the form"])
def test_failed_nights_and_dry_runs_go_too_of_any_resource(
    landing: Landing, resource: str, files: tuple[str, ...]
) -> None:
    aged(landing, "old", 31, resource=resource, files=files)
    aged(landing, "young", 29, resource=resource, files=files)
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now") == 1
    assert left(landing, resource) == ["young"]


@pytest.mark.parametrize("order", [7, None])
def test_the_newest_published_run_of_a_resource_in_the_form_stays(
    landing: Landing, order: int | None
) -> None:
    """Whatever its age: every later night failed."""
    published(landing, "first", 300, order=order and order - 1)
    published(landing, "last", 299, order=order)
    aged(landing, "failed", 200)
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now") == 2
    assert left(landing) == ["last"]


def test_the_newest_published_run_of_a_resource_no_longer_in_the_form_goes(landing: Landing) -> None:
    landed = aged(landing, "last", 300, files=("landed/init",))
    landed.mark_published(Mark(sync_id=SYNC, order=7))
    made_old(landed, 300)
    assert retire(landing, resources=["sites"], before=MONTH_AGO, keep="now") == 1


def test_the_run_at_work_stays(landing: Landing) -> None:
    aged(landing, "manual__2026-01-01T00:00:00+00:00", 300)
    kept = "manual__2026-01-01T00:00:00+00:00"
    assert retire(landing, resources=["people"], before=NOW, keep=kept) == 0


@pytest.mark.parametrize(
    ("resource", "files"),
    [
        ("team", ("report.json",)),
        ("team", ("landed/orders.csv",)),
        ("team", ("landed/entries/1.parquet", "README.md")),
        ("people", ("landed/entries/1.parquet", "notes/1.txt")),
        ("dataset=partners", ("question.json",)),
        (".git", ("question.json",)),
    ],
)
def test_what_is_not_ours_stays(landing: Landing, resource: str, files: tuple[str, ...]) -> None:
    landed = aged(landing, "run", 300, resource=resource, files=files)
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now", owner=OURS) == 0
    assert all(Path(landed.file(name)).exists() for name in files)


def test_what_another_dag_landed_beside_us_stays(landing: Landing) -> None:
    """Two Dags may share a dataset, each with resources of its own."""
    landed = aged(landing, "run", 300, resource="sites", files=("landed/init",))
    landed.of_resource().write_json(OWNER, {"directory": "directory_api/sites_sync"})
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now", owner=OURS) == 0
    landed.of_resource().write_json(OWNER, {"directory": OURS.name})
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now", owner=OURS) == 1


def test_a_damaged_mark_does_not_stop_the_others_from_going(landing: Landing) -> None:
    aged(landing, "damaged", 29)
    Path(landing.snapshot("people", "damaged").file(PUBLISHED)).write_bytes(b"")
    aged(landing, "old", 31)
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now") == 1


def test_a_folder_is_as_young_as_its_youngest_file_however_deep(landing: Landing) -> None:
    landed = aged(landing, "run", 31, files=("report.json", "landed/init", f"{SYNC}/report.json"))
    young = (NOW - timedelta(days=29)).timestamp()
    os.utime(landed.file(f"{SYNC}/report.json"), (young, young))
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now") == 0
    made_old(landed, 31)
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now") == 1


def test_a_file_of_the_very_moment_is_not_old(landing: Landing) -> None:
    aged(landing, "run", 30)
    assert retire(landing, resources=["people"], before=MONTH_AGO, keep="now") == 0


def test_an_empty_folder_is_as_old_as_itself(landing: Landing) -> None:
    folder = Path(landing.snapshot("people", "empty").path)
    (folder / "landed").mkdir(parents=True)
    moment = (NOW - timedelta(days=31)).timestamp()
    os.utime(folder, (moment, moment))
    runs = landing.snapshots("people")
    assert [one.name for one in landing.unchanged(runs, since=MONTH_AGO)] == ["empty"]
    assert landing.unchanged(runs, since=NOW - timedelta(days=31)) == []


def test_a_folder_that_another_task_deletes_meanwhile_is_left_alone(landing: Landing) -> None:
    runs = [aged(landing, "gone", 31), aged(landing, "old", 31)]
    runs[0].delete()
    assert [one.name for one in landing.unchanged(runs, since=MONTH_AGO)] == ["old"]


def test_marks_are_read_only_where_a_folder_is_old_enough(
    landing: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged mark is logged when it is read."""
    aged(landing, "damaged", 29)
    Path(landing.snapshot("people", "damaged").file(PUBLISHED)).write_bytes(b"")
    retire(landing, resources=["people"], before=MONTH_AGO, keep="now")
    assert "cannot be read" not in caplog.text
    aged(landing, "old", 31)
    retire(landing, resources=["people"], before=MONTH_AGO, keep="now")
    assert "cannot be read" in caplog.text
