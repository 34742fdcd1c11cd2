"""Whose a table and a landing folder are: two directories under one name would overwrite each other.

A directory is known by its connection and its Dag: `partners_api/partners_sync`. The landing folder of a
resource says whose it is before anything is read, and each publication says so in `directory_syncs`. Two Dag
files are parsed apart from each other, so what they would share is seen when they run; within one process, at
parse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from directory_sync.errors import ConfigError
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.warehouse.warehouse import Warehouse

OWNER = "directory.json"
"""Whose landing folder of a resource it is."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One directory, by its connection and its Dag.

    Attributes:
        formerly: what it was called before; its tables and folders are taken over.
    """

    name: str
    formerly: Sequence[str] = ()

    def claim(self, found: str | None, *, what: str) -> None:
        """Refuses what belongs to another directory.

        Args:
            found: whose it is; None: nobody's mark.
            what: it is, for people.

        Raises:
            ConfigError: it is another directory's.
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
    """Marks the landing folder of a resource as a directory's, before anything is read into it.

    Raises:
        ConfigError: it is another directory's.
    """
    folder = landed.of_resource()
    found = owner_of(folder)
    owner.claim(found, what=f"The landing folder {folder.path}")
    if found != owner.name:
        folder.write_json(OWNER, {"directory": owner.name})


def owner_of(folder: LandedSnapshot) -> str | None:
    """Whose a resource's landing folder is; None: nobody's mark."""
    directory = (folder.read_json(OWNER) or {}).get("directory")
    return directory if isinstance(directory, str) else None


def claim_table(resource: str, owner: Owner, *, warehouse: Warehouse) -> None:
    """Makes sure that the tables of a resource are a directory's, before anything is written.

    Raises:
        ConfigError: the last publication is another directory's.
    """
    last = warehouse.last_sync(resource)
    owner.claim(last.directory if last else None, what=f"The table `{resource}`")
