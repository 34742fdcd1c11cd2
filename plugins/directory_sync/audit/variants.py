"""Tells into which column the values of a field go whose type has changed."""

from collections.abc import Collection

from directory_sync.config.form import Resource
from directory_sync.warehouse.record_fields import RecordFields
from directory_sync.warehouse.warehouse import Warehouse

_TYPES = {"string": "text", "integer": "bigint", "number": "double", "boolean": "bool"}
"""dlt's type of a JSON type."""


def where_values_go(resource: Resource, warehouse: Warehouse, field: str, types: Collection[str]) -> str:
    """Returns a sentence about the columns of a field with new types; empty where nothing is known.

    Args:
        resource: the resource.
        warehouse: open; its schema has the columns.
        field: the path of the field.
        types: its new JSON types.
    """
    schema = warehouse.schema
    fields = RecordFields.stored(schema, resource.name)
    if fields is None or resource.is_reshaped:
        return ""
    column = next(
        (name for name, paths in fields.columns.items() if field in map(".".join, paths)),
        "",
    )
    columns = schema.tables[resource.name]["columns"]
    stands = columns.get(column, {}).get("data_type")
    new = sorted({_TYPES[one] for one in types if one in _TYPES} - {stands})
    if not stands or not new:
        return ""
    beside = "`, `".join(f"{column}__v_{one}" for one in new)
    return (
        f" Values that do not fit the column `{column}` ({stands}) go to `{beside}`; "
        f"`{resource.current_view}` and `{resource.history_view}` have all of them in `{column}`."
    )
