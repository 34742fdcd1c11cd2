"""The columns of a resource's table that hold the key of its entries, as dlt names them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.errors import ConfigError

if TYPE_CHECKING:
    from dlt.common.schema import Schema


def column_of(schema: "Schema", path: Sequence[str]) -> str:
    """Returns the column that dlt gives to a field of an entry.

    Args:
        schema: dlt's schema of the warehouse, whose naming convention names the columns.
        path: the keys that lead to the field.
    """
    from dlt.common.normalizers.json import helpers

    parts = [helpers.normalize_identifier(schema, schema.naming, part) for part in path]
    return schema.naming.shorten_fragments(*parts) if len(parts) > 1 else parts[0]


def key_columns(schema: "Schema", resource: Resource) -> tuple[str, ...]:
    """Returns the columns on which dlt merges the table, in the order of the key's fields.

    Args:
        schema: dlt's schema of the warehouse, whose naming convention names the columns.
        resource: the resource.

    Raises:
        ConfigError: two fields of the key share a column, or one has the name of a column we or dlt add.
    """
    found = dict[str, str]()
    for name, path in zip(resource.key.names, resource.key.paths, strict=True):
        column = column_of(schema, path)
        ours = columns.names(columns.of_table(is_composite=resource.key.is_composite))
        if column in found:
            other = f"the column `{column}` with `{found[column]}`"
        elif column in ours or column.startswith("_dlt_"):
            other = f"the column `{column}` with one that is added to each row"
        else:
            found[column] = name
            continue
        raise ConfigError(
            f"The field `{name}` of `primary_key` of `{resource.name}` would share {other}. Nothing was "
            f"published. Choose another key in {resource.form_file}."
        )
    return tuple(found)


def entry_column(schema: "Schema", resource: Resource) -> str:
    """Returns the column that holds an entry's whole key, as the change log does in `id`.

    Args:
        schema: dlt's schema of the warehouse.
        resource: the resource.

    Raises:
        ConfigError: see `key_columns`.
    """
    found = key_columns(schema, resource)
    return columns.KEY.name if resource.key.is_composite else found[0]
