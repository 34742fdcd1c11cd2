"""The landing zone: one folder a snapshot, and the manifest that makes it one.

    <root>/<resource>/directory.json                                whose folder it is
    <root>/<resource>/<run>/landed/entries/<load>.<file>.parquet    one row an entry and window
                                  /windows/...                      one row an answer
                                  /fields/...                       how often a field had which type
                                  /_dlt_loads/...                   which loads are complete
                           /audit/                                  what the audit read itself
                           /<sync>/difference.parquet, report.json  what is to be published, also of a removal
                           /report.json                             the latest of these reports
                           /manifest.json                           written last, by the audit alone
                           /question.json, decision.json            what a person was asked, and answered
                           /rolled_forward.json                     syncs of other runs that this one finished
                           /published.json                          which of them the warehouse holds: Mark
                           /skipped.json                            the publication that it was older than

A snapshot without a manifest does not exist. Nothing is replaced: an interrupted load leaves files that
no complete load names. What the manifest names, and each file of ours, is on the disk before it is relied on.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from directory_sync.landing.place import LANDING_KEYS, LandingPlace
from directory_sync.landing.snapshot import LandedSnapshot, folder_name, snapshots_in

DATASET_FOLDER = "dataset="
"""Begins the name of a further directory's folder below the root."""
LAYOUT = "{table_name}/{load_id}.{file_id}.{ext}"


def answers_to_dlt(
    landed: Callable[[], LandedSnapshot], place: Callable[[], LandingPlace]
) -> dict[str, Callable[[], Any]]:
    """Returns what dlt asks for when it loads into a snapshot's folder; looked up when it asks."""
    return {
        "filesystem.bucket_url": lambda: landed().path,
        "restore_from_destination": lambda: False,
        **{key: partial(_answer_of, place, key) for key in LANDING_KEYS},
    }


def _answer_of(place: Callable[[], LandingPlace], key: str) -> Any:
    return place().answer(key)


class Landing:
    """The landing zone: a place, or a folder in it."""

    def __init__(self, place: LandingPlace, *, folder: str = "") -> None:
        """Opens the file system of the place; creates nothing."""
        self.place = place
        self._fs, root = place.open()
        self._root = f"{root}/{folder}" if folder else root

    def snapshot(self, resource: str, run_id: str) -> LandedSnapshot:
        """Returns the folder of one run's snapshot, whether it exists or not."""
        return LandedSnapshot(self._fs, f"{self._root}/{resource}/{folder_name(run_id)}")

    def snapshots(self, resource: str) -> list[LandedSnapshot]:
        """Returns all folders of a resource, sealed or not."""
        return snapshots_in(self._fs, f"{self._root}/{resource}")

    def resources(self) -> list[str]:
        """Returns the folders that can be a resource's: none of another directory's, none of a link."""
        if not self._fs.isdir(self._root):
            return []
        found = (info for info in self._fs.ls(self._root, detail=True) if info["type"] == "directory")
        names = (info["name"].rstrip("/").rsplit("/", 1)[-1] for info in found if not info.get("islink"))
        return sorted(name for name in names if not name.startswith((DATASET_FOLDER, ".")))
