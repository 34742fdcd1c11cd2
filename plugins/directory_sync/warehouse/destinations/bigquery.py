"""BigQuery: mapped from a Google Cloud connection as Airflow's own provider reads it."""

import json
from typing import TYPE_CHECKING, Any

import dlt

from directory_sync.config.google_key import service_account
from directory_sync.warehouse.destinations.mapped import MappedWarehouse

if TYPE_CHECKING:
    from dlt.common.configuration.specs import GcpServiceAccountCredentials

KNOWN = ("key_path", "keyfile_dict", "location", "num_retries", "project")
"""`num_retries` is in each connection that the form made; dlt has retries of its own."""


class BigQuery(MappedWarehouse):
    """An extra with project, location and a service account's key; without one, the machine's own account."""

    conn_type = "google_cloud_platform"
    client_module, extra_of_dlt = "google.cloud.bigquery", "bigquery"
    # dlt refuses to load `json` columns from Parquet.
    file_format = "jsonl"
    # Of deletes and inserts, the first would be seen before the last is there.
    merge_strategy = "upsert"
    # dlt begins a transaction only where no word of a merge looks like DDL, and `created_at` does.
    is_transactional = False
    # https://cloud.google.com/bigquery/quotas#table_limits
    max_columns = 10_000

    def destination(self) -> Any:
        """Returns dlt's destination."""
        extra = self.known_extra(KNOWN)
        if "location" not in extra:
            raise self._refusal(
                f"`location` in the extra of {self._where} is empty; without it, dlt would put the tables "
                "into the US"
            )
        credentials = self.credentials
        if not credentials.private_key:
            # Asks Google's libraries, as dlt does later.
            credentials.on_partial()
            if not credentials.has_default_credentials():
                raise self._refusal(
                    f"{self._where.capitalize()} has neither `key_path` nor `keyfile_dict`, and this machine "
                    "has no account of its own (Application Default Credentials)"
                )
        return dlt.destinations.bigquery(
            credentials, location=extra["location"], project_id=extra.get("project")
        )

    @property
    def credentials(self) -> "GcpServiceAccountCredentials":
        """The service account; without a key it is still to be found."""
        from dlt.common.configuration.specs import GcpServiceAccountCredentials

        extra = self.known_extra(KNOWN)
        credentials = GcpServiceAccountCredentials()
        key = service_account(extra, refusal=lambda what: self._refusal(f"{self._where.capitalize()} {what}"))
        if key:
            credentials.parse_native_representation(json.dumps(key))
        if "project" in extra:
            credentials.project_id = extra["project"]
        return credentials
