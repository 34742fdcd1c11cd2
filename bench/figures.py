"""Medians, ranges and ratios of several rounds, and tables of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from bench.contenders import TITLES, Result


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The median of several values, and their range."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of one value or more."""
        found = sorted(values)
        return cls(median=median(found), least=found[0], most=found[-1])

    def __str__(self) -> str:
        if self.least == self.most:
            return _short(self.median)
        return f"{_short(self.median)} [{_short(self.least)} to {_short(self.most)}]"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One contender in one case, over all rounds.

    Attributes:
        times_first: how many times as long as our first load it took, of the medians.
    """

    contender: str
    rounds: int
    seconds: Spread
    work_seconds: Spread
    cpu_seconds: Spread
    peak_mb: Spread
    requests: Spread
    server_cpu_seconds: Spread
    times_first: float | None
    is_right: bool


def _case(result: Result) -> tuple[bool, int, float]:
    return result.airflow, result.entries, result.latency_ms


def summary(results: Iterable[Result]) -> dict[tuple[bool, int, float], list[Line]]:
    """The lines of each case: with Airflow or without, entries, latency; contenders in a fixed order."""
    order = list(TITLES)
    ranked = sorted(results, key=lambda result: (*_case(result), order.index(result.contender)))
    lines: dict[tuple[bool, int, float], list[Line]] = {}
    for case, of_case in groupby(ranked, key=_case):
        by_name = {name: list(found) for name, found in groupby(of_case, key=lambda r: r.contender)}
        first = Spread.of(r.seconds for r in by_name["first"]).median if "first" in by_name else None
        lines[case] = [_line(name, found, first) for name, found in by_name.items()]
    return lines


def _line(name: str, found: Sequence[Result], first: float | None) -> Line:
    seconds = Spread.of(result.seconds for result in found)
    return Line(
        contender=name,
        rounds=len(found),
        seconds=seconds,
        work_seconds=Spread.of(result.work_seconds for result in found),
        cpu_seconds=Spread.of(result.cpu_seconds for result in found),
        peak_mb=Spread.of(result.peak_mb for result in found),
        requests=Spread.of(result.requests for result in found),
        server_cpu_seconds=Spread.of(result.server_cpu_seconds for result in found),
        times_first=seconds.median / first if first else None,
        is_right=all(result.is_right for result in found),
    )


def tables(results: Iterable[Result]) -> list[str]:
    """The lines of a table for each case."""
    shown = []
    for (airflow, entries, latency_ms), lines in summary(results).items():
        where = "under Airflow" if airflow else "without Airflow"
        shown += ["", f"{entries:,} entries, {latency_ms:g} ms a page, {where}", ""]
        shown += table(
            ["", "seconds", "times ours", "its stages", "CPU s", "peak MB", "requests", "server CPU s", ""],
            [
                [
                    TITLES[line.contender],
                    str(line.seconds),
                    f"{line.times_first:.1f}" if line.times_first else "",
                    str(line.work_seconds),
                    str(line.cpu_seconds),
                    f"{line.peak_mb.most:,.0f}",
                    f"{line.requests.median:,.0f}",
                    f"{line.server_cpu_seconds.median:.1f}",
                    "" if line.is_right else "WRONG TABLE",
                ]
                for line in lines
            ],
        )
    return shown


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligns columns; the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    shown = []
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        shown.append("  ".join(cells).rstrip())
    return shown


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
