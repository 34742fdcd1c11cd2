"""Makes the views of a resource, and the descriptions of tables, views and columns.

A view is made again only where its query has changed: its definition carries a digest of the query. The
tables are published before, and no error of the warehouse about a view fails a publication: the view stays as
it is, the log says why, and the next publication tries again.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import dlt
from dlt.common.schema.utils import get_first_column_name_with_prop, get_nested_tables
from dlt.destinations.exceptions import DatabaseException

from directory_sync.config import tables
from directory_sync.config.form import Resource
from directory_sync.warehouse.definitions import Definitions, View
from directory_sync.warehouse.destinations import Destination
from directory_sync.warehouse.dialect import literal
from directory_sync.warehouse.record_fields import RecordFields
from directory_sync.warehouse.sql import Sql, innermost

logger = logging.getLogger(__name__)

_MARK = "by_directory_sync_"
_DEPENDENT, _OTHER_COLUMNS, _NOT_OURS = "2BP01", "42P16", "42501"
"""PostgreSQL's codes: others depend on it; it has other columns; it belongs to another role."""
_STAY = {_DEPENDENT: "other views select from it", _NOT_OURS: "it belongs to another role"}
"""Why a view stays until a person acts, by PostgreSQL's code."""


class Views(Sql):
    """Makes the views and the descriptions."""

    _drops = 0
    """How often tables were found to be dropped: the views of all resources are then made anew, once."""

    def __init__(self, pipeline: dlt.Pipeline, client: Any, destination: Destination) -> None:
        """Runs no statement yet."""
        super().__init__(pipeline, client, destination)
        self._made_at: dict[str, int] = {}

    def create_views(self, resource: Resource, fields: RecordFields) -> None:
        """Makes the views of a resource from the schema as it is, and describes its tables and views.

        Args:
            resource: the resource.
            fields: which fields of the record its columns come from.
        """
        views = list(self._definitions(resource, fields))
        try:
            self._create(resource, views)
        except DatabaseException as e:
            logger.warning(
                "The views of `%s` cannot be made or described now (%s): they stay as they are. The next "
                "publication tries again",
                resource.name,
                _code(e),
            )

    def _create(self, resource: Resource, views: Sequence[View]) -> None:
        dialect = self._destination.dialect
        if dialect is None:
            for view in views:
                try:
                    self._client.execute_sql(
                        f"CREATE OR REPLACE VIEW {self._table(view.name)} AS {view.query}"
                    )
                except DatabaseException as e:
                    _warn(view.name, _code(e))
            return
        found: dict[str, str | None] = {str(name): sql for name, sql in self._in_schema(dialect.relations)}
        ours = [view for view in views if self._make(view, found, resource)]
        self._made_at[resource.name] = self._drops
        self._describe(resource, ours)

    # ---- views

    def _definitions(self, resource: Resource, fields: RecordFields) -> Iterator[View]:
        dialect = self._destination.dialect
        schema = self.pipeline.default_schema
        known: Mapping[str, Any] = schema.tables
        define = Definitions(
            resource.name,
            table=self._table,
            quoted=self._name,
            dialect=dialect,
            fields=fields,
            is_reshaped=resource.is_reshaped,
        )
        # Of an empty directory there is no table yet, and no log.
        if not known.get(resource.name, {}).get("columns") or resource.changes_table not in known:
            return
        entry, root = self._entry_column(resource), known[resource.name]["columns"]
        yield define.current(root)
        yield define.history(root, entry=entry)
        if dialect is None:
            return
        yield define.field_changes()
        for child in get_nested_tables(schema.tables, resource.name, include_self=False):
            if child.get("parent") != resource.name:
                continue
            link = get_first_column_name_with_prop(child, "root_key") or get_first_column_name_with_prop(
                child, "parent_key"
            )
            if link:
                name = str(child["name"])
                view = define.list_current(name, known[name]["columns"], link=link, entry=entry)
                yield self._named(view)
        for name in fields.lists:
            columns = known.get(name, {}).get("columns", {})
            if columns or resource.is_reshaped:
                yield self._named(define.list_history(name, columns))

    def _named(self, view: View) -> View:
        """Returns a view with a name that is not too long for the warehouse."""
        naming = self.pipeline.default_schema.naming
        name = naming.shorten_identifier(view.name, view.name, naming.max_length or 0)
        return View(name=name, table=view.table, query=view.query, comments=view.comments)

    def _make(self, view: View, found: Mapping[str, str | None], resource: Resource) -> bool:
        """Makes a view, unless it is there as it is to be; tells whether it is there."""
        is_anew = self._made_at.get(resource.name, 0) < self._drops
        digest = sha256(view.query.encode()).hexdigest()[:16]
        stands = found.get(view.name)
        if stands and f"{_MARK}{digest}" in stands and not is_anew:
            return True
        # The first releases made the history without a mark, as a view.
        is_of_first_releases = view.name == resource.history_view and stands is not None
        if view.name in found and _MARK not in (stands or "") and not is_of_first_releases:
            logger.warning(
                "`%s` was not made by this package, so it stays. Rename or drop it to get our view", view.name
            )
            return False
        body = f'AS SELECT * FROM ({view.query}) AS "{_MARK}{digest}"'
        return self._replace(self._table(view.name), body, view.name)

    def _replace(self, name: str, body: str, plain: str) -> bool:
        dialect = self._destination.dialect
        assert dialect is not None
        code = self._try(f"CREATE OR REPLACE VIEW {name} {body}")
        if code == _OTHER_COLUMNS and not dialect.replaces_any_view:
            grants = self._grants(plain)
            code = self._try(f"DROP VIEW {name}", f"CREATE VIEW {name} {body}", *grants)
        if code:
            _warn(plain, code)
        return not code

    def _try(self, *statements: str) -> str:
        """Runs statements in one transaction; returns the code or the class of an error, or nothing."""
        try:
            with self._client.begin_transaction():
                for statement in statements:
                    self._client.execute_sql(statement)
        except DatabaseException as e:
            return _code(e)
        return ""

    def _grants(self, view: str) -> list[str]:
        """Returns the statements that grant again what readers may do with a view."""
        rows = self._client.execute_sql(
            "SELECT grantee, privilege_type, max(is_grantable) FROM information_schema.role_table_grants "
            "WHERE table_schema = %s AND table_name = %s AND grantee <> current_user "
            "GROUP BY grantee, privilege_type",
            self._client.dataset_name,
            view,
        )
        return [
            f"GRANT {privilege} ON {self._table(view)} TO "
            f"{grantee if grantee == 'PUBLIC' else self._name(grantee)}"
            f"{' WITH GRANT OPTION' if is_grantable == 'YES' else ''}"
            for grantee, privilege, is_grantable in rows or ()
        ]

    # ---- descriptions

    def _describe(self, resource: Resource, views: Sequence[View]) -> None:
        """Writes the descriptions that the warehouse lacks."""
        dialect = self._destination.dialect
        assert dialect is not None
        stands = {(table, column): comment for table, column, comment in self._in_schema(dialect.comments)}
        wanted = dict(self._descriptions(resource, views))
        due = [key for key in wanted if key in stands and stands[key] != wanted[key]]
        kinds = {view.name: "VIEW" for view in views}
        # One transaction for each: another role may own one of them, such as a shared `directory_syncs`.
        statements: dict[str, list[str]] = {}
        for table, column in due:
            what, name = kinds.get(table, "TABLE"), self._table(table)
            if column is not None:
                what, name = "COLUMN", f"{name}.{self._name(column)}"
            statements.setdefault(table, []).append(
                f"COMMENT ON {what} {name} IS {literal(wanted[table, column])}"
            )
        for table, of_table in statements.items():
            if code := self._try(*of_table):
                # Nobody needs to act: its owner describes it, or nobody does.
                level = logging.INFO if code == _NOT_OURS else logging.WARNING
                logger.log(level, "`%s` cannot be described now (%s)", table, _STAY.get(code, code))

    def _descriptions(
        self, resource: Resource, views: Sequence[View]
    ) -> Iterator[tuple[tuple[str, str | None], str]]:
        described: list[tuple[str, tables.Table, Mapping[str, str]]] = [
            (view.name, view.table, view.comments) for view in views
        ]
        described += [
            (one.name.replace("<resource>", resource.name), one, {})
            for one in (tables.ENTRIES, tables.CHANGES, tables.REJECTED, tables.OF_SYNCS)
        ]
        schema = self.pipeline.default_schema.tables
        if resource.name in schema:
            children = get_nested_tables(schema, resource.name, include_self=False)
            described += [(str(child["name"]), tables.LIST, {}) for child in children]
        for name, table, more in described:
            # Other resources share the table of publications: its texts are the same for all.
            own = "<resource>" if table is tables.OF_SYNCS else resource.name
            yield (name, None), table.purpose.replace("<resource>", own)
            for column in table.columns:
                yield (name, column.name), column.purpose.replace("<resource>", own)
            for column_name, purpose in more.items():
                yield (name, column_name), purpose

    def _in_schema(self, query: str) -> list[tuple[Any, ...]]:
        values = [self._client.dataset_name] * query.count("%s")
        return [tuple(row) for row in self._client.execute_sql(query, *values) or ()]


def _code(error: DatabaseException) -> str:
    """Returns PostgreSQL's code of an error, else its class: a message may quote values."""
    return str(getattr(getattr(error, "dbapi_exception", None), "pgcode", None) or innermost(error))


def _warn(view: str, code: str) -> None:
    if code not in _STAY:
        logger.warning(
            "The view `%s` cannot be made now (%s): it stays as it is. The next publication tries again",
            view,
            code,
        )
        return
    logger.warning(
        "The view `%s` cannot be made anew (%s): it stays as it is, without new columns. Drop it, "
        "and the next run makes it; see docs/tables.md#views-of-your-own",
        view,
        _STAY[code],
    )
