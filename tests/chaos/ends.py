"""Pulls from servers whose pages end where they like, everything about them drawn from a seed.

Each keeps to what the proof asks of it: an answer is one contiguous piece of the list. Where pages end, what
stands behind the last entry, what the total says and how the list changes differ.
"""

import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from directory_sync.api.page import Page
from directory_sync.audit.checks import check_seal
from directory_sync.audit.scratch import Snapshot
from directory_sync.audit.windows_seal import seal_windows as seal
from directory_sync.errors import ApiError, DirectorySyncError, SnapshotError
from tests.chaos.pulls import Outcome, resource
from tests.simulation import STEP, ids_in, land, page, read_shards

LIMIT = 20
LARGEST_PAGE_BYTES = 1_000
RESULT_WINDOW = 1_000
WHOLE_PAGES, LAST_PAGE = ("count", "moving count"), 7
CAPS = ("count", "moving count", "bytes", "back ends", "chance")
BEHIND = ("empty", "empty", "empty", 404, 400, 416, "last page")
REFUSING = ("result window", "error behind", "filter")
"""Servers behind which a list cannot be read to its end: an error is right."""


@dataclass(frozen=True, kw_only=True)
class EndPull:
    """What a seed stands for.

    Attributes:
        cap: what ends a page; one of CAPS.
        refuses: one of REFUSING, or empty.
        behind: what an offset behind the end is answered with: no entries, a status, or the last page.
        churn: edits before each answer, on average.
        edits: `both`, `insert`, `delete`, `append` or `leavers`: two before each answer, whatever the churn.
        where: `anywhere`, `head` or `end`.
        total: `exact`, `absent`, `late` or `clipped`.
        empty: share of answers that are empty although entries stand there.
    """

    seed: int
    entries: int
    shards: int
    cap: str
    refuses: str
    behind: str | int
    churn: float
    edits: str
    where: str
    total: str
    empty: float

    @classmethod
    def drawn(cls, seed: int) -> "EndPull":
        """Draws a pull; seeds one after the other have the rates of churn in turn."""
        draw = random.Random(f"end {seed}")
        cap = draw.choice(CAPS)
        refuses = draw.choice([""] * 9 + [draw.choice(REFUSING)])
        size = (1_020, 1_200) if refuses == "result window" else draw.choice([(0, 60), (60, 400)])
        return cls(
            seed=seed,
            entries=draw.randint(*size),
            shards=draw.randint(1, 4),
            cap=cap,
            refuses=refuses,
            behind="empty" if refuses else draw.choice(BEHIND if cap in WHOLE_PAGES else BEHIND[:-1]),
            churn=(0.0, 0.2, 1.0, 2.0)[seed % 4],
            edits=draw.choice(["both", "both", "insert", "delete", "append", "leavers"]),
            where=draw.choice(["anywhere", "anywhere", "head", "end"]),
            total=draw.choice(["exact", "absent", "absent", "late"]),
            empty=draw.choice([0.0, 0.0, 0.0, 0.05]),
        )

    @property
    def kind(self) -> str:
        """Its row in the table."""
        return self.refuses or self.cap


class EndingList:
    """The list of a pull, edited before each answer.

    Attributes:
        lasting: ids that were there at the start and still are, and that the API shows.
    """

    def __init__(self, pull: EndPull) -> None:
        self.pull, self._draw = pull, random.Random(f"edits {pull.seed}")
        self.ids = [STEP * (n + 1) for n in range(pull.entries)]
        self._ever, self._totals = set(self.ids), [len(self.ids)]
        self._back_ends = sorted(self._draw.sample(range(pull.entries * STEP + 1), 3)) if pull.entries else []
        self._hidden = self._hidden_ids()
        self.lasting = set(self.ids) - self._hidden
        self.answers = 0

    def _hidden_ids(self) -> set[int]:
        if self.pull.refuses != "filter" or self.pull.entries < 4 * LIMIT:
            return set()
        first = self._draw.randrange(LIMIT, self.pull.entries - 2 * LIMIT)
        return set(self.ids[first : first + LIMIT + self._draw.randrange(LIMIT)])

    def __call__(self, offset: int, limit: int = LIMIT) -> Page:
        self._edit_some()
        self.answers += 1
        self._totals.append(len(self.ids))
        if self._draw.random() < self.pull.empty:
            return self._page(offset, limit, [])
        behind = offset >= len(self.ids)
        if behind and offset and self.pull.refuses == "error behind":
            raise ApiError("An error behind the end.", status=524)
        if self.pull.refuses == "result window" and offset >= RESULT_WINDOW:
            raise ApiError("A result window.", status=400)
        if behind and offset and isinstance(self.pull.behind, int):
            raise ApiError("Nothing there.", status=self.pull.behind)
        if behind and self.pull.behind == "last page":
            return self._page(offset, limit, self.ids[-LAST_PAGE:])
        return self._page(offset, limit, self._piece(offset, limit))

    def _page(self, offset: int, limit: int, ids: Sequence[int]) -> Page:
        return page(offset, ids, limit=limit, total=self._total(), at=self.answers / 1e3)

    def _piece(self, offset: int, limit: int) -> list[int]:
        ids = self.ids[offset : offset + limit]
        if self.pull.refuses == "result window":
            ids = ids[: RESULT_WINDOW - offset]
        return [i for i in self._capped(ids) if i not in self._hidden]

    def _capped(self, ids: list[int]) -> list[int]:
        cap, draw = self.pull.cap, random.Random(f"cap {self.pull.seed}")
        if cap == "count":
            return ids[: draw.choice([1_000, 1_000, 7])]
        if cap == "moving count":
            return ids[: [20, 20, 9, 3][self.answers // 7 % 4]]
        if cap == "chance":
            return ids[: self._draw.randint(1, LIMIT)]
        if cap == "back ends" and ids:
            place = next((b for b in self._back_ends if b >= ids[0]), self.ids[-1])
            return [i for i in ids if i <= place]
        if cap == "bytes":
            return list(_within(ids, LARGEST_PAGE_BYTES))
        return ids

    def _total(self) -> int | None:
        if self.pull.total == "late":
            return self._totals[max(0, len(self._totals) - 15)]
        if self.pull.refuses == "result window":
            return min(len(self.ids), RESULT_WINDOW) if self.pull.total == "exact" else None
        return len(self.ids) - len(self._hidden) if self.pull.total == "exact" else None

    def _edit_some(self) -> None:
        if self.pull.edits == "leavers" and self.pull.churn:
            for _ in range(2):
                self._delete()
            return
        edits = self.pull.churn
        while edits > 0:
            if self._draw.random() < edits:
                self._edit()
            edits -= 1

    def _edit(self) -> None:
        kind = self.pull.edits if self.pull.edits != "both" else self._draw.choice(["insert", "delete"])
        if kind == "delete":
            self._delete()
        else:
            self._insert(len(self.ids) if kind == "append" else self._place(len(self.ids) + 1))

    def _place(self, places: int) -> int:
        if self.pull.where == "anywhere":
            return self._draw.randrange(places)
        return 0 if self.pull.where == "head" else places - 1

    def _delete(self) -> None:
        if len(self.ids) > self.pull.entries // 2:
            self.lasting.discard(self.ids.pop(self._place(len(self.ids))))

    def _insert(self, at: int) -> None:
        low = self.ids[at - 1] if at else 0
        high = self.ids[at] if at < len(self.ids) else low + STEP
        if high - low > 1 and (middle := (low + high) // 2) not in self._ever:
            self.ids.insert(at, middle)
            self._ever.add(middle)


def _within(ids: Sequence[int], bytes_left: int) -> Iterator[int]:
    """As many entries as fit, one at least; one in thirty is a photo."""
    for number, entry_id in enumerate(ids):
        draw = random.Random(entry_id)
        size = draw.randint(300, 1_500) if draw.random() < 1 / 30 else draw.randint(20, 100)
        bytes_left -= size
        if number and bytes_left < 0:
            return
        yield entry_id


def pull_to_the_end(pull: EndPull) -> Outcome:
    """Pulls the list of a seed up to the sealed and reconciled snapshot."""
    served = EndingList(pull)
    try:
        pages = read_shards(served, shards=pull.shards, seed=pull.seed)
        with (
            tempfile.TemporaryDirectory(dir=_memory()) as folder,
            duckdb.connect(config={"threads": 1}) as db,
        ):
            snapshot = Snapshot(db, land(Path(folder), pages))
            proof = seal(snapshot, served)
            found = ids_in(snapshot)
            for finding in check_seal(proof, snapshot.counts(), entries=len(found), resource=resource()):
                if finding.level == "error":
                    raise SnapshotError(finding.message)
    except DirectorySyncError as error:
        return Outcome(
            lasting=len(served.lasting), missing=0, requests=served.answers, error=type(error).__name__
        )
    return Outcome(
        lasting=len(served.lasting),
        missing=len(served.lasting - found),
        requests=served.answers,
        audit_requests=proof.requests,
        bridged=proof.bridged,
    )


def _memory() -> str | None:
    return "/dev/shm" if sys.platform == "linux" and Path("/dev/shm").is_dir() else None


@dataclass
class EndFigures:
    """What several seeds of one server came to.

    Attributes:
        missing: entries that lasted and are not in a sealed snapshot; short: the seeds.
        failed: the seeds that ended in an error.
        calm: pulls of at most one edit a request; calm_failed: those of them that ended in an error.
    """

    pulls: int = 0
    lasted: int = 0
    missing: int = 0
    audit_requests: int = 0
    calm: int = 0
    calm_failed: int = 0
    failed: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)

    def add(self, pull: EndPull, outcome: Outcome) -> None:
        """Counts one seed."""
        is_calm = pull.churn <= 1.0 and pull.edits != "leavers"
        self.pulls += 1
        self.calm += is_calm
        if outcome.missing:
            self.missing += outcome.missing
            self.short.append(pull.seed)
        if outcome.error:
            self.failed.append(pull.seed)
            self.calm_failed += is_calm
            return
        self.lasted += outcome.lasting
        self.audit_requests += outcome.audit_requests


def pull_of_seed(seed: int) -> tuple[EndPull, Outcome]:
    """Draws and pulls one seed."""
    pull = EndPull.drawn(seed)
    return pull, pull_to_the_end(pull)


def by_server(pulls: Iterable[tuple[EndPull, Outcome]]) -> dict[str, EndFigures]:
    """Counts seeds by their server."""
    figures: dict[str, EndFigures] = defaultdict(EndFigures)
    for pull, outcome in pulls:
        figures[pull.kind].add(pull, outcome)
    return {kind: figures[kind] for kind in (*CAPS, *REFUSING) if kind in figures}


def end_table(figures: dict[str, EndFigures]) -> Iterator[str]:
    """Yields the lines of a Markdown table."""
    yield "| pages end by | pulls | lasted | missing | errors | up to one edit a request | audit's requests |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for kind, one in figures.items():
        sealed = one.pulls - len(one.failed)
        cells = (
            kind, f"{one.pulls:,}", f"{one.lasted:,}", f"{one.missing:,}",
            f"{len(one.failed) / one.pulls:.1%}",
            f"{one.calm_failed / one.calm:.1%}" if one.calm else "",
            f"{one.audit_requests / max(1, sealed):.0f}",
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |"


def end_objections(figures: dict[str, EndFigures]) -> Iterator[str]:
    """Yields what must not be: an entry that lasted and is missing.

    Where offsets count what a filter hides, no client can tell: docs/completeness.md says so.
    """
    for kind, one in figures.items():
        if one.missing and kind != "filter":
            yield f"{kind}: {one.missing} entries missing, seeds {one.short}"
