"""One pull of many lists of a child resource that change while they are read, drawn from a seed.

The lists are read by the code of a shard, its pages are landed as Parquet, and proven by the code of the
audit. Only HTTP is left out. Of a pull that is not sealed nothing is published; one that is sealed must hold
every membership that lasted.
"""

import random
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import pyarrow.parquet as pq

from directory_sync.api.answer import Entry
from directory_sync.api.page import Page
from directory_sync.audit.job import Audit, Run
from directory_sync.audit.lists_seal import seal_lists
from directory_sync.audit.scratch import Snapshot
from directory_sync.config.form import Resource, parse_form
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import SnapshotError
from directory_sync.extract.children import read_lists
from directory_sync.extract.plan import Shard
from directory_sync.landing.files import LandedFiles
from directory_sync.landing.parents import ListedParent, read_parents, write_parents
from directory_sync.landing.snapshot import LandedSnapshot
from tests.groups_api import PAGINATORS

CHURNS = (0.0, 0.01, 0.05, 0.2)
"""How likely an edit of the list is before an answer."""
STRAYS = (0.0, 0.0, 0.002)
"""How likely an answer is empty although entries stand there."""
SHARDS = 2


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a pull came to."""

    style: str
    churn: float
    stray: float
    lists: int
    requests: int
    lasted: int
    missing: int
    is_sealed: bool


class Lists:
    """The lists of a directory, which change while they are read; a client of them as the shards use it."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        draw = self.draw
        self.style = draw.choice(["offset", "offset", "page_number"])
        self.limit = draw.choice([20, 100])
        self.cap = draw.choice([100, 100, 15])
        self.churn, self.stray = draw.choice(CHURNS), draw.choice(STRAYS)
        if self.style == "page_number":
            # Numbered pages that are empty by mistake are a fault of their own, see tests/chaos/pulls.py.
            self.stray = 0.0
        sizes = [draw.randrange(40) for _ in range(draw.choice([30, 300]))]
        sizes[0] = 130
        self.groups = {group: list(range(0, 10 * size, 10)) for group, size in enumerate(sizes)}
        self.lasting = {(group, one) for group, listed in self.groups.items() for one in listed}
        self.requests = 0
        self.began = datetime(2026, 1, 1, tzinfo=UTC)
        self.lock = Lock()
        self.group = -1

    def of(self, resource: Resource) -> "Lists":
        client = object.__new__(Lists)
        client.__dict__ = self.__dict__ | {"group": int(resource.path.split("/")[1]), "whole": self}
        return client

    def check_declared(self) -> None:
        """No total is declared."""

    def page(self, at: int | None = None, limit: int | None = None) -> Page:
        whole: Lists = self.__dict__["whole"]
        with whole.lock:
            return whole.answer(self.group, at or 0, limit)

    def answer(self, group: int, at: int, limit: int | None) -> Page:
        listed = self.groups[group]
        if self.draw.random() < self.churn:
            self._edit(group, listed)
        self.requests += 1
        size = min(self.cap, limit or self.cap)
        offset = (at - 1) * size if self.style == "page_number" else at
        ids = [] if self.draw.random() < self.stray else listed[offset : offset + size]
        entries = [Entry(f"[{group},{one}]", "hash", "{}", ()) for one in ids]
        return Page(at, limit or 0, entries, None, self.began + timedelta(microseconds=self.requests))

    def _edit(self, group: int, listed: list[int]) -> None:
        if listed and self.draw.random() < 0.5:
            self.lasting.discard((group, listed.pop(self.draw.randrange(len(listed)))))
        else:
            listed.append(self.draw.randrange(10_000))
            listed[:] = sorted(set(listed))


class Reading:
    """What the shards need."""

    def __init__(self, resources: tuple[Resource, ...], landed: LandedSnapshot) -> None:
        self.parent, self.resource = resources
        self._landed = landed

    def parents(self, shard: Shard) -> Iterator[ListedParent]:
        return read_parents(self._landed, "members", shard=shard.number, count=shard.count)

    def done(self, facts: Any) -> None:
        """Nothing is kept."""


def children_of_seed(seed: int) -> Outcome:
    """Reads and proves the lists of a seed."""
    lists = Lists(seed)
    paginator = {**PAGINATORS[lists.style], **({"limit": lists.limit} if lists.style == "offset" else {})}
    endpoint = {"path": "groups", "data_selector": "data", "paginator": PAGINATORS["offset"]}
    resources = parse_form(
        {
            "client": {"base_url": "https://api.example.com", "auth": {"type": "oauth2"}},
            "resources": [
                {"name": "groups", "endpoint": endpoint},
                {
                    "name": "members",
                    "endpoint": {**endpoint, "path": "groups/{resources.groups.id}", "paginator": paginator},
                },
            ],
        }
    )
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as database:
        folder = Path(name)
        parent_landed = LandedSnapshot.local(folder / "groups")
        write_parents(
            parent_landed,
            "members",
            (
                ListedParent(
                    number=number,
                    sync_id="one",
                    id=group,
                    values={"id": str(group)},
                    fields={"_groups_id": group},
                )
                for number, group in enumerate(lists.groups)
            ),
        )
        job = Audit(
            resource=resources[1],
            landed=LandedSnapshot.local(folder / "members"),
            run=Run(run_id="one"),
            settings=SyncSettings(home=folder),
            limits=RemovalLimits(),
            folder=folder,
            parent=resources[0],
            parent_landed=parent_landed,
        )
        try:
            files = _land(lists, Reading(resources, parent_landed), folder)
            seal_lists(job, Snapshot(database, files, resources[1].key), files)
        except SnapshotError:
            is_sealed, read = False, lists.lasting
        else:
            is_sealed = True
            rows = database.execute("SELECT DISTINCT id FROM positions").fetchall()
            read = {(int(group), int(one)) for (text,) in rows for group, one in [text[1:-1].split(",")]}
    return Outcome(
        style=lists.style,
        churn=lists.churn,
        stray=lists.stray,
        lists=len(lists.groups),
        requests=lists.requests,
        lasted=len(lists.lasting),
        missing=len(lists.lasting - read),
        is_sealed=is_sealed,
    )


def _land(lists: Lists, reading: Reading, folder: Path) -> LandedFiles:
    found: dict[str, list[str]] = {}
    for shard in range(SHARDS):
        for number, (table, name) in enumerate(
            read_lists(Shard(number=shard, count=SHARDS), 4, reading, lists)  # type: ignore[arg-type]
        ):
            path = folder / f"{name or 'entries'}-{shard}-{number}.parquet"
            pq.write_table(table, path)
            found.setdefault(name or "entries", []).append(str(path))
    return LandedFiles(loads=("1",), **{name: tuple(paths) for name, paths in found.items()})


def children_table(outcomes: Iterable[Outcome]) -> list[str]:
    """The figures by the kind of paging and the churn, as lines."""
    grouped: dict[tuple[str, float], list[Outcome]] = {}
    for one in outcomes:
        grouped.setdefault((one.style, one.churn), []).append(one)
    lines = ["paging       churn   pulls   sealed     lists   requests a list   lasted   missing"]
    for (style, churn), of in sorted(grouped.items()):
        lists, requests = sum(one.lists for one in of), sum(one.requests for one in of)
        lines.append(
            f"{style:12} {churn:5.2f} {len(of):7,} {sum(one.is_sealed for one in of):8,} {lists:9,} "
            f"{requests / lists:17.1f} {sum(one.lasted for one in of):8,} {sum(one.missing for one in of):9,}"
        )
    return lines


def children_objections(outcomes: Iterable[Outcome]) -> list[str]:
    """What is wrong with the figures; empty: nothing."""
    missing = sum(one.missing for one in outcomes)
    return [f"{missing:,} memberships that lasted are missing"] if missing else []
