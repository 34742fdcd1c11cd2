"""The views over the change log."""

from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind
from directory_sync.warehouse.sql import Sql


class Views(Sql):
    """Creates the views."""

    def create_history_view(self, resource: Resource) -> None:
        """Creates the history view from the change rows: SCD type 2, one row per version of an entry.

        A version begins with a change row of the kind added, changed, reshaped or returned. It ends with the
        entry's next change row, which may be a removal. The view has the record as JSON, so it does not
        depend on the columns of the table.
        """
        name, view = self._name, self._table(resource.history_view)
        period = f"PARTITION BY {name('id')} ORDER BY {name('snapshot_at')}, {name('sync_id')}"
        end = f"lead({name('snapshot_at')}) OVER ({period})"
        selected = ", ".join(
            f"{end if one.name == 'valid_to' else name(one.taken_from)} AS {name(one.name)}"
            for one in columns.HISTORY
        )
        body = (
            f"SELECT {selected} FROM {self._table(resource.changes_table)} "
            f"WHERE {name('kind')} <> '{Kind.MISSING}'"
        )
        self._execute(
            f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM ({body}) AS versions "
            f"WHERE {name('kind')} <> '{Kind.REMOVED}'"
        )
