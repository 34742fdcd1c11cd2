"""Where a publication was written: the tables with the names and types of their columns, no content."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlt.common.schema.utils import get_nested_tables

from directory_sync.config.tables import SYNCS

if TYPE_CHECKING:
    from directory_sync.config.form import Resource
    from directory_sync.warehouse.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True)
class Written:
    """The tables of a publication.

    Attributes:
        namespace: what lineage calls the warehouse, see `Destination.address`.
        database: what lineage calls its database; empty: it has none.
        dataset: the schema of the tables.
        tables: by table, dlt's types of its columns by their names.
    """

    namespace: str
    database: str
    dataset: str
    tables: Mapping[str, Mapping[str, str]]

    def path_of(self, table: str) -> list[str]:
        """Returns the names that lead to a table within the namespace."""
        return [name for name in (self.database, self.dataset, table) if name]


def written(resource: "Resource", *, warehouse: "Warehouse") -> Written:
    """Returns the tables of a resource, after a publication.

    Args:
        resource: the resource that was published.
        warehouse: open, and held by this process.
    """
    schema = warehouse.pipeline.default_schema
    nested = [table["name"] for table in get_nested_tables(schema.tables, resource.name)]
    names = [*nested, resource.changes_table, SYNCS]
    namespace, database = warehouse.address
    return Written(
        namespace=namespace,
        database=database,
        dataset=warehouse.settings.dataset,
        tables={
            name: {
                column: str(hints["data_type"])
                for column, hints in schema.tables[name]["columns"].items()
                if "data_type" in hints
            }
            for name in names
            if name in schema.tables
        },
    )
