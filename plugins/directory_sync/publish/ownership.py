"""Marks tables and landing folders as one directory's: two directories must not overwrite each other.

A directory is identified by its connection and its Dag: `partners_api/partners_sync`. The landing folder of a
resource is marked before anything is read, and each publication is marked in `directory_syncs`. Two Dag files
are parsed separately, so a shared name is found when they run. Within one process it is found at parse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from directory_sync.errors import ConfigError
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.warehouse.warehouse import Warehouse

OWNER = "directory.json"
"""The file that says which directory a resource's landing folder belongs to."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One directory, by its connection and its Dag.

    Attributes:
        name: its connection and its Dag, joined by a slash.
        formerly: former names; tables and folders marked with them are taken over.
    """

    name: str
    formerly: Sequence[str] = ()

    def claim(self, found: str | None, *, what: str) -> None:
        """Refuses a table or a folder that belongs to another directory.

        Args:
            found: the directory in its mark; None: it has no mark.
            what: the table or folder, as the message calls it.

        Raises:
            ConfigError: it belongs to another directory.
        """
        if found is None or found == self.name or found in self.formerly:
            return
        raise ConfigError(
            f"{what} belongs to the directory `{found}`, and this one is `{self.name}` (connection/Dag): "
            "they would overwrite each other. Nothing was read or published. Give one of them a dataset or a "
            "resource name of its own. If this one was renamed, say "
            f'formerly=["{found}"] of its `Directory` in the Dag file until it has published once; see '
            "docs/runbook.md#two-directories-with-one-name."
        )


def claim_landing(landed: LandedSnapshot, owner: Owner) -> None:
    """Marks the landing folder of a resource as this directory's, before anything is read into it.

    Args:
        landed: any folder of the resource's runs.
        owner: this directory.

    Raises:
        ConfigError: it belongs to another directory.
    """
    folder = landed.of_resource()
    found = owner_of(folder)
    owner.claim(found, what=f"The landing folder {folder.path}")
    if found != owner.name:
        folder.write_json(OWNER, {"directory": owner.name})


def owner_of(folder: LandedSnapshot) -> str | None:
    """Returns the directory that a resource's landing folder belongs to; None: it has no mark."""
    directory = (folder.read_json(OWNER) or {}).get("directory")
    return directory if isinstance(directory, str) else None


def claim_table(resource: str, owner: Owner, *, warehouse: Warehouse) -> None:
    """Checks that the tables of a resource are this directory's, before anything is written.

    Args:
        resource: the name of the resource.
        owner: this directory.
        warehouse: open, and held by this process.

    Raises:
        ConfigError: the last publication belongs to another directory.
    """
    last = warehouse.last_sync(resource)
    owner.claim(last.directory if last else None, what=f"The table `{resource}`")
