"""What a run reads: its resource, its interval, and the shards of the directory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from directory_sync.audit.job import Run
from directory_sync.config.dlt_provider import own_dlt
from directory_sync.config.older_python import UTC
from directory_sync.errors import ConfigError
from directory_sync.extract.declared import directory_source, landing_pipeline
from directory_sync.landing.zone import answers_to_dlt
from directory_sync.sync.parts import Parts

if TYPE_CHECKING:
    from directory_sync.api.client import DirectoryClient
    from directory_sync.config.form import Resource
    from directory_sync.config.settings import SyncSettings
    from directory_sync.extract.plan import Shard
    from directory_sync.extract.progress import ReadFacts
    from directory_sync.landing.known_rate import KnownRate
    from directory_sync.landing.parents import ListedParent
    from directory_sync.landing.snapshot import LandedSnapshot


class RunReading:
    """What one run of one resource reads, and its extract stage.

    Args:
        parts: what the sync works with.
    """

    def __init__(self, parts: Parts) -> None:
        """Looks nothing up yet."""
        self._parts = parts
        self._read: list[ReadFacts] = []

    @property
    def run(self) -> Run:
        """The run."""
        return self._parts.run

    @property
    def settings(self) -> "SyncSettings":
        """The deployment's switches."""
        return self._parts.settings

    @property
    def landed(self) -> "LandedSnapshot":
        """The folder of this run's snapshot."""
        return self._parts.landed

    @cached_property
    def resource(self) -> "Resource":
        """The resource; in an interval run, with the parameters that select the interval.

        Raises:
            ConfigError: an interval run has no interval.
        """
        resource = self._parts.resource
        if not self.run.is_partial or resource.incremental is None:
            return resource
        if self.run.interval is None:
            raise ConfigError(
                "The run has no data interval: fill in `interval_start` and `interval_end`. Nothing was read."
            )
        return replace(
            resource, params={**resource.params, **resource.incremental.params(*self.run.interval)}
        )

    @property
    def parent(self) -> "Resource | None":
        """The parent of a child resource; None: the resource is one list."""
        of = self.resource.parent
        return None if of is None else next(one for one in self._parts.resources if one.name == of.name)

    @property
    def children(self) -> "tuple[Resource, ...]":
        """The resources that are read once for each entry of this one."""
        name = self._parts.resource.name
        return tuple(one for one in self._parts.resources if one.parent and one.parent.name == name)

    @property
    def parent_landed(self) -> "LandedSnapshot | None":
        """The folder of this run's snapshot of the parent; None: the resource is no child."""
        parent = self.resource.parent
        return None if parent is None else self._parts.landing.snapshot(parent.name, self.run.run_id)

    def parents(self, shard: "Shard") -> "Iterator[ListedParent]":
        """Yields the parents whose lists a shard reads, from the parent's sealed snapshot.

        Raises:
            SnapshotError: the parent was not audited in this run.
        """
        from directory_sync.landing.parents import read_parents

        landed = self.parent_landed
        assert landed is not None
        return read_parents(landed, self.resource.name, shard=shard.number, count=shard.count)

    @property
    def skip_reason(self) -> str | None:
        """Why this run's interval needs no work; None: it may need some."""
        if not self.run.is_partial:
            return None
        resource, interval = self._parts.resource, self.run.interval
        if resource.incremental is None:
            return (
                f"`{resource.name}` serves only its present state: N intervals would be N identical pulls. "
                "Mode `replay` rebuilds the past from landed snapshots."
            )
        initial = resource.incremental.initial_value
        if interval and initial and interval[1] <= initial:
            return f"`{resource.name}` has nothing from before {initial.isoformat()}."
        return None

    @property
    def reads_nothing(self) -> str | None:
        """Why this run does not read the directory; None: it reads it."""
        if not self.run.mode.reads_api:
            return f"The mode `{self.run.mode}` does not read the directory."
        return self.skip_reason

    def prepare_landing(self) -> None:
        """Makes the folder that the shards load into.

        Raises:
            ConfigError: the resource's landing folder belongs to another directory, or the run would raise a
                limit that the deployment does not allow it to raise.
        """
        from directory_sync.publish.ownership import claim_landing

        _ = self._parts.limits
        if owner := self._parts.owner:
            claim_landing(self.landed, owner)
        self.landed.prepare()

    def extract(self, shard: int | None = None) -> "list[ReadFacts]":
        """Lands shards of the directory in this process, each with a pipeline of its own.

        Args:
            shard: the number of the shard, from 0; None: all of them.

        Returns:
            The statistics of the shards that had work.
        """
        self.prepare_landing()
        # Opened before dlt may ask: to open a bucket is to resolve a configuration of dlt's.
        landed, place = self.landed, self._parts.landing.place
        shards, requests_in_flight = self.settings.shards, self.settings.requests_in_flight
        with own_dlt(answers_to_dlt(lambda: landed, lambda: place)):
            source = directory_source(self, shards=shards, requests_in_flight=requests_in_flight)
            for number in range(shards) if shard is None else (shard,):
                with task_folder() as folder:
                    pipeline = landing_pipeline(f"landing_shard_{number}", pipelines_dir=str(folder))
                    pipeline.run(source.with_resources(f"shard_{number}"), loader_file_format="parquet")
        return self._read

    def client(self, *, share_of: int = 1, number: int = 0, connections: int = 2) -> "DirectoryClient":
        """Opens an HTTP client for this run's resource, see `Parts.open_client`."""
        client = self._parts.open_client(
            self.resource, share_of=share_of, number=number, connections=connections
        )
        if not client.has_given_rate and (known := self.known_rate) is not None:
            client.begin_at(known.requests_per_second / share_of)
        return client

    @cached_property
    def known_rate(self) -> "KnownRate | None":
        """The rate at which earlier runs were let in; None: it is searched for. It is read once."""
        from directory_sync.landing.known_rate import read_known_rate

        return read_known_rate(self.landed.of_resource(), now=datetime.now(UTC))

    def divided(self, count: int) -> int:
        """Returns into how many parts the list is divided: without Airflow no shard is skipped."""
        return count

    def done(self, facts: "ReadFacts") -> None:
        """Keeps the statistics of a shard that was read."""
        self._read.append(facts)


@contextmanager
def task_folder() -> Iterator[Path]:
    """Makes a folder for one stage, and deletes it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="directory_sync_") as name:
        yield Path(name)
