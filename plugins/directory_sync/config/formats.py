"""The versions of the formats in which this package keeps its data: landed files, and tables.

A version rises when code that knows only the one before could not go on with what is written. A new column,
key or file that older code ignores raises none.
"""

from directory_sync.about import VERSION
from directory_sync.errors import ConfigError

LANDING_FORMAT = 1
"""Of the files of a snapshot; stands in its manifest. What has no version is of the first one."""

TABLE_FORMAT = 1
"""Of the tables of a resource; stands in the rows of `directory_syncs`."""


def refuse_newer(found: int | None, *, known: int, what: str) -> None:
    """Refuses data of a format that this code does not know, before anything is done with it.

    Args:
        found: the version of the data; None: it has none.
        known: the newest version that this code knows.
        what: the data, as the beginning of the message.

    Raises:
        ConfigError: a newer version of this package wrote the data.
    """
    if found is not None and found > known:
        raise ConfigError(
            f"{what} has the format {found}, and directory-sync {VERSION} knows formats up to {known}: a "
            "newer version wrote it. Nothing was published. Install that version again; see "
            "docs/upgrading.md#going-back."
        )
