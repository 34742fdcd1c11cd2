"""Writes the data dictionary, docs/data-dictionary.md, from the definitions of tables and columns.

PYTHONPATH=plugins python -m directory_sync.config.dictionary > docs/data-dictionary.md
"""

from collections.abc import Iterator

from directory_sync.config.columns import Column
from directory_sync.config.tables import TABLES, Table

_TYPES = {"id": "bigint or text"}
_INTRODUCTION = """\
# Data dictionary

Made from `config/tables.py` and `config/columns.py`, as the descriptions in the warehouse are: do not edit
it. The types are dlt's; on DuckDB and PostgreSQL a `text` is `VARCHAR`, a `timestamp` is `TIMESTAMP WITH TIME
ZONE`, a `bool` is `BOOLEAN`. [The tables](tables.md) says how to use them.
"""


def data_dictionary() -> str:
    """Returns the data dictionary as Markdown."""
    return "\n".join([_INTRODUCTION, *(line for table in TABLES for line in _lines(table))])


def _lines(table: Table) -> Iterator[str]:
    yield f"## `{table.name}`\n"
    yield f"A {table.kind}: {table.purpose}.\n"
    if table.columns:
        yield "| column | type | may be null | what it holds |"
        yield "|---|---|---|---|"
        yield from map(_row, table.columns)
        yield ""
    if table.fields:
        yield f"{table.fields}\n"


def _row(column: Column) -> str:
    null = "yes" if column.is_nullable else "no"
    return f"| `{column.name}` | {_TYPES.get(column.type, column.type)} | {null} | {column.purpose} |"


if __name__ == "__main__":
    print(data_dictionary(), end="")  # noqa: T201  it is the output
