"""The Dag, run by Airflow again and again, while the directory changes before each answer.

A pull is drawn from its seed as those of `make chaos`. CHAOS_DAG_PULLS says how many there are.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest

from demo.airflow_api import DagRun
from sandbox.churn import Churn
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.chaos.conftest import SHARDS, Deployment, deployed
from tests.chaos.figures import CALM_CHURN
from tests.chaos.pulls import LIMIT, Pull

PULLS = int(os.environ.get("CHAOS_DAG_PULLS", "6"))
ENTRIES = 900
EDGE_EVERY = 4
"""Of so many pulls one has its edits where a shard ends and the next one begins."""
# What vanishes in a burst is no reason to ask a person here.
LIMITS = {"DIRECTORY_SYNC_MAX_REMOVED_SHARE": "1", "DIRECTORY_SYNC_MAX_REMOVED_COUNT": "1000000"}
TABLE = "directory.directory_resource"
PRESENT = "_removed_at IS NULL AND _missing_since IS NULL"
ANSWERS_PER_SECOND = 20
"""About as many as two shards get: an old total is given in seconds here."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a pull.

    Attributes:
        edits: how many there were between its first and its last request.
        lasted: entries that were there before the run and after it.
        missing: those of them that are not in the table, or marked as missing or removed.
        removed: entries marked as removed, although they are there.
        lingering: entries in the table that had left before the run.
        again: how often a stage was tried again.
    """

    pull: Pull
    run: DagRun
    edits: int
    lasted: set[int]
    missing: set[int]
    removed: set[int]
    lingering: set[int]
    again: Counter[str]

    @property
    def is_published(self) -> bool:
        return self.run.state == "success"


@dataclass
class Nights:
    """A deployment, the pulls it has made, and all entries there ever were."""

    deployment: Deployment
    outcomes: list[Outcome] = field(default_factory=list)
    ever: set[int] = field(default_factory=set)

    def pull(self, seed: int) -> Outcome:
        """One run of the Dag, in a directory that changes as the seed says."""
        directory, pull = self.deployment.sandbox.directory, Pull.drawn(seed)
        small, large = ENTRIES - len(directory), len(directory) - 2 * ENTRIES
        directory.edit(max(7, small), 11, remove=max(5, large), seed=seed)
        before = set(directory.ids())
        left_before = self.ever - before
        edits_before = self.edits()
        with changing(self.deployment.sandbox, pull):
            run = self.deployment.run()
        after = set(directory.ids())
        present = self.ids(PRESENT)
        self.ever |= before | after | present
        tries = self.deployment.tries(run)
        outcome = Outcome(
            pull=pull,
            run=run,
            edits=self.edits() - edits_before,
            lasted=before & after,
            missing=(before & after) - present,
            removed=self.ids("_removed_at IS NOT NULL") & after,
            lingering=present & left_before,
            again=Counter({stage: n - (SHARDS if stage == "extract" else 1) for stage, n in tries.items()}),
        )
        self.outcomes.append(outcome)
        return outcome

    def edits(self) -> int:
        """How many the directory has had while it was read."""
        stats = self.deployment.sandbox.stats
        return stats.churn_inserted + stats.churn_deleted

    def ids(self, condition: str) -> set[int]:
        return {id_ for (id_,) in self.deployment.query(f"SELECT id FROM {TABLE} WHERE {condition}")}

    def synced(self) -> set[str]:
        return {run_id for (run_id,) in self.deployment.query("SELECT run_id FROM directory.directory_syncs")}

    def errors(self, run: DagRun) -> set[str]:
        """The classes of the errors that ended tasks."""
        failed = [task.task_id for task in self.deployment.tasks(run).values() if task.state == "failed"]
        logs = [self.deployment.log(run, task_id) for task_id in failed]
        return {name for log in logs for name in re.findall(r"^(?:\w+\.)*(\w+Error): ", log, re.MULTILINE)}

    def summary(self) -> str:
        published = [outcome for outcome in self.outcomes if outcome.is_published]
        lasted, missing, lingering = (
            sum(len(getattr(outcome, name)) for outcome in published)
            for name in ("lasted", "missing", "lingering")
        )
        again = sum((+outcome.again for outcome in self.outcomes), Counter())
        of_stages = ", ".join(f"{stage} {times}" for stage, times in again.items()) or "none"
        return (
            f"{len(self.outcomes)} pulls through the Dag, {sum(o.edits for o in self.outcomes):,} edits: "
            f"{missing:,} of {lasted:,} entries that lasted are missing, "
            f"{sum(len(o.removed) for o in self.outcomes):,} marked as removed are there, {lingering:,} "
            "published had left before; "
            f"{len(self.outcomes) - len(published)} runs failed; tried again: {of_stages}."
        )


@contextmanager
def changing(sandbox: SandboxServer, pull: Pull) -> Iterator[None]:
    """Lets the directory change before each answer as a pull says.

    Its page cap moves after so many answers; of some pulls the edits are made at the edges of shards.
    """
    settings = sandbox.configure(
        churn_per_request=pull.churn,
        churn_kind=pull.kind,
        churn_where=pull.where,
        churn_burst_size=pull.burst,
        churn_seed=pull.seed,
        total="stale" if pull.total == "late" else pull.total,
        total_lag_seconds=pull.lag / ANSWERS_PER_SECOND,
        empty_page_rate=pull.empty,
        fault_seed=pull.seed,
        sort=pull.sort,
    )
    edge, edits = settings.changed({"churn_where": "boundary"}), Churn(pull.seed)
    is_at_edges = pull.seed % EDGE_EVERY == EDGE_EVERY - 1
    if is_at_edges:
        sandbox.configure(churn_per_request=0.0)
    routes = sandbox._server.config.app.router.routes
    route = next(r for r in routes if getattr(r, "path", "") == "/v1/directory")
    usual, answers = route.app, count()

    async def answer(scope, receive, send):
        cap = pull.caps[next(answers) // pull.cap_answers % len(pull.caps)]
        if cap != sandbox.settings.page_cap:
            sandbox.configure(page_cap=cap)
        if is_at_edges:
            begin_of_second = len(sandbox.directory) // SHARDS
            made = edits.apply(sandbox.directory, edge, offset=begin_of_second, sort=pull.sort)
            sandbox.stats.churn_inserted += made.inserted
            sandbox.stats.churn_deleted += made.deleted
        await usual(scope, receive, send)

    route.app = answer
    try:
        yield
    finally:
        route.app = usual
        sandbox.configure(churn_per_request=0.0, page_cap=LIMIT, total="present", empty_page_rate=0.0)


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> Iterator[Nights]:
    with (
        SandboxServer(Settings(entries=ENTRIES, latency_ms=5)) as sandbox,
        deployed(tmp_path_factory.mktemp("churn"), sandbox, LIMITS) as deployment,
    ):
        # The scheduler's own first run, with nothing to compare with.
        assert deployment.run().state == "success"
        yield Nights(deployment, ever=set(sandbox.directory.ids()))


@pytest.mark.parametrize("seed", range(PULLS))
def test_a_pull_publishes_what_lasted_and_removes_nothing_that_is_there(nights: Nights, seed: int) -> None:
    outcome = nights.pull(seed)
    assert outcome.removed == set()
    if outcome.is_published:
        assert (outcome.missing, outcome.lingering) == (set(), set())
        assert outcome.run.run_id in nights.synced()
    else:
        # Given up because the list moved too much to be proven, and for nothing else.
        assert outcome.pull.churn > CALM_CHURN
        assert nights.errors(outcome.run) == {"SnapshotError"}
        assert outcome.run.run_id not in nights.synced()


def test_a_quiet_run_afterwards_publishes_exactly_the_directory(nights: Nights) -> None:
    run = nights.deployment.run()
    assert run.state == "success"
    there = set(nights.deployment.sandbox.directory.ids())
    assert nights.ids(PRESENT) == nights.ids("_removed_at IS NULL") == there


def test_most_pulls_are_published(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{nights.summary()}")
    assert len(nights.outcomes) == PULLS
    assert sum(outcome.is_published for outcome in nights.outcomes) > PULLS // 2
