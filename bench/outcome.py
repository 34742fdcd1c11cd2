"""What a bench has measured, as far as it came: in memory, in a file, and as tables."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import Self

from bench import bucket, figures, history, parse, rates, scale
from bench.bucket import BucketUse
from bench.contenders import Result
from bench.figures import Spread
from bench.history import Night
from bench.measure import Used
from bench.parse import ParseCost
from bench.rates import Use


@dataclass
class Outcome:
    """Every measurement, in the order they were made.

    Attributes:
        runs: of all contenders, with Airflow and without.
        rates: of an allowance.
        parse: of the Dag file; one or none.
        scale: our first load of many entries, by warehouse.
        buckets: of the same night with the landing zone in a folder and in a bucket.
        history: of an unchanged night, on day two and after many nights.
        failures: of contenders that did not come to an end, with the end of what they said.
        path: the file that holds it after each measurement; None: none does.
    """

    runs: list[Result] = field(default_factory=list)
    rates: list[Use] = field(default_factory=list)
    parse: list[ParseCost] = field(default_factory=list)
    scale: list[Result] = field(default_factory=list)
    buckets: list[BucketUse] = field(default_factory=list)
    history: list[Night] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    path: Path | None = None

    @property
    def is_right(self) -> bool:
        """No table was wrong, and every contender came to an end."""
        if self.failures:
            return False
        loads = all(result.is_right for result in (*self.runs, *self.scale))
        return loads and all(night.is_right for night in self.buckets)

    def save(self) -> None:
        """Writes the file anew: whoever stops the bench keeps what was measured before."""
        if self.path:
            content = {name: value for name, value in asdict(self).items() if name != "path"}
            written = self.path.with_suffix(".part")
            written.write_text(json.dumps(content, indent=1))
            written.replace(self.path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote."""
        content = json.loads(path.read_text())
        return cls(
            runs=[_result(one) for one in content.get("runs", ())],
            rates=[Use(**one) for one in content.get("rates", ())],
            parse=[
                ParseCost(**{name: Spread(**spread) for name, spread in one.items()})
                for one in content.get("parse", ())
            ],
            scale=[_result(one) for one in content.get("scale", ())],
            buckets=[BucketUse.parse(one) for one in content.get("buckets", ())],
            history=[Night(**one) for one in content.get("history", ())],
            failures=content.get("failures", []),
            path=path,
        )

    def lines(self) -> list[str]:
        """All tables, in Markdown."""
        return [
            *figures.tables(self.runs),
            *(rates.lines(self.rates) if self.rates else ()),
            *(line for cost in self.parse for line in parse.lines(cost)),
            *(scale.lines(self.scale) if self.scale else ()),
            *(bucket.lines(self.buckets) if self.buckets else ()),
            *(history.lines(self.history) if self.history else ()),
            *(f"FAILED: {failure}" for failure in self.failures),
        ]


def _result(content: dict[str, Any]) -> Result:
    stages = [[Used(**used) for used in stage] for stage in content["stages"]]
    return Result(**{**content, "stages": stages})
