"""The views over the change log."""

from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind
from directory_sync.warehouse.sql import Sql


class Views(Sql):
    """Creates the views."""

    def create_history_view(self, resource: Resource) -> None:
        """Creates the view of all versions: one row an entry and period, from the change rows.

        A version begins with an added, changed, reshaped or returned entry and ends with the next change
        of it, a removal included. The record is the API's JSON, so a new column changes nothing here.
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
