"""The key of an entry in its row: each row has the key's columns, with the values that the API gave.

The audit compares entries by their keys, and dlt merges rows on the key's columns. So a step of the form must
leave these alone, and a column must hold the value itself.
"""

from collections.abc import Sequence
from typing import Any

from directory_sync.config.form import Resource
from directory_sync.config.keys import EntryId
from directory_sync.errors import ConfigError
from directory_sync.publish.outcomes import Unstorable
from directory_sync.publish.places import Places


class RowKey:
    """Checks the key's columns of rows.

    Args:
        resource: the resource.
        places: the columns of the values of its records.
        columns: the columns of the key.
    """

    def __init__(self, resource: Resource, places: Places, columns: Sequence[str]) -> None:
        """Checks that the columns exist.

        Raises:
            ConfigError: an object that holds a field of the key is kept as JSON, so it has no columns.
        """
        self._resource, self._places = resource, places
        self._columns = [places.column(places.table, name) for name in columns]
        for path in resource.key.paths:
            level = places.root
            for part in path[:-1]:
                inner = places.member(level, part).inner
                if inner is None:
                    raise ConfigError(
                        f"The object `{part}` of `{resource.name}` is kept as JSON, by `max_table_nesting` "
                        "or `columns` in the form, so no column holds the field of the key in it. Nothing "
                        f"was published. Correct {resource.form_file}."
                    )
                level = inner

    def values(self, entry_id: EntryId) -> dict[str, EntryId]:
        """Returns the values of a key by the names of its fields."""
        key = self._resource.key
        return dict(zip(key.names, key.values(entry_id), strict=True))

    def check(self, record: Any, fitted: Any, entry_id: EntryId) -> None:
        """Checks one row.

        Args:
            record: the record after the form's steps.
            fitted: the same, as the warehouse can hold it.
            entry_id: the entry's key.

        Raises:
            ConfigError: the record has another key.
            Unstorable: a column cannot hold its value of the key.
        """
        wanted = self._resource.key.values(entry_id)
        if not self._has(record, wanted):
            raise self._other_key()
        if fitted is not record and not self._has(fitted, wanted):
            raise Unstorable(self._resource.key.names[0], "does not fit the column of the key")

    def _has(self, record: Any, wanted: Sequence[EntryId]) -> bool:
        for path, column, value in zip(self._resource.key.paths, self._columns, wanted, strict=True):
            found = _at(record, path)
            if found is None and self._resource.steps:
                # A step may write the column under another name, such as `Id` as `id`.
                paths = self._places.paths(column)
                found = next((one for keys in paths if (one := _at(record, keys)) is not None), None)
            if type(found) is not type(value) or found != value:
                return False
        return True

    def _other_key(self) -> ConfigError:
        key, resource = self._resource.key, self._resource
        if resource.steps:
            names = ", ".join(f"`{column.name}`" for column in self._columns)
            return ConfigError(
                f"A step of `processing_steps` of `{resource.name}` returned another {key}, or none. The "
                f"table is merged on {names}, so each row must have it as the API gave it. Nothing was "
                f"published. Correct {resource.form_file}: copy the field, and change the copy."
            )
        return ConfigError(
            f"Entries of `{resource.name}` were read by another key than {key}. Nothing was published. Clear "
            "the run's `extract` tasks."
        )


def _at(record: Any, path: Sequence[str]) -> Any:
    for part in path:
        record = record.get(part) if isinstance(record, dict) else None
    return record
