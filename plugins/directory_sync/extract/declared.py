"""Declares stage 1 for dlt: the pipeline that lands, and the source with one resource per shard.

Each parse of the Dag file does this; what reads (`stage.py`) is imported in the task.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dlt
from dlt.destinations import filesystem
from dlt.destinations.impl.filesystem.configuration import FilesystemDestinationClientConfiguration

from directory_sync.landing.tables import DATASET, ENTRIES, LAYOUT

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext
    from dlt.common.normalizers.naming import NamingConvention
    from dlt.extract import DltResource
    from dlt.pipeline.pipeline import Pipeline

    from directory_sync.extract.stage import Reading

SCHEMA_NAME = "directory"


class LandingDestination(filesystem):
    """dlt's destination `filesystem`, for a place whose capabilities do not depend on its configuration.

    dlt resolves the configuration anew for each look at them: several times while a pipeline is declared,
    and in each step of a run. They differ for Hugging Face alone, where nothing is landed.
    """

    @property
    def destination_type(self) -> str:
        """The name that dlt keeps in its state, and makes the section of the configuration from."""
        return "dlt.destinations.filesystem"

    def capabilities(
        self,
        config: FilesystemDestinationClientConfiguration | None = None,
        naming: "NamingConvention | None" = None,
    ) -> "DestinationCapabilitiesContext":
        """Returns the capabilities, see dlt's `Destination.capabilities`.

        Args:
            config: the resolved configuration; None: none is resolved for it.
            naming: the naming convention of the schema.
        """
        anywhere = FilesystemDestinationClientConfiguration(bucket_url="file:///")
        return super().capabilities(config or anywhere, naming)

    def _resolve_bucket_url(self, destination_name: str | None) -> None:
        """Looks nothing up: dlt asks for the URL here only to see whether it is Hugging Face's."""


def landing_pipeline(name: str, *, pipelines_dir: str | None = None) -> "Pipeline":
    """Declares the pipeline that lands shards; where to is looked up when it runs, see `answers_to_dlt`.

    Args:
        name: the name of the pipeline.
        pipelines_dir: dlt's working folder; None: dlt's own choice.
    """
    return dlt.pipeline(
        name,
        pipelines_dir=pipelines_dir,  # type: ignore[arg-type]  # None is its own default
        destination=LandingDestination(layout=LAYOUT),
        dataset_name=DATASET,
    )


@dlt.resource(table_name=ENTRIES, write_disposition="append")
def shard(number: int, count: int, requests_in_flight: int, reading: "Reading") -> Iterator[Any]:
    """Yields what `stage.read_shard` does, for the shard of this number among so many at most."""
    from directory_sync.extract.plan import Shard
    from directory_sync.extract.stage import read_shard

    yield from read_shard(Shard(number=number, count=reading.divided(count)), requests_in_flight, reading)


@dlt.source(name=SCHEMA_NAME)
def directory_source(reading: "Reading", *, shards: int, requests_in_flight: int) -> list["DltResource"]:
    """Declares one dlt resource per shard; does no I/O.

    Args:
        reading: gives the shards their resource and their client.
        shards: the number of shards.
        requests_in_flight: how many requests of a shard may wait for their answers at once.
    """
    return [
        shard.with_name(f"shard_{number}")(number, shards, requests_in_flight, reading)
        for number in range(shards)
    ]
