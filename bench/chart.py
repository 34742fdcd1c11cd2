"""`python -m bench.chart RESULTS.json PICTURE.svg`: how long each contender took, as the README shows it."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.contenders import TITLES
from bench.figures import Spread

_ROW, _LEFT, _WIDTH, _RIGHT = 26, 290, 420, 110
_SLOW, _OURS = "#8c959f", "#1f6feb"


def chart(runs: Sequence[Mapping[str, Any]]) -> str:
    """Returns the picture of one case: bars as long as the median, a thin line from the least to the most.

    Args:
        runs: as the JSON has them, all of one number of entries and one latency; those under Airflow, where
            there are some.
    """
    under_airflow = any(run["airflow"] for run in runs)
    shown = [run for run in runs if run["airflow"] == under_airflow]
    spreads = {
        name: Spread.of(run["seconds"] for run in shown if run["contender"] == name)
        for name in TITLES
        if any(run["contender"] == name for run in shown)
    }
    first = spreads["first"].median
    scale = _WIDTH / max(spread.most for spread in spreads.values())
    case = f"{shown[0]['entries']:,} entries, {shown[0]['latency_ms']:g} ms a page"
    height = _ROW * (len(spreads) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" height="{height}">',
        '<g font-family="system-ui, sans-serif" font-size="13" fill="#6e7781">',
        f'<text x="0" y="16" font-weight="600">{case}: times as long as our first load</text>',
    ]
    for number, (name, spread) in enumerate(spreads.items()):
        y = _ROW * (number + 1) + 6
        color = _OURS if name in ("first", "unchanged", "changed") else _SLOW
        least, most, middle = _LEFT + spread.least * scale, _LEFT + spread.most * scale, y + 8
        lines += [
            f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{TITLES[name]}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{spread.median * scale:.1f}" height="16" fill="{color}"/>',
            f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="#24292f"/>',
            f'<text x="{most + 6:.1f}" y="{y + 13}">{spread.median / first:.1f}</text>',
        ]
    return "\n".join([*lines, "</g></svg>", ""])


if __name__ == "__main__":
    results, picture = sys.argv[1:]
    content = json.loads(Path(results).read_text())["runs"]
    largest = max((run["entries"], run["latency_ms"]) for run in content)
    Path(picture).write_text(chart([r for r in content if (r["entries"], r["latency_ms"]) == largest]))
