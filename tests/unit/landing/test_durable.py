"""Landed files are on the disk before anything relies on them."""

import os
from pathlib import Path

import pytest

from directory_sync.landing.files import LandedFiles
from directory_sync.landing.place import LandingPlace
from directory_sync.landing.zone import Landing


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the operating system is told: flushed files and folders, and names that files get."""
    told: list[tuple[str, str]] = []
    flush, rename = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        told.append(("flush", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        flush(descriptor)

    def replace(source: str, target: str) -> None:
        told.append(("name", os.fspath(target)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return told


@pytest.mark.parametrize("write", ["json", "table"])
def test_a_file_is_on_the_disk_before_it_gets_its_name_and_its_folder_after(
    tmp_path: Path, disk: list[tuple[str, str]], write: str
) -> None:
    landed = Landing(LandingPlace(url=str(tmp_path))).snapshot("people", "run")
    if write == "json":
        landed.write_json("published.json", {"sync_ids": []})
        path = Path(landed.file("published.json"))
    else:
        path = Path(landed.write_tables("difference.parquet", []))
    [(flushed, part), (named, name), *folders] = disk
    assert (flushed, named, name) == ("flush", "name", str(path))
    assert part.startswith(f"{path}.")
    assert folders == [("flush", str(folder)) for folder in (path.parent, path.parent.parent, tmp_path)]


def test_what_others_wrote_is_flushed_with_its_folders(tmp_path: Path, disk: list[tuple[str, str]]) -> None:
    landed = Landing(LandingPlace(url=str(tmp_path))).snapshot("people", "run")
    paths = [Path(landed.file(f"landed/{table}/1.parquet")) for table in ("entries", "windows", "fields")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"rows")
    landed.make_durable(
        LandedFiles(entries=(str(paths[0]),), windows=(str(paths[1]),), fields=(str(paths[2]),))
    )
    run = Path(landed.path)
    folders = {tmp_path, run.parent, run, run / "landed", *(path.parent for path in paths)}
    assert {path for _, path in disk} == {str(path) for path in (*paths, *folders)}
    assert [path for _, path in disk].index(str(tmp_path)) == len(disk) - 1
