"""What a warehouse has room for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a warehouse has room for.

    Attributes:
        capabilities: dlt's of the destination.
        columns: of a table; None: more than anyone brings.
        row_bytes: of a row without what is stored beside it; None: any.
        takes_nul: its texts may hold U+0000.
        adds_variants: a contract does not forbid new columns for values of another type.
    """

    capabilities: "DestinationCapabilitiesContext"
    columns: int | None = None
    row_bytes: int | None = None
    takes_nul: bool = True
    adds_variants: bool = True
