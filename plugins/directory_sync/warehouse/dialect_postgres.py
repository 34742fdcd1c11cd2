"""The views' SQL in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from directory_sync.warehouse.dialect import INDEX, ITEM, PARSED, ZONE, Dialect, Read, digits, literal, one_of
from directory_sync.warehouse.record_fields import Path

_FRACTION = r"(\.[0-9]{1,200})?"
"""Bounded: `double precision` refuses a number that is too near to zero, and `numeric` 16,384 digits."""
_WHOLE = r"^-?[0-9]{1,19}(\.0{1,200})?$"
_NUMBER = rf"^-?[0-9]{{1,200}}{_FRACTION}([eE][+-]?[0-9]{{1,2}})?$"
_DAY = (
    r"(?!0000)[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP_DAY = r"([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29"
_CLOCK = r"[ Tt]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,12})?)?"
_DATE = f"({_DAY}|{_LEAP_DAY})"


class Postgres(Dialect):
    """PostgreSQL. OFFSET 0 keeps the planner from parsing a record once for each column."""

    replaces_any_view = False
    relations = (
        "SELECT c.relname, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relkind IN ('r', 'v', 'm', 'p', 'f')"
    )
    comments = (
        "SELECT c.relname, a.attname, col_description(c.oid, a.attnum) FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid "
        "WHERE n.nspname = %s AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped "
        "UNION ALL SELECT c.relname, NULL, obj_description(c.oid, 'pg_class') FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind IN ('r', 'v')"
    )

    def records(
        self,
        table: str,
        columns: Sequence[str],  # noqa: ARG002  no row is copied
        paths: Sequence[Path],
    ) -> tuple[str, Read]:
        """See `Dialect`."""
        if not paths:
            return f"{table} AS v", str
        source = f"{table} AS v CROSS JOIN LATERAL (SELECT {_parsed('v')} AS {PARSED} OFFSET 0) AS p"
        return source, lambda number: f"p.{PARSED} #>> {_keys(paths[number])}"

    def items(
        self, table: str, columns: Sequence[str], *, path: Path, paths: Sequence[Path]
    ) -> tuple[str, Read]:
        """See `Dialect`."""
        listed = f"{_parsed('l')} #> {_keys(path)}"
        source = (
            f"(SELECT {', '.join(f'l.{name}' for name in columns)}, i.{ITEM}, i.{INDEX} - 1 AS {INDEX} "
            f"FROM {table} AS l CROSS JOIN LATERAL (SELECT {listed} AS {PARSED} OFFSET 0) AS p "
            f"CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(p.{PARSED}) = 'array' "
            f"THEN p.{PARSED} ELSE '[]'::jsonb END) WITH ORDINALITY AS i({ITEM}, {INDEX})) AS v"
        )

        def read(number: int) -> str:
            if paths[number]:
                return f"v.{ITEM} #>> {_keys(paths[number])}"
            return (
                f"CASE WHEN jsonb_typeof(v.{ITEM}) NOT IN ('object', 'array') "
                f"THEN v.{ITEM} #>> {_keys(())} END"
            )

        return source, read

    def cast(self, text: str, column: Mapping[str, Any]) -> str:
        """See `Dialect`."""
        text = f"({text})"
        data_type = column.get("data_type", "text")
        if data_type == "timestamp":
            return _moment(text, is_zoned=column.get("timezone") is not False)
        if data_type == "decimal":
            precision, scale = digits(column)
            whole = rf"^-?[0-9]{{1,{max(precision - scale - 1, 1)}}}{_FRACTION}$"
            return f"CASE WHEN {text} ~ {literal(whole)} THEN {text}::numeric({precision}, {scale}) END"
        exact = f"{text}::numeric BETWEEN -9223372036854775808 AND 9223372036854775807"
        casts = {
            "bigint": f"CASE WHEN {text} ~ {literal(_WHOLE)} "
            f"THEN CASE WHEN {exact} THEN {text}::numeric::bigint END END",
            "double": f"CASE WHEN {text} ~ {literal(_NUMBER)} THEN {text}::double precision END",
            "bool": f"CASE {text} WHEN 'true' THEN true WHEN 'false' THEN false END",
            "date": f"CASE WHEN {text} ~ {literal(f'^{_DATE}$')} THEN {text}::date END",
        }
        return casts.get(data_type, text)

    def as_text(self, name: str, column: Mapping[str, Any]) -> str:
        """See `Dialect`."""
        if column.get("data_type") == "timestamp":
            is_naive = column.get("timezone") is False
            in_utc = name if is_naive else f"{name}::timestamptz AT TIME ZONE 'UTC'"
            return f'to_char({in_utc}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'
        return f"{name}::text"

    def changes(self, log: str, *, dotted: Mapping[str, Path]) -> str:
        """See `Dialect`."""
        known = {name: _keys(path) for name, path in dotted.items()}
        keys = "regexp_replace(f.name, '[.]?[*].*$', '')"
        path = one_of("f.name", known, otherwise=f"string_to_array(nullif({keys}, ''), '.')")
        earlier = '(b."snapshot_at", b."sync_id") < (c."snapshot_at", c."sync_id")'
        return (
            'SELECT c."id", f.name AS "field", o.parsed #>> f.path AS "old", n.parsed #>> f.path AS "new", '
            f'c."kind", c."snapshot_at", c."sync_id" FROM {log} AS c '
            f"CROSS JOIN LATERAL (SELECT {_parsed('c')} AS parsed OFFSET 0) AS n "
            f'LEFT JOIN LATERAL (SELECT {_parsed("b")} AS parsed FROM {log} AS b WHERE b."id" = c."id" '
            f'AND {earlier} ORDER BY b."snapshot_at" DESC, b."sync_id" DESC LIMIT 1) AS o ON true '
            f"CROSS JOIN LATERAL (SELECT f.name, {path} AS path FROM "
            'jsonb_array_elements_text(c."changed_fields"::jsonb) AS f(name)) AS f '
            'WHERE c."changed_fields" IS NOT NULL'
        )


def _keys(path: Path) -> str:
    return f"ARRAY[{', '.join(literal(key) for key in path)}]::text[]" if path else "'{}'::text[]"


def _parsed(table: str) -> str:
    """Returns the record of a row as jsonb, which cannot hold U+0000: it is left out, as in the table."""
    record = f'{table}."record"'
    bare = rf"regexp_replace({record}, '(?<!\\)((?:\\\\)*)\\u0000', '\1', 'g')"
    return f"(CASE WHEN strpos({record}, '\\u0000') > 0 THEN {bare} ELSE {record} END)::jsonb"


def _moment(text: str, *, is_zoned: bool) -> str:
    zoned, plain = literal(f"^{_DATE}{_CLOCK}{ZONE}$"), literal(f"^{_DATE}({_CLOCK})?$")
    moment = (
        f"CASE WHEN {text} ~ {zoned} THEN {text}::timestamptz "
        f"WHEN {text} ~ {plain} THEN {text}::timestamp AT TIME ZONE 'UTC' END"
    )
    return moment if is_zoned else f"(({moment}) AT TIME ZONE 'UTC')"
