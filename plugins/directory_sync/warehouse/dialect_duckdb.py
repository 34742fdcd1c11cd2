"""The views' SQL in DuckDB."""

from collections.abc import Mapping, Sequence
from typing import Any

from directory_sync.warehouse.dialect import (
    FIELDS,
    INDEX,
    ITEM,
    RECORD,
    ZONE,
    Dialect,
    Read,
    digits,
    literal,
    one_of,
)
from directory_sync.warehouse.record_fields import Path


class DuckDB(Dialect):
    """DuckDB. A record is parsed once for all of its paths."""

    replaces_any_view = True
    relations = (
        "SELECT view_name, sql FROM duckdb_views() "
        "WHERE schema_name = %s AND database_name = current_database() "
        "UNION ALL SELECT table_name, NULL FROM duckdb_tables() "
        "WHERE schema_name = %s AND database_name = current_database()"
    )
    comments = (
        "SELECT table_name, NULL, comment FROM duckdb_tables() "
        "WHERE schema_name = %s AND database_name = current_database() "
        "UNION ALL SELECT view_name, NULL, comment FROM duckdb_views() "
        "WHERE schema_name = %s AND database_name = current_database() "
        "UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns() "
        "WHERE schema_name = %s AND database_name = current_database()"
    )

    def records(self, table: str, columns: Sequence[str], paths: Sequence[Path]) -> tuple[str, Read]:
        """See `Dialect`."""
        fields = f", {_extracted(RECORD, paths)} AS {FIELDS}" if paths else ""
        return f"(SELECT {', '.join(columns)}{fields} FROM {table}) AS v", _nth

    def items(
        self, table: str, columns: Sequence[str], *, path: Path, paths: Sequence[Path]
    ) -> tuple[str, Read]:
        """See `Dialect`."""
        names = ", ".join(columns)
        listed = f'TRY_CAST(json_extract("record", {literal(_pointer(path))}) AS JSON[])'
        source = (
            f"(SELECT {names}, {INDEX}, {_extracted(ITEM, paths)} AS {FIELDS}, json_type({ITEM}) AS {ITEM} "
            f"FROM (SELECT {names}, unnest({ITEM}) AS {ITEM}, unnest(range(len({ITEM}))) AS {INDEX} "
            f"FROM (SELECT {names}, {listed} AS {ITEM} FROM {table}) AS lists) AS items) AS v"
        )

        def read(number: int) -> str:
            if paths[number]:
                return _nth(number)
            return f"CASE WHEN v.{ITEM} NOT IN ('OBJECT', 'ARRAY') THEN {_nth(number)} END"

        return source, read

    def cast(self, text: str, column: Mapping[str, Any]) -> str:
        """See `Dialect`."""
        data_type = column.get("data_type", "text")
        types = {"bigint": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN", "date": "DATE"}
        if data_type in types:
            return f"TRY_CAST({text} AS {types[data_type]})"
        if data_type == "decimal":
            return f"TRY_CAST({text} AS DECIMAL{digits(column)})"
        if data_type == "timestamp":
            plain = f"TRY_CAST({text} AS TIMESTAMP)"
            zoned = f"regexp_matches({text}, {literal(f'{ZONE}$')})"
            moment = (
                f"CASE WHEN {zoned} THEN TRY_CAST({text} AS TIMESTAMPTZ) ELSE {plain} AT TIME ZONE 'UTC' END"
            )
            return moment if column.get("timezone") is not False else f"(({moment}) AT TIME ZONE 'UTC')"
        return text

    def as_text(self, name: str, column: Mapping[str, Any]) -> str:
        """See `Dialect`."""
        if column.get("data_type") == "timestamp":
            is_naive = column.get("timezone") is False
            in_utc = name if is_naive else f"CAST({name} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
            return f"strftime({in_utc}, '%Y-%m-%dT%H:%M:%S.%fZ')"
        return f"CAST({name} AS VARCHAR)"

    def changes(self, log: str, *, dotted: Mapping[str, Path]) -> str:
        """See `Dialect`."""
        known = {name: literal(_pointer(path)) for name, path in dotted.items()}
        keys = """regexp_replace("field", '[.]?[*].*$', '')"""
        split = f"replace(replace({keys}, '/', '~1'), '.', '/')"
        pointer = one_of('"field"', known, otherwise=f"nullif('/' || {split}, '/')")
        order = 'PARTITION BY "id" ORDER BY "snapshot_at", "sync_id"'
        return (
            'SELECT c."id", c."field", json_extract_string(b."record", c."pointer") AS "old", '
            'json_extract_string(c."record", c."pointer") AS "new", c."kind", c."snapshot_at", c."sync_id" '
            f'FROM (SELECT *, {pointer} AS "pointer" FROM (SELECT "id", "kind", "snapshot_at", "sync_id", '
            """"record", unnest(from_json("changed_fields", '["VARCHAR"]')) AS "field" """
            f'FROM {log} WHERE "changed_fields" IS NOT NULL) AS fields) AS c '
            'JOIN (SELECT "id", "sync_id", '
            f'lag("sync_id") OVER ({order}) AS "before" FROM {log}) AS s '
            'ON s."id" = c."id" AND s."sync_id" = c."sync_id" '
            f'LEFT JOIN {log} AS b ON b."id" = s."id" AND b."sync_id" = s."before"'
        )


def _nth(number: int) -> str:
    return f"v.{FIELDS}[{number + 1}]"


def _extracted(source: str, paths: Sequence[Path]) -> str:
    """Returns the texts at paths as a list."""
    return f"json_extract_string({source}, [{', '.join(literal(_pointer(path)) for path in paths)}])"


def _pointer(path: Path) -> str:
    """Returns a path as a JSON pointer; the whole value as `$`, since DuckDB takes no empty pointer."""
    keys = (key.replace("~", "~0").replace("/", "~1") for key in path)
    return "".join(f"/{key}" for key in keys) or "$"
