"""The landing zone in a bucket beside one in a folder: what each stage asks of it, and how long that takes.

The bucket is moto's server, in this process, with a delay before each answer. It has the credentials and the
client of any S3 API.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from bench.contenders import OURS, QUIET, Case, is_right
from bench.figures import table
from bench.measure import run_together
from bench.server import Server

if TYPE_CHECKING:
    from tests.buckets import Bucket

LATENCY_MS = 20.0
NIGHTS = ("first load", "nothing changed")


@dataclass(frozen=True, kw_only=True)
class StageUse:
    """One stage of one night.

    Attributes:
        seconds: of its work; of processes side by side, the longest.
        requests: to the bucket, by method.
    """

    name: str
    seconds: float
    requests: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BucketUse:
    """One night.

    Attributes:
        night: one of NIGHTS.
        place: `folder` or `bucket`.
        is_right: whether the table holds what the API does.
    """

    entries: int
    latency_ms: float
    night: str
    place: str
    stages: list[StageUse]
    is_right: bool

    @property
    def seconds(self) -> float:
        """The sum of its stages."""
        return sum(stage.seconds for stage in self.stages)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """Reads what `asdict` made of it."""
        return cls(**{**content, "stages": [StageUse(**stage) for stage in content["stages"]]})


def measure(cases: Sequence[Case], server: Server) -> Iterator[BucketUse]:
    """Yields two nights of each case with a folder, and the same two with a bucket."""
    # It needs this package, which reading results again does not.
    from tests.buckets import running_bucket

    # One for all cases: moto's buckets belong to the process.
    with running_bucket() as bucket:
        bucket.latency_seconds = LATENCY_MS / 1000
        for case, landing in product(cases, (None, bucket)):
            home = Path(tempfile.mkdtemp(prefix="bench_bucket_"))
            try:
                for night in NIGHTS:
                    yield _night(case, server, home, night=night, bucket=landing)
            finally:
                shutil.rmtree(home)


def _night(case: Case, server: Server, home: Path, *, night: str, bucket: "Bucket | None") -> BucketUse:
    case.put(server)
    arguments = {
        "url": server.url,
        "home": str(home),
        "run_id": f"manual__{NIGHTS.index(night)}",
        "landing": asdict(bucket.connection_of(home)) if bucket else None,
    }
    environment = {**QUIET, "DLT_PROJECT_DIR": str(home), "TMPDIR": str(home)}
    stages = []
    for stage in OURS:
        asked = len(bucket.requests) if bucket else 0
        used = run_together(stage, arguments, environment=environment)
        requests = Counter(request.method for request in bucket.requests[asked:]) if bucket else {}
        seconds = max(process.work_seconds for process in used)
        stages.append(StageUse(name=stage[0].split("_")[0], seconds=seconds, requests=dict(requests)))
    told = server.told()
    warehouse = home / "warehouse.duckdb"
    return BucketUse(
        entries=case.entries,
        latency_ms=case.latency_ms,
        night=night,
        place="bucket" if bucket else "folder",
        stages=stages,
        is_right=is_right(warehouse, entries=told["entries"], edited=told["edited"]),
    )


def lines(uses: Iterable[BucketUse]) -> list[str]:
    """A table of them."""
    folders: dict[tuple[int, float, str, str], float] = {}
    rows = []
    for use in uses:
        for stage in use.stages:
            key = use.entries, use.latency_ms, use.night, stage.name
            if use.place == "folder":
                folders[key] = stage.seconds
                continue
            asked = ", ".join(f"{number} {method}" for method, number in sorted(stage.requests.items()))
            rows.append([
                f"{use.entries:,} at {use.latency_ms:g} ms, {use.night}, {stage.name}",
                f"{folders[key]:.2f}",
                f"{stage.seconds:.2f}",
                f"{stage.seconds / folders[key]:.1f}",
                str(sum(stage.requests.values())),
                asked,
                "" if use.is_right else "WRONG TABLE",
            ])  # fmt: skip
    return [
        "",
        f"The landing zone in a bucket, {LATENCY_MS:g} ms a request",
        "",
        *table(["entries, night, stage", "folder s", "bucket s", "times", "requests", "of these", ""], rows),
    ]
