"""Nights of lists that are walked along cursors, whose order proves nothing, up to the warehouse.

Before each answer the list is edited, and some requests meet a fault. A cursor is the last id that was shown,
or a place in the list: the latter shifts when entries leave, and so leaves others out. What the walk lacks is
asked for at `detail_path`, or is removed when the next snapshot lacks it too.
"""

import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from tests.chaos.lists import STATUSES
from tests.integration.cycle import Cycle
from tests.list_server import Answered, Asked, ListServer, rows
from tests.simulation import MovingList, Weather

SIZE = 25
DECIDED_BY: dict[str, dict[str, Any]] = {
    "detail_path": {"detail_path": "/v1/directory/{id}"},
    "confirmed": {"removals": "confirmed"},
}
WIDE = {f"max_removed_share{period}": 0.5 for period in ("", "_7_days", "_30_days")}


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What a seed stands for.

    Attributes:
        decided_by: what decides on an absence; a key of DECIDED_BY.
        is_keyset: the cursor is the last id; False: a place in the list, which shifts.
        is_post: the cursor stands in the body of a POST.
        nights: how many pulls there are; before each but the first, some entries leave.
    """

    seed: int
    decided_by: str
    is_keyset: bool
    is_post: bool
    churn: float
    faults: float
    nights: int

    @classmethod
    def drawn(cls, seed: int, *, nights: int = 4) -> "Walk":
        """Draws a walk; seeds one after the other have what decides, and the kind of cursor, in turn."""
        draw = random.Random(f"walk {seed}")
        return cls(
            seed=seed,
            decided_by=list(DECIDED_BY)[seed % 2],
            is_keyset=seed % 4 > 1,
            is_post=draw.random() < 0.5,
            churn=draw.choice([0.0, 0.2, 1.0]),
            faults=draw.choice([0.0, 0.05]),
            nights=nights,
        )

    @property
    def kind(self) -> str:
        """Its row in the table."""
        return f"{'last id' if self.is_keyset else 'place'}, {self.decided_by}"


class WalkedList:
    """Answers the requests of all nights of a walk.

    Attributes:
        moving: the list.
    """

    def __init__(self, walk: Walk) -> None:
        self._walk, self._draw = walk, random.Random(f"walked {walk.seed}")
        self.moving = MovingList(
            Weather(entries=self._draw.randint(150, 300), churn=walk.churn), seed=walk.seed
        )
        self._one_at_a_time = Lock()

    def lose_some(self) -> int:
        """Takes up to four entries out of the list between two nights; returns how many."""
        leavers = self._draw.sample(self.moving.ids, self._draw.randint(1, 4))
        for entry_id in leavers:
            self.moving.ids.remove(entry_id)
            self.moving.lasting.discard(entry_id)
        return len(leavers)

    def __call__(self, asked: Asked) -> Answered:
        with self._one_at_a_time:
            if self._draw.random() < self._walk.faults:
                return self._draw.choice([*(Answered({}, status) for status in STATUSES), Answered(status=0)])
            if asked.path.startswith("/v1/directory/"):
                is_there = int(asked.path.rpartition("/")[2]) in self.moving.ids
                return Answered({}, 200 if is_there else 404)
            return Answered(self._page((asked.body or {}) if asked.method == "POST" else asked.query))

    def _page(self, what: dict[str, Any]) -> dict[str, Any]:
        # For its edits, which come before the answer.
        self.moving(0, 1)
        ids, after = self.moving.ids, int(what.get("after") or 0)
        at = sum(one <= after for one in ids) if self._walk.is_keyset else after
        page = ids[at : at + SIZE]
        reference = (page[-1] if self._walk.is_keyset else at + SIZE) if page else None
        has_more = at + SIZE < len(ids)
        return {"data": rows(page), "next": str(reference) if has_more else None}


@dataclass(frozen=True, kw_only=True)
class WalkOutcome:
    """What came of the nights of a walk.

    Attributes:
        left: entries that were published and have left the list since.
        removed: how many of these are marked as removed after the last night.
        wrong: entries that are marked as removed and never left.
        missing: entries that were there all the time and are not in the warehouse, or are marked.
        asked: nights on which a person was asked.
    """

    left: int
    removed: int
    wrong: int
    missing: int
    asked: int


def walk_nights(walk: Walk) -> WalkOutcome:
    """Runs the nights of a walk against a warehouse of their own."""
    served = WalkedList(walk)
    asked = 0
    with ListServer(served) as server, tempfile.TemporaryDirectory() as home:
        where = "cursor_body_path" if walk.is_post else "cursor_param"
        endpoint: dict[str, Any] = {"paginator": {"type": "cursor", "cursor_path": "next", where: "after"}}
        cycle = Cycle(
            url=server.url,
            home=Path(home),
            resource=DECIDED_BY[walk.decided_by],
            endpoint=endpoint | ({"method": "POST"} if walk.is_post else {}),
            settings=WIDE,
        )
        for night in range(walk.nights):
            if night:
                served.lose_some()
            asked += cycle.run(f"night {night}").holds.asks
        known, removed = cycle.ids("true"), cycle.ids("_removed_at IS NOT NULL")
        present = cycle.ids("_missing_since IS NULL AND _removed_at IS NULL")
    there = set(served.moving.ids)
    return WalkOutcome(
        left=len(known - there),
        removed=len(removed - there),
        wrong=len(removed & there),
        missing=len(served.moving.lasting - present),
        asked=asked,
    )


def walk_of_seed(seed: int, *, nights: int = 4) -> tuple[Walk, WalkOutcome]:
    """Draws and runs one seed."""
    walk = Walk.drawn(seed, nights=nights)
    return walk, walk_nights(walk)


@dataclass
class WalkFigures:
    """What several seeds of one kind came to; the attributes are sums of `WalkOutcome`."""

    walks: int = 0
    nights: int = 0
    left: int = 0
    removed: int = 0
    wrong: int = 0
    missing: int = 0
    asked: int = 0
    bad: list[int] = field(default_factory=list)

    def add(self, walk: Walk, outcome: WalkOutcome) -> None:
        """Counts one seed."""
        self.walks += 1
        self.nights += walk.nights
        for name, value in vars(outcome).items():
            setattr(self, name, getattr(self, name) + value)
        is_sure = walk.is_keyset or walk.decided_by == "detail_path"
        if outcome.asked or (outcome.wrong and is_sure) or (outcome.missing and walk.is_keyset):
            self.bad.append(walk.seed)


def by_kind(walks: Iterable[tuple[Walk, WalkOutcome]]) -> dict[str, WalkFigures]:
    """Counts seeds by their kind."""
    figures: dict[str, WalkFigures] = defaultdict(WalkFigures)
    for walk, outcome in walks:
        figures[walk.kind].add(walk, outcome)
    return dict(sorted(figures.items()))


def walk_table(figures: dict[str, WalkFigures]) -> Iterator[str]:
    """Yields the lines of a Markdown table."""
    yield "| cursor, decided by | walks | nights | left | removed | wrongly | not shown | persons asked |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for kind, one in figures.items():
        cells = (one.walks, one.nights, one.left, one.removed, one.wrong, one.missing, one.asked)
        yield f"| {kind} | " + " | ".join(f"{cell:,}" for cell in cells) + " |"


def walk_objections(figures: dict[str, WalkFigures]) -> Iterator[str]:
    """Yields what must not be: a wrong removal, a person who was asked, an entry that a cursor by id lacks.

    A cursor that is a place leaves entries out while the list is edited, and nothing in the answers shows it.
    An entry that is left out on two nights in a row is removed wrongly where two absences decide.
    """
    for kind, one in figures.items():
        if one.bad:
            yield f"{kind}: {one.wrong} wrong removals, {one.asked} questions, seeds {one.bad}"
