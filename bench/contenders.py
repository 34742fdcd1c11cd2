"""Who is measured: stages of processes, and whether the table that they leave is right."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from bench import peers
from bench.floor import LIMIT
from bench.measure import Used, run_together
from bench.peers import PEERS
from bench.server import EDITED, Server

SHARDS = 4
OURS = (tuple(f"extract_{number}" for number in range(SHARDS)), ("audit",), ("publish",))
QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false"}
CHANGED_SHARE = 0.01
TITLES = {
    "defaults": "the seed's configuration, dlt's defaults",
    "tuned": "the same, tuned by hand",
    "ranges": "tuned, 8 ranges at once",
    "first": "ours, first load",
    "unchanged": "ours, nothing changed",
    "changed": "ours, 1 % changed",
    "first_preloaded": "ours, preloaded, first load",
    "unchanged_preloaded": "ours, preloaded, nothing changed",
    "changed_preloaded": "ours, preloaded, 1 % changed",
    "airbyte": "Airbyte's CDK, a plain insert",
    "singer": "Singer's SDK, target-duckdb",
    "floor": "floor: asyncio, one bulk insert",
}
NIGHTS = ("first", "unchanged", "changed")
PRELOADED = "preloaded"
"""Ours in an Airflow with `DIRECTORY_SYNC_PRELOAD`, and nowhere else."""
WITHOUT_AIRFLOW = (*PEERS, "floor")
"""What Airflow does not run: the floor has nothing for it, the peers do not fit into its environment."""
SLOW = ("defaults", "tuned", *PEERS)
"""What reads page by page."""
LONG_SECONDS = 100.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run of one contender.

    Attributes:
        contender: which.
        seconds: from the start of its first process to the end of its last; under Airflow, from the trigger
            of the run to its end.
        work_seconds: without starting processes and their imports; under Airflow, while a task ran.
        waits: under Airflow, the seconds in which no task ran, by what was waited for.
        requests: pages and tokens it asked for.
        server_cpu_seconds: what the API took meanwhile of the same machine.
        airflow_cpu_seconds: what Airflow's own services took.
        warehouse: where the table is.
        is_right: whether the table holds what the API does.
        stages: its processes, stage by stage.
    """

    contender: str
    entries: int
    latency_ms: float
    airflow: bool = False
    seconds: float
    work_seconds: float
    cpu_seconds: float
    peak_mb: float
    requests: int
    refused: int
    server_cpu_seconds: float
    airflow_cpu_seconds: float = 0.0
    waits: dict[str, float] = field(default_factory=dict)
    warehouse: str = "DuckDB"
    is_right: bool
    stages: list[list[Used]]

    @property
    def wait_seconds(self) -> float:
        """The sum of its waits."""
        return sum(self.waits.values())


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is read."""

    entries: int
    latency_ms: float

    def is_long(self, contender: str) -> bool:
        """Tells whether a contender waits so long for its pages that one run of it has to do."""
        return contender in SLOW and self.entries / LIMIT * self.latency_ms / 1000 >= LONG_SECONDS

    def put(self, server: Server, *, changed: bool = False) -> float:
        """Sets the API up; returns the processor time it has used until now."""
        told = server.put(
            entries=self.entries,
            latency_ms=self.latency_ms,
            changed_share=CHANGED_SHARE if changed else 0.0,
        )
        return float(told["cpu_seconds"])


def run(contender: str, case: Case, server: Server) -> Iterator[Result]:
    """Runs a contender in an empty folder; ours three times: first, unchanged, changed."""
    home = Path(tempfile.mkdtemp(prefix="bench_"))
    try:
        if contender == "ours":
            for number, name in enumerate(NIGHTS):
                yield _measure(name, OURS, case, server, home=home, run_id=f"manual__{number}")
        else:
            yield _measure(contender, ((contender,),), case, server, home=home)
    finally:
        shutil.rmtree(home)


def _measure(
    name: str,
    stages: tuple[tuple[str, ...], ...],
    case: Case,
    server: Server,
    *,
    home: Path,
    run_id: str = "",
) -> Result:
    # No folder of settings: the others have dlt's defaults.
    environment = {**QUIET, "DLT_PROJECT_DIR": str(home), "TMPDIR": str(home)}
    arguments = {"url": server.url, "home": str(home), "run_id": run_id, "entries": case.entries}
    cpu_before = case.put(server, changed=name == "changed")
    if name in PEERS:
        used = [[peers.run(name, server.url, home)]]
    else:
        used = [run_together(stage, arguments, environment=environment) for stage in stages]
    told = server.told()
    every = [process for stage in used for process in stage]
    return Result(
        contender=name,
        entries=case.entries,
        latency_ms=case.latency_ms,
        seconds=sum(max(process.seconds for process in stage) for stage in used),
        work_seconds=sum(max(process.work_seconds for process in stage) for stage in used),
        cpu_seconds=sum(process.cpu_seconds for process in every),
        peak_mb=max(process.peak_mb for process in every),
        requests=told["pages"] + told["refused"] + told["tokens"],
        refused=told["refused"],
        server_cpu_seconds=told["cpu_seconds"] - cpu_before,
        is_right=is_right(home / "warehouse.duckdb", entries=told["entries"], edited=told["edited"]),
        stages=used,
    )


def is_right(warehouse: Path, *, entries: int, edited: int) -> bool:
    """Tells whether the table holds every entry once, and the edits."""
    sql = (
        "SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE ends_with(name, ?)) "
        "FROM directory.directory_resource"
    )
    with duckdb.connect(warehouse, read_only=True) as database:
        return database.execute(sql, [EDITED]).fetchone() == (entries, entries, edited)
