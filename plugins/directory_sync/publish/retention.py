"""Deletes old landed folders of a directory: sealed or not, of present and of former resources.

These are never deleted: the newest published run of a resource that the form names, the run at work, folders
of another directory, and any folder with a file that this package did not write.
"""

import logging
import re
from collections.abc import Collection
from datetime import datetime

from directory_sync.landing.files import (
    DECISION,
    PUBLISHED,
    QUESTION,
    ROLLED_FORWARD,
    SKIPPED,
    SYNC_ID,
)
from directory_sync.landing.parents import PARENTS
from directory_sync.landing.snapshot import LandedSnapshot, folder_name
from directory_sync.landing.tables import DATASET, ENTRIES, FIELDS, LISTS, WINDOWS
from directory_sync.landing.zone import Landing
from directory_sync.publish.ownership import Owner, owner_of
from directory_sync.publish.publications import marks_of

logger = logging.getLogger(__name__)

_FILE = re.compile(r"([a-z_]+|held_for_\w+)\.json(\.[0-9a-f]+)?(\.part)?")
_FOLDERS = (DATASET, "audit", PARENTS)
_LANDED = re.compile(rf"(init|{ENTRIES}|{WINDOWS}|{FIELDS}|{LISTS}|_dlt_\w+)(\.[0-9a-f]+)?")
_TELLING = (QUESTION, DECISION, PUBLISHED, ROLLED_FORWARD, SKIPPED)
"""Files of runs that did not read the API."""


def retire(
    landing: Landing, *, resources: Collection[str], before: datetime, keep: str, owner: Owner | None = None
) -> int:
    """Deletes the folders of runs that were last changed before a moment.

    Args:
        landing: the landing zone of the directory.
        resources: the names of the form's resources.
        before: folders changed at this moment or later are kept.
        keep: the id of the run at work.
        owner: the directory; None: marks of other directories are not looked for.

    Returns:
        How many folders were deleted.
    """
    deleted = 0
    for resource in landing.resources():
        is_named = resource in resources
        if not is_named and owner and _is_of_another(landing, resource, owner):
            continue
        runs = landing.snapshots(resource)
        old = [one for one in landing.unchanged(runs, since=before) if one.name != folder_name(keep)]
        # The marks are read only on the nights on which a folder is old enough.
        newest = _newest_published(runs) if is_named and old else None
        for landed in old:
            try:
                # Its time is looked up again: the folders before it may have taken minutes.
                is_old = landed.name != newest and landed.modified_at() < before
                if is_old and _is_ours(landed, is_named=is_named):
                    landed.delete()
                    deleted += 1
            except FileNotFoundError:
                logger.info("%s was deleted by another task", landed.path)
    if deleted:
        logger.info("Deleted %d landed runs from before %s", deleted, before.isoformat(timespec="minutes"))
    return deleted


def _is_of_another(landing: Landing, resource: str, owner: Owner) -> bool:
    found = owner_of(landing.snapshot(resource, "-").of_resource())
    return found is not None and found not in (owner.name, *owner.formerly)


def _newest_published(runs: Collection[LandedSnapshot]) -> str | None:
    """Returns the folder with the highest number; among equals, the one that changed last."""
    marks, folders = marks_of(runs), {landed.name: landed for landed in runs}
    orders = {name: max(mark.order or 0 for mark in of_run) for name, of_run in marks.items() if of_run}
    if not orders:
        return None
    last = [name for name, order in orders.items() if order == max(orders.values())]
    return max(last, key=lambda name: folders[name].modified_at())


def _is_ours(landed: LandedSnapshot, *, is_named: bool) -> bool:
    """Tells whether this package wrote all files of a folder.

    A folder of a resource that the form does not name needs a file that only a run writes.
    """
    names = landed.names()
    runs_on = [name for name in names if name in _FOLDERS or SYNC_ID.fullmatch(name)]
    if not all(name in runs_on or _FILE.fullmatch(name) for name in names):
        logger.warning("%s is kept: it holds files that are not of this package", landed.path)
        return False
    if DATASET in names and not all(_LANDED.fullmatch(name) for name in landed.names(DATASET)):
        logger.warning("%s is kept: it holds files that are not of this package", landed.path)
        return False
    return bool(names) and (is_named or bool(runs_on) or any(name in _TELLING for name in names))
