"""A deployment with groups and their members, and the stages of its runs; without Airflow."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from directory_sync.api.client import DirectoryClient
from directory_sync.audit.job import Run
from directory_sync.audit.report import AuditReport
from directory_sync.config.form import Resource, parse_form
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.mode import Mode
from directory_sync.config.settings import SyncSettings
from directory_sync.landing.place import landing_place
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.zone import Landing
from directory_sync.publish.question import Decision, land_decision
from directory_sync.sync import Sync
from directory_sync.sync.outcome import Outcome
from tests.groups_api import PAGINATORS
from tests.integration.cycle import STARTED, Cycle
from tests.postgres import PostgresServer


@dataclass
class Memberships:
    """A deployment.

    Attributes:
        url: where the API is.
        home: holds the landing zone and the warehouse.
        style: how the API pages the members.
        groups: what the form says of the groups, beyond the usual.
        members: what it says of the members.
        owners: what it says of the owners, a second child with the same lists.
        children: which children the form has.
        settings: switches.
        postgres: the server of the warehouse; None: a DuckDB file.
    """

    url: str
    home: Path
    style: str = "offset"
    groups: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)
    owners: Mapping[str, Any] = field(default_factory=dict)
    children: Sequence[str] = ("members",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    shards: int = 1
    postgres: PostgresServer | None = None

    @property
    def form(self) -> dict[str, Any]:
        return {
            "client": {"base_url": "https://api.example.com", "auth": {"type": "oauth2"}},
            "resources": [
                {
                    "name": "groups",
                    "order": "stable",
                    "endpoint": {
                        "path": "groups",
                        "data_selector": "data",
                        "paginator": PAGINATORS["offset"],
                    },
                    **self.groups,
                },
                *(
                    {
                        "name": name,
                        "include_from_parent": ["name"],
                        "endpoint": {
                            "path": "groups/{resources.groups.id}/members",
                            "data_selector": "data",
                            "paginator": PAGINATORS[self.style],
                        },
                        **getattr(self, name),
                    }
                    for name in self.children
                ),
            ],
        }

    @property
    def resources(self) -> tuple[Resource, ...]:
        return parse_form(self.form)

    @property
    def switches(self) -> SyncSettings:
        server = {"clock_tolerance_minutes": 525_600.0} if self.postgres else {}
        return SyncSettings(home=self.home, shards=self.shards, **{**server, **self.settings})

    @property
    def cycle(self) -> Cycle:
        """Opens clients and queries the warehouse."""
        return Cycle(self.url, self.home, settings=self.settings, postgres=self.postgres)

    def sync(self, name: str, run_id: str, *, mode: str = "sync") -> Sync:
        return Sync(Parts(self, name, Run(run_id=run_id, mode=Mode(mode), began_at=STARTED)))

    def landed(self, name: str, run_id: str) -> LandedSnapshot:
        return Landing(landing_place(None, self.switches)).snapshot(name, run_id)

    def read(self, run_id: str, *, mode: str = "sync") -> dict[str, Outcome]:
        """Extracts and audits both, in the order of the Dag."""
        audited = {}
        for name in ("groups", *self.children):
            sync = self.sync(name, run_id, mode=mode)
            sync.extract()
            audited[name] = sync.audit()
        return audited

    def run(self, run_id: str, *, mode: str = "sync") -> dict[str, AuditReport]:
        """A whole run."""
        self.read(run_id, mode=mode)
        return self.publish(run_id, mode=mode)

    def publish(self, run_id: str, *, mode: str = "sync") -> dict[str, AuditReport]:
        published = {}
        for name in ("groups", *self.children):
            outcome = self.sync(name, run_id, mode=mode).publish()
            assert outcome.report is not None, outcome
            published[name] = outcome.report
        return published

    def approve(self, name: str, run_id: str) -> AuditReport:
        """Approves the removals that wait, and carries them out."""
        sync = self.sync(name, run_id)
        with tempfile.TemporaryDirectory() as folder, sync.open_warehouse(Path(folder)) as warehouse:
            question = sync.ask(warehouse)
        assert question is not None
        approval = Decision(digest=question.digest, sync_id=question.sync_id, choice="approved")
        land_decision(self.landed(name, run_id), approval)
        report = self.sync(name, run_id).remove().report
        assert report is not None
        return report

    def replay(self) -> None:
        for name in ("groups", *self.children):
            self.sync(name, "replay", mode="replay").publish()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.cycle.query(sql, *values)

    @property
    def present(self) -> set[tuple[Any, Any]]:
        return set(self.query("SELECT _groups_id, id FROM members WHERE _removed_at IS NULL"))

    @property
    def present_groups(self) -> set[Any]:
        return {row[0] for row in self.query("SELECT id FROM groups WHERE _removed_at IS NULL")}

    def with_(self, **changes: Any) -> "Memberships":
        return replace(self, **changes)


class Parts:
    """What the stages of one resource's run work with."""

    raised_limits = owner = None

    def __init__(self, deployment: Memberships, name: str, run: Run) -> None:
        self._deployment, self._name, self.run = deployment, name, run
        self.resources = deployment.resources
        self.resource_names = {one.name for one in self.resources}

    @property
    def settings(self) -> SyncSettings:
        return replace(self._deployment.switches, requests_in_flight=4)

    @property
    def resource(self) -> Resource:
        return next(one for one in self.resources if one.name == self._name)

    @property
    def limits(self) -> RemovalLimits:
        return self._deployment.switches.removal_limits

    @property
    def landing(self) -> Landing:
        return Landing(landing_place(None, self._deployment.switches))

    @property
    def landed(self) -> LandedSnapshot:
        return self._deployment.landed(self._name, self.run.run_id)

    @property
    def warehouse(self) -> Any:
        return self._deployment.cycle.connection

    def open_client(
        self, resource: Resource, *, share_of: int, connections: int, number: int = 0
    ) -> DirectoryClient:
        return self._deployment.cycle.client(resource, connections=connections)
