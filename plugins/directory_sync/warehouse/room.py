"""The limits of a warehouse: which values and how many columns it can store."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext


@dataclass(frozen=True, kw_only=True)
class Room:
    """The limits of a warehouse: which values and how many columns it can store.

    Attributes:
        capabilities: dlt's description of the destination.
        columns: the largest number of columns of a table; None: no limit that matters.
        row_bytes: the largest size of a row in bytes, without long texts stored elsewhere; None: no limit.
        takes_nul: whether texts may contain U+0000.
        adds_variants: whether the schema contract allows new columns for values of another type.
    """

    capabilities: "DestinationCapabilitiesContext"
    columns: int | None = None
    row_bytes: int | None = None
    takes_nul: bool = True
    adds_variants: bool = True
