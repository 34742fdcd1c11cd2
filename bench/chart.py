"""`python -m bench.chart RESULTS.json PICTURE.svg`: how long each contender took, as the README shows it.

Of several cases the largest number of entries at 50 ms a page; else at the longest latency.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.contenders import NIGHTS, TITLES, Result
from bench.figures import Spread
from bench.outcome import Outcome

LATENCY_MS = 50.0
_ROW, _LEFT, _WIDTH, _RIGHT = 26, 390, 420, 110
_SLOW, _OURS = "#8c959f", "#1f6feb"


@dataclass(frozen=True, kw_only=True)
class _Bar:
    """One contender; its spread is in times our first load."""

    title: str
    color: str
    spread: Spread


def chart(runs: Sequence[Result]) -> str:
    """Returns the picture of one case: bars as long as the median, a thin line from the least to the most.

    A contender that ran under Airflow is shown by these runs; the others, marked, by their runs without. Each
    length is a ratio to our first load in the same place.

    Args:
        runs: all of one number of entries and one latency, ours among them.
    """
    bars = _bars(runs)
    scale = _WIDTH / max(bar.spread.most for bar in bars)
    size = f'width="{_LEFT + _WIDTH + _RIGHT}" height="{_ROW * (len(bars) + 2)}"'
    case = f"{runs[0].entries:,} entries, {runs[0].latency_ms:g} ms a page"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        '<g font-family="system-ui, sans-serif" font-size="13" fill="#6e7781">',
        f'<text x="0" y="16" font-weight="600">{case}: times as long as our first load</text>',
    ]
    for number, bar in enumerate(bars):
        y = _ROW * (number + 1) + 6
        least, most, middle = _LEFT + bar.spread.least * scale, _LEFT + bar.spread.most * scale, y + 8
        width = bar.spread.median * scale
        lines += [
            f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{bar.title}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="16" fill="{bar.color}"/>',
            f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="#24292f"/>',
            f'<text x="{most + 6:.1f}" y="{y + 13}">{bar.spread.median:.1f}</text>',
        ]
    return "\n".join([*lines, "</g></svg>", ""])


def _bars(runs: Sequence[Result]) -> list[_Bar]:
    seconds: dict[tuple[str, bool], list[float]] = {}
    for run in runs:
        seconds.setdefault((run.contender, run.airflow), []).append(run.seconds)
    has_airflow = ("first", True) in seconds
    bars = []
    for name, title in TITLES.items():
        place = next((place for place in ((name, True), (name, False)) if place in seconds), None)
        if place is None or ("first", place[1]) not in seconds:
            continue
        first = median(seconds["first", place[1]])
        marked = f"{title} (without Airflow)" if has_airflow and not place[1] else title
        color = _OURS if name.startswith(NIGHTS) else _SLOW
        spread = Spread.of(one / first for one in seconds[place])
        bars.append(_Bar(title=marked, color=color, spread=spread))
    return bars


def shown_case(runs: Sequence[Result]) -> list[Result]:
    """The runs of the case that the README shows."""
    entries = max(run.entries for run in runs)
    latencies = {run.latency_ms for run in runs if run.entries == entries}
    latency_ms = LATENCY_MS if LATENCY_MS in latencies else max(latencies)
    return [run for run in runs if (run.entries, run.latency_ms) == (entries, latency_ms)]


if __name__ == "__main__":
    results, picture = sys.argv[1:]
    Path(picture).write_text(chart(shown_case(Outcome.load(Path(results)).runs)))
