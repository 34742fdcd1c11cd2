"""Pulls over HTTP of lists that count from 1 or are asked for by POST, all about them drawn from a seed.

Before each answer the list is edited, and some requests meet a fault: an error to retry, a lost connection,
an empty answer where entries stand. What the client sends is what a run sends; dlt's landing is left out.
Of cursors and links, which prove nothing, whole nights are run, up to the warehouse (`walks.py`).
"""

import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb

from directory_sync.audit.checks import check_seal
from directory_sync.audit.pages_seal import verify_rereads
from directory_sync.audit.proof import Seal
from directory_sync.audit.scratch import Snapshot
from directory_sync.audit.windows_seal import seal_windows
from directory_sync.config.form import Resource
from directory_sync.config.paging import NumberedPages
from directory_sync.errors import DirectorySyncError, SnapshotError
from directory_sync.extract.plan import Shard
from directory_sync.extract.stage import read_with
from tests.chaos.pulls import Outcome
from tests.list_server import Answered, Asked, ListServer, resource_of, rows
from tests.simulation import MovingList, Weather, ids_in, land

LIMIT = 20
STATUSES = (429, 500, 502, 503, 504)
STYLES = ("from 1", "from 1, by POST", "from 0, by POST", "numbered, by POST")
CHURNS = (0.0, 0.2, 1.0, 2.0)
MAX_CALM_ERRORS, MAX_NUMBERED_ERRORS = 0.05, 0.25
"""Numbered pages bear fewer edits: a page that moves at each reading ends the pull, and Airflow retries."""


@dataclass(frozen=True, kw_only=True)
class ListPull:
    """What a seed stands for.

    Attributes:
        style: one of STYLES.
        weather: how the list is edited, and how its pages are cut.
        faults: the share of requests that meet a fault.
    """

    seed: int
    style: str
    weather: Weather
    shards: int
    faults: float

    @classmethod
    def drawn(cls, seed: int) -> "ListPull":
        """Draws a pull; seeds one after the other have the styles in turn."""
        draw = random.Random(f"list {seed}")
        style = STYLES[seed % len(STYLES)]
        is_numbered = style.startswith("numbered")
        return cls(
            seed=seed,
            style=style,
            shards=1 if is_numbered else draw.randint(1, 3),
            faults=draw.choice([0.0, 0.03, 0.1]),
            weather=Weather(
                entries=draw.choice([draw.randint(0, 60), draw.randint(60, 300)]),
                caps=(LIMIT,) if is_numbered else draw.choice([(LIMIT,), (13,), (LIMIT, 11)]),
                # Numbered pages bear fewer edits: each page that moved is read again.
                churn=CHURNS[seed // len(STYLES) % len(CHURNS)] / (10 if is_numbered else 1),
                where=draw.choice(["anywhere", "head", "seam"]),
                burst=draw.choice([1, 1, 1, 30]),
                total=draw.choice(["right", "none", "stale"]) if not is_numbered else "none",
                empty=draw.choice([0.0, 0.0, 0.03]),
            ),
        )

    @property
    def is_calm(self) -> bool:
        """At most one edit comes before an answer, one at a time, and the list has several pages."""
        weather = self.weather
        return weather.churn <= 1.0 and weather.burst == 1 and weather.entries > 2 * LIMIT

    @property
    def resource(self) -> Resource:
        """The form of the list."""
        first, is_post = int(self.style.startswith("from 1")), self.style.endswith("POST")
        paginator: dict[str, Any]
        if self.style.startswith("numbered"):
            paginator = {"type": "page_number", "base_page": 1, "page_body_path": "page.number"}
        else:
            paginator = {"type": "offset", "limit": LIMIT, "offset": first, "total_path": None}
            keys = ("offset_body_path", "limit_body_path") if is_post else ("offset_param", "limit_param")
            paginator |= dict(zip(keys, ("page.at", "page.size") if is_post else ("at", "size"), strict=True))
            if self.weather.total != "none":
                paginator["total_path"] = "meta.total"
        asked = {"method": "POST", "json": {"page": {"sort": "id"}}} if is_post else {}
        return resource_of({**asked, "paginator": paginator}, empty="absent", total="approximate")


class ServedList:
    """Answers the requests of a pull.

    Attributes:
        moving: the list, which is edited before each answer.
    """

    def __init__(self, pull: ListPull) -> None:
        self._pull, self._draw = pull, random.Random(f"faults {pull.seed}")
        self.moving = MovingList(pull.weather, seed=pull.seed, shards=pull.shards)
        self._one_at_a_time = Lock()

    def __call__(self, asked: Asked) -> Answered:
        with self._one_at_a_time:
            if self._draw.random() < self._pull.faults:
                return self._draw.choice([*(Answered({}, status) for status in STATUSES), Answered(status=0)])
            return self._page(asked)

    def _page(self, asked: Asked) -> Answered:
        what = asked.body["page"] if asked.method == "POST" else asked.query
        if "number" in what:
            page = self.moving((what["number"] - 1) * LIMIT, LIMIT)
            if not page.entries and what["number"] > 1:
                # As Django REST framework answers behind the last page.
                return Answered({}, 404)
            return Answered({"data": rows(entry.id for entry in page.entries)})
        first = int(self._pull.style.startswith("from 1"))
        # As SCIM has it: what is below 1 counts as 1, and the list is left out where it is empty.
        page = self.moving(max(0, int(what["at"]) - first), int(what["size"]))
        body: dict[str, Any] = {"meta": {} if page.total is None else {"total": page.total}}
        if page.entries or page.total:
            body["data"] = rows(entry.id for entry in page.entries)
        return Answered(body)


def pull_list(pull: ListPull) -> Outcome:
    """Pulls the list of a seed up to the sealed and reconciled snapshot."""
    served, resource = ServedList(pull), pull.resource
    with ExitStack() as stack:
        server = stack.enter_context(ListServer(served))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        database = stack.enter_context(duckdb.connect(config={"threads": 1}))
        try:
            snapshot, proof = _read_and_seal(server, resource, pull.shards, Path(folder), database)
            found = ids_in(snapshot)
            for finding in check_seal(proof, snapshot.counts(), entries=len(found), resource=resource):
                if finding.level == "error":
                    raise SnapshotError(finding.message)
        except DirectorySyncError as error:
            name, asked = type(error).__name__, len(server.asked)
            return Outcome(lasting=len(served.moving.lasting), missing=0, requests=asked, error=name)
        lasting = served.moving.lasting
        return Outcome(
            lasting=len(lasting),
            missing=len(lasting - found),
            requests=len(server.asked),
            audit_requests=proof.requests,
        )


def _read_and_seal(
    server: ListServer, resource: Resource, shards: int, folder: Path, database: duckdb.DuckDBPyConnection
) -> tuple[Snapshot, Seal]:
    with ExitStack() as stack, ThreadPoolExecutor(shards) as pool:
        clients = [stack.enter_context(server.client(resource)) for _ in range(shards)]

        def read(number: int) -> list[Any]:
            shard = Shard(number=number, count=shards)
            return list(read_with(clients[number], shard, requests_in_flight=2))

        snapshot = Snapshot(database, land(folder, dict(enumerate(pool.map(read, range(shards))))))
        if isinstance(resource.pages, NumberedPages):
            return snapshot, verify_rereads(snapshot, base_page=resource.pages.base_page)
        return snapshot, seal_windows(snapshot, clients[0].page)


def list_of_seed(seed: int) -> tuple[ListPull, Outcome]:
    """Draws and pulls one seed."""
    pull = ListPull.drawn(seed)
    return pull, pull_list(pull)


@dataclass
class ListFigures:
    """What several seeds of one style came to.

    Attributes:
        missing: entries that lasted and are not in a sealed snapshot; short: the seeds.
        failed: the seeds that ended in an error.
        calm: see `ListPull.is_calm`; calm_failed: those of them that ended in an error.
    """

    pulls: int = 0
    lasted: int = 0
    missing: int = 0
    requests: int = 0
    audit_requests: int = 0
    calm: int = 0
    calm_failed: int = 0
    failed: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)

    def add(self, pull: ListPull, outcome: Outcome) -> None:
        """Counts one seed."""
        self.pulls += 1
        self.calm += pull.is_calm
        if outcome.missing:
            self.missing += outcome.missing
            self.short.append(pull.seed)
        if outcome.error:
            self.failed.append(pull.seed)
            self.calm_failed += pull.is_calm
            return
        self.lasted += outcome.lasting
        self.requests += outcome.requests
        self.audit_requests += outcome.audit_requests


def by_style(pulls: Iterable[tuple[ListPull, Outcome]]) -> dict[str, ListFigures]:
    """Counts seeds by their style."""
    figures: dict[str, ListFigures] = defaultdict(ListFigures)
    for pull, outcome in pulls:
        figures[pull.style].add(pull, outcome)
    return {style: figures[style] for style in STYLES if style in figures}


def list_table(figures: dict[str, ListFigures]) -> Iterator[str]:
    """Yields the lines of a Markdown table."""
    yield "| lists | pulls | lasted | missing | errors | of several pages in calm | requests | audit's |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for style, one in figures.items():
        sealed = max(1, one.pulls - len(one.failed))
        cells = (
            style, f"{one.pulls:,}", f"{one.lasted:,}", f"{one.missing:,}",
            f"{len(one.failed) / one.pulls:.1%}", f"{one.calm_failed / max(1, one.calm):.1%}",
            f"{one.requests / sealed:.0f}", f"{one.audit_requests / sealed:.0f}",
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |"


def list_objections(figures: dict[str, ListFigures]) -> Iterator[str]:
    """Yields what must not be: an entry that lasted and is missing, too many errors in calm weather."""
    for style, one in figures.items():
        if one.missing:
            yield f"{style}: {one.missing} entries missing, seeds {one.short}"
        most = MAX_NUMBERED_ERRORS if style.startswith("numbered") else MAX_CALM_ERRORS
        if one.calm_failed > most * one.calm and one.calm_failed > 1:
            yield f"{style}: {one.calm_failed} of {one.calm} calm pulls ended in an error, seeds {one.failed}"
