"""One snapshot: the folder of one run, with the files that dlt loaded, the manifest and the marks."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import msgspec

from directory_sync.errors import SnapshotError
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.durable import make_durable
from directory_sync.landing.files import (
    MANIFEST,
    PUBLISHED,
    REPORT,
    SYNC_ID,
    WHO,
    LandedFiles,
    Mark,
    Published,
)
from directory_sync.landing.folder import LandedFolder, path_of
from directory_sync.landing.tables import DATASET, ENTRIES, FIELDS, LISTS, WINDOWS

logger = logging.getLogger(__name__)

_LOAD_ID = re.compile(r"\d+\.\d+")


class LandedSnapshot(LandedFolder):
    """The folder of one snapshot, `<root>/<resource>/<run>`."""

    def of_run(self, run_id: str) -> "LandedSnapshot":
        """Returns the folder of another run of the same resource."""
        return LandedSnapshot(self._fs, f"{self.path.rsplit('/', 1)[0]}/{folder_name(run_id)}")

    def of_resource(self) -> "LandedSnapshot":
        """Returns the folder that holds the runs of the same resource."""
        return LandedSnapshot(self._fs, self.path.rsplit("/", 1)[0])

    def of_all_runs(self) -> "list[LandedSnapshot]":
        """Returns the folders of all runs of the same resource, including this one."""
        return snapshots_in(self._fs, self.path.rsplit("/", 1)[0])

    def of_sync(self, sync_id: str) -> "LandedSnapshot":
        """Returns the folder of one publication of this run. A run that is cleared can have several."""
        return LandedSnapshot(self._fs, f"{self.path}/{sync_id}")

    def prepare(self) -> None:
        """Creates the folder that dlt loads into, in the way dlt does, before the shards load.

        dlt itself checks first whether it exists. If two shards did that at the same time, one would fail.
        """
        from dlt.destinations.impl.filesystem.filesystem import CURRENT_VERSION, INIT_FILE_NAME

        path = self.file(f"{DATASET}/{INIT_FILE_NAME}")
        if self._fs.exists(path):
            return
        versions = {"initial_version": CURRENT_VERSION, "current_version": CURRENT_VERSION}
        part = f"{path}.{uuid4().hex}"
        self._fs.makedirs(self.file(DATASET), exist_ok=True)
        self._fs.pipe_file(part, json.dumps(versions).encode())
        self._fs.mv(part, path)

    def load_files(self, table: str) -> dict[str, list[str]]:
        """Returns the files of a table by load id; only those of complete loads."""
        folder = f"{self.path}/{DATASET}"
        named = (
            path.rsplit("__", 1)[-1].removesuffix(".jsonl") for path in self._list(f"{folder}/_dlt_loads")
        )
        complete = {load_id for load_id in named if _LOAD_ID.fullmatch(load_id)}
        files: dict[str, list[str]] = {}
        for path in self._list(f"{folder}/{table}"):
            # A load id is a time with a fraction; the file's own id follows the second dot.
            load_id = ".".join(path.rsplit("/", 1)[-1].split(".")[:2])
            if load_id in complete and path.endswith(".parquet"):
                files.setdefault(load_id, []).append(path)
        return files

    def latest_files(self, shard_of_load: Mapping[str, int]) -> LandedFiles:
        """Returns the files of the latest complete load of each shard.

        Args:
            shard_of_load: the number of the shard of each complete load.
        """
        latest: dict[int, str] = {}
        for load_id in sorted(shard_of_load, key=float):
            latest[shard_of_load[load_id]] = load_id
        chosen = set(latest.values())

        def of(table: str) -> tuple[str, ...]:
            files = self.load_files(table)
            return tuple(sorted(path for load in chosen for path in files.get(load, ())))

        return LandedFiles(
            loads=tuple(sorted(chosen)),
            entries=of(ENTRIES),
            windows=of(WINDOWS),
            fields=of(FIELDS),
            lists=of(LISTS),
        )

    def published(self) -> tuple[Mark, ...]:
        """Returns the marks of this folder's syncs that the warehouse holds, or held.

        Raises:
            SnapshotError: published.json is damaged.
        """
        content = self.read_json(PUBLISHED)
        if content is None:
            return ()
        with naming_damage(PUBLISHED):
            known = msgspec.convert(content, Published)
            marks = {
                sync_id: {"sync_id": sync_id, **known.marks.get(sync_id, {})} for sync_id in known.sync_ids
            }
            return tuple(msgspec.convert(mark, Mark) for mark in marks.values())

    def mark_published(self, mark: Mark) -> None:
        """Records that the warehouse holds a sync, for a replay. Idempotent; does nothing without a folder.

        A damaged published.json is replaced; its other marks are restored from the warehouse, see
        `publish/publications.py`.
        """
        try:
            known = {one.sync_id: one for one in self.published()}
        except SnapshotError:
            logger.warning("%s cannot be read; it is replaced by a new one", self.file(PUBLISHED))
            known = {}
        if known.get(mark.sync_id) == mark or not self._fs.exists(self.path):
            return
        marks = known | {mark.sync_id: mark}
        content = {sync_id: asdict(one) for sync_id, one in marks.items()}
        self.write_json(PUBLISHED, {"sync_ids": list(marks), "marks": content})

    def landed_syncs(self) -> list[str]:
        """Returns the ids of the syncs in this folder that have a report, published or not; sorted."""
        return sorted(
            path.split("/")[-2]
            for folder in self._list(self.path)
            if SYNC_ID.fullmatch(folder.rsplit("/", 1)[-1])
            for path in self._list(folder)
            if path.endswith(f"/{REPORT}")
        )

    def who(self, sync_id: str) -> dict[str, Any] | None:
        """Returns who joined, left and changed in a publication, see `audit/who.py`; None: it is not landed.

        Args:
            sync_id: the publication, or the difference of a dry run.

        Raises:
            SnapshotError: who.json is damaged.
        """
        return self.of_sync(sync_id).read_json(WHO) if SYNC_ID.fullmatch(sync_id) else None

    def make_durable(self, files: LandedFiles) -> None:
        """Flushes files that dlt has written to the disk; called before the manifest names them."""
        make_durable(self._fs, (*files.entries, *files.windows, *files.fields, *files.lists), root=self.path)

    def relative(self, paths: Sequence[str]) -> list[str]:
        """Returns paths relative to the snapshot's folder, as the manifest has them."""
        return [path.removeprefix(f"{self.path}/") for path in paths]

    def delete(self) -> None:
        """Deletes the folder. The manifest goes first, so that an interrupted deletion leaves no snapshot."""
        self.forget(MANIFEST)
        self._fs.rm(self.path, recursive=True)


def snapshots_in(fs: Any, folder: str) -> list[LandedSnapshot]:
    """Returns the snapshots in a folder, in the order of their names; none where it does not exist."""
    if not fs.isdir(folder):
        return []
    found = (info["name"] for info in fs.ls(folder, detail=True) if info["type"] == "directory")
    return [LandedSnapshot(fs, path_of(fs, name)) for name in sorted(found)]


def folder_name(run_id: str) -> str:
    """Returns the name of the folder of a run: its id with characters unsafe in paths or URLs as `-`.

    Leading dots are replaced too, because Airflow accepts `..` as a run id.
    """
    return re.sub(r"^\.+|[^A-Za-z0-9_.-]+", "-", run_id)
