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

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, Self, TypedDict
from uuid import uuid4

import fsspec
import msgspec

from directory_sync.config.kinds import Proof
from directory_sync.config.memory import batch_rows
from directory_sync.errors import SnapshotError, raise_alone
from directory_sync.landing.durable import is_local, make_durable, put_in_place
from directory_sync.landing.place import LANDING_KEYS, LandingPlace
from directory_sync.landing.tables import ENTRIES, FIELDS, WINDOWS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

logger = logging.getLogger(__name__)

DATASET = "landed"
DATASET_FOLDER = "dataset="
"""Begins the name of a further directory's folder below the root."""
LAYOUT = "{table_name}/{load_id}.{file_id}.{ext}"
MANIFEST, REPORT, DIFFERENCE = "manifest.json", "report.json", "difference.parquet"
PUBLISHED, SKIPPED = "published.json", "skipped.json"
ROLLED_FORWARD = "rolled_forward.json"
SYNC_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}(-removal)*")
_LOAD_ID = re.compile(r"\d+\.\d+")

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone."""


class _Finding(msgspec.Struct, forbid_unknown_fields=True):
    rule: str
    level: str
    message: str


class _Manifest(TypedDict):
    """What the audit reads of a manifest; there is more in it, for people."""

    sync_id: str
    loads: list[str]
    files: dict[str, list[str]]
    seal: "_SealFigures"
    api: "_ApiFigures"
    order_is_observed: bool
    first_requested_at: Moment
    last_requested_at: Moment
    findings: list[_Finding]


class _SealFigures(TypedDict):
    windows: int
    joints: int
    bridged: int
    contradictions: int
    proof: NotRequired[Proof]


class _ApiFigures(TypedDict):
    answers: int
    retries: int
    refused: int


@dataclass(frozen=True, kw_only=True)
class Mark:
    """That the warehouse holds a sync, or held it, and where in the order of publication.

    Attributes:
        order: its number, see `publications`; None: it is from before there were numbers.
        base_sync_id: the publication that it came on top of; None: the warehouse was empty.
        base_order: that one's number.
    """

    sync_id: str
    order: int | None = None
    base_sync_id: str | None = None
    base_order: int | None = None


class _Published(msgspec.Struct):
    """A published.json; the first release wrote the ids alone."""

    sync_ids: list[str]
    marks: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, kw_only=True)
class LandedFiles:
    """The files of the latest complete load of each shard, as paths DuckDB reads."""

    loads: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


def answers_to_dlt(
    landed: "Callable[[], LandedSnapshot]", place: Callable[[], LandingPlace]
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

    def snapshot(self, resource: str, run_id: str) -> "LandedSnapshot":
        """Returns the folder of one run's snapshot, whether it exists or not."""
        return LandedSnapshot(self._fs, f"{self._root}/{resource}/{folder_name(run_id)}")

    def snapshots(self, resource: str) -> "list[LandedSnapshot]":
        """Returns all folders of a resource, sealed or not."""
        return _snapshots_in(self._fs, f"{self._root}/{resource}")

    def resources(self) -> list[str]:
        """Returns the folders that can be a resource's: none of another directory's, none of a link."""
        if not self._fs.isdir(self._root):
            return []
        found = (info for info in self._fs.ls(self._root, detail=True) if info["type"] == "directory")
        names = (info["name"].rstrip("/").rsplit("/", 1)[-1] for info in found if not info.get("islink"))
        return sorted(name for name in names if not name.startswith((DATASET_FOLDER, ".")))


class LandedSnapshot:
    """The folder of one snapshot.

    Attributes:
        path: of the folder; with its protocol where it is in a bucket, for dlt and DuckDB take it so.
        name: of the folder.
    """

    @classmethod
    def local(cls, folder: Path) -> Self:
        """Returns one on this machine's disk, for what goes with the task."""
        return cls(fsspec.filesystem("file"), str(folder))

    def __init__(self, fs: Any, path: str) -> None:
        """Touches nothing yet."""
        self._fs, self.path = fs, path.rstrip("/")
        self.name = self.path.rsplit("/", 1)[-1]

    def of_run(self, run_id: str) -> "LandedSnapshot":
        """Returns the folder of another run of the same resource."""
        return LandedSnapshot(self._fs, f"{self.path.rsplit('/', 1)[0]}/{folder_name(run_id)}")

    def of_resource(self) -> "LandedSnapshot":
        """Returns the folder that holds the runs of the same resource."""
        return LandedSnapshot(self._fs, self.path.rsplit("/", 1)[0])

    def of_all_runs(self) -> "list[LandedSnapshot]":
        """Returns the folders of all runs of the same resource, this one's included."""
        return _snapshots_in(self._fs, self.path.rsplit("/", 1)[0])

    def of_sync(self, sync_id: str) -> "LandedSnapshot":
        """Returns the folder of one publication of this run: clearing the run makes another one."""
        return LandedSnapshot(self._fs, f"{self.path}/{sync_id}")

    def forget(self, name: str) -> None:
        """Deletes a file, where there is one."""
        if self._fs.exists(self.file(name)):
            self._fs.rm_file(self.file(name))

    def prepare(self) -> None:
        """Makes the folder that dlt loads into, as dlt does, for all shards at once.

        dlt looks whether it is there and then makes it; of two shards that begin together, one would fail.
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
        """Returns the files of a table by load id, of complete loads only."""
        folder = f"{self.path}/{DATASET}"
        named = (
            path.rsplit("__", 1)[-1].removesuffix(".jsonl") for path in self._list(f"{folder}/_dlt_loads")
        )
        complete = {load_id for load_id in named if _LOAD_ID.fullmatch(load_id)}
        files: dict[str, list[str]] = {}
        for path in self._list(f"{folder}/{table}"):
            # A load id is a time with a fraction; the file's id follows the second dot.
            load_id = ".".join(path.rsplit("/", 1)[-1].split(".")[:2])
            if load_id in complete and path.endswith(".parquet"):
                files.setdefault(load_id, []).append(path)
        return files

    def latest_files(self, shard_of_load: Mapping[str, int]) -> LandedFiles:
        """Returns the files of the latest complete load of each shard.

        Args:
            shard_of_load: which shard each complete load is of.
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
        )

    def write_tables(self, name: str, tables: "Iterable[pa.Table]") -> str:
        """Writes tables of one schema, one or more, as a Parquet file; returns its path."""
        import pyarrow.parquet as pq

        path, writer = self.file(name), None
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with self._fs.open(f"{path}.part", "wb") as file:
            for table in tables:
                writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
                writer.write_table(table)
            if writer:
                writer.close()
        put_in_place(self._fs, f"{path}.part", path)
        return path

    def read_tables(
        self, name: str, *, rows: int, columns: Sequence[str] = (), expected: int | None = None
    ) -> "Iterator[pa.Table]":
        """Yields a Parquet file in batches; nothing where it has no rows or does not exist.

        Args:
            name: of the file.
            rows: of a batch, at most.
            columns: what it must have.
            expected: how many rows it must have; None: any number.

        Raises:
            SnapshotError: it cannot be read, or is not what is expected.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.file(name)
        if not self._fs.exists(path) or not self._fs.size(path):
            _expect_rows(name, 0, expected)
            return
        with naming_damage(name), self._fs.open(path, "rb") as file:
            parquet = pq.ParquetFile(file)
            _expect_rows(name, parquet.metadata.num_rows, expected)
            if missing := set(columns) - set(parquet.schema_arrow.names):
                raise damaged(name, f"lacks the column `{min(missing)}`")
            for batch in parquet.iter_batches(batch_rows(parquet, at_most=rows)):
                yield pa.Table.from_batches([batch])

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON file, whole or not at all; it is durable when this returns."""
        path = self.file(name)
        part = f"{path}.{uuid4().hex}.part"
        self._fs.makedirs(self.path, exist_ok=True)
        self._fs.pipe_file(part, json.dumps(content, indent=1, sort_keys=True).encode())
        put_in_place(self._fs, part, path)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Returns a JSON file's content, or None where there is no such file.

        Raises:
            SnapshotError: it cannot be read, or holds no object.
        """
        path = self.file(name)
        if not self._fs.exists(path):
            return None
        with naming_damage(name):
            content = json.loads(self._fs.cat_file(path))
        if not isinstance(content, dict):
            raise damaged(name, "holds no JSON object")
        return content

    def read_manifest(self) -> dict[str, Any] | None:
        """Returns the manifest, or None where the snapshot has none.

        Raises:
            SnapshotError: it cannot be read, or lacks what the audit needs.
        """
        content = self.read_json(MANIFEST)
        if content is not None:
            with naming_damage(MANIFEST):
                msgspec.convert(content, _Manifest)
            if {ENTRIES, WINDOWS, FIELDS} - content["files"].keys():
                raise damaged(MANIFEST, "names not all files")
        return content

    def published(self) -> tuple[Mark, ...]:
        """Returns the syncs of this folder that the warehouse holds, or held.

        Raises:
            SnapshotError: the file that says so is damaged.
        """
        content = self.read_json(PUBLISHED)
        if content is None:
            return ()
        with naming_damage(PUBLISHED):
            known = msgspec.convert(content, _Published)
            marks = {
                sync_id: {"sync_id": sync_id, **known.marks.get(sync_id, {})} for sync_id in known.sync_ids
            }
            return tuple(msgspec.convert(mark, Mark) for mark in marks.values())

    def mark_published(self, mark: Mark) -> None:
        """Notes that the warehouse holds a sync, for a replay; nothing where the folder is gone.

        A file that is damaged is written anew: what else it said is in the warehouse, see `publications`.
        """
        try:
            known = {one.sync_id: one for one in self.published()}
        except SnapshotError:
            logger.warning("%s cannot be read: it is written anew", self.file(PUBLISHED))
            known = {}
        if known.get(mark.sync_id) == mark or not self._fs.exists(self.path):
            return
        marks = known | {mark.sync_id: mark}
        content = {sync_id: asdict(one) for sync_id, one in marks.items()}
        self.write_json(PUBLISHED, {"sync_ids": list(marks), "marks": content})

    def landed_syncs(self) -> list[str]:
        """Returns the syncs of this folder that have a report, published or not."""
        return sorted(
            path.split("/")[-2]
            for folder in self._list(self.path)
            if SYNC_ID.fullmatch(folder.rsplit("/", 1)[-1])
            for path in self._list(folder)
            if path.endswith(f"/{REPORT}")
        )

    def file(self, name: str) -> str:
        """The path of a file of this snapshot."""
        return f"{self.path}/{name}"

    def make_durable(self, files: LandedFiles) -> None:
        """Flushes to the disk what the manifest is to name: dlt has written it."""
        make_durable(self._fs, (*files.entries, *files.windows, *files.fields), root=self.path)

    def relative(self, paths: Sequence[str]) -> list[str]:
        """Names files as the manifest does: from the snapshot's folder."""
        return [path.removeprefix(f"{self.path}/") for path in paths]

    def modified_at(self) -> datetime:
        """When a file of this snapshot was last written."""
        from dlt.common.storages.fsspec_filesystem import MTIME_DISPATCH

        modified = MTIME_DISPATCH[self.path.split("://")[0] if "://" in self.path else "file"]
        infos = self._fs.find(self.path, detail=True).values()
        times = [at for at in map(modified, infos) if at is not None]
        # A bucket has no folders without files.
        latest: datetime = max(times) if times else self._fs.modified(self.path)
        return latest

    def delete(self) -> None:
        """Deletes the folder, the manifest first: without it the snapshot does not exist."""
        self.forget(MANIFEST)
        self._fs.rm(self.path, recursive=True)

    def names(self, folder: str = "") -> list[str]:
        """Returns the names of what lies in this folder, or in one below it."""
        found = self._list(self.file(folder).rstrip("/"))
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def _list(self, folder: str) -> list[str]:
        if not self._fs.isdir(folder):
            return []
        return [_path(self._fs, name) for name in self._fs.ls(folder, detail=False)]

    def let_read(self, database: "duckdb.DuckDBPyConnection") -> None:
        """Makes a database read this snapshot's files where they are: the columns it asks for."""
        if "://" in self.path:
            database.register_filesystem(self._fs)


@contextmanager
def naming_damage(what: str) -> Iterator[None]:
    """Names a landed file that cannot be read, and why by the class of the reader's error.

    The error itself may quote entries: it does not hang on ours.

    Raises:
        SnapshotError: the file is damaged, or holds something else.
    """
    import duckdb
    import pyarrow as pa

    failed_with = ""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError, ValueError, RecursionError) as e:
        # Want of memory or disk is no damage; what DuckDB says of a full disk quotes nothing.
        if isinstance(e, duckdb.OutOfMemoryException) or "No space left" in str(e):
            raise
        failed_with = type(e).__name__
    if failed_with:
        raise_alone(damaged(what, f"cannot be read ({failed_with})"))


def damaged(what: str, why: str) -> SnapshotError:
    """The error for a landed file that is not what was written."""
    return SnapshotError(
        f"The landed {what} {why}. Nothing was published. Clear the run's `extract` tasks and let it run "
        "again; see docs/runbook.md#snapshoterror."
    )


def _snapshots_in(fs: Any, folder: str) -> list[LandedSnapshot]:
    if not fs.isdir(folder):
        return []
    found = (info["name"] for info in fs.ls(folder, detail=True) if info["type"] == "directory")
    return [LandedSnapshot(fs, _path(fs, name)) for name in sorted(found)]


def _expect_rows(name: str, found: int, expected: int | None) -> None:
    if expected is not None and found != expected:
        raise damaged(name, f"has {found:,} rows instead of {expected:,}")


def _path(fs: Any, name: str) -> str:
    """What a file system calls a file, as `LandedSnapshot.path` is written."""
    return name if is_local(fs) else str(fs.unstrip_protocol(name))


def folder_name(run_id: str) -> str:
    """Returns a run id as a folder's name: what is not safe in a path or a URL becomes `-`.

    So do dots in front: Airflow takes `..` for a run id.
    """
    return re.sub(r"^\.+|[^A-Za-z0-9_.-]+", "-", run_id)
