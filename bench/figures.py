"""Medians, ranges and ratios of several rounds, and tables of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from statistics import median

from bench.contenders import TITLES, Result
from bench.peers import PEERS

Case = tuple[bool, int, float]
"""With Airflow or without, entries, latency in milliseconds."""


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
        waits: the median of each.
        times_first: how many times as long as our first load it took, of the medians.
        times_floor: how many times as long as the floor's its stages worked, without starts and imports, of
            the medians; None for the peers, whose imports are not told apart.
    """

    contender: str
    rounds: int
    seconds: Spread
    work_seconds: Spread
    cpu_seconds: Spread
    peak_mb: Spread
    requests: Spread
    server_cpu_seconds: Spread
    wait_seconds: Spread
    waits: dict[str, float]
    times_first: float | None
    times_floor: float | None
    is_right: bool


def _case(result: Result) -> Case:
    return result.airflow, result.entries, result.latency_ms


def summary(results: Iterable[Result]) -> dict[Case, list[Line]]:
    """The lines of each case; contenders in a fixed order."""
    order = list(TITLES)
    ranked = sorted(results, key=lambda result: (*_case(result), order.index(result.contender)))
    lines: dict[Case, list[Line]] = {}
    for case, of_case in groupby(ranked, key=_case):
        by_name = {name: list(found) for name, found in groupby(of_case, key=lambda r: r.contender)}
        first = median(r.seconds for r in by_name["first"]) if "first" in by_name else None
        floor = median(r.work_seconds for r in by_name["floor"]) if "floor" in by_name else None
        lines[case] = [_line(name, found, first=first, floor=floor) for name, found in by_name.items()]
    return lines


def _line(name: str, found: Sequence[Result], *, first: float | None, floor: float | None) -> Line:
    seconds = Spread.of(result.seconds for result in found)
    work_seconds = Spread.of(result.work_seconds for result in found)
    return Line(
        contender=name,
        rounds=len(found),
        seconds=seconds,
        work_seconds=work_seconds,
        cpu_seconds=Spread.of(result.cpu_seconds for result in found),
        peak_mb=Spread.of(result.peak_mb for result in found),
        requests=Spread.of(result.requests for result in found),
        server_cpu_seconds=Spread.of(result.server_cpu_seconds for result in found),
        wait_seconds=Spread.of(result.wait_seconds for result in found),
        waits={
            name: median(result.waits.get(name, 0.0) for result in found)
            for name in dict.fromkeys(chain.from_iterable(result.waits for result in found))
        },
        times_first=seconds.median / first if first else None,
        times_floor=work_seconds.median / floor if floor and name not in PEERS else None,
        is_right=all(result.is_right for result in found),
    )


def tables(results: Iterable[Result]) -> list[str]:
    """The lines of a table for each case, in Markdown; before them, of several cases, the seconds of all."""
    found = summary(results)
    shown = [line for airflow in (False, True) for line in _overview(found, is_under_airflow=airflow)]
    for (airflow, entries, latency_ms), lines in found.items():
        where = _place(is_under_airflow=airflow)
        shown += ["", f"{entries:,} entries, {latency_ms:g} ms a page, {where}", ""]
        head = ["", "seconds", "times ours", "at work", "waits" if airflow else "times the floor"]
        head += ["CPU s", "peak MB", "requests", "server CPU s", ""]
        shown += table(head, [_cells(line, is_under_airflow=airflow) for line in lines])
        shown += _waits(lines) if airflow else []
    return shown


def _overview(found: Mapping[Case, Sequence[Line]], *, is_under_airflow: bool) -> list[str]:
    cases = {case: lines for case, lines in found.items() if case[0] is is_under_airflow}
    if len(cases) < 2:
        return []
    names = [name for name in TITLES if any(line.contender == name for line in chain(*cases.values()))]
    rows = []
    for (_, entries, latency_ms), lines in cases.items():
        seconds = {
            line.contender: f"{_short(line.seconds.median)}{'' if line.is_right else ' WRONG'}"
            for line in lines
        }
        rows.append([f"{entries:,}, {latency_ms:g} ms", *(seconds.get(name, "") for name in names)])
    head = ["entries, a page", *(name.replace("_", ", ") for name in names)]
    where = _place(is_under_airflow=is_under_airflow)
    return ["", f"Seconds {where}, of each case", "", *table(head, rows)]


def _place(*, is_under_airflow: bool) -> str:
    return "under Airflow" if is_under_airflow else "without Airflow"


def _cells(line: Line, *, is_under_airflow: bool) -> list[str]:
    return [
        TITLES[line.contender],
        str(line.seconds),
        f"{line.times_first:.1f}" if line.times_first else "",
        str(line.work_seconds),
        str(line.wait_seconds) if is_under_airflow else f"{line.times_floor:.2f}" if line.times_floor else "",
        str(line.cpu_seconds),
        f"{line.peak_mb.most:,.0f}",
        f"{line.requests.median:,.0f}",
        f"{line.server_cpu_seconds.median:.1f}",
        "" if line.is_right else "WRONG TABLE",
    ]


def _waits(lines: Iterable[Line]) -> list[str]:
    return [
        "",
        "Seconds in which no task runs, by what is waited for:",
        "",
        *(
            f"- {TITLES[line.contender]}: "
            + ", ".join(f"{name} {_short(seconds)}" for name, seconds in line.waits.items())
            for line in lines
            if line.waits
        ),
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    rule = ["-" * widths[0], *("-" * max(width - 1, 1) + ":" for width in widths[1:])]
    shown = []
    for row in (head, rule, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        shown.append(f"| {' | '.join(cells)} |")
    return shown


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
