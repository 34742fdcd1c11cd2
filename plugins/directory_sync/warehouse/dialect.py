"""What DuckDB and PostgreSQL say differently: JSON, casts that do not fail, and their catalogs.

The other warehouses get views without typed columns of the record: no test reaches them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from directory_sync.warehouse.record_fields import Path

RECORD, FIELDS, PARSED = '"record"', '"_fields"', '"_parsed"'
ITEM, INDEX = '"_item"', '"_index"'
"""Names within a view, which no reader sees."""
ZONE = r"([Zz]|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"
"""The pattern of the time zone at the end of a time."""

Read = Callable[[int], str]
"""Returns the expression of the text of the path with this number."""


def literal(text: str) -> str:
    """Returns a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def one_of(name: str, known: Mapping[str, str], *, otherwise: str) -> str:
    """Returns the expression for the value of a column, or another one where it has none of the values.

    Args:
        name: the column.
        known: the expressions, by value.
        otherwise: the expression for all other values.
    """
    if not known:
        return otherwise
    cases = " ".join(f"WHEN {literal(value)} THEN {found}" for value, found in sorted(known.items()))
    return f"CASE {name} {cases} ELSE {otherwise} END"


class Dialect(ABC):
    """One warehouse's SQL."""

    replaces_any_view: ClassVar[bool]
    """Whether CREATE OR REPLACE VIEW takes other columns than the view had."""
    relations: ClassVar[str]
    """The query of (name, definition) of all tables and views of a schema; a table has no definition."""
    comments: ClassVar[str]
    """The query of (table, column, comment) of a schema; of the table itself, the column is null."""

    @abstractmethod
    def records(self, table: str, columns: Sequence[str], paths: Sequence[Path]) -> tuple[str, Read]:
        """Returns a FROM item `v` of a table with a column `record`, and how to read paths within it.

        Args:
            table: the table, or a query in brackets.
            columns: its columns that are used, quoted.
            paths: the paths.
        """

    @abstractmethod
    def items(
        self, table: str, columns: Sequence[str], *, path: Path, paths: Sequence[Path]
    ) -> tuple[str, Read]:
        """Returns a FROM item `v` with a row for each item of a list in `record`, and how to read an item.

        Args:
            table: the table, or a query in brackets.
            columns: its columns that are used, quoted.
            path: the path of the list.
            paths: the paths within an item.
        """

    @abstractmethod
    def cast(self, text: str, column: Mapping[str, Any]) -> str:
        """Returns a text as a value of a column's type; NULL where it is none.

        Args:
            text: the expression of the text.
            column: the column in dlt's schema.
        """

    @abstractmethod
    def as_text(self, name: str, column: Mapping[str, Any]) -> str:
        """Returns a column as text: a time as in ISO 8601, in UTC, whatever zone the reader's session has.

        Args:
            name: the column, quoted.
            column: the column in dlt's schema. A time without a zone is UTC.
        """

    @abstractmethod
    def changes(self, log: str, *, dotted: Mapping[str, Path]) -> str:
        """Returns the query of the view of changed fields.

        Args:
            log: the change log.
            dotted: paths with a dot within a key, by the name of the field.
        """


def digits(column: Mapping[str, Any]) -> tuple[int, int]:
    """Returns precision and scale of a decimal column."""
    scale = column.get("scale")
    return column.get("precision") or 38, 9 if scale is None else scale
