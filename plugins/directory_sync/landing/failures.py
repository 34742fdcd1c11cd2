"""Which failures people were told of: a run tells once for each resource, a publication that it is over.

    <root>/.told/<dag>/<run>.<start>.<resource>.json        one file per run that told a failure of a resource

A run that is cleared begins anew, so it has another start and may tell again.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec

from directory_sync.config.older_python import UTC
from directory_sync.landing.damage import naming_damage
from directory_sync.landing.files import Moment
from directory_sync.landing.folder import LandedFolder
from directory_sync.landing.snapshot import folder_name


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failure that was told.

    Attributes:
        run_id: the run that failed.
        resource: the resource that it failed on.
        at: when it was told.
    """

    run_id: str
    resource: str
    at: Moment


class Failures:
    """The failures of one Dag that people were told of, and that no publication has ended yet.

    Args:
        folder: the folder of the Dag.
    """

    def __init__(self, folder: LandedFolder) -> None:
        """Does no I/O."""
        self._folder = folder

    def tell(self, *, run_id: str, began_at: datetime | None, resource: str) -> bool:
        """Records a failure; returns whether it is the first one of its resource in its run.

        Args:
            run_id: the run.
            began_at: when the run began; None: unknown.
            resource: the resource that failed.
        """
        began = f"{began_at.astimezone(UTC):%Y%m%dT%H%M%S}" if began_at else "-"
        failure = Failure(run_id=run_id, resource=resource, at=datetime.now(UTC))
        content: dict[str, Any] = {**asdict(failure), "at": failure.at.isoformat()}
        return self._folder.create_json(f"{folder_name(run_id)}.{began}.{resource}.json", content)

    def of(self, resource: str) -> dict[Failure, str]:
        """Returns the failures of a resource, each with the name of its file.

        Raises:
            SnapshotError: a file is damaged.
        """
        found = {}
        for name in self._folder.names():
            content = self._folder.read_json(name) if name.endswith(".json") else None
            if content is not None:
                with naming_damage(name):
                    found[msgspec.convert(content, Failure)] = name
        return {failure: name for failure, name in found.items() if failure.resource == resource}

    def settle(self, told: dict[Failure, str]) -> None:
        """Forgets failures that are over.

        Args:
            told: what `of` returned.
        """
        for name in told.values():
            self._folder.forget(name)
