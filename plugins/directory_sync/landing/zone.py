"""The landing zone: one folder per run. A manifest makes the landed files a snapshot.

    <root>/<resource>/directory.json                                the directory that owns the folder
    <root>/<resource>/rate.json                                     the rate that the API lets in, `KnownRate`
    <root>/<resource>/<run>/landed/entries/<load>.<file>.parquet    one row per entry and window
                                  /windows/...                      one row per answer
                                  /fields/...                       how often each field had which JSON type
                                  /_dlt_loads/...                   the complete loads
                           /audit/                                  pages that the audit read itself
                           /<sync>/difference.parquet, report.json  one difference, and its report
                           /<sync>/who.json                         a few of its entries, for people
                           /report.json                             the latest of these reports
                           /manifest.json                           written last, only by the audit
                           /question.json, decision.json            the question to a person, and the answer
                           /rolled_forward.json                     syncs of other runs that this run finished
                           /published.json                          the syncs in the warehouse, see `Mark`
                           /skipped.json                            the newer publication that was found
    <root>/.told/<dag>/<run>.<start>.<resource>.json                a failure that people were told of

Without a manifest there is no snapshot. Landed files are never replaced: an interrupted load leaves files
that belong to no complete load. Files are flushed to the disk before a manifest names them.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from directory_sync.landing.durable import is_local
from directory_sync.landing.folder import LandedFolder
from directory_sync.landing.place import LANDING_KEYS, LandingPlace
from directory_sync.landing.snapshot import LandedSnapshot, folder_name, snapshots_in

DATASET_FOLDER = "dataset="
"""The prefix of the folders of further directories below the root."""
TOLD_FOLDER = ".told"
"""The folder of the failures that people were told of."""


def answers_to_dlt(
    landed: Callable[[], LandedSnapshot], place: Callable[[], LandingPlace]
) -> dict[str, Callable[[], Any]]:
    """Returns the answers for dlt's configuration look-ups when it loads into a snapshot's folder.

    Args:
        landed: returns the snapshot; called when dlt asks.
        place: returns the place of the landing zone; called when dlt asks.
    """
    return {
        "filesystem.bucket_url": lambda: landed().path,
        "restore_from_destination": lambda: False,
        **{key: partial(_answer_of, place, key) for key in LANDING_KEYS},
    }


def _answer_of(place: Callable[[], LandingPlace], key: str) -> Any:
    return place().answer(key)


class Landing:
    """The landing zone of one directory."""

    def __init__(self, place: LandingPlace, *, folder: str = "") -> None:
        """Opens the file system; creates nothing.

        Args:
            place: the root of the landing zone.
            folder: the directory's folder below the root; empty: the root itself.

        Raises:
            ConfigError, SnapshotError: see `LandingPlace.open`.
        """
        self.place = place
        self._fs, root = place.open()
        self._root = f"{root}/{folder}" if folder else root

    def snapshot(self, resource: str, run_id: str) -> LandedSnapshot:
        """Returns the folder of a run's snapshot; it need not exist."""
        return LandedSnapshot(self._fs, f"{self._root}/{resource}/{folder_name(run_id)}")

    def told(self, dag_id: str) -> LandedFolder:
        """Returns the folder of the failures that a Dag has told of, see `failures.py`."""
        return LandedFolder(self._fs, f"{self._root}/{TOLD_FOLDER}/{folder_name(dag_id)}")

    def snapshots(self, resource: str) -> list[LandedSnapshot]:
        """Returns the folders of all runs of a resource, with or without a manifest."""
        return snapshots_in(self._fs, f"{self._root}/{resource}")

    def unchanged(self, runs: Sequence[LandedSnapshot], *, since: datetime) -> list[LandedSnapshot]:
        """Returns those folders of runs in which no file was written at a moment or later.

        On a disk, the first later file of a folder ends its search. A bucket lists all folders at once. A
        folder that another task deletes meanwhile is left out.

        Args:
            runs: folders of runs of one resource.
            since: the moment.
        """
        if not runs:
            return []
        if is_local(self._fs):
            return [landed for landed in runs if not _is_written(landed.path, since.timestamp())]
        times = runs[0].of_resource().modified_each()
        return [landed for landed in runs if landed.name in times and times[landed.name] < since]

    def resources(self) -> list[str]:
        """Returns the names of the resources' folders; those of other directories and links are left out."""
        if not self._fs.isdir(self._root):
            return []
        found = (info for info in self._fs.ls(self._root, detail=True) if info["type"] == "directory")
        names = (info["name"].rstrip("/").rsplit("/", 1)[-1] for info in found if not info.get("islink"))
        return sorted(name for name in names if not name.startswith((DATASET_FOLDER, ".")))


def _is_written(folder: str, since: float) -> bool:
    """Tells whether a file in a folder on a disk was written at a moment or later, in seconds since 1970.

    The time of a folder without files is its own. A folder that was deleted meanwhile, or may not be read,
    counts as written.
    """
    folders, is_empty = [folder], True
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.stat(follow_symlinks=False).st_mtime >= since:
                        return True
                    else:
                        is_empty = False
        return is_empty and Path(folder).stat().st_mtime >= since
    except OSError:
        return True
