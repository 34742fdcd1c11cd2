"""One pull of a directory that changes while it is read, everything about it drawn from a seed.

The list is the sandbox's, edited by the sandbox's churn before each answer; the shards' reader asks it, the
pages are landed as Parquet, sealed and reconciled by the code of the audit. Only HTTP is left out.

The same seed gives the same list and the same edits. Where it reads with threads, in which order the
requests arrive is left to them, as in a run.
"""

import math
import random
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from threading import Lock

import duckdb

from directory_sync.api.page import Page
from directory_sync.audit.checks import check_seal
from directory_sync.audit.proof import Seal
from directory_sync.audit.scratch import Snapshot
from directory_sync.audit.windows_seal import seal_windows as seal
from directory_sync.config.form import Resource
from directory_sync.errors import DirectorySyncError, SnapshotError
from directory_sync.extract.plan import Shard
from directory_sync.extract.windows import ShardReader
from sandbox.churn import Churn
from sandbox.directory import Directory
from sandbox.settings import Settings, Sort
from tests.integration.cycle import Cycle
from tests.simulation import ids_in, land, page

LIMIT = 100
MOST_EDITS = 25
CHURNS = (0.0, 0.2, 1.0, 2.0, 5.0)
MEMORY_FOLDER = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True)
class Pull:
    """What a seed stands for.

    Attributes:
        entries: how many there are at the start.
        in_flight: requests of a shard that wait at once; shards then run in threads, too.
        churn: edits before each answer, on average.
        kind: inserts, deletes, both, or bursts of `burst` at once, which is more than a page.
        where: anywhere, at the head, or just before the page that was asked for.
        caps: page caps that follow each other, each for `cap_answers` answers.
        total: stated, not stated, or that of `lag` answers ago.
        empty: share of answers that are empty although they should not be.
        sort: the list's order.
    """

    seed: int
    entries: int
    shards: int
    in_flight: int
    churn: float
    kind: str
    burst: int
    where: str
    caps: tuple[int, ...]
    cap_answers: int
    total: str
    lag: int
    empty: float
    sort: Sort

    @classmethod
    def drawn(cls, seed: int) -> "Pull":
        """Draws a pull; seeds one after the other have the rates of churn in turn."""
        draw = random.Random(f"pull {seed}")
        return cls(
            seed=seed,
            churn=CHURNS[seed % len(CHURNS)],
            entries=draw.randint(200, 3_000),
            shards=draw.randint(1, 8),
            in_flight=draw.choice([1, 1, 1, draw.randint(2, 8)]),
            kind=draw.choice(["insert", "delete", "both", "burst"]),
            burst=draw.randint(LIMIT + 1, 2 * LIMIT),
            where=draw.choice(["random", "head", "boundary"]),
            caps=draw.choice([(LIMIT,), (LIMIT,), (draw.randint(20, 99),), _caps(draw)]),
            cap_answers=draw.randint(3, 30),
            total=draw.choice(["present", "present", "absent", "late"]),
            lag=draw.randint(5, 60),
            empty=draw.choice([0.0, 0.0, 0.0, 0.03]),
            sort=draw.choice(["id", "id", "-id", "name"]),
        )

    @property
    def is_capped(self) -> bool:
        """A page holds less than was asked for, at least at times."""
        return min(self.caps) < LIMIT

    @property
    def fewest_requests(self) -> int:
        """How many requests hold all entries of the start, one page beside the other."""
        size = sum(self.caps) / len(self.caps)
        return max(1, int(-(-self.entries // size)))


def _caps(draw: random.Random) -> tuple[int, ...]:
    return tuple(draw.randint(20, LIMIT) for _ in range(draw.randint(2, 4)))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a pull.

    Attributes:
        lasting: entries that were there before the first request and after the last one.
        missing: how many of these are not in what was read; 0 where the pull ended in an error.
        error: the class of the error it ended in; None where it was sealed.
        requests: how many were sent, the audit's included.
        audit_requests: how many the audit sent.
        bridged: answers of the audit that joined what was landed.
    """

    lasting: int
    missing: int
    requests: int
    error: str | None = None
    audit_requests: int = 0
    bridged: int = 0


class Served(Directory):
    """The sandbox's directory as the pages of a pull; answers any number of threads.

    Attributes:
        answers: how many there were.
    """

    def __init__(self, pull: Pull) -> None:
        self.pull, self.answers = pull, 0
        self._settings = [_settings(pull, edits) for edits in range(MOST_EDITS + 1)]
        self._edits = random.Random(f"edits {pull.seed}")
        self._churn = Churn(pull.seed)
        self._empty = random.Random(f"empty {pull.seed}")
        self._asked = count(1)
        self._one_at_a_time = Lock()
        super().__init__(pull.entries, clock=lambda: self.answers)
        self._before = set(self.ids())

    def ask(self, offset: int, limit: int = LIMIT) -> Page:
        """Answers a request, after the edits that come before it."""
        requested = next(self._asked)
        pull = self.pull
        with self._one_at_a_time:
            settings = self._settings[self._edits_now()]
            self._churn.apply(self, settings, offset=offset, sort=pull.sort)
            cap = pull.caps[self.answers // pull.cap_answers % len(pull.caps)]
            self.answers += 1
            ids = self._order.slice(offset, min(limit, cap), sort=pull.sort)
            if self._empty.random() < pull.empty:
                ids = []
            return page(offset, ids, limit=limit, total=self._told(), at=requested / 1e3)

    def _edits_now(self) -> int:
        """How many edits come before this answer: independent ones, as Poisson has them."""
        limit, product, edits = math.exp(-self.pull.churn), self._edits.random(), 0
        while product > limit and edits < MOST_EDITS:
            product *= self._edits.random()
            edits += 1
        return edits

    def _told(self) -> int | None:
        if self.pull.total == "late":
            return self.total_before(self.pull.lag)
        return len(self) if self.pull.total == "present" else None

    @property
    def lasting(self) -> set[int]:
        """The entries that were there at the start and still are."""
        return self._before & set(self.ids())


def _settings(pull: Pull, edits: int) -> Settings:
    return Settings(
        churn_per_request=edits,
        churn_kind=pull.kind,
        churn_where=pull.where,
        churn_burst_size=pull.burst,
    )


@cache
def resource() -> Resource:
    return Cycle(url="", home=Path()).parsed


def pull_and_seal(pull: Pull) -> Outcome:
    """Pulls the directory of a seed as a run does, up to the sealed and reconciled snapshot."""
    served, proof = Served(pull), None
    try:
        pages = _read(pull, served.ask)
        with _folder() as folder, duckdb.connect(config={"threads": 1}) as database:
            snapshot = Snapshot(database, land(Path(folder), pages))
            proof = seal(snapshot, served.ask)
            lasting, found = served.lasting, ids_in(snapshot)
            _reconcile(snapshot, proof, entries=len(found))
    except DirectorySyncError as error:
        name = type(error).__name__
        return Outcome(lasting=len(served.lasting), missing=0, requests=served.answers, error=name)
    return Outcome(
        lasting=len(lasting),
        missing=len(lasting - found),
        requests=served.answers,
        audit_requests=proof.requests,
        bridged=proof.bridged,
    )


def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None)


def _reconcile(snapshot: Snapshot, proof: Seal, *, entries: int) -> None:
    findings = check_seal(proof, snapshot.counts(), entries=entries, resource=resource())
    for finding in findings:
        if finding.level == "error":
            raise SnapshotError(finding.message)


def _read(pull: Pull, fetch: Callable[[int, int], Page]) -> dict[int, list[Page]]:
    """Reads all shards: in threads, or an answer of this and an answer of that one by turns."""
    readers = {
        number: ShardReader(
            fetch, Shard(number=number, count=pull.shards), limit=LIMIT, in_flight=pull.in_flight
        ).pages()
        for number in range(pull.shards)
    }
    if pull.in_flight > 1:
        with ThreadPoolExecutor(pull.shards) as pool:
            return dict(zip(readers, pool.map(list, readers.values()), strict=True))
    return _read_by_turns(readers, random.Random(f"turns {pull.seed}"))


def _read_by_turns(readers: dict[int, Iterator[Page]], draw: random.Random) -> dict[int, list[Page]]:
    pages: dict[int, list[Page]] = {number: [] for number in readers}
    waiting = sorted(readers)
    while waiting:
        number = draw.choice(waiting)
        answer = next(readers[number], None)
        if answer is None:
            waiting.remove(number)
        else:
            pages[number].append(answer)
    return pages
