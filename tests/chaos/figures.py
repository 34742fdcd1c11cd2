"""What thousands of pulls came to, by the rate of churn."""

import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plain_dlt import read_with_dlt
from tests.chaos.pulls import Outcome, Pull, pull_and_seal

CALM_CHURN = 1.0
MAX_ERROR_SHARE = 0.01
HEADINGS = (
    "edits per request", "pulls", "lasted", "missing", "errors", "requests over min.",
    "dlt: missing", "dlt: pulls short", "of those without a cap",
)  # fmt: skip


def quiet() -> None:
    """Quiets the log: faults are meant, and each retry is a warning; so is what dlt says of each load."""
    for name in ("directory_sync", "dlt"):
        logging.getLogger(name).setLevel(logging.ERROR)


def prepare() -> None:
    """Quiets the log, and a search: DuckDB looks for pandas, in vain, with every value it binds."""
    quiet()
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]  # an import of it then fails at once


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One seed, read by us and by dlt's paginator."""

    pull: Pull
    ours: Outcome
    plain: Outcome

    @classmethod
    def of_seed(cls, seed: int) -> "Compared":
        pull = Pull.drawn(seed)
        return cls(pull=pull, ours=pull_and_seal(pull), plain=read_with_dlt(pull))


@dataclass
class Figures:
    """What several seeds came to.

    Attributes:
        lasted: entries that lasted through the pulls that were sealed.
        missing: how many of them are not in the snapshots.
        fewest: requests that would have held all entries of the sealed pulls.
        plain_missing: entries that lasted and that dlt's paginator did not read.
        plain_short: pulls in which it missed some; `uncapped_short`: those of no cap below the limit.
        failed: the seeds that ended in an error.
    """

    pulls: int = 0
    lasted: int = 0
    missing: int = 0
    requests: int = 0
    fewest: int = 0
    plain_missing: int = 0
    plain_short: int = 0
    uncapped: int = 0
    uncapped_short: int = 0
    bridged: int = 0
    failed: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)

    def add(self, seed: Compared) -> None:
        """Counts one seed."""
        ours, plain = seed.ours, seed.plain
        self.pulls += 1
        self.missing += ours.missing
        self.plain_missing += plain.missing
        self.plain_short += plain.missing > 0
        self.uncapped += not seed.pull.is_capped
        self.uncapped_short += plain.missing > 0 and not seed.pull.is_capped
        if ours.missing:
            self.short.append(seed.pull.seed)
        if ours.error:
            self.failed.append(seed.pull.seed)
            return
        self.lasted += ours.lasting
        self.requests += ours.requests
        self.fewest += seed.pull.fewest_requests
        self.bridged += ours.bridged

    @property
    def error_share(self) -> float:
        """Share of pulls that ended in an error."""
        return len(self.failed) / self.pulls if self.pulls else 0.0

    @property
    def excess_share(self) -> float:
        """Requests over the fewest possible, as a share of these."""
        return self.requests / self.fewest - 1 if self.fewest else 0.0

    def as_json(self) -> dict[str, Any]:
        """All counts, and the shares."""
        return {**vars(self), "error_share": self.error_share, "excess_share": self.excess_share}


def by_churn(seeds: Iterable[Compared]) -> dict[float, Figures]:
    """Counts seeds by their rate of churn, the lowest first."""
    figures: dict[float, Figures] = defaultdict(Figures)
    for seed in seeds:
        figures[seed.pull.churn].add(seed)
    return dict(sorted(figures.items()))


def table(figures: dict[float, Figures]) -> Iterator[str]:
    """Yields the lines of a Markdown table."""
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "|" + " ---: |" * len(HEADINGS)
    for churn, of_churn in figures.items():
        cells = (
            f"{churn:g}", f"{of_churn.pulls:,}", f"{of_churn.lasted:,}", f"{of_churn.missing:,}",
            f"{of_churn.error_share:.2%}", f"{of_churn.excess_share:.0%}", f"{of_churn.plain_missing:,}",
            f"{of_churn.plain_short:,}", f"{of_churn.uncapped_short:,} of {of_churn.uncapped:,}",
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |"


def objections(figures: dict[float, Figures]) -> Iterator[str]:
    """Yields what must not be: an entry that lasted and is missing, too many errors in calm weather."""
    for churn, of_churn in figures.items():
        if of_churn.missing:
            yield f"churn {churn:g}: {of_churn.missing} entries missing, seeds {of_churn.short}"
    calm = [of_churn for churn, of_churn in figures.items() if churn <= CALM_CHURN]
    failed = [seed for of_churn in calm for seed in of_churn.failed]
    pulls = sum(of_churn.pulls for of_churn in calm)
    if len(failed) > MAX_ERROR_SHARE * pulls:
        yield f"churn up to {CALM_CHURN:g}: {len(failed)} of {pulls} pulls ended in an error, seeds {failed}"
