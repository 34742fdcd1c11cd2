"""Compares the form's column hints with the existing columns.

dlt would accept a hint with another type without changing the column.
"""

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from directory_sync.config.form import Resource
from directory_sync.errors import ConfigError
from directory_sync.warehouse.key_columns import key_columns

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext
    from dlt.common.schema import Schema
    from dlt.common.schema.typing import TColumnSchema, TTableSchema

_PARTS = ("data_type", "precision", "scale", "timezone")


def check_hints(
    schema: "Schema",
    hinted: "TTableSchema",
    resource: Resource,
    capabilities: "DestinationCapabilitiesContext",
) -> None:
    """Refuses hints that differ from the existing columns of the table.

    Args:
        schema: dlt's schema of the warehouse.
        hinted: the resource's table as the form describes it, with normalised names.
        resource: the resource.
        capabilities: what the destination supports, with its type mapper.

    Raises:
        ConfigError: a column exists with another type, or cannot be added with its hint.
    """
    known = schema.tables.get(str(hinted["name"]))
    if known is None:
        return
    mapper: Any = capabilities.get_type_mapper()
    for name, hint in hinted["columns"].items():
        if not hint.get("data_type"):
            continue
        stands: Any = known["columns"].get(name, {})
        if not stands.get("data_type"):
            if hint.get("nullable") is False:
                raise ConfigError(
                    f"The column `{name}` of `{resource.name}` cannot be added as `nullable: False`: the "
                    "table has rows without it. Nothing was published. Leave `nullable` out of `columns`."
                )
            continue
        table: Any = {**known, **hinted}
        types = [mapper.to_destination_type(one, table) for one in (stands, {**stands, **hint})]
        if types[0] != types[1]:
            raise ConfigError(
                f"The column `{name}` of `{resource.name}` stands as {_text(stands)}; `columns` in the form "
                f"says {_text(hint)}. No column is converted, so values would be rounded or refused. "
                "Nothing was published. Take the hint back, or rename the field by a `map` in "
                "`processing_steps`."
            )


def key_hints(schema: "Schema", resource: Resource, id_type: str | None) -> "dict[str, TColumnSchema]":
    """Returns dlt's hints for the columns of the key, whose types are those of the first sync.

    Args:
        schema: dlt's schema of the warehouse.
        resource: the resource.
        id_type: the type of each field of the key, see `LandedTables.key_type`; None: texts.

    Raises:
        ConfigError: `columns` in the form gives one of them another type.
    """
    types = zip_longest(key_columns(schema, resource), (id_type or "").split(", "))
    found: dict[str, TColumnSchema] = {
        name: {"data_type": "bigint" if one == "BIGINT" else "text", "nullable": False} for name, one in types
    }
    given: Any = resource.hints.get("columns")
    for name, hint in given.items() if isinstance(given, Mapping) else ():
        wanted = found.get(schema.naming.normalize_path(name), {}).get("data_type")
        said = hint.get("data_type") if isinstance(hint, Mapping) else None
        if wanted and said not in (None, wanted):
            raise ConfigError(
                f"`columns` of `{resource.name}` says {said} for `{name}`, but the values of the key are "
                f"{wanted}. Nothing was published. Take the hint out of {resource.form_file}."
            )
    return found


def _text(column: Any) -> str:
    rest = ", ".join(f"{part} {column[part]}" for part in _PARTS[1:] if column.get(part) is not None)
    return f"{column['data_type']}{f' ({rest})' if rest else ''}"
